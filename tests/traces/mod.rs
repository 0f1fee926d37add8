//! The traces of a server, as a collector on loopback receives them.

mod collector;
mod contexts;
mod exporting;
mod program;
mod spans;

pub(crate) use collector::{Answer, Collector, Traced, attribute};
