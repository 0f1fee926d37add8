//! Rows of installations and their updates, and tallies of both.

pub mod adoption;
pub mod changes;
pub mod classes;
pub mod counts;
pub mod curves;
pub mod moving_back;
pub mod names;
pub mod outcomes;
pub mod progress;
pub mod read;
pub mod section;
pub mod staged;
pub mod tallies;
pub mod updates;
pub mod write;
pub mod write_counts;
pub mod write_outcomes;
pub mod write_updates;

pub(in crate::store) use counts::{added_up, of_versions as installations_of_versions};
pub(in crate::store) use section::{Members, Section};
pub(in crate::store) use tallies::add_remaining;
pub(in crate::store) use write_counts::of_pack as installations_of_pack;
