//! The metrics of a server, for Prometheus: the [catalogue] declares them, [`Metrics`] counts while the server works,
//! and [`Sample`]s are numbers that are read for a scrape ([ADR 43](../../docs/adr/0043-metrics.md)).
//!
//! The values of a label are known when the program is compiled, or their number is bounded. So no client can make a
//! server keep more series, and an observation costs a few additions without a lock.

mod catalogue;
mod cells;
mod labels;
mod process;
mod recorder;
mod text;

pub use catalogue::*;
pub use cells::{Active, Counters, Gauges, Histograms, NamedCounters, NamedHistograms};
pub use labels::*;
pub use process::samples as process_samples;
pub use recorder::Metrics;
pub use text::{CONTENT_TYPE, Sample};
