//! The database's schema, step by step, for both databases. Steps only go forward: a release that
//! must go back restores a backup.

pub use sea_orm_migration::prelude::{DbErr, MigratorTrait};
use sea_orm_migration::prelude::{MigrationTrait, async_trait};

mod m0001_lifecycle;
mod m0002_logs;
mod m0003_library;
mod m0004_adoption;
mod m0005_deletion;
mod m0006_audit;
mod m0007_rotation;
mod spelling;

/// All steps, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_lifecycle::Migration),
            Box::new(m0002_logs::Migration),
            Box::new(m0003_library::Migration),
            Box::new(m0004_adoption::Migration),
            Box::new(m0005_deletion::Migration),
            Box::new(m0006_audit::Migration),
            Box::new(m0007_rotation::Migration),
        ]
    }
}
