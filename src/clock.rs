//! The only source of time (R40). Code that needs `now` gets a [`Clock`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant as Monotonic;

use chrono::{DateTime, Duration, SubsecRound as _, Utc};
use tokio::sync::watch;

use crate::domain::{Instant, instant};

/// How long a measured distance stays valid. Measured every minute, so three measurements in a row may fail.
const GOOD_FOR: Duration = Duration::minutes(4);
/// When the system's clock and the monotonic clock differ by more than this since a measurement, the system's clock was
/// set.
const STEP: Duration = Duration::seconds(1);

/// Returns `now`, cut to microseconds, because both databases store no more.
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
    /// Stands still until it is moved. Tests use it.
    Still(Instant),
    /// Ticks, at this distance from the system's clock. The demo uses it.
    Ticking(Duration),
}

/// How this clock is corrected by a reference clock, such as the database's.
#[derive(Clone, Copy)]
enum Correction {
    /// There is no reference clock.
    None,
    /// There is a reference clock, but its distance was never measured.
    Unknown,
    Measured(Measured),
}

/// One measurement of the reference clock.
#[derive(Clone, Copy)]
struct Measured {
    /// By how much the reference clock was ahead of this one.
    distance: Duration,
    /// The uncorrected time of this clock at the measurement.
    read: Instant,
    at: Monotonic,
}

impl Clock {
    /// The operating system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::of(Base::System)
    }

    /// A clock that shows `start` until it is moved. Tests use it.
    #[must_use]
    pub fn still(start: Instant) -> Self {
        Self::movable(MovableState::Still(cut(start)))
    }

    /// A clock that ticks from `start` on, and can be moved forward. The demo uses it.
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

    /// The current instant, corrected by the reference clock if there is a measurement.
    #[must_use]
    pub fn now(&self) -> Instant {
        match self.correction() {
            Correction::None | Correction::Unknown => self.uncorrected(),
            Correction::Measured(measured) => cut(measured.read + measured.distance + self.passed_since(measured)),
        }
    }

    /// The current instant without the correction.
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

    /// The time since a measurement. Setting the system's clock doesn't change it: it comes from the monotonic clock.
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

    /// Declares that there is a reference clock, whose distance will be measured later.
    pub fn expect_correction(&self) {
        if matches!(self.correction(), Correction::None) {
            self.set(Correction::Unknown);
        }
    }

    /// Corrects this clock from now on. `distance` is by how much the reference clock is ahead of
    /// [`Clock::uncorrected`].
    pub fn correct(&self, distance: Duration) {
        self.set(Correction::Measured(Measured { distance, read: self.uncorrected(), at: Monotonic::now() }));
    }

    /// The measured distance of the reference clock; `None` before a measurement.
    #[must_use]
    pub fn distance(&self) -> Option<Duration> {
        match self.correction() {
            Correction::Measured(measured) => Some(measured.distance),
            Correction::None | Correction::Unknown => None,
        }
    }

    /// Whether this clock may open release windows: there is no reference clock, or its distance was measured less than
    /// four minutes ago.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        match self.correction() {
            Correction::None => true,
            Correction::Unknown => false,
            Correction::Measured(measured) => self.passed_since(measured) <= GOOD_FOR,
        }
    }

    /// Whether the system's clock was set, or the machine slept, since the last measurement.
    #[must_use]
    pub fn was_set(&self) -> bool {
        match self.correction() {
            Correction::None | Correction::Unknown => false,
            Correction::Measured(measured) => {
                (self.uncorrected() - measured.read - self.passed_since(measured)).abs() > STEP
            }
        }
    }

    /// Whether the clock shows a time within the years 1 to 9999. The API can't write any other.
    #[must_use]
    pub fn is_representable(&self) -> bool {
        instant::is_representable(self.now())
    }

    /// Moves a movable clock forward to `to`; it never moves back. The system's clock ignores this.
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

    /// Sets a clock of [`Clock::still`], also back, so that tests can do what an operator, a hypervisor or a time
    /// server does. Other clocks ignore this.
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
            // A long wait is split, because the system's clock may be set forward meanwhile.
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

/// The time of the operating system in nanoseconds since 1970. A collector of traces compares it with that of other
/// programs, whatever clock the rules go by.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "no rule goes by it")]
pub fn system_nanos() -> u64 {
    u64::try_from(Utc::now().timestamp_nanos_opt().unwrap_or_default()).unwrap_or_default()
}
