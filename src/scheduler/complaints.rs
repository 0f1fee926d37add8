//! Logs the scheduler's failures, at most one line a second.

use std::time::Duration;

use tokio::time::Instant;

use crate::service::error::Failure;

/// The pause between two lines.
const SILENCE: Duration = Duration::from_secs(1);

/// Logs failures, and counts those that it doesn't log.
#[derive(Default)]
pub(super) struct Complaints {
    said_at: Option<Instant>,
    unsaid: u64,
}

impl Complaints {
    /// Logs a failure. `what` names the failed work, which is tried again after a pause.
    pub(super) fn say(&mut self, what: &str, failure: &Failure) {
        let now = Instant::now();
        if self.said_at.is_some_and(|at| now.duration_since(at) < SILENCE) {
            self.unsaid = self.unsaid.saturating_add(1);
            return;
        }
        let unsaid = std::mem::take(&mut self.unsaid);
        self.said_at = Some(now);
        tracing::error!(what, ?failure, unsaid, "due work has failed; it is tried again after a pause");
    }
}
