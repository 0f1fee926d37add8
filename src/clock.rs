//! The one source of time (R40). Everything that needs `now` is given a [`Clock`].

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, SubsecRound as _, Utc};
use tokio::sync::watch;

use crate::domain::Instant;

/// Gives `now`, cut to microseconds: all that both databases keep.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

enum Inner {
    System,
    Movable(Movable),
}

struct Movable {
    state: Mutex<MovableState>,
    moved: watch::Sender<()>,
}

#[derive(Clone, Copy)]
enum MovableState {
    /// Stands still until it is moved: tests.
    Still(Instant),
    /// Ticks, this much ahead of the system's clock: the demo.
    Ticking(Duration),
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Inner::System))
    }

    /// A clock that stands still at `start` until it is moved.
    #[must_use]
    pub fn still(start: Instant) -> Self {
        Self::movable(MovableState::Still(cut(start)))
    }

    /// A clock that ticks from the system's present on, and can be moved forward.
    #[must_use]
    pub fn ticking() -> Self {
        Self::movable(MovableState::Ticking(Duration::zero()))
    }

    fn movable(state: MovableState) -> Self {
        Self(Arc::new(Inner::Movable(Movable { state: Mutex::new(state), moved: watch::channel(()).0 })))
    }

    /// The instant at hand.
    #[must_use]
    pub fn now(&self) -> Instant {
        match &*self.0 {
            Inner::System => system_now(),
            Inner::Movable(movable) => match *movable.state.lock().unwrap_or_else(PoisonError::into_inner) {
                MovableState::Still(at) => at,
                MovableState::Ticking(ahead) => cut(system_now() + ahead),
            },
        }
    }

    /// Moves a movable clock forward to `to`; a clock that is there already, or past it, stays.
    /// The system's clock can't be moved and ignores this.
    pub fn advance_to(&self, to: Instant) {
        let Inner::Movable(movable) = &*self.0 else { return };
        let mut state = movable.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match *state {
            MovableState::Still(at) => MovableState::Still(at.max(cut(to))),
            MovableState::Ticking(ahead) => MovableState::Ticking(ahead.max(cut(to) - system_now())),
        };
        drop(state);
        movable.moved.send_replace(());
    }

    /// Waits until the clock reads `until` or later.
    pub async fn sleep_until(&self, until: Instant) {
        let mut moved = match &*self.0 {
            Inner::System => None,
            Inner::Movable(movable) => Some(movable.moved.subscribe()),
        };
        loop {
            let left = until - self.now();
            let Ok(left) = left.to_std() else { return };
            if left.is_zero() {
                return;
            }
            // A long wait is cut up, so that a system clock that was set forward is noticed.
            let wait = tokio::time::sleep(left.min(std::time::Duration::from_secs(30)));
            match &mut moved {
                None => wait.await,
                Some(moved) => {
                    tokio::select! {
                        () = wait => {}
                        _ = moved.changed() => {}
                    }
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn system_now() -> Instant {
    cut(Utc::now())
}

fn cut(at: DateTime<Utc>) -> Instant {
    at.trunc_subsecs(6)
}
