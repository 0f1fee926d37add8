//! A subscriber's position in the event log, for transports that keep it outside of the document.

use std::sync::{Mutex, PoisonError};

/// A subscriber's position in the event log. A request with a `StreamCursor` among its data resumes after it, whatever the
/// document says. The subscription reports each event to it before the event is sent, even if the document doesn't
/// select the cursor.
#[derive(Debug, Default)]
pub struct StreamCursor {
    after: Option<String>,
    advanced: Mutex<Option<String>>,
}

impl StreamCursor {
    /// A position after the event of this cursor; `None` leaves the beginning to the document.
    #[must_use]
    pub fn after(cursor: Option<String>) -> Self {
        Self { after: cursor, advanced: Mutex::default() }
    }

    /// Takes the cursor of the last reported event.
    pub fn take_advanced(&self) -> Option<String> {
        self.advanced.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(in crate::graphql) fn given(&self) -> Option<String> {
        self.after.clone()
    }

    pub(in crate::graphql) fn advance_to(&self, cursor: &str) {
        *self.advanced.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor.to_owned());
    }
}
