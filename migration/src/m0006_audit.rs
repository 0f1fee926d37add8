//! The audit log as its two readers know it: what each may be told of an entry, and an index for whatever it
//! is filtered by (R51).

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

use crate::spelling;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0006_audit"
    }
}

/// The id of an account as an entry spells its subject's.
fn account_as_text(backend: DatabaseBackend) -> &'static str {
    match backend {
        DatabaseBackend::Postgres => "account_id::text",
        _ => {
            "lower(substr(hex(account_id), 1, 8) || '-' || substr(hex(account_id), 9, 4) || '-' || \
             substr(hex(account_id), 13, 4) || '-' || substr(hex(account_id), 17, 4) || '-' || \
             substr(hex(account_id), 21))"
        }
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let account = account_as_text(manager.get_database_backend());
        spelling::run(manager, &include_str!("m0006_audit.sql").replace("$account", account)).await
    }
}
