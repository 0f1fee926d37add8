//! The first migration, which creates all tables and indexes. The SQL is in `m0001_schema.sql`.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DatabaseBackend, DbErr, Statement};

use crate::spelling;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_schema"
    }
}

const TABLES: &str = include_str!("m0001_schema.sql");

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        // PostgreSQL uses a transaction by itself, SQLite only on request.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        spelling::run(manager, TABLES).await?;
        let mut secret = vec![0_u8; 32];
        getrandom::fill(&mut secret).map_err(|e| DbErr::Custom(format!("no randomness for the cursor secret: {e}")))?;
        let insert = Statement::from_sql_and_values(
            backend,
            match backend {
                DatabaseBackend::Postgres => "INSERT INTO server_secret (id, secret) VALUES (1, $1)",
                _ => "INSERT INTO server_secret (id, secret) VALUES (1, ?)",
            },
            [secret.into()],
        );
        manager.get_connection().execute_raw(insert).await?;
        Ok(())
    }
}
