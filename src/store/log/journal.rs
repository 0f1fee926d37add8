//! Appends to the event log and the audit log, in the transaction that changes the state (R49, R51).

use std::collections::BTreeSet;

use entity::{audit_entry, event};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ConnectionTrait, EntityTrait, Statement};

use crate::domain::Instant;
use crate::domain::log::{NewEvent, Recorded};
use crate::store::convert::{Stored as _, to_json};
use crate::store::locks::ActorColumns;
use crate::store::log::event_log::extent;
use crate::store::log::event_traces;
use crate::store::log::write_records as records;
pub use crate::store::log::write_records::RecordBatch;
use crate::store::log::write_records::{Log, PositionedBatch};
use crate::store::{StoreResult, Tx};
use crate::traces;

/// The key of the advisory lock under which positions in the logs are assigned. The number is arbitrary, but the same
/// for all servers.
const LOG_LOCK: i64 = 0x0070_6163_6b6c_6f67;

/// The number of rows in one statement. SQLite accepts 32,766 values, and PostgreSQL 65,535.
const CHUNK: usize = 500;

/// An addition to the logs.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a transaction has few: what is alike is one batch of records")]
pub enum Addition {
    Event(NewEvent),
    Entry(Recorded),
    /// An event, an audit entry, or both, for each of many installations that change in the same way.
    RecordBatch(RecordBatch),
}

/// Appends all additions to both logs, in the given order. Positions in both must follow the order of commits.
/// PostgreSQL's sequences don't ensure that, so only one transaction at a time appends. Call it last, because the
/// lock is held until the transaction ends.
pub async fn append(tx: &Tx, additions: Vec<Addition>) -> StoreResult<()> {
    if additions.is_empty() {
        return Ok(());
    }
    if tx.is_postgresql() {
        tx.conn().execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOG_LOCK})")).await?;
    }
    let trace = traces::recorded_parent();
    let positions = Positions::of(tx, &additions, trace.is_some()).await?;
    if positions.entries > 0 {
        tx.appends_entries();
    }
    let (mut entries, mut events, mut batches) = (Vec::new(), Vec::new(), Vec::new());
    let (mut next_event, mut next_entry) = (positions.first_event, positions.first_entry);
    for one in additions {
        match one {
            Addition::Event(event) => {
                let row = event_row(&event)?;
                events.push(event::ActiveModel { sequence: next(&mut next_event, 1).map_or(NotSet, Set), ..row });
            }
            Addition::Entry(entry) => {
                let row = entry_row(&entry)?;
                entries
                    .push(audit_entry::ActiveModel { sequence: next(&mut next_entry, 1).map_or(NotSet, Set), ..row });
            }
            Addition::RecordBatch(record_batch) => {
                let count = length(&record_batch);
                let first = next(&mut next_event, count);
                let first_entry = record_batch.class.entry.is_some().then(|| next(&mut next_entry, count)).flatten();
                batches.extend(first.map(|first_sequence| PositionedBatch {
                    record_batch,
                    first_sequence,
                    first_entry,
                }));
            }
        }
    }
    for chunk in entries.chunks(CHUNK) {
        audit_entry::Entity::insert_many(chunk.to_vec()).exec_without_returning(tx.conn()).await?;
    }
    save_hours(tx, &positions).await?;
    if !events.is_empty() || batches.iter().any(|positioned| positioned.record_batch.class.event.is_some()) {
        tx.announces();
    }
    for chunk in events.chunks(CHUNK) {
        event::Entity::insert_many(chunk.to_vec()).exec_without_returning(tx.conn()).await?;
    }
    if !batches.is_empty() {
        records::insert(tx, &batches).await?;
    }
    match (trace, positions.first_event, next_event) {
        (Some(trace), Some(first), Some(next)) if next > first => {
            event_traces::insert(tx, first, next - 1, trace).await
        }
        _ => Ok(()),
    }
}

fn next(position: &mut Option<i64>, count: i64) -> Option<i64> {
    let first = *position;
    *position = first.map(|first| first + count);
    first
}

fn length(record_batch: &RecordBatch) -> i64 {
    i64::try_from(record_batch.records.len()).unwrap_or(i64::MAX)
}

/// Positions for the additions. The database assigns positions to rows, unless the additions have a batch or a trace.
struct Positions {
    first_event: Option<i64>,
    first_entry: Option<i64>,
    entries: i64,
    /// The hours of the entries, as numbers since 1970.
    hours: BTreeSet<i64>,
}

