//! What keeps an endpoint from being served, and for how long it has.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::id::WebhookId;
use crate::domain::log::Position;
use crate::service::error::Failure;

/// The longest pause before an endpoint is served again.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How often the server tries to read what an endpoint's document selects of an event.
const SHOWN_MAX: u32 = 6;
/// The failure in a row that operators are told of.
const TOLD_AT: u32 = 3;

/// The failures since an endpoint was sent its last event.
pub(super) struct Trouble {
    first_pause: Duration,
    failures: u32,
    /// The event that couldn't be shown, and how often.
    unshown: Option<(Position, u32)>,
    /// Since when the gate refuses the endpoint's document.
    refused_since: Option<Instant>,
}

impl Trouble {
    pub(super) fn new(first_pause: Duration) -> Self {
        Self { first_pause, failures: 0, unshown: None, refused_since: None }
    }

    /// The endpoint was sent an event.
    pub(super) fn ends(&mut self) {
        *self = Self::new(self.first_pause);
    }

    /// Counts a failure. Returns the pause after it, each twice as long as the one before.
    pub(super) fn fails(&mut self, id: WebhookId, failure: &Failure) -> Duration {
        self.failures += 1;
        let failure = failure.for_operators();
        if self.failures == TOLD_AT {
            tracing::warn!(endpoint = %id, failure = %failure, "a webhook endpoint can't be served; it is tried again");
        } else {
            tracing::debug!(endpoint = %id, failure = %failure, "a webhook endpoint is served again after a pause");
        }
        let factor = 2_u32.saturating_pow(self.failures - 1);
        self.first_pause.saturating_mul(factor).min(PAUSE_MAX)
    }

    /// Counts that an event couldn't be shown. Returns whether it is sent without its data: a selection that takes longer
    /// than a statement may would keep the endpoint from all later events.
    pub(super) fn gives_up(&mut self, id: WebhookId, event: Position) -> bool {
        let before = self.unshown.filter(|(position, _)| *position == event).map_or(0, |(_, times)| times);
        self.unshown = Some((event, before + 1));
        if before + 1 == SHOWN_MAX {
            tracing::warn!(endpoint = %id, "what the document of a webhook endpoint selects of an event can't be read; the event is sent without data");
        }
        before + 1 >= SHOWN_MAX
    }

    /// For how long the gate has refused the endpoint's document.
    pub(super) fn refused_for(&mut self) -> Duration {
        self.refused_since.get_or_insert_with(Instant::now).elapsed()
    }
}
