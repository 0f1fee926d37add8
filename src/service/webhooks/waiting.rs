//! The events that wait for their delivery by this server, for the metrics.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::Instant;
use crate::domain::id::WebhookId;

/// The event that is next for an endpoint.
#[derive(Clone, Copy)]
struct First {
    occurred_at: Instant,
    is_failing: bool,
}

/// The next event of each endpoint that this server serves, until it is delivered.
#[derive(Default)]
pub struct Waiting(Mutex<HashMap<WebhookId, First>>);

/// The wait of one endpoint's next event. Dropping it ends the wait.
pub(crate) struct Wait<'a> {
    of: &'a Waiting,
    id: WebhookId,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.of.all().remove(&self.id);
    }
}

impl Wait<'_> {
    /// Marks the event as failing, after an attempt has failed.
    pub(crate) fn fails(&self) {
        if let Some(first) = self.of.all().get_mut(&self.id) {
            first.is_failing = true;
        }
    }
}

impl Waiting {
    fn all(&self) -> MutexGuard<'_, HashMap<WebhookId, First>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the wait of an endpoint's next event, which happened at `occurred_at`. It lasts until the result is
    /// dropped. Only one task at a time may serve an endpoint.
    pub(crate) fn watch(&self, id: WebhookId, occurred_at: Instant, is_failing: bool) -> Wait<'_> {
        self.all().insert(id, First { occurred_at, is_failing });
        Wait { of: self, id }
    }

    /// When the oldest waiting event happened, either of the failing endpoints or of the others.
    #[must_use]
    pub fn oldest(&self, is_failing: bool) -> Option<Instant> {
        self.all().values().filter(|first| first.is_failing == is_failing).map(|first| first.occurred_at).min()
    }
}
