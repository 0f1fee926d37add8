//! Corrects the server's clock by the database's (R40), so that all servers agree on when a window opens.

use std::sync::Arc;
use std::time::{Duration as Wait, Instant as Monotonic};

use chrono::Duration;
use tokio::sync::watch;

use super::error::Failure;
use super::{Services, Shared};
use crate::domain::Instant;
use crate::stop::ended_or_gone;
use crate::store::{self, DatabaseKind};

/// The longest distance between the clocks that isn't logged as a warning.
pub const FAR: Duration = Duration::seconds(5);
/// The pause between measurements.
const EVERY: Wait = Wait::from_secs(60);
/// The pause after a failed measurement.
const AGAIN_AFTER: Wait = Wait::from_secs(5);
/// How often to check whether the system clock was set.
const LOOK_EVERY: Wait = Wait::from_secs(1);
/// The longest time that an answer may take. The measured distance may be wrong by half of that time.
const LONGEST_ANSWER: Wait = Wait::from_secs(2);
/// An answer at least this quick ends the measurement. Otherwise [`ANSWERS`] are measured, and the quickest counts.
const QUICK_ANSWER: Wait = Wait::from_millis(20);
const ANSWERS: u32 = 3;

/// The clock by which the server's own is corrected.
#[derive(Clone, Default)]
pub enum Reference {
    /// No correction.
    #[default]
    Own,
    /// The database's, if it has one.
    Database,
    /// A clock of a test, which can move it or make it fail.
    Other(Arc<dyn Fn() -> Result<Instant, String> + Send + Sync>),
}

/// A fault of the server's clock. Its text is for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFault {
    /// The distance to the database's clock isn't known, so this server opens no window.
    Unmeasured,
    /// The clock is this many seconds ahead of the database's. Windows open by the database's clock.
    Far(i64),
}

impl std::fmt::Display for ClockFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unmeasured => {
                f.write_str("the distance to the database's clock can't be measured; no window opens here")
            }
            Self::Far(seconds) if *seconds > 0 => {
                write!(f, "the server's clock is {seconds} seconds ahead of the database's: set it")
            }
            Self::Far(seconds) => write!(f, "the server's clock is {} seconds behind the database's: set it", -seconds),
        }
    }
}

impl Services {
    /// The known fault of the server's clock, if any.
    #[must_use]
    pub fn clock_fault(&self) -> Option<ClockFault> {
        if !self.clock.is_trusted() {
            return Some(ClockFault::Unmeasured);
        }
        let distance = self.clock.distance().filter(|distance| distance.abs() > FAR)?;
        // Rounds to seconds.
        let ahead = -distance.num_milliseconds();
        Some(ClockFault::Far((ahead + 500 * ahead.signum()) / 1_000))
    }

    /// Whether there is another clock by which the server's clock is corrected.
    #[must_use]
    pub fn has_reference(&self) -> bool {
        match self.reference {
            Reference::Own => false,
            Reference::Database => self.db.kind() == DatabaseKind::Postgresql,
            Reference::Other(_) => true,
        }
    }

    /// Measures how far the reference clock is ahead of the server's own, and corrects the server's clock.
    ///
    /// # Errors
    /// [`Failure`] when the reference clock doesn't answer, or answers too slowly. The correction stays unchanged.
    pub async fn measure_clock(&self) -> Result<(), Failure> {
        let mut best: Option<(Wait, Duration)> = None;
        for _ in 0..ANSWERS {
            let (sent_at, began) = (self.clock.uncorrected(), Monotonic::now());
            let reference_time = match &self.reference {
                Reference::Own => return Ok(()),
                Reference::Database => match store::clock::now(&self.db.whole_server()).await? {
                    Some(reference_time) => reference_time,
                    None => return Ok(()),
                },
                Reference::Other(read) => read().map_err(Failure::Unavailable)?,
            };
            let (took, answered_at) = (began.elapsed(), self.clock.uncorrected());
            // The reference was read at an unknown time in between. Assuming the middle is wrong by half of the
            // duration at most.
            let distance = reference_time - (sent_at + (answered_at - sent_at) / 2);
            if best.is_none_or(|(quickest, _)| took < quickest) {
                best = Some((took, distance));
            }
            if took <= QUICK_ANSWER {
                break;
            }
        }
        match best.filter(|(took, _)| *took <= LONGEST_ANSWER) {
            Some((_, distance)) => {
                self.clock.correct(distance);
                Ok(())
            }
            None => Err(Failure::Unavailable("the database answered too slowly for a measurement of its clock".into())),
        }
    }

    /// Measures the distance every minute, and at once when the system clock was set, until `ending` is true.
    pub async fn keep_clock(self: Shared, mut ending: watch::Receiver<bool>) {
        if !self.has_reference() {
            ended_or_gone(&mut ending).await;
            return;
        }
        let mut reported: Option<ClockFault> = None;
        loop {
            let measured = self.measure_clock().await;
            if let Err(failure) = &measured {
                tracing::warn!(failure = %failure.for_operators(), "the distance to the database's clock was not measured");
            }
            let fault = self.clock_fault();
            let kind = |fault: Option<ClockFault>| fault.map(|fault| std::mem::discriminant(&fault));
            match fault {
                Some(fault) if kind(reported) != kind(Some(fault)) => tracing::warn!("{fault}"),
                None if reported.is_some() => tracing::info!("the server's clock agrees with the database's again"),
                _ => {}
            }
            reported = fault;
            let pause = if measured.is_ok() { EVERY } else { AGAIN_AFTER };
            tokio::select! {
                _ = ending.wait_for(|ending| *ending) => return,
                () = self.pause_or_set(pause) => {}
            }
        }
    }

    async fn pause_or_set(&self, pause: Wait) {
        let begun = Monotonic::now();
        while begun.elapsed() < pause && !self.clock.was_set() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
