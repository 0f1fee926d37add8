//! Traces for OpenTelemetry ([ADR 50](../../docs/adr/0050-traces.md)): a [`Span`] measures an operation, a batch of a
//! task, a statement or a delivery, and an [`Exporter`] sends what has ended to a collector. Spans carry no values of
//! statements, no variables, no documents and no tokens.
//!
//! A span never waits: what has ended goes into a queue with a bound, and is dropped when the collector takes too long.

mod collector;
mod context;
mod export;
mod otlp;
mod place;
mod queue;
mod settings;
mod span;

pub use context::Context;
pub use export::Exporter;
pub use place::{Place, recorded_parent, statement, within};
pub use settings::{DEFAULT_RATIO, TraceSettings};
pub use span::{Kind, Span, Traces, Value};
