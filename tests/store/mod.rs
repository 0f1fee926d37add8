//! The database: its statements, its behaviour, and its failures.

pub(crate) mod addresses;
pub(crate) mod bounded_calls;
pub(crate) mod clocks;
pub(crate) mod consistent_reads;
pub(crate) mod credentials;
pub(crate) mod damaged_rows;
pub(crate) mod database_failures;
pub(crate) mod derived_reads;
pub(crate) mod in_between;
pub(crate) mod large_catalogue;
pub(crate) mod large_log;
pub(crate) mod large_world;
pub(crate) mod lines;
pub(crate) mod loaders;
pub(crate) mod lock_order;
pub(crate) mod meetings;
pub(crate) mod planned;
pub(crate) mod plans;
pub(crate) mod pooler;
pub(crate) mod statements;
pub(crate) mod stopped_process;
pub(crate) mod timeouts;
pub(crate) mod unreadable_rows;
pub(crate) mod upgrades;
pub(crate) mod waiting;
mod without_stages;
