//! The fields of `Query` for the event log and the audit log.

use async_graphql::{Context, Object, Result};

use crate::graphql::connection::PageArgs;
use crate::graphql::log::audit_entry::AuditEntryConnection;
use crate::graphql::log::audit_log::{AuditLogFilter, audit_connection};
use crate::graphql::log::event::EventConnection;
use crate::graphql::log::event_log::{EventFilter, events_connection};

#[derive(Default)]
pub struct LogQuery;

#[Object]
impl LogQuery {
    /// The event log as far as the caller may see it, oldest first. A cursor that is older than the kept events, or whose event is gone since a backup was restored, gets the error CURSOR_EXPIRED with `extensions.oldestCursor`.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only events that match all of it.")] filter: Option<EventFilter>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<EventConnection> {
        // Boxed, because the framework copies the largest future among a type's fields for each of the fields.
        Box::pin(events_connection(ctx, filter, PageArgs::new(first, after, last, before))).await
    }

    /// The audit log of the caller's account, newest first. Needs VIEW_AUDIT_LOG.
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only entries that match all of it.")] filter: Option<AuditLogFilter>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<AuditEntryConnection> {
        Box::pin(audit_connection(ctx, filter, PageArgs::new(first, after, last, before))).await
    }
}
