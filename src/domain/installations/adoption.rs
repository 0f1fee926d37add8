//! Adoption: how far the versions of a pack have spread. Counters of updates, and the curve drawn from them.

use std::ops::{AddAssign, Mul};

use chrono::{Months, TimeDelta};

use crate::domain::Instant;
use crate::domain::installations::{UpdateMethod, UpdateOutcome, UpdateState};
use crate::domain::log::Progress;
use crate::domain::releases::HaltFigures;

/// How a release's updates changed over a period, in numbers. The sum of the tallies of two periods is the tally of
/// both together. `offered`, `skipped` and the `applied_…` numbers only grow; the others can be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Updates created, whatever their first state.
    pub offered: i64,
    pub applied_early: i64,
    /// Updates that the window of the release or of an early stage applied, also one that opened late.
    pub applied_automatically: i64,
    /// Updates that an immediate or promoted release applied.
    pub applied_immediately: i64,
    pub skipped: i64,
    /// Updates that failed, less the failed ones that a retry applied.
    pub failed: i64,
    /// The change in the number of updates in each state. Negative where updates left a state.
    pub now: Progress,
    /// The change in the number of installations that the release has not reached yet.
    pub remaining: i64,
    /// The change in the number of applied updates whose newest report says that they work (R57).
    pub works: i64,
    /// The change in the number of applied updates whose newest report says that they are broken (R57).
    pub broken: i64,
    /// The change in the figures that a halt rule is judged by (R58).
    pub judged: HaltFigures,
}

impl Tally {
    /// The tally of one new update, which is offered. Its release has one installation less to reach.
    pub const OFFER: Self = Self {
        offered: 1,
        applied_early: 0,
        applied_automatically: 0,
        applied_immediately: 0,
        skipped: 0,
        failed: 0,
        now: Progress::NONE,
        remaining: -1,
        works: 0,
        broken: 0,
        judged: HaltFigures { executed: 0, bad: 0 },
    };

    /// The tally of one update that goes from `before` (`None` for a new update) to `after`. It is empty when the state
    /// stays the same. A skipped update that is applied by catching up stays counted as skipped.
    #[must_use]
    pub fn of_change(before: Option<ReachedState>, after: ReachedState) -> Self {
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
        tally.judged = judged_change(before.map(|(state, _)| state), after.0);
        match after {
            (UpdateState::Applied, Some(UpdateMethod::Early)) => tally.applied_early += 1,
            (UpdateState::Applied, Some(UpdateMethod::Automatic | UpdateMethod::Staged)) => {
                tally.applied_automatically += 1
            }
            (UpdateState::Applied, Some(UpdateMethod::Immediate)) => tally.applied_immediately += 1,
            (UpdateState::Skipped, _) => tally.skipped += 1,
            (UpdateState::Failed, _) => tally.failed += 1,
            (UpdateState::Applied | UpdateState::Offered | UpdateState::Withdrawn, _) => {}
        }
        tally
    }

    /// The tally of one report. `before` is the account's earlier report of the same update. `after` is `None` when the
    /// update is withdrawn, because only applied updates count with their reports.
    #[must_use]
    pub fn of_report(before: Option<UpdateOutcome>, after: Option<UpdateOutcome>) -> Self {
        let count = |outcome| i64::from(after == Some(outcome)) - i64::from(before == Some(outcome));
        Self { works: count(UpdateOutcome::Works), broken: count(UpdateOutcome::Broken), ..Self::default() }
    }

    /// The tally of one report, with its effect on the halt rule (R58). `is_judged` is whether the rule counts the
    /// update: after a resume, it doesn't count updates that were executed before.
    #[must_use]
    pub fn of_judged_report(before: Option<UpdateOutcome>, after: UpdateOutcome, is_judged: bool) -> Self {
        let tally = Self::of_report(before, Some(after));
        let bad = if is_judged { tally.broken } else { 0 };
        Self { judged: HaltFigures { executed: 0, bad }, ..tally }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How the figures of a halt rule change when an update goes from one state to another. An executed update stays
/// counted when it is withdrawn.
fn judged_change(before: Option<UpdateState>, after: UpdateState) -> HaltFigures {
    use UpdateState as S;
    match (before, after) {
        (Some(S::Failed), S::Applied) => HaltFigures { executed: 0, bad: -1 },
        (Some(S::Applied | S::Failed), _) => HaltFigures::default(),
        (_, S::Applied) => HaltFigures { executed: 1, bad: 0 },
        (_, S::Failed) => HaltFigures { executed: 1, bad: 1 },
        (_, S::Offered | S::Skipped | S::Withdrawn) => HaltFigures::default(),
    }
}

/// The state of an update, and the method by which it got there.
pub(crate) type ReachedState = (UpdateState, Option<UpdateMethod>);

impl Mul<i64> for Tally {
    type Output = Self;

    /// The tally of `count` updates that all changed in the same way.
    fn mul(self, count: i64) -> Self {
        Self {
            offered: self.offered * count,
            applied_early: self.applied_early * count,
            applied_automatically: self.applied_automatically * count,
            applied_immediately: self.applied_immediately * count,
            skipped: self.skipped * count,
            failed: self.failed * count,
            now: self.now * count,
            remaining: self.remaining * count,
            works: self.works * count,
            broken: self.broken * count,
            judged: HaltFigures { executed: self.judged.executed * count, bad: self.judged.bad * count },
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
        self.remaining += other.remaining;
        self.works += other.works;
        self.broken += other.broken;
        self.judged += other.judged;
    }
}

/// The fewest points of a curve: its two ends.
pub(crate) const POINTS_MIN: i32 = 2;
/// The most points of a curve.
pub(crate) const POINTS_MAX: i32 = 200;

/// The stretch of a curve that a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CurvePart {
    /// The beginning; `None` begins with the first offer.
    pub from: Option<Instant>,
    pub to: Instant,
    /// The part begins no earlier than this, even if `from` does.
    pub earliest: Option<Instant>,
    /// The number of points, [`POINTS_MIN`] to [`POINTS_MAX`].
    pub points: i32,
}

/// Why a [`CurvePart`] is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurveFault {
    Points,
    FromAfterTo,
}

impl CurvePart {
    /// The part of a curve between `from` and `to`. `to` defaults to `end`, the end of the curve, and is cut to `now`.
    ///
    /// # Errors
    /// [`CurveFault::Points`] for a number of points out of bounds, [`CurveFault::FromAfterTo`] for an empty part.
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

    /// The same part, limited to its last twelve months.
    #[must_use]
    pub fn of_a_year(self) -> Self {
        Self { earliest: self.to.checked_sub_months(Months::new(12)), ..self }
    }

    /// The instants of the points, evenly spaced in microseconds, both ends included. `first` is the time of the first
    /// offer. Empty when the first offer comes after the part's end.
    #[must_use]
    pub fn instants(&self, first: Instant) -> Vec<Instant> {
        if first > self.to {
            return Vec::new();
        }
        let from = self.from.unwrap_or(first);
        let from = self.earliest.map_or(from, |earliest| from.max(earliest));
        let span = (self.to - from).num_microseconds().unwrap_or(i64::MAX);
        let steps = i64::from(self.points - 1);
        let at = |index| i64::try_from(i128::from(span) * i128::from(index) / i128::from(steps)).unwrap_or(span);
        (0..=steps).map(|index| from + TimeDelta::microseconds(at(index))).collect()
    }
}

/// A point of a curve: the counts from the curve's beginning up to `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurvePoint {
    pub at: Instant,
    pub tally: Tally,
}
