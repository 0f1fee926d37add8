//! The options of executing requests, for all transports.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::gate::{Limits, Stored};

use super::shed::Shed;
use super::workload::WorkOptions;

/// The engine's options that an operator can set.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The limits of documents.
    pub documents: Limits,
    /// The stored documents that requests can name instead of sending a text.
    pub stored: Stored,
    /// The time limit of a query or a mutation.
    pub execution: Duration,
    /// The cost per minute of one token's requests; `None` for no limit.
    pub cost_per_minute: Option<NonZeroU64>,
    /// The cost per minute of one address's requests without a token; `None` for no limit.
    pub peer_cost_per_minute: Option<NonZeroU64>,
    /// The limits of concurrent work.
    pub work: WorkOptions,
    /// When work was refused for lack of room.
    pub shed: Shed,
    /// Queries and mutations that take at least this long are logged as slow.
    pub slow: Duration,
    /// The most errors of an answer. `message` is the most characters of an error's message.
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
            shed: Shed::default(),
            slow: Duration::from_secs(1),
            errors: 20,
            message: 300,
        }
    }
}
