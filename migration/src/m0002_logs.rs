//! The second step: the event log can be cut at its old end, and both logs are read by what they are filtered by.

use sea_orm_migration::prelude::*;

use crate::spelling;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_logs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        spelling::run(manager, include_str!("m0002_logs.sql")).await
    }
}
