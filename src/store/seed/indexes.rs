//! Indexes, keys and foreign keys are dropped while a data set is loaded, because they slow it down. They are created
//! again from the database's own definitions, and the database then checks all rows at once.

use sea_orm::{ConnectionTrait as _, FromQueryResult, Statement};

use crate::store::{StoreResult, Tx};

/// Only indexes with a definition: SQLite can't drop the index of a table's key or UNIQUE constraint.
const ON_SQLITE: &str =
    "SELECT name, sql AS definition FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name";
const ON_POSTGRESQL: &str = "SELECT indexname::text AS name, indexdef AS definition FROM pg_indexes
    WHERE schemaname = current_schema() AND NOT EXISTS (SELECT 1 FROM pg_constraint
        WHERE conname = indexname AND contype IN ('p', 'u', 'x')) ORDER BY indexname";

/// Foreign keys first, because a key can't be dropped while a foreign key refers to it.
const CONSTRAINTS_ON_POSTGRESQL: &str =
    "SELECT conrelid::regclass::text AS of, conname::text AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE contype IN ('f', 'p', 'u') AND connamespace = current_schema()::regnamespace
    ORDER BY contype = 'f' DESC, contype, 1, 2";

#[derive(FromQueryResult)]
struct Index {
    name: String,
    definition: String,
}

#[derive(FromQueryResult)]
struct Constraint {
    of: String,
    name: String,
    definition: String,
}

/// Drops indexes and constraints, and returns the statements that create them again, in order.
pub(in crate::store) async fn drop(tx: &Tx) -> StoreResult<Vec<String>> {
    let conn = tx.conn();
    let sql = if tx.is_postgresql() { ON_POSTGRESQL } else { ON_SQLITE };
    let found = conn.query_all_raw(Statement::from_string(conn.get_database_backend(), sql)).await?;
    let mut made_again = Vec::with_capacity(found.len());
    for row in found {
        let index = Index::from_query_result(&row, "")?;
        conn.execute_unprepared(&format!("DROP INDEX \"{}\"", index.name)).await?;
        made_again.push(index.definition);
    }
    if tx.is_postgresql() {
        made_again.extend(drop_constraints(tx).await?);
    }
    Ok(made_again)
}

async fn drop_constraints(tx: &Tx) -> StoreResult<Vec<String>> {
    let conn = tx.conn();
    let sql = Statement::from_string(conn.get_database_backend(), CONSTRAINTS_ON_POSTGRESQL);
    let mut made_again = Vec::new();
    for row in conn.query_all_raw(sql).await? {
        let Constraint { of, name, definition } = Constraint::from_query_result(&row, "")?;
        conn.execute_unprepared(&format!("ALTER TABLE {of} DROP CONSTRAINT \"{name}\"")).await?;
        made_again.push(format!("ALTER TABLE {of} ADD CONSTRAINT \"{name}\" {definition}"));
    }
    // Keys must exist before the foreign keys that refer to them.
    made_again.reverse();
    Ok(made_again)
}
