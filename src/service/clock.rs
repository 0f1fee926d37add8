//! Going by the database's clock (R40): servers whose own clocks differ must agree on when a window opens.

use std::sync::Arc;
use std::time::{Duration as Wait, Instant as Monotonic};

use chrono::Duration;
use tokio::sync::watch;

use super::error::Failure;
use super::{Services, Shared};
use crate::domain::Instant;
use crate::store::{self, DatabaseKind};

/// By how much a clock may be off before somebody should hear of it.
pub const FAR: Duration = Duration::seconds(5);
/// How often the distance is measured.
const EVERY: Wait = Wait::from_secs(60);
/// How soon after a measurement that failed.
const AGAIN_AFTER: Wait = Wait::from_secs(5);
/// How often a clock is looked at that somebody may have set.
const LOOK_EVERY: Wait = Wait::from_secs(1);
/// How long an answer may take to tell anything: half of it is what the distance may be wrong by.
const LONGEST_ANSWER: Wait = Wait::from_secs(2);
/// An answer that is quick enough to be the last one asked for, and how many are asked for otherwise.
const QUICK_ANSWER: Wait = Wait::from_millis(20);
const ANSWERS: u32 = 3;

/// Which clock the server's own is corrected by.
#[derive(Clone, Default)]
pub enum Reference {
    /// None: it is taken as it is.
    #[default]
    Own,
    /// The database's, if it has one.
    Database,
    /// Another one, which a test moves or breaks.
    Other(Arc<dyn Fn() -> Result<Instant, String> + Send + Sync>),
}

/// What is wrong with a server's clock, in a sentence for whoever runs the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFault {
    /// Its distance from the database's clock isn't known: it opens no window.
    Unmeasured,
    /// It is so many seconds ahead of the database's clock. Windows open by the database's.
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
    /// What is wrong with the server's clock, as far as it is known.
    #[must_use]
    pub fn clock_fault(&self) -> Option<ClockFault> {
        if !self.clock.is_trusted() {
            return Some(ClockFault::Unmeasured);
        }
        let distance = self.clock.distance().filter(|distance| distance.abs() > FAR)?;
        // To the nearest second.
        let ahead = -distance.num_milliseconds();
        Some(ClockFault::Far((ahead + 500 * ahead.signum()) / 1_000))
    }

    /// Whether there is another clock to go by.
    #[must_use]
    pub fn has_reference(&self) -> bool {
        match self.reference {
            Reference::Own => false,
            Reference::Database => self.db.kind() == DatabaseKind::Postgresql,
            Reference::Other(_) => true,
        }
    }

    /// Measures how far the clock that is to be gone by is ahead of the server's own, and corrects it.
    ///
    /// # Errors
    /// [`Failure`], when the other clock doesn't answer, or too slowly: the correction stays as it was.
    pub async fn measure_clock(&self) -> Result<(), Failure> {
        let mut best: Option<(Wait, Duration)> = None;
        for _ in 0..ANSWERS {
            let (asked_at, began) = (self.clock.uncorrected(), Monotonic::now());
            let theirs = match &self.reference {
                Reference::Own => return Ok(()),
                Reference::Database => match store::clock::now(&self.db).await? {
                    Some(theirs) => theirs,
                    None => return Ok(()),
                },
                Reference::Other(read) => read().map_err(Failure::Unavailable)?,
            };
            let (took, answered_at) = (began.elapsed(), self.clock.uncorrected());
            // They read their clock at some time between; half way is wrong by half of the time at most.
            let distance = theirs - (asked_at + (answered_at - asked_at) / 2);
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
            None => Err(Failure::Unavailable("the database's clock answers too slowly to go by".into())),
        }
    }

    /// Measures the distance every minute, and at once when somebody has set the clock, until `ending` says so.
    pub async fn keep_clock(self: Shared, mut ending: watch::Receiver<bool>) {
        if !self.has_reference() {
            let _ = ending.wait_for(|ending| *ending).await;
            return;
        }
        let mut told: Option<ClockFault> = None;
        loop {
            let measured = self.measure_clock().await;
            if let Err(failure) = &measured {
                tracing::warn!(?failure, "the distance to the database's clock was not measured");
            }
            let fault = self.clock_fault();
            let kind = |fault: Option<ClockFault>| fault.map(|fault| std::mem::discriminant(&fault));
            match fault {
                Some(fault) if kind(told) != kind(Some(fault)) => tracing::warn!("{fault}"),
                None if told.is_some() => tracing::info!("the server's clock agrees with the database's again"),
                _ => {}
            }
            told = fault;
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
