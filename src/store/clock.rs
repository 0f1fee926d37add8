//! The database's own clock.

use sea_orm::{ConnectionTrait as _, Statement};

use super::{DatabaseKind, Db, StoreError, StoreResult};
use crate::domain::Instant;

/// What PostgreSQL's clock reads. SQLite has none: whoever opens its file goes by the clock of the same machine.
pub async fn now(db: &Db) -> StoreResult<Option<Instant>> {
    if db.kind() == DatabaseKind::Sqlite {
        return Ok(None);
    }
    let ask = Statement::from_string(db.reader().get_database_backend(), "SELECT clock_timestamp() AS reads");
    let row = db.reader().query_one_raw(ask).await?.ok_or_else(|| StoreError::Fault("no clock".into()))?;
    Ok(Some(row.try_get("", "reads")?))
}
