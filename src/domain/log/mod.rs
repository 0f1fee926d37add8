//! The event log and the audit log: what is remembered, and for how long.

pub mod audit;
pub mod event;
pub mod record;
pub mod retention;
