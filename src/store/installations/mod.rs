//! Rows of installations and of their updates, and the numbers that are kept of both.

pub mod adoption;
pub mod changes;
pub mod classes;
pub mod counts;
pub mod progress;
pub mod read;
pub mod tallies;
pub mod updates;
pub mod write;
pub mod write_counts;
pub mod write_updates;
