//! How requests are executed, whichever way they came.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::gate::{Limits, Stored};

use super::workload::WorkOptions;

/// What an operator can set about executing.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The limits of documents.
    pub documents: Limits,
    /// Which documents can be named instead of being sent.
    pub stored: Stored,
    /// How long a query or a mutation may take.
    pub execution: Duration,
    /// What the requests of one token may cost in a minute; `None` for no limit.
    pub cost_per_minute: Option<NonZeroU64>,
    /// What may be asked for without a token from one address in a minute; `None` for no limit.
    pub peer_cost_per_minute: Option<NonZeroU64>,
    /// What may be at work at a time.
    pub work: WorkOptions,
    /// From which time on a query or a mutation is logged as a slow one.
    pub slow: Duration,
    /// The most errors of an answer, and the most characters of the message of one.
    pub errors: usize,
    pub message: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            documents: Limits::default(),
            stored: Stored::default(),
            execution: Duration::from_secs(10),
            cost_per_minute: None,
            peer_cost_per_minute: None,
            work: WorkOptions::default(),
            slow: Duration::from_secs(1),
            errors: 20,
            message: 300,
        }
    }
}
