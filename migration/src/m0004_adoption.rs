//! How releases spread: tallies of their updates, for a curve that reads no installation.
//!
//! The table stands in `m0004_adoption.sql`, with the tallies of what there was before it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbErr;

use crate::spelling;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_adoption"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        spelling::run(manager, include_str!("m0004_adoption.sql")).await
    }
}
