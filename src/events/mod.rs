//! Delivers the event log to subscribers (R49).

pub mod cursor;
pub mod hub;
