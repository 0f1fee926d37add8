//! Cutting the event log at its old end (R49).

use std::collections::BTreeMap;

use entity::{event, event_floor, event_log, heard_before};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::locked;
use crate::domain::Instant;
use crate::domain::event::Audience;
use crate::store::convert::Stored as _;
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

/// How many old events are read at a time.
const FLOORS: u64 = 500;

/// An old event: its place, its id, its audience, and the publisher, account and pack that it concerns.
type Old = (i64, Uuid, String, Uuid, Option<Uuid>, Uuid);

/// Who heard an event: the publisher, an account by name, all that have a pack installed. Of an audience that this
/// program doesn't know, each of them may have.
fn heard_by((_, _, audience, publisher, account, pack): &Old) -> [Option<Uuid>; 3] {
    match Audience::read(audience) {
        Ok(Audience::Publisher) => [Some(*publisher), None, None],
        Ok(Audience::Account) => [None, *account, None],
        Ok(Audience::PublisherAndAccount) => [Some(*publisher), *account, None],
        Ok(Audience::PublisherAndInstalled) => [Some(*publisher), None, Some(*pack)],
        Err(_) => [Some(*publisher), *account, Some(*pack)],
    }
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
    raise_floors(tx, begin, end).await?;
    let gone = event::Entity::delete_many().filter(event::Column::Sequence.lte(end)).exec(tx.conn()).await?;
    // Who could hear of what is gone alone can hear of nothing.
    heard_before::Entity::delete_many().filter(heard_before::Column::HeardUntil.lte(end)).exec(tx.conn()).await?;
    let row = event_log::ActiveModel { id: Set(1), pruned_to: Set(end) };
    event_log::Entity::update(row).exec(tx.conn()).await?;
    Ok(gone.rows_affected)
}

/// Remembers the last event up to a place for each that heard one.
async fn raise_floors(tx: &Tx, begin: i64, end: i64) -> StoreResult<()> {
    let mut floors = BTreeMap::new();
    let mut after = begin;
    loop {
        let page: Vec<Old> = event::Entity::find()
            .select_only()
            .columns([
                event::Column::Sequence,
                event::Column::Id,
                event::Column::Audience,
                event::Column::PublisherId,
                event::Column::AccountId,
                event::Column::PackId,
            ])
            .filter(event::Column::Sequence.gt(after))
            .filter(event::Column::Sequence.lte(end))
            .order_by_asc(event::Column::Sequence)
            .limit(FLOORS)
            .into_tuple()
            .all(tx.conn())
            .await?;
        let Some(last) = page.last().map(|old| old.0) else { break };
        after = last;
        for old in &page {
            floors.extend(heard_by(old).into_iter().flatten().map(|owner| (owner, (old.0, old.1))));
        }
    }
    let floors: Vec<_> = floors
        .into_iter()
        .map(|(owner, (sequence, id))| event_floor::ActiveModel {
            owner_id: Set(owner),
            sequence: Set(sequence),
            event_id: Set(id),
        })
        .collect();
    for chunk in floors.chunks(500) {
        let raise = OnConflict::column(event_floor::Column::OwnerId)
            .update_columns([event_floor::Column::Sequence, event_floor::Column::EventId])
            .to_owned();
        event_floor::Entity::insert_many(chunk.to_vec()).on_conflict(raise).exec_without_returning(tx.conn()).await?;
    }
    Ok(())
}
