//! The events that the endpoints of this server wait for, for the metrics.

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

/// The next event of each endpoint that this server serves, as long as it wasn't taken.
#[derive(Default)]
pub struct Waiting(Mutex<HashMap<WebhookId, First>>);

/// Ends the wait for an event.
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
    /// An attempt has failed.
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

    /// The event of this instant is next for an endpoint, until the result is dropped. Only one task at a time serves an
    /// endpoint.
    pub(crate) fn watch(&self, id: WebhookId, occurred_at: Instant, is_failing: bool) -> Wait<'_> {
        self.all().insert(id, First { occurred_at, is_failing });
        Wait { of: self, id }
    }

    /// When the oldest of these events happened, among endpoints that fail or that don't.
    #[must_use]
    pub fn oldest(&self, is_failing: bool) -> Option<Instant> {
        self.all().values().filter(|first| first.is_failing == is_failing).map(|first| first.occurred_at).min()
    }
}
