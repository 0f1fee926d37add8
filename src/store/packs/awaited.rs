//! Whether a transaction waits for a pack that others hold.
//!
//! PostgreSQL lets further transactions hold a row that is held already, even if another one has been waiting to lock it.
//! Batches of ranges follow one another without a gap, so a command would wait for as long as the rollout takes. They
//! look at the queue first and let it pass.

use sea_orm::{ConnectionTrait as _, Statement};
use uuid::Uuid;

use crate::domain::id::{PackId, ReleaseId};
use crate::store::{StoreResult, Tx};

/// A look at a pack and a release before the pack is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether another transaction waits to lock the pack.
    pub is_awaited: bool,
    /// Whether the release has a halt rule.
    pub has_rule: bool,
}

/// A transaction that waits for a row has a lock on the row's place in the table (`ctid`) meanwhile.
const SQL: &str = "SELECT EXISTS (
        SELECT 1 FROM pg_locks AS l JOIN integration_pack AS p
            ON l.page = (p.ctid::text::point)[0]::integer AND l.tuple = (p.ctid::text::point)[1]::integer
        WHERE p.id = $1 AND l.locktype = 'tuple' AND l.mode IN ('ExclusiveLock', 'AccessExclusiveLock')
            AND l.relation = 'integration_pack'::regclass
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS is_awaited,
    EXISTS (SELECT 1 FROM pack_release WHERE id = $2 AND halt_hundredths IS NOT NULL) AS has_rule";

/// Looks at a pack and a release, on PostgreSQL.
pub async fn look(tx: &Tx, pack: PackId, release: ReleaseId) -> StoreResult<Look> {
    let values = [Uuid::from(pack).into(), Uuid::from(release).into()];
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), SQL, values);
    let row = tx.conn().query_one_raw(statement).await?;
    let read = |row: sea_orm::QueryResult| {
        Ok(Look { is_awaited: row.try_get("", "is_awaited")?, has_rule: row.try_get("", "has_rule")? })
    };
    row.map_or(Ok(Look { is_awaited: false, has_rule: false }), read)
}
