//! The process library: what is published as a template, with whom it is shared, and the copies.
//!
//! The tables stand in `m0003_library.sql`.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbErr;

use crate::spelling;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_library"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        spelling::run(manager, include_str!("m0003_library.sql")).await
    }
}
