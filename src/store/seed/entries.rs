//! The audit log of a loaded data set. Entries are added pack by pack into a temporary table. At the end they are
//! numbered in the order of their instants, like entries that were written at those instants.

use entity::audit_entry::{Column, Entity};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, IdenStatic as _, Iterable as _, QueryTrait as _};

use crate::domain::log::Recorded;
use crate::store::log::journal::entry_row;
use crate::store::{StoreResult, Tx};

/// The temporary table.
const WAITING: &str = "audit_load";

/// The number of rows that one statement writes.
const CHUNK: usize = 500;

/// Creates the temporary table.
pub(in crate::store) async fn begin(tx: &Tx) -> StoreResult<()> {
    let sql = format!("CREATE TEMPORARY TABLE {WAITING} AS SELECT * FROM audit_entry WHERE 1 = 0");
    tx.conn().execute_unprepared(&sql).await?;
    Ok(())
}

/// Adds entries to the temporary table.
pub(in crate::store) async fn insert(tx: &Tx, entries: Vec<Recorded>) -> StoreResult<()> {
    if tx.is_postgresql() {
        let rows = entries.iter().map(entry_row).collect::<StoreResult<Vec<_>>>()?;
        return crate::store::seed::copy::insert(tx, WAITING, &rows).await;
    }
    for chunk in entries.chunks(CHUNK) {
        let rows = chunk.iter().map(entry_row).collect::<StoreResult<Vec<_>>>()?;
        let mut insert = Entity::insert_many(rows).into_query();
        insert.into_table(WAITING);
        tx.conn().execute(&insert).await?;
    }
    Ok(())
}

/// Moves all entries to the audit log in their final order, and fills the table of hours.
pub(in crate::store) async fn finish(tx: &Tx) -> StoreResult<()> {
    let columns: Vec<_> = Column::iter().filter(|c| !matches!(c, Column::Sequence)).map(|c| c.as_str()).collect();
    let columns = columns.join(", ");
    // The number of hours since 1970. Each database needs its own expression.
    let hour = if tx.is_postgresql() {
        "FLOOR(EXTRACT(EPOCH FROM occurred_at) / 3600)::bigint"
    } else {
        "CAST(strftime('%s', occurred_at) AS INTEGER) / 3600"
    };
    for sql in [
        format!("INSERT INTO audit_entry ({columns}) SELECT {columns} FROM {WAITING} ORDER BY occurred_at, id"),
        format!(
            "INSERT INTO audit_hour (hour, first_sequence, last_sequence)
             SELECT {hour}, MIN(sequence), MAX(sequence) FROM audit_entry GROUP BY 1"
        ),
        format!("DROP TABLE {WAITING}"),
    ] {
        tx.conn().execute_unprepared(&sql).await?;
    }
    Ok(())
}
