//! The settings of traces.

use std::time::Duration;

use url::Url;

use crate::outbound::Authority;

/// The share of the traces that begin here and are recorded.
pub const DEFAULT_RATIO: f64 = 1.0;

/// The settings of traces.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The address to which spans are sent.
    pub endpoint: Url,
    /// Headers of each request to the collector, such as a key.
    pub headers: Vec<(String, String)>,
    /// The authorities whose certificates are trusted beside those of Mozilla's list.
    pub authorities: Vec<Authority>,
    /// The share of the traces that begin here and are recorded, from 0 to 1. A trace that began elsewhere is recorded
    /// if it is recorded there.
    pub ratio: f64,
    /// Attributes of this server in addition to its name and version.
    pub resource: Vec<(String, String)>,
    /// The most spans that wait to be sent.
    pub queue: usize,
    /// How long spans are collected before they are sent together.
    pub delay: Duration,
    /// The time limit of a request to the collector.
    pub limit: Duration,
    /// How long the exporter tries to send a batch that the collector doesn't take.
    pub retry: Duration,
}

impl TraceSettings {
    /// The default settings for a collector.
    #[must_use]
    pub fn new(endpoint: Url) -> Self {
        Self {
            endpoint,
            headers: Vec::new(),
            authorities: Vec::new(),
            ratio: DEFAULT_RATIO,
            resource: Vec::new(),
            queue: 8_192,
            delay: Duration::from_secs(2),
            limit: Duration::from_secs(10),
            retry: Duration::from_secs(60),
        }
    }
}
