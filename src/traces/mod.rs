//! Traces for OpenTelemetry ([ADR 50](../../docs/adr/0050-traces.md)): a [`Span`] measures an operation, a batch of a
//! task, a statement or a delivery, and an [`Exporter`] sends ended spans to a collector. Spans carry no values of
//! statements, no variables, no documents and no tokens.
//!
//! Recording a span never waits. A span that has ended goes into a bounded queue, and is dropped if the queue is full.

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
