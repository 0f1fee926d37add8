//! Which token was rotated already, and what took its place (R1).

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbErr;

use crate::spelling;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0007_rotation"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        spelling::run(manager, "ALTER TABLE api_token ADD COLUMN replaced_by $uuid").await
    }
}
