//! Prunes the event log (R49).

use std::collections::BTreeMap;

use entity::{account, event, event_floor, event_log, log_batch, log_record, past_visibility};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait as _, FromQueryResult, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::log::{Audience, next_cutoff};
use crate::store::convert::Stored as _;
use crate::store::locks::locked;
use crate::store::log::audit_retention::remove_batches;
use crate::store::log::{event_traces, record_rows};
use crate::store::tolerant::EventLine;
use crate::store::{StoreError, StoreResult, Tx};

/// Begins a pass that removes old rows, and returns its cutoff time, which counts as the present for the age of rows.
/// If another server's pass is recent, returns the cutoff time of that pass.
pub async fn begin_pass(tx: &Tx, now: Instant) -> StoreResult<Instant> {
    let log = locked(event_log::Entity::find_by_id(1)).one(tx.conn()).await?;
    let log = log.ok_or_else(|| StoreError::Fault("the table event_log is empty".into()))?;
    let last = log.cutoff.zip(log.last_pass_at);
    let before = match last {
        Some((cutoff, _)) => Some(cutoff),
        None => account::Entity::find().order_by_asc(account::Column::Id).one(tx.conn()).await?.map(|m| m.created_at),
    };
    let cutoff_time = next_cutoff(now, before, last.map(|(_, at)| at));
    if last.is_none_or(|(cutoff, _)| cutoff != cutoff_time) {
        let row = event_log::ActiveModel {
            id: Set(1),
            cutoff: Set(Some(cutoff_time)),
            last_pass_at: Set(Some(now)),
            ..Default::default()
        };
        event_log::Entity::update(row).exec(tx.conn()).await?;
    }
    Ok(cutoff_time)
}

/// The number of old events that are read at a time.
const FLOORS: u64 = 500;

/// An old event, without its position.
#[derive(FromQueryResult)]
struct Old {
    id: Uuid,
    audience: String,
    publisher_id: Uuid,
    account_id: Option<Uuid>,
    pack_id: Option<Uuid>,
}

impl Old {
    /// The ids of the readers that could see the event: the publisher, an account, and the pack, for all accounts that
    /// have it installed. If this program doesn't know the audience, it could be all three.
    fn readers(&self) -> [Option<Uuid>; 3] {
        let (publisher, account, pack) = (Some(self.publisher_id), self.account_id, self.pack_id);
        match Audience::read(&self.audience) {
            Ok(Audience::Publisher) => [publisher, None, None],
            Ok(Audience::Account) => [None, account, None],
            Ok(Audience::PublisherAndAccount) => [publisher, account, None],
            Ok(Audience::PublisherAndInstalled) => [publisher, None, pack],
            Err(_) => [publisher, account, pack],
        }
    }
}

#[derive(FromQueryResult)]
struct Happened {
    occurred_at: Instant,
}

/// Removes the oldest events, about `limit` at most, that happened before `before`, and returns their number. Always
/// removes all events up to a position, so that one number decides which cursors are too old. An event with a time
/// after `now`, which comes from a wrong clock, is removed only together with later events. The log's single row is
/// locked, so that only one server prunes at a time.
pub async fn prune_events(tx: &Tx, now: Instant, before: Instant, limit: u64) -> StoreResult<u64> {
    let log = locked(event_log::Entity::find_by_id(1)).one(tx.conn()).await?;
    let begin = log.ok_or_else(|| StoreError::Fault("the table event_log is empty".into()))?.pruned_to;
    let Some((end, count)) = oldest(tx, (begin, limit), now, before).await? else { return Ok(0) };
    raise_floors(tx, begin, end).await?;
    // Records with entries stay for the audit log. `pruned_to` says that their events are pruned.
    let without_entries = Condition::all()
        .add(log_batch::Column::FirstSequence.gt(begin))
        .add(log_batch::Column::FirstSequence.lte(end))
        .add(log_batch::Column::FirstEntry.is_null());
    remove_batches(tx, without_entries).await?;
    event::Entity::delete_many().filter(event::Column::Sequence.lte(end)).exec(tx.conn()).await?;
    event_traces::prune(tx, end).await?;
    // Intervals without stored events are no longer needed.
    past_visibility::Entity::delete_many()
        .filter(past_visibility::Column::VisibleUntil.lte(end))
        .exec(tx.conn())
        .await?;
    let row = event_log::ActiveModel { id: Set(1), pruned_to: Set(end), ..Default::default() };
    event_log::Entity::update(row).exec(tx.conn()).await?;
    Ok(count)
}

