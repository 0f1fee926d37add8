//! Delivers the event log to subscribers (R49).

pub mod cursor;
pub mod hub;
mod listener;
mod read_new;
mod recent;
mod shown;
