//! The database's own clock.

use sea_orm::{ConnectionTrait as _, Statement};

use super::{DatabaseKind, StoreError, StoreResult, WholeServer};
use crate::domain::Instant;

/// The time of PostgreSQL's clock; `None` for SQLite, which has no clock of its own: all its processes use the same
/// machine's clock.
pub async fn now(server: &WholeServer) -> StoreResult<Option<Instant>> {
    if server.kind() == DatabaseKind::Sqlite {
        return Ok(None);
    }
    let ask = Statement::from_string(server.conn().get_database_backend(), "SELECT clock_timestamp() AS reads");
    let row = server
        .conn()
        .query_one_raw(ask)
        .await?
        .ok_or_else(|| StoreError::Fault("the query of the time returned no row".into()))?;
    Ok(Some(row.try_get("", "reads")?))
}
