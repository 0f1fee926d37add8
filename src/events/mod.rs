//! From the event log to those who listen (R49).

pub mod cursor;
pub mod hub;
