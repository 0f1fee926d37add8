//! Where a listener is in the event log, for a transport that keeps account of it beside the document.

use std::sync::{Mutex, PoisonError};

/// A listener's place in the event log. A request that has one among its data goes on after it, whatever
/// the document says, and tells it of each event before that is shown: also of one whose cursor the
/// document doesn't ask for.
#[derive(Debug, Default)]
pub struct Place {
    after: Option<String>,
    reached: Mutex<Option<String>>,
}

impl Place {
    /// A place after the event of this cursor; without one, where the document says.
    #[must_use]
    pub fn after(cursor: Option<String>) -> Self {
        Self { after: cursor, reached: Mutex::default() }
    }

    /// The cursor of the event that was shown last; once.
    pub fn take_reached(&self) -> Option<String> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn given(&self) -> Option<String> {
        self.after.clone()
    }

    pub(super) fn reach(&self, cursor: &str) {
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor.to_owned());
    }
}
