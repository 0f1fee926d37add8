//! The event log and the audit log as they grow old.

pub mod retention;
pub mod subject;
