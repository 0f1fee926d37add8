//! How versions spread: what is tallied of updates, and the curve that is drawn from it.

use std::ops::{AddAssign, Mul};

use chrono::{Months, TimeDelta};

use super::Instant;
use super::event::Progress;
use super::installation::{UpdateMethod, UpdateState};

/// How many updates came to a state. Sums of what changed, so that they can be added up over any time;
/// only `failed` goes down again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Came into being, in whatever state.
    pub offered: i64,
    pub applied_early: i64,
    /// In a window, by a late start included.
    pub applied_automatically: i64,
    /// By an immediate or promoted release.
    pub applied_immediately: i64,
    pub skipped: i64,
    /// Failed, less what a retry applied.
    pub failed: i64,
    /// How many more are in each state now; fewer where it is negative.
    pub now: Progress,
}

impl Tally {
    /// One update that came into being.
    pub const OFFER: Self = Self {
        offered: 1,
        applied_early: 0,
        applied_automatically: 0,
        applied_immediately: 0,
        skipped: 0,
        failed: 0,
        now: Progress::NONE,
    };

    /// What it counts that an update came from one state, and how it had come to that, to the one that it has
    /// now. What was applied by catching up was skipped before, and stays counted as that.
    #[must_use]
    pub fn of_change(before: Option<Stood>, after: Stood) -> Self {
        let mut tally = Self::default();
        if before.is_some_and(|(state, _)| state == after.0) {
            return tally;
        }
        tally.now = Progress::of_one(after.0, after.1);
        if let Some((state, how)) = before {
            tally.now += -Progress::of_one(state, how);
        }
        if before.is_some_and(|(state, _)| state == UpdateState::Failed) {
            tally.failed -= 1;
        }
        match after {
            (UpdateState::Applied, Some(UpdateMethod::Early)) => tally.applied_early += 1,
            (UpdateState::Applied, Some(UpdateMethod::Automatic)) => tally.applied_automatically += 1,
            (UpdateState::Applied, Some(UpdateMethod::Immediate)) => tally.applied_immediately += 1,
            (UpdateState::Skipped, _) => tally.skipped += 1,
            (UpdateState::Failed, _) => tally.failed += 1,
            (UpdateState::Applied | UpdateState::Offered | UpdateState::Withdrawn, _) => {}
        }
        tally
    }

    /// Whether it counts nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where an update stands, and how it came to that.
pub type Stood = (UpdateState, Option<UpdateMethod>);

impl Mul<i64> for Tally {
    type Output = Self;

    /// The same for so many updates.
    fn mul(self, count: i64) -> Self {
        Self {
            offered: self.offered * count,
            applied_early: self.applied_early * count,
            applied_automatically: self.applied_automatically * count,
            applied_immediately: self.applied_immediately * count,
            skipped: self.skipped * count,
            failed: self.failed * count,
            now: self.now * count,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.offered += other.offered;
        self.applied_early += other.applied_early;
        self.applied_automatically += other.applied_automatically;
        self.applied_immediately += other.applied_immediately;
        self.skipped += other.skipped;
        self.failed += other.failed;
        self.now += other.now;
    }
}

/// The fewest points of a curve: both ends.
pub const POINTS_MIN: i32 = 2;
/// The most points of a curve.
pub const POINTS_MAX: i32 = 200;

/// The part of a curve that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CurvePart {
    /// Where it begins; with the first offer when it is left out.
    pub from: Option<Instant>,
    pub to: Instant,
    /// Where it begins at the earliest, whatever was asked for.
    pub earliest: Option<Instant>,
    /// [`POINTS_MIN`] to [`POINTS_MAX`].
    pub points: i32,
}

/// What is wrong with the part that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurveFault {
    Points,
    FromAfterTo,
}

impl CurvePart {
    /// The part from `from` to `to` of a curve that ends at `end`. Of what comes after `now` nothing is
    /// known: there it ends at the latest.
    ///
    /// # Errors
    /// [`CurveFault`].
    pub fn new(
        from: Option<Instant>,
        to: Option<Instant>,
        points: i32,
        end: Instant,
        now: Instant,
    ) -> Result<Self, CurveFault> {
        if !(POINTS_MIN..=POINTS_MAX).contains(&points) {
            return Err(CurveFault::Points);
        }
        let to = to.unwrap_or(end).min(now);
        if from.is_some_and(|from| from > to) {
            return Err(CurveFault::FromAfterTo);
        }
        Ok(Self { from, to, earliest: None, points })
    }

    /// The same, but at most a year long.
    #[must_use]
    pub fn of_a_year(self) -> Self {
        Self { earliest: self.to.checked_sub_months(Months::new(12)), ..self }
    }

    /// The instants of the curve of what was first offered at `first`: evenly spaced, both ends included,
    /// to the microsecond. None before anything was offered.
    #[must_use]
    pub fn instants(&self, first: Instant) -> Vec<Instant> {
        if first > self.to {
            return Vec::new();
        }
        let from = self.from.unwrap_or(first);
        let from = self.earliest.map_or(from, |earliest| from.max(earliest));
        let span = (self.to - from).num_microseconds().unwrap_or(i64::MAX);
        let steps = i64::from(self.points - 1);
        let at = |step| i64::try_from(i128::from(span) * i128::from(step) / i128::from(steps)).unwrap_or(span);
        (0..=steps).map(|step| from + TimeDelta::microseconds(at(step))).collect()
    }
}

/// A point of a curve: the sums of everything since its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurvePoint {
    pub at: Instant,
    pub tally: Tally,
}
