//! Cutting the event log at its old end (R49).

use entity::{event, event_log, heard_before};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::locked;
use crate::domain::Instant;
use crate::store::{Db, StoreError, StoreResult, Tx};

/// When the oldest event of the log happened. One that lies in the future was told by a clock that was ahead, and says
/// nothing of its age.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn oldest_event(db: &Db, now: Instant) -> StoreResult<Option<Instant>> {
    let log = event_log::Entity::find_by_id(1).one(db.reader()).await?;
    let oldest = event::Entity::find()
        .select_only()
        .column(event::Column::OccurredAt)
        .filter(event::Column::Sequence.gt(log.map_or(0, |log| log.pruned_to)))
        .filter(event::Column::OccurredAt.lte(now))
        .order_by_asc(event::Column::Sequence)
        .limit(1);
    Ok(oldest.into_tuple().one(db.reader()).await?)
}

/// Removes the oldest events, at most `limit`, as far as they happened before an instant, and remembers up to
/// where; gives how many. One that lies in the future by `now` goes with those after it. What is removed is always the whole of the log up to a place, so that one number
/// tells whose cursor is too old. The log's one row is locked: one server after the other.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn prune_events(tx: &Tx, now: Instant, before: Instant, limit: u64) -> StoreResult<u64> {
    let log = locked(event_log::Entity::find_by_id(1)).one(tx.conn()).await?;
    let begin = log.ok_or_else(|| StoreError::Fault("the table event_log is empty".into()))?.pruned_to;
    let oldest: Vec<(i64, Instant)> = event::Entity::find()
        .select_only()
        .columns([event::Column::Sequence, event::Column::OccurredAt])
        .filter(event::Column::Sequence.gt(begin))
        .filter(event::Column::OccurredAt.lte(now))
        .order_by_asc(event::Column::Sequence)
        .limit(limit)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let Some((end, _)) = oldest.into_iter().take_while(|(_, at)| *at < before).last() else { return Ok(0) };
    let gone = event::Entity::delete_many().filter(event::Column::Sequence.lte(end)).exec(tx.conn()).await?;
    // Who could hear of what is gone alone can hear of nothing.
    heard_before::Entity::delete_many().filter(heard_before::Column::HeardUntil.lte(end)).exec(tx.conn()).await?;
    let row = event_log::ActiveModel { id: Set(1), pruned_to: Set(end) };
    event_log::Entity::update(row).exec(tx.conn()).await?;
    Ok(gone.rows_affected)
}
