//! Halting: when a release stops by itself (R58), and what a rule would have done to a release of the past (R60). Both
//! ask the same function.

use std::ops::AddAssign;

use chrono::TimeDelta;

use crate::domain::Instant;
use crate::domain::releases::{Release, ReleaseRefusal, ReleaseState};

/// What a halt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HaltAction {
    /// It pauses the release. After the release's end it only announces.
    Pause,
    /// It cancels a release whose window hasn't opened, and rolls another one back.
    RollBack,
}

/// When a release stops by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HaltRule {
    /// The release stops when more than this of the executed updates is bad, in hundredths of a percent.
    pub hundredths: i32,
    /// The rule is judged from so many executed updates on.
    pub at_least: i32,
    pub then: HaltAction,
    /// For how many hours after the release's end reports still decide.
    pub watch_hours: i32,
}

/// A rule as a publisher requests it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestedHaltRule {
    pub percent: f64,
    pub at_least: i32,
    pub then: HaltAction,
    pub watch_hours: i32,
}

impl RequestedHaltRule {
    /// The rule, if its numbers are within their bounds: a percent of 0.01 to 100 with at most two decimals, from 1 to
    /// 1,000,000 updates on, and 0 to 336 hours.
    ///
    /// # Errors
    /// INVALID_HALT_RULE.
    pub fn checked(self) -> Result<HaltRule, ReleaseRefusal> {
        let Self { percent, at_least, then, watch_hours } = self;
        let is_within = (0.01..=100.0).contains(&percent)
            && (1..=1_000_000).contains(&at_least)
            && (0..=336).contains(&watch_hours);
        let rounded = (percent * 100.0).round();
        if !is_within || (percent * 100.0 - rounded).abs() > 1e-6 {
            return Err(ReleaseRefusal::InvalidHaltRule);
        }
        #[expect(clippy::cast_possible_truncation, reason = "1 to 10,000")]
        let hundredths = rounded as i32;
        Ok(HaltRule { hundredths, at_least, then, watch_hours })
    }
}

impl HaltRule {
    /// The percent, as the publisher gave it.
    #[must_use]
    pub fn percent(&self) -> f64 {
        f64::from(self.hundredths) / 100.0
    }

    /// For how long reports decide after a release's end.
    #[must_use]
    pub fn watch(&self) -> TimeDelta {
        TimeDelta::hours(self.watch_hours.into())
    }
}

/// The numbers that a rule is judged by, since the release was made or last resumed. An update stays in them when it is
/// taken back later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HaltFigures {
    /// Updates that were applied or failed.
    pub executed: i64,
    /// Those of them that failed or were reported broken.
    pub bad: i64,
}

impl AddAssign for HaltFigures {
    fn add_assign(&mut self, other: Self) {
        self.executed += other.executed;
        self.bad += other.bad;
    }
}

impl HaltFigures {
    /// The bad ones of the executed ones, in percent; 0 when nothing was executed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a percentage for people; updates are far below 2^52")]
    pub fn percent(&self) -> f64 {
        if self.executed == 0 { 0.0 } else { self.bad as f64 * 100.0 / self.executed as f64 }
    }
}

/// Whether a rule halts a release with these numbers. The comparison is exact.
#[must_use]
pub fn judge(rule: &HaltRule, figures: HaltFigures) -> bool {
    let HaltFigures { executed, bad } = figures;
    executed >= i64::from(rule.at_least)
        && i128::from(bad) * 10_000 > i128::from(rule.hundredths) * i128::from(executed)
}

/// The most installations that the next batch of a release with a rule may come to. The first batches have as many as
/// the rule needs to be judged at all. While all goes well, each batch may have as many as were executed before it, so
/// that no batch harms more than all before it together could have shown. It goes well while no more than half of what
/// the rule allows is bad; otherwise the batches are small again.
#[must_use]
pub fn batch_limit(rule: &HaltRule, figures: HaltFigures) -> u64 {
    let HaltFigures { executed, bad } = figures;
    let goes_well = i128::from(bad) * 20_000 <= i128::from(rule.hundredths) * i128::from(executed);
    let first = i64::from(rule.at_least);
    u64::try_from(if goes_well { executed.max(first) } else { first }).unwrap_or(1).max(1)
}

