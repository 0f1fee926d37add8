//! The traces in which events were appended, so that the deliveries of the events continue these traces. Transactions
//! without a recorded trace have no rows.

use entity::event_trace::{ActiveModel, Column, Entity};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use crate::domain::log::Position;
use crate::store::{StoreResult, Tx, WholeServer};
use crate::traces::Context;

/// Saves the trace of the events from `first` to `last`.
pub(in crate::store) async fn insert(tx: &Tx, first: i64, last: i64, trace_parent: String) -> StoreResult<()> {
    let row = ActiveModel { last_sequence: Set(last), first_sequence: Set(first), trace_parent: Set(trace_parent) };
    Entity::insert(row).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// Deletes the traces of events up to a position.
pub(in crate::store) async fn prune(tx: &Tx, end: i64) -> StoreResult<()> {
    Entity::delete_many().filter(Column::LastSequence.lte(end)).exec(tx.conn()).await?;
    Ok(())
}

/// The trace of an event.
pub async fn of_event(server: &WholeServer, position: Position) -> StoreResult<Option<Context>> {
    let found = Entity::find()
        .filter(Column::LastSequence.gte(position.sequence))
        .order_by_asc(Column::LastSequence)
        .one(server.conn())
        .await?;
    let kept = found.filter(|row| row.first_sequence <= position.sequence);
    Ok(kept.and_then(|row| Context::parse(&row.trace_parent, None)))
}
