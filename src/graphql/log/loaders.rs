//! The loaders for the event log and the audit log.

use crate::domain::id::{AuditEntryId, EventId};
use crate::domain::log::{AuditEntry, Event, Hash};
use crate::graphql::batch::{Base, Batch};
use crate::store::log::{audit, events, hashes};

/// Loaders of the logs, for both kinds of callers.
pub struct LogLoaders {
    pub events: Batch<EventId, Event>,
    pub audit_entries: Batch<AuditEntryId, AuditEntry>,
    /// The hashes of sealed entries.
    pub hashes: Batch<AuditEntryId, Hash>,
}

impl LogLoaders {
    pub(in crate::graphql) fn new(base: &Base) -> Self {
        Self {
            events: Batch::scoped(base, async |snapshot, ids| events::by_ids(&snapshot, &ids).await),
            audit_entries: Batch::scoped(base, async |snapshot, ids| audit::by_ids(&snapshot, &ids).await),
            hashes: Batch::scoped(base, async |snapshot, ids| hashes::by_ids(&snapshot, &ids).await),
        }
    }
}