/// The position up to which the oldest events happened before `before`, and their number. The number can exceed the
/// limit, because a batch is pruned as a whole.
async fn oldest(tx: &Tx, (begin, limit): (i64, u64), now: Instant, before: Instant) -> StoreResult<Option<(i64, u64)>> {
    use log_batch::Column as B;
    let rows: Vec<EventLine<Happened>> = event::Entity::find()
        .select_only()
        .columns([event::Column::Sequence, event::Column::OccurredAt])
        .filter(event::Column::Sequence.gt(begin))
        .filter(event::Column::OccurredAt.lte(now))
        .order_by_asc(event::Column::Sequence)
        .limit(limit)
        .into_model()
        .all(tx.conn())
        .await?;
    let batches: Vec<(i64, i64, Instant)> = log_batch::Entity::find()
        .select_only()
        .columns([B::FirstSequence, B::LastSequence, B::OccurredAt])
        .filter(B::FirstSequence.gt(begin))
        .filter(B::OccurredAt.lte(now))
        .filter(B::Kind.is_not_null())
        .order_by_asc(B::FirstSequence)
        .limit(limit)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let rows = rows.into_iter().map(|line| (line.sequence, line.sequence, line.read.map(|event| event.occurred_at)));
    let batches = batches.into_iter().map(|(first, last, at)| (first, last, Some(at)));
    let mut all: Vec<_> = rows.chain(batches).collect();
    all.sort_unstable();
    // A row with an unreadable time is pruned only together with an old row after it.
    let old = all.into_iter().take_while(|(.., at)| at.is_none_or(|at| at < before));
    let (mut oldest, mut count) = (None, 0);
    for (first, last, at) in old {
        if count >= limit {
            break;
        }
        count += u64::try_from(last - first + 1).unwrap_or(0);
        if at.is_some() {
            oldest = Some((last, count));
        }
    }
    Ok(oldest)
}

/// The last event of each account in a batch that is pruned, with its position.
async fn recorded(tx: &Tx, batch: &log_batch::Model) -> StoreResult<Vec<(i64, Old)>> {
    use log_record::Column as R;
    let Some(audience) = &batch.audience else { return Ok(Vec::new()) };
    let last: Vec<(Uuid, i64)> = log_record::Entity::find()
        .select_only()
        .column(R::AccountId)
        .column_as(R::Sequence.max(), "last")
        .filter(R::Sequence.between(batch.first_sequence, batch.last_sequence))
        .group_by(R::AccountId)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let ids = record_rows::id_range(batch);
    let old = |(account, sequence): (Uuid, i64)| {
        let position = u32::try_from(sequence - batch.first_sequence).unwrap_or(u32::MAX);
        let old = Old {
            id: ids.id(position),
            audience: audience.clone(),
            publisher_id: batch.publisher_id,
            account_id: Some(account),
            pack_id: Some(batch.pack_id),
        };
        (sequence, old)
    };
    Ok(last.into_iter().map(old).collect())
}

/// Saves the floor of each reader that could see an event up to `end`.
async fn raise_floors(tx: &Tx, begin: i64, end: i64) -> StoreResult<()> {
    let mut floors: BTreeMap<Uuid, (i64, Uuid)> = BTreeMap::new();
    let mut raise = |sequence: i64, old: &Old| {
        for owner in old.readers().into_iter().flatten() {
            let floor = floors.entry(owner).or_default();
            *floor = (sequence, old.id).max(*floor);
        }
    };
    let mut after = begin;
    loop {
        let page: Vec<EventLine<Old>> = event::Entity::find()
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
            .into_model()
            .all(tx.conn())
            .await?;
        let Some(last) = page.last().map(|line| line.sequence) else { break };
        after = last;
        for line in &page {
            let Some(old) = &line.read else { continue };
            raise(line.sequence, old);
        }
    }
    let batches = log_batch::Entity::find()
        .filter(log_batch::Column::FirstSequence.gt(begin))
        .filter(log_batch::Column::FirstSequence.lte(end))
        .filter(log_batch::Column::Kind.is_not_null());
    for batch in batches.all(tx.conn()).await? {
        recorded(tx, &batch).await?.iter().for_each(|(sequence, old)| raise(*sequence, old));
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
