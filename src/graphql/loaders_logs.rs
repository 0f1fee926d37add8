//! The loaders for the event log and the audit log.

use super::loaders::{Base, Batch};
use crate::domain::event::Event;
use crate::domain::id::EventId;
use crate::store::events;

/// What either reader reads of its logs.
pub struct LogLoaders {
    pub events: Batch<EventId, Event>,
}

impl LogLoaders {
    pub(super) fn new(base: &Base) -> Self {
        Self { events: Batch::scoped(base, async |b, scope, ids| events::by_ids(&b.db, scope, &ids).await) }
    }
}
