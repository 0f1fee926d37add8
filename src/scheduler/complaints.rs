//! What the scheduler says of failures: at most one line a second, however many there are.

use std::time::Duration;

use tokio::time::Instant;

use crate::service::error::Failure;

/// How long it says nothing more.
const SILENCE: Duration = Duration::from_secs(1);

/// Says that something failed, and keeps count of what it doesn't say.
#[derive(Default)]
pub(super) struct Complaints {
    said_at: Option<Instant>,
    unsaid: u64,
}

impl Complaints {
    /// Something failed, and is tried again after its rest.
    pub(super) fn say(&mut self, what: &str, failure: &Failure) {
        let now = Instant::now();
        if self.said_at.is_some_and(|at| now.duration_since(at) < SILENCE) {
            self.unsaid = self.unsaid.saturating_add(1);
            return;
        }
        let unsaid = std::mem::take(&mut self.unsaid);
        self.said_at = Some(now);
        tracing::error!(what, ?failure, unsaid, "what is due has failed; it is tried again after a pause");
    }
}
