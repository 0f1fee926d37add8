//! Rows that this program can't read, as a newer version or a fault of the disk leaves them.

use sea_orm::ConnectionTrait as _;
use uuid::Uuid;

use super::TestApp;
use super::rows::tables;

/// An id as a literal of SQL.
pub(crate) fn id_literal(app: &TestApp, id: Uuid) -> String {
    if app.is_postgresql() { format!("'{id}'") } else { format!("x'{}'", id.simple()) }
}

/// An invalid time as a literal of SQL. SQLite stores any text, PostgreSQL has an infinite time.
pub(crate) fn no_instant(app: &TestApp) -> &'static str {
    if app.is_postgresql() { "'infinity'" } else { "'garbage'" }
}

/// Sets a column of the rows for which a condition of SQL is true to a literal of SQL.
pub(crate) async fn damage(app: &TestApp, table: &str, column: &str, value: &str, which: &str) {
    let statement = format!("UPDATE {table} SET {column} = {value} WHERE {which}");
    tables(app).execute_unprepared(&statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
}
