//! The database's schema, step by step, for both databases. Steps only go forward: a release that
//! must go back restores a backup.

pub use sea_orm_migration::prelude::{DbErr, MigratorTrait};
use sea_orm_migration::prelude::{MigrationTrait, async_trait};

mod m0001_schema;
mod spelling;

/// All steps, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_schema::Migration)]
    }
}
