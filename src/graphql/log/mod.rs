//! The event log, its subscription, and the audit log.

pub mod audit_entry;
pub mod audit_log;
pub mod event;
pub mod event_log;
pub mod loaders;
pub mod query;
pub mod stream_cursor;
pub mod subscription;
