//! The event log and the audit log: their rows, and how long they are kept.

pub mod audit;
pub mod event;
pub mod record;
pub mod retention;
