//! Rows of the event log and of the audit log.

pub mod audit;
pub(crate) mod audit_records;
pub mod audit_retention;
pub mod event_floor;
pub mod event_log;
pub(crate) mod event_records;
pub mod event_traces;
pub mod events;
pub mod feed;
pub mod hashes;
mod installed;
mod interest;
pub mod journal;
mod links;
mod record_lines;
pub(crate) mod record_rows;
pub(crate) mod records;
pub mod retention;
pub mod seals;
pub mod write_records;
