//! The event log and the audit log, written in the transaction that changes the state (R49, R51).

use std::collections::BTreeMap;

use entity::{audit_entry, event};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, Statement};

use super::ActorColumns;
use crate::domain::Instant;
use crate::domain::audit::Recorded;
use crate::domain::event::NewEvent;
use crate::store::convert::{Stored as _, to_json};
use crate::store::event_log::extent_for;
use crate::store::{StoreResult, Tx};

/// The key of the advisory lock under which places in the log are given: any number, the same for all.
const LOG_LOCK: i64 = 0x0070_6163_6b6c_6f67;

/// How many rows go into one statement: SQLite takes 32,766 values, PostgreSQL 65,535.
const CHUNK: usize = 500;

/// Appends audit entries and events, in this order. Places in both logs are given in the order of commits:
/// PostgreSQL's sequences alone don't do that, so one transaction at a time appends. Call it last.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn append(tx: &Tx, entries: Vec<Recorded>, events: Vec<NewEvent>) -> StoreResult<()> {
    if entries.is_empty() && events.is_empty() {
        return Ok(());
    }
    if tx.is_postgresql() {
        tx.conn().execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOG_LOCK})")).await?;
    }
    append_entries(tx, entries).await?;
    append_events(tx, events).await
}

async fn append_events(tx: &Tx, events: Vec<NewEvent>) -> StoreResult<()> {
    if events.is_empty() {
        return Ok(());
    }
    tx.tell();
    for chunk in events.chunks(CHUNK) {
        let rows = chunk.iter().map(event_row).collect::<StoreResult<Vec<_>>>()?;
        event::Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    }
    Ok(())
}

fn event_row(new: &NewEvent) -> StoreResult<event::ActiveModel> {
    let actor = ActorColumns::from(&new.actor);
    Ok(event::ActiveModel {
        sequence: sea_orm::ActiveValue::NotSet,
        id: Set(new.id.into()),
        kind: Set(new.kind.stored().into()),
        audience: Set(new.audience.stored().into()),
        publisher_id: Set(new.publisher_id.into()),
        account_id: Set(new.account_id.map(Into::into)),
        pack_id: Set(new.pack_id.into()),
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

async fn append_entries(tx: &Tx, entries: Vec<Recorded>) -> StoreResult<()> {
    let mut of_hours: BTreeMap<i64, i64> = BTreeMap::new();
    for entry in &entries {
        *of_hours.entry(hour_of(entry.occurred_at)).or_default() += 1;
    }
    for chunk in entries.chunks(CHUNK) {
        let rows = chunk.iter().map(entry_row).collect::<StoreResult<Vec<_>>>()?;
        audit_entry::Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    }
    // All at the end of the log, in whatever order: an hour may reach further than its entries do.
    let total: i64 = of_hours.values().sum();
    for hour in of_hours.into_keys() {
        save_hour(tx, hour, total).await?;
    }
    Ok(())
}

/// The hour of an instant, counted since 1970.
pub(in crate::store) fn hour_of(at: Instant) -> i64 {
    at.timestamp().div_euclid(3600)
}

/// Remembers that the last entries of the log, as many as `count`, are of an hour.
async fn save_hour(tx: &Tx, hour: i64, count: i64) -> StoreResult<()> {
    // SQLite can't tell ON CONFLICT from a join without a WHERE before it.
    let sql = "INSERT INTO audit_hour (hour, first_sequence, last_sequence)
        SELECT $1, MAX(sequence) - $2 + 1, MAX(sequence) FROM audit_entry WHERE TRUE
        ON CONFLICT (hour) DO UPDATE SET last_sequence = excluded.last_sequence";
    let backend = tx.conn().get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, [hour.into(), count.into()]);
    tx.conn().execute_raw(statement).await?;
    Ok(())
}

/// The row of an entry, without its place.
pub(super) fn entry_row(new: &Recorded) -> StoreResult<audit_entry::ActiveModel> {
    let actor = ActorColumns::from(&new.actor);
    let own = new.own_subject.as_ref();
    Ok(audit_entry::ActiveModel {
        sequence: sea_orm::ActiveValue::NotSet,
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

/// Where the log ends for this transaction.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn head(tx: &Tx) -> StoreResult<i64> {
    Ok(extent_for(tx.conn()).await?.end)
}
