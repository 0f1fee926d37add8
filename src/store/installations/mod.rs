//! Rows of installations and their updates, and tallies of both.

pub mod adoption;
pub mod changes;
pub mod classes;
pub mod counts;
pub mod curves;
pub mod progress;
pub mod read;
pub mod section;
pub mod tallies;
pub mod updates;
pub mod write;
pub mod write_counts;
pub mod write_updates;
