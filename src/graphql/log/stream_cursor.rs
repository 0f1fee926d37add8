//! A subscriber's position in the event log, for transports that keep it outside of the document.

use std::sync::{Arc, Mutex, PoisonError};

use crate::events::hub::{Announced, Interest};

/// A subscriber's position in the event log. A request with a `StreamCursor` among its data resumes after it, whatever
/// the document says. The subscription reports each event to it before the event is sent, even if the document doesn't
/// select the cursor.
#[derive(Default)]
pub struct StreamCursor {
    after: Option<String>,
    interest: Option<Interest>,
    advanced: Mutex<Option<Advanced>>,
}

/// The position of the item that is sent next.
#[derive(Clone)]
pub struct Advanced {
    pub cursor: String,
    /// The event; `None` for an item that isn't an event, such as a release's progress.
    pub event: Option<Arc<Announced>>,
}

impl StreamCursor {
    /// A position after the event of this cursor. With `None` the document decides where the subscription begins.
    #[must_use]
    pub fn after(cursor: Option<String>) -> Self {
        Self { after: cursor, ..Self::default() }
    }

    /// Limits the subscription to these events, whatever the document says.
    #[must_use]
    pub fn limited_to(self, interest: Interest) -> Self {
        Self { interest: Some(interest), ..self }
    }

    /// Takes the position that was reported last.
    pub fn take_advanced(&self) -> Option<Advanced> {
        self.advanced.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(in crate::graphql) fn given(&self) -> Option<String> {
        self.after.clone()
    }

    pub(in crate::graphql) fn interest(&self) -> Option<Interest> {
        self.interest.clone()
    }

    pub(in crate::graphql) fn advance_to(&self, cursor: &str, event: Option<&Arc<Announced>>) {
        let advanced = Advanced { cursor: cursor.to_owned(), event: event.cloned() };
        *self.advanced.lock().unwrap_or_else(PoisonError::into_inner) = Some(advanced);
    }
}
