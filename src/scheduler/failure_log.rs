//! Logs the scheduler's failures, at most one line a second.

use std::time::Duration;

use tokio::time::Instant;

use crate::service::error::Failure;

/// The pause between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// Logs failures, and counts those that it doesn't log.
#[derive(Default)]
pub(super) struct FailureLog {
    logged_at: Option<Instant>,
    unlogged: u64,
}

impl FailureLog {
    /// Logs a failure. `what` names the failed work, which is tried again after a pause.
    pub(super) fn add(&mut self, what: &str, failure: &Failure) {
        let now = Instant::now();
        if self.logged_at.is_some_and(|at| now.duration_since(at) < PAUSE) {
            self.unlogged = self.unlogged.saturating_add(1);
            return;
        }
        let unlogged = std::mem::take(&mut self.unlogged);
        self.logged_at = Some(now);
        tracing::error!(what, ?failure, unlogged, "due work has failed; it is tried again after a pause");
    }
}
