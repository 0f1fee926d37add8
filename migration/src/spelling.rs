//! The SQL of a migration is written once. Types that the databases spell differently are placeholders in it, which
//! this module fills in.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

/// The spelling of each placeholder.
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
            // A primary key of this type is the table's own order, and has no index beside it.
            ("$number", "integer"),
            ("$half_full", ""),
        ],
    }
}

/// Runs a step's statements, each type as the database spells it.
pub(crate) async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    let types = types(manager.get_database_backend());
    let sql = types.into_iter().fold(sql.to_owned(), |sql, (name, spelt)| sql.replace(name, spelt));
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}
