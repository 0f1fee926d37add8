//! A migration has the same SQL for both databases. Where SQLite and PostgreSQL need different types or options, the
//! SQL has placeholders such as `$uuid`, which this module replaces.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

/// Each placeholder with its replacement for a database.
fn types(backend: DatabaseBackend) -> [(&'static str, &'static str); 7] {
    match backend {
        DatabaseBackend::Postgres => [
            ("$uuid", "uuid"),
            ("$bytes", "bytea"),
            ("$instant", "timestamptz"),
            ("$key", "text COLLATE \"C\""),
            ("$serial", "bigserial PRIMARY KEY"),
            ("$number", "bigint"),
            ("$half_full", "WITH (fillfactor = 50)"),
        ],
        _ => [
            ("$uuid", "blob"),
            ("$bytes", "blob"),
            ("$instant", "text"),
            ("$key", "text"),
            ("$serial", "integer PRIMARY KEY AUTOINCREMENT"),
            // SQLite stores a table in the order of a primary key of this type, without a separate index.
            ("$number", "integer"),
            ("$half_full", ""),
        ],
    }
}

/// Runs a migration's statements, after replacing the placeholders.
pub(crate) async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    let types = types(manager.get_database_backend());
    let sql = types.into_iter().fold(sql.to_owned(), |sql, (name, spelt)| sql.replace(name, spelt));
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}
