//! What the deletion of packs looks for (R47).

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbErr;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_deletion"
    }
}

/// A publisher's deleted packs, that what still hangs on them is hidden by.
const INDEX: &str = "CREATE INDEX pack_deleted ON integration_pack (publisher_id, id) WHERE deleted_at IS NOT NULL";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(INDEX).await?;
        Ok(())
    }
}
