//! Conversion between rows of batches and records and the domain's structs (R49, R51).

use entity::{log_batch, log_record};
use sea_orm::ActiveValue::Set;
use uuid::Uuid;

use crate::domain::installations::UpdateState;
use crate::domain::log::{Audience, Class, EntryClass, EventClass, EventKind, IdRange, Record, VersionAfter};
use crate::store::StoreResult;
use crate::store::convert::{Stored as _, from_json, to_json};

/// The ids of a batch's events and entries.
pub(in crate::store) fn id_range(batch: &log_batch::Model) -> IdRange {
    IdRange::new(batch.id_base, batch.id_seal)
}

/// The class of a batch, without the parts of the two logs.
fn class(batch: &log_batch::Model) -> Class {
    let version = match batch.version_after {
        Some(number) => VersionAfter::Number(number),
        None if batch.version_is_gone => VersionAfter::Gone,
        None => VersionAfter::Same,
    };
    Class {
        publisher_id: batch.publisher_id.into(),
        occurred_at: batch.occurred_at,
        pack_id: batch.pack_id.into(),
        pack_name: batch.pack_name.clone(),
        release_id: batch.release_id.map(Into::into),
        event: None,
        entry: None,
        version,
    }
}

/// The class of a batch with the part of the event log.
pub(in crate::store) fn class_of_events(batch: &log_batch::Model) -> StoreResult<Class> {
    let event = match (&batch.kind, &batch.audience) {
        (Some(kind), Some(audience)) => Some(EventClass {
            kind: EventKind::read(kind)?,
            audience: Audience::read(audience)?,
            update_state: batch.update_state.as_deref().map(UpdateState::read).transpose()?,
        }),
        _ => None,
    };
    Ok(Class { event, ..class(batch) })
}

/// The class of a batch with the part of the audit log.
pub(in crate::store) fn class_of_entries(batch: &log_batch::Model) -> StoreResult<Class> {
    let entry = match &batch.action {
        Some(action) => Some(EntryClass {
            action: action.clone(),
            for_account: batch.for_account,
            changes: from_json(&batch.changes)?,
        }),
        None => None,
    };
    Ok(Class { entry, ..class(batch) })
}

/// The domain's record from its row.
pub(in crate::store) fn record(m: log_record::Model) -> Record {
    Record {
        account_id: m.account_id.into(),
        installation_id: m.installation_id.map(Into::into),
        version_before: m.version_before,
        name: m.name,
    }
}

/// The positions of a batch in both logs, its ids, and the seal of the ids.
pub(in crate::store) struct BatchPosition {
    pub(in crate::store) first_sequence: i64,
    pub(in crate::store) last_sequence: i64,
    pub(in crate::store) first_entry: Option<i64>,
    pub(in crate::store) ids: (IdRange, Uuid),
}

/// The row of a batch: the common part of the events and entries of `class`.
pub(in crate::store) fn batch(class: &Class, position: &BatchPosition) -> StoreResult<log_batch::ActiveModel> {
    let (event, entry) = (class.event, class.entry.as_ref());
    let (ids, seal) = position.ids;
    Ok(log_batch::ActiveModel {
        first_sequence: Set(position.first_sequence),
        last_sequence: Set(position.last_sequence),
        first_entry: Set(position.first_entry),
        id_base: Set(ids.base()),
        id_seal: Set(seal),
        publisher_id: Set(class.publisher_id.into()),
        occurred_at: Set(class.occurred_at),
        pack_id: Set(class.pack_id.into()),
        pack_name: Set(class.pack_name.clone()),
        release_id: Set(class.release_id.map(Into::into)),
        kind: Set(event.map(|event| event.kind.stored().into())),
        audience: Set(event.map(|event| event.audience.stored().into())),
        update_state: Set(event.and_then(|event| event.update_state).map(|state| state.stored().into())),
        action: Set(entry.map(|entry| entry.action.clone())),
        for_account: Set(entry.is_some_and(|entry| entry.for_account)),
        changes: Set(to_json(&entry.map_or(&[][..], |entry| &entry.changes))?),
        version_after: Set(match class.version {
            VersionAfter::Number(number) => Some(number),
            VersionAfter::Same | VersionAfter::Gone => None,
        }),
        version_is_gone: Set(class.version == VersionAfter::Gone),
    })
}