impl Release {
    /// Until when reports decide: the end of the watch. `None` before the release's end and without a rule.
    #[must_use]
    pub fn watched_until(&self) -> Option<Instant> {
        use ReleaseState as S;
        let (rule, ended) = (self.halt.as_ref()?, self.ended_at?);
        matches!(self.state, S::Succeeded | S::PartiallySucceeded | S::Failed).then(|| ended + rule.watch())
    }

    /// From when on no rule would have been judged any more, because the release was taken back; `None` if it wasn't.
    /// What ends a release may be the rule itself, so its own instant counts.
    #[must_use]
    pub fn judged_until(&self) -> Option<Instant> {
        self.taken_back_at().map(|at| at + TimeDelta::microseconds(1))
    }

    /// Whether an update that was settled then is in the numbers of the halt rule: after a resume, only those are that
    /// were settled since (R58).
    #[must_use]
    pub fn counts(&self, settled_at: Option<Instant>) -> bool {
        self.resumed_at.is_none_or(|resumed| settled_at.is_some_and(|settled| settled >= resumed))
    }

    /// The rule that is judged at `now`, if there is one: the release hasn't been halted since it was made or resumed,
    /// and is waiting, being rolled out or watched.
    #[must_use]
    pub fn judged_by(&self, now: Instant) -> Option<HaltRule> {
        let rule = self.halt.filter(|_| self.halted_at.is_none())?;
        let is_open = matches!(self.state, ReleaseState::Scheduled | ReleaseState::InProgress);
        (is_open || self.watched_until().is_some_and(|until| now < until)).then_some(rule)
    }
}

/// What becomes of a release that its rule halts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    Pause,
    Cancel,
    RollBack,
    /// The publisher is told; there is nothing to stop.
    Announce,
}

impl Halt {
    /// What the halt does to a rollout that an operator has given up: nobody is moved any more, so there is nothing to
    /// pause.
    #[must_use]
    pub fn of_given_up(self) -> Self {
        if self == Self::Pause { Self::Announce } else { self }
    }

    /// Its name in the audit log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "PAUSE",
            Self::Cancel => "CANCEL",
            Self::RollBack => "ROLL_BACK",
            Self::Announce => "ANNOUNCE",
        }
    }
}

/// Decides what a halt does. `can_roll_back` is whether the release can be rolled back now.
#[must_use]
pub fn decide_halt(then: HaltAction, state: ReleaseState, can_roll_back: bool) -> Halt {
    use ReleaseState as S;
    match (then, state) {
        (HaltAction::Pause, S::Scheduled | S::InProgress) => Halt::Pause,
        (HaltAction::RollBack, S::Scheduled) => Halt::Cancel,
        (HaltAction::RollBack, S::InProgress) if !can_roll_back => Halt::Pause,
        (HaltAction::RollBack, _) if can_roll_back => Halt::RollBack,
        (HaltAction::Pause | HaltAction::RollBack, _) => Halt::Announce,
    }
}

/// Decides whether a release's rule can be changed at `now`.
///
/// # Errors
/// WATCH_IS_OVER.
pub fn decide_set_rule(release: &Release, now: Instant) -> Result<(), ReleaseRefusal> {
    let is_open = matches!(release.state_at(now), ReleaseState::Scheduled | ReleaseState::InProgress);
    let is_watched = release.watched_until().is_some_and(|until| now < until);
    if is_open || is_watched { Ok(()) } else { Err(ReleaseRefusal::WatchIsOver) }
}

/// The numbers of a release after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiguresAt {
    pub at: Instant,
    pub figures: HaltFigures,
}

/// What a rule would have done to a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HaltVerdict {
    /// When the rule would have halted it first; `None` if it wouldn't have.
    pub halts_at: Option<Instant>,
    /// The numbers then, or else at the end.
    pub figures: HaltFigures,
}

impl HaltVerdict {
    /// The verdict of a rule on the numbers that decide: the first ones that halt a release, or else the last ones that
    /// are judged (R60). `None` if there are no numbers.
    #[must_use]
    pub fn of(rule: &HaltRule, decisive: Option<FiguresAt>) -> Self {
        let Some(FiguresAt { at, figures }) = decisive else { return Self::default() };
        Self { halts_at: judge(rule, figures).then_some(at), figures }
    }
}