impl Positions {
    async fn of(tx: &Tx, additions: &[Addition], has_trace: bool) -> StoreResult<Self> {
        let mut positions = Self { first_event: None, first_entry: None, entries: 0, hours: BTreeSet::new() };
        let (mut events, mut has_batches) = (0, false);
        for one in additions {
            match one {
                Addition::Event(_) => events += 1,
                Addition::Entry(entry) => positions.count_entries(1, entry.occurred_at),
                Addition::RecordBatch(record_batch) => {
                    has_batches = true;
                    events += length(record_batch);
                    if record_batch.class.entry.is_some() {
                        positions.count_entries(length(record_batch), record_batch.class.occurred_at);
                    }
                }
            }
        }
        if has_batches || has_trace && events > 0 {
            positions.first_event = Some(records::reserve_positions(tx, Log::Events, events).await?);
            if has_batches && positions.entries > 0 {
                positions.first_entry = Some(records::reserve_positions(tx, Log::Entries, positions.entries).await?);
            }
        }
        Ok(positions)
    }

    fn count_entries(&mut self, count: i64, occurred_at: Instant) {
        self.entries += count;
        self.hours.insert(hour_of(occurred_at));
    }
}

fn event_row(new: &NewEvent) -> StoreResult<event::ActiveModel> {
    let actor = ActorColumns::from(&new.actor);
    Ok(event::ActiveModel {
        sequence: NotSet,
        id: Set(new.id.into()),
        kind: Set(new.kind.stored().into()),
        audience: Set(new.audience.stored().into()),
        publisher_id: Set(new.publisher_id.into()),
        account_id: Set(new.account_id.map(Into::into)),
        pack_id: Set(new.pack_id.map(Into::into)),
        pack_name: Set(new.pack_name.clone()),
        occurred_at: Set(new.occurred_at),
        actor_kind: Set(actor.kind),
        actor_name: Set(actor.name),
        actor_token_id: Set(actor.token_id),
        actor_account_id: Set(actor.account_id),
        actor_account_name: Set(new.actor_account_name.clone()),
        release_id: Set(new.release_id.map(Into::into)),
        installation_id: Set(new.installation_id.map(Into::into)),
        update_state: Set(new.update_state.map(|s| s.stored().into())),
        component_version_id: Set(new.component_version_id.map(Into::into)),
        group_id: Set(new.group_id.map(Into::into)),
        data: Set(to_json(&new.data)?),
    })
}

/// The hour of an instant, as a number since 1970.
pub(in crate::store) fn hour_of(at: Instant) -> i64 {
    at.timestamp().div_euclid(3600)
}

/// Saves the positions of the newest entries for each of their hours. The entries aren't sorted by hour, so each hour
/// gets the positions of all of them.
async fn save_hours(tx: &Tx, positions: &Positions) -> StoreResult<()> {
    let backend = tx.conn().get_database_backend();
    for hour in &positions.hours {
        let statement = match positions.first_entry {
            Some(first) => {
                let sql = "INSERT INTO audit_hour (hour, first_sequence, last_sequence) VALUES ($1, $2, $3)
                    ON CONFLICT (hour) DO UPDATE SET last_sequence = excluded.last_sequence";
                let last = first + positions.entries - 1;
                Statement::from_sql_and_values(backend, sql, [(*hour).into(), first.into(), last.into()])
            }
            None => {
                // SQLite's parser needs the WHERE to distinguish ON CONFLICT from a join.
                let sql = "INSERT INTO audit_hour (hour, first_sequence, last_sequence)
                    SELECT $1, MAX(sequence) - $2 + 1, MAX(sequence) FROM audit_entry WHERE TRUE
                    ON CONFLICT (hour) DO UPDATE SET last_sequence = excluded.last_sequence";
                Statement::from_sql_and_values(backend, sql, [(*hour).into(), positions.entries.into()])
            }
        };
        tx.conn().execute_raw(statement).await?;
    }
    Ok(())
}

/// The row of an entry, without its position.
pub(in crate::store) fn entry_row(new: &Recorded) -> StoreResult<audit_entry::ActiveModel> {
    let actor = ActorColumns::from(&new.actor);
    let own = new.own_subject.as_ref();
    Ok(audit_entry::ActiveModel {
        sequence: NotSet,
        id: Set(new.id.into()),
        publisher_id: Set(new.publisher_id.into()),
        account_id: Set(new.account_id.map(Into::into)),
        occurred_at: Set(new.occurred_at),
        actor_kind: Set(actor.kind),
        actor_name: Set(actor.name),
        actor_token_id: Set(actor.token_id),
        actor_account_id: Set(actor.account_id),
        actor_account_name: Set(new.actor_account_name.clone()),
        action: Set(new.action.clone()),
        subject_type: Set(new.subject.key.type_name.clone()),
        subject_id: Set(new.subject.key.id.clone()),
        subject_name: Set(new.subject.name.clone()),
        own_subject_type: Set(own.map(|subject| subject.key.type_name.clone())),
        own_subject_id: Set(own.map(|subject| subject.key.id.clone())),
        own_subject_name: Set(own.and_then(|subject| subject.name.clone())),
        changes: Set(to_json(&new.changes)?),
        request_id: Set(new.request_id.clone()),
    })
}

/// The end of the event log, as this transaction sees it.
pub async fn head(tx: &Tx) -> StoreResult<i64> {
    Ok(extent(tx).await?.end)
}
