//! Remembers when the server last refused work for lack of room. It isn't ready for a while after, so that a balancer
//! sends requests to other servers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a server isn't ready after it refused work.
pub const QUIET: Duration = Duration::from_secs(5);

/// The last refusal. The listener and the engine share it.
#[derive(Clone, Debug, Default)]
pub struct Shed(Arc<Mutex<Option<Instant>>>);

impl Shed {
    /// Work was refused because all clients together have as much of it as the server does.
    pub fn refused(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether work was refused a moment ago.
    #[must_use]
    pub fn is_recent(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < QUIET)
    }
}
