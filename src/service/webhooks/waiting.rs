//! The events that wait for their delivery by this server, for the metrics.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::Instant;
use crate::domain::id::WebhookId;

/// The event that is next for an endpoint.
#[derive(Clone, Copy)]
struct First {
    occurred_at: Instant,
    is_failing: bool,
}

/// The next event of each endpoint that this server serves, until it is delivered.
#[derive(Clone, Default)]
pub struct Waiting(Arc<Mutex<HashMap<WebhookId, First>>>);

/// The wait of one endpoint's next event. Dropping it ends the wait.
pub(crate) struct Wait {
    of: Waiting,
    id: WebhookId,
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.ends();
    }
}

impl Wait {
    /// The endpoint's next event, which happened at `occurred_at`, waits from now on.
    pub(crate) fn begins(&self, occurred_at: Instant, is_failing: bool) {
        self.of.all().insert(self.id, First { occurred_at, is_failing });
    }

    /// Whether an event waits.
    pub(crate) fn lasts(&self) -> bool {
        self.of.all().contains_key(&self.id)
    }

    /// Marks the event as failing, after an attempt has failed.
    pub(crate) fn fails(&self) {
        if let Some(first) = self.of.all().get_mut(&self.id) {
            first.is_failing = true;
        }
    }

    /// The event was delivered, or this server no longer serves the endpoint.
    pub(crate) fn ends(&self) {
        self.of.all().remove(&self.id);
    }
}

impl Waiting {
    fn all(&self) -> MutexGuard<'_, HashMap<WebhookId, First>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wait of an endpoint's events, none of which waits yet. Only one task at a time may serve an endpoint.
    pub(crate) fn of(&self, id: WebhookId) -> Wait {
        Wait { of: self.clone(), id }
    }

    /// When the oldest waiting event happened, either of the failing endpoints or of the others.
    #[must_use]
    pub fn oldest(&self, is_failing: bool) -> Option<Instant> {
        self.all().values().filter(|first| first.is_failing == is_failing).map(|first| first.occurred_at).min()
    }
}
