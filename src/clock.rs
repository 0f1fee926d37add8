//! The one source of time (R40). Everything that needs `now` is given a [`Clock`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant as Monotonic;

use chrono::{DateTime, Duration, SubsecRound as _, Utc};
use tokio::sync::watch;

use crate::domain::{Instant, instant};

/// For how long a measured distance is good: three measurements in a row may fail.
const GOOD_FOR: Duration = Duration::minutes(4);
/// By how much the system's clock may differ from what has passed since a measurement, before somebody has set it.
const STEP: Duration = Duration::seconds(1);

/// Gives `now`, cut to microseconds: all that both databases keep.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    base: Base,
    correction: Mutex<Correction>,
}

enum Base {
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
    /// Ticks, this much ahead of the system's clock, or behind it: the demo.
    Ticking(Duration),
}

/// How the clock is corrected by another one.
#[derive(Clone, Copy)]
enum Correction {
    /// There is no other clock.
    None,
    /// There is one, and how far it is ahead was never measured.
    Unknown,
    Measured(Measured),
}

/// One measurement, with what this clock read then.
#[derive(Clone, Copy)]
struct Measured {
    /// By how much the other clock was ahead.
    distance: Duration,
    read: Instant,
    at: Monotonic,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::of(Base::System)
    }

    /// A clock that stands still at `start` until it is moved.
    #[must_use]
    pub fn still(start: Instant) -> Self {
        Self::movable(MovableState::Still(cut(start)))
    }

    /// A clock that ticks from `start` on, and can be moved forward.
    #[must_use]
    pub fn ticking_from(start: Instant) -> Self {
        Self::movable(MovableState::Ticking(cut(start) - system_now()))
    }

    fn movable(state: MovableState) -> Self {
        Self::of(Base::Movable(Movable { state: Mutex::new(state), moved: watch::channel(()).0 }))
    }

    fn of(base: Base) -> Self {
        Self(Arc::new(Inner { base, correction: Mutex::new(Correction::None) }))
    }

    /// The instant at hand.
    #[must_use]
    pub fn now(&self) -> Instant {
        match self.correction() {
            Correction::None | Correction::Unknown => self.uncorrected(),
            Correction::Measured(measured) => cut(measured.read + measured.distance + self.passed_since(measured)),
        }
    }

    /// What the clock reads without its correction.
    #[must_use]
    pub fn uncorrected(&self) -> Instant {
        match &self.0.base {
            Base::System => system_now(),
            Base::Movable(movable) => match *movable.state.lock().unwrap_or_else(PoisonError::into_inner) {
                MovableState::Still(at) => at,
                MovableState::Ticking(ahead) => cut(system_now() + ahead),
            },
        }
    }

    /// How much time has passed since a measurement. Whoever sets the system's clock changes nothing of it.
    fn passed_since(&self, measured: Measured) -> Duration {
        match &self.0.base {
            Base::System => Duration::from_std(measured.at.elapsed()).unwrap_or(Duration::MAX),
            Base::Movable(_) => self.uncorrected() - measured.read,
        }
    }

    fn correction(&self) -> Correction {
        *self.0.correction.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, correction: Correction) {
        *self.0.correction.lock().unwrap_or_else(PoisonError::into_inner) = correction;
    }

    /// Says that there is another clock to go by, whose distance is yet to be measured.
    pub fn expect_correction(&self) {
        if matches!(self.correction(), Correction::None) {
            self.set(Correction::Unknown);
        }
    }

    /// Goes by another clock from now on, that is so much ahead of what this one reads uncorrected.
    pub fn correct(&self, distance: Duration) {
        self.set(Correction::Measured(Measured { distance, read: self.uncorrected(), at: Monotonic::now() }));
    }

    /// By how much the clock is corrected; `None` when it isn't.
    #[must_use]
    pub fn distance(&self) -> Option<Duration> {
        match self.correction() {
            Correction::Measured(measured) => Some(measured.distance),
            Correction::None | Correction::Unknown => None,
        }
    }

    /// Whether a window may be opened by this clock: where there is another one to go by, its distance must have
    /// been measured lately.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        match self.correction() {
            Correction::None => true,
            Correction::Unknown => false,
            Correction::Measured(measured) => self.passed_since(measured) <= GOOD_FOR,
        }
    }

    /// Whether somebody has set the system's clock since the distance was measured, or the machine has slept.
    #[must_use]
    pub fn was_set(&self) -> bool {
        match self.correction() {
            Correction::None | Correction::Unknown => false,
            Correction::Measured(measured) => {
                (self.uncorrected() - measured.read - self.passed_since(measured)).abs() > STEP
            }
        }
    }

    /// Whether it stands within the years 1 to 9999, which alone can be written.
    #[must_use]
    pub fn is_spellable(&self) -> bool {
        instant::is_spellable(self.now())
    }

    /// Moves a movable clock forward to `to`; a clock that is there already, or past it, stays.
    /// The system's clock can't be moved and ignores this.
    pub fn advance_to(&self, to: Instant) {
        let Base::Movable(movable) = &self.0.base else { return };
        let to = to - self.distance().unwrap_or_default();
        let mut state = movable.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match *state {
            MovableState::Still(at) => MovableState::Still(at.max(cut(to))),
            MovableState::Ticking(ahead) => MovableState::Ticking(ahead.max(cut(to) - system_now())),
        };
        drop(state);
        movable.moved.send_replace(());
    }

    /// Sets a clock that stands still, also back: what becomes of a clock that an operator, a hypervisor or a
    /// time server sets. Any other clock ignores this.
    pub fn set_to(&self, to: Instant) {
        let Base::Movable(movable) = &self.0.base else { return };
        let mut state = movable.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, MovableState::Still(_)) {
            *state = MovableState::Still(cut(to));
        }
        drop(state);
        movable.moved.send_replace(());
    }

    /// Waits until the clock reads `until` or later.
    pub async fn sleep_until(&self, until: Instant) {
        let mut moved = match &self.0.base {
            Base::System => None,
            Base::Movable(movable) => Some(movable.moved.subscribe()),
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
