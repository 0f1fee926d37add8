//! Rows of releases and of their windows.

pub mod halting;
pub mod read;
pub mod read_stages;
mod stage_conditions;
pub mod stages;
pub mod windows;
pub mod write;

pub(in crate::store) use read::OPEN as OPEN_STATES;

pub(in crate::store) use halting::{pause as pause_of_row, rule as halt_rule_of_row};
pub(in crate::store) use stage_conditions::{is_in_open_stage, is_to_be_moved};
