//! The event log, its subscribers, and the audit log.

pub(crate) mod audit;
pub(crate) mod audit_log;
pub(crate) mod audit_readers;
pub(crate) mod audit_retention;
pub(crate) mod commit_order;
pub(crate) mod event_log;
pub(crate) mod events;
pub(crate) mod events_accounts;
pub(crate) mod events_audience;
pub(crate) mod events_packs;
pub(crate) mod events_socket;
pub(crate) mod large_answers;
pub(crate) mod listener_log;
pub(crate) mod listener_states;
pub(crate) mod listener_tokens;
pub(crate) mod listeners;
pub(crate) mod live_events;
pub(crate) mod log_indexes;
pub(crate) mod recorded_rows;
pub(crate) mod records;
pub(crate) mod records_read;
pub(crate) mod retention;
pub(crate) mod seal_rules;
pub(crate) mod seal_tampering;
pub(crate) mod sealing;
pub(crate) mod unexpected_events;
