//! The event log and the audit log as they grow old.

pub(crate) mod retention;
pub(crate) mod subject;
