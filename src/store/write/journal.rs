//! The event log and the audit log, written in the transaction that changes the state (R49, R51).

use entity::{audit_entry, event};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};

use super::ActorColumns;
use crate::domain::audit::Recorded;
use crate::domain::event::NewEvent;
use crate::store::convert::{Stored as _, to_json};
use crate::store::event_log::extent_for;
use crate::store::{StoreResult, Tx};

/// The key of the advisory lock under which places in the log are given: any number, the same for all.
const LOG_LOCK: i64 = 0x0070_6163_6b6c_6f67;

/// How many rows go into one statement: SQLite takes 32,766 values, PostgreSQL 65,535.
const CHUNK: usize = 500;

/// Appends events, in this order. Places in the log are given in the order of commits: PostgreSQL's
/// sequences alone don't do that, so one transaction at a time appends. Call it last.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn append_events(tx: &Tx, events: Vec<NewEvent>) -> StoreResult<()> {
    if events.is_empty() {
        return Ok(());
    }
    tx.tell();
    if tx.is_postgresql() {
        tx.conn().execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOG_LOCK})")).await?;
    }
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
        release_id: Set(new.release_id.map(Into::into)),
        installation_id: Set(new.installation_id.map(Into::into)),
        update_state: Set(new.update_state.map(|s| s.stored().into())),
        component_version_id: Set(new.component_version_id.map(Into::into)),
        group_id: Set(new.group_id.map(Into::into)),
        data: Set(to_json(&new.data)?),
    })
}

/// Appends audit entries.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn append_entries(tx: &Tx, entries: Vec<Recorded>) -> StoreResult<()> {
    for chunk in entries.chunks(CHUNK) {
        let rows = chunk.iter().map(entry_row).collect::<StoreResult<Vec<_>>>()?;
        audit_entry::Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    }
    Ok(())
}

fn entry_row(new: &Recorded) -> StoreResult<audit_entry::ActiveModel> {
    let actor = ActorColumns::from(&new.actor);
    let own = new.own_subject.as_ref();
    Ok(audit_entry::ActiveModel {
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
