//! The program as an operator runs it: commands, options, starts and ends, the demo and the seed.

pub(crate) mod audit_verify;
pub(crate) mod backups;
pub(crate) mod command_line_ids;
pub(crate) mod config_file;
pub(crate) mod demo;
pub(crate) mod ending;
pub(crate) mod ending_sockets;
pub(crate) mod examples;
pub(crate) mod examples_story;
pub(crate) mod hosts;
pub(crate) mod kill;
pub(crate) mod log_lines;
pub(crate) mod ranges;
pub(crate) mod schema_check;
pub(crate) mod seeding;
pub(crate) mod seeding_history;
pub(crate) mod seeding_read;
pub(crate) mod servers;
pub(crate) mod settings;
pub(crate) mod starts;
pub(crate) mod starts_refused;
pub(crate) mod supervised;
pub(crate) mod terminal;
pub(crate) mod texts;
pub(crate) mod trusted_settings;
pub(crate) mod variables;
