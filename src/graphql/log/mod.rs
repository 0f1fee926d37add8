//! The event log, its subscription, and the audit log.

mod audit_entry;
mod audit_log;
mod event;
mod event_log;
mod event_view;
mod loaders;
mod query;
mod stream_cursor;
mod subscription;
mod turns;

pub use audit_entry::{AuditEntry, AuditEntryConnection};
pub use event::{
    AccountEvent, ComponentEvent, EventConnection, EventView, GroupEvent, InstallationEvent, NewerShareableEvent,
    PackChangedEvent, PackDeletedEvent, ReleaseEvent, SharingEvent, WebhookEvent, by_id as event_by_id,
};
pub(in crate::graphql) use event_log::{EventFilter, position};
pub(in crate::graphql) use loaders::LogLoaders;
pub use query::LogQuery;
pub use stream_cursor::{Advanced, StreamCursor};
pub use subscription::Subscription;
pub use turns::Turns;
