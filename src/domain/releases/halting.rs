//! Halting: a rule stops a release by itself when too many updates go bad (R58), and a publisher can try a rule on past
//! releases (R60). Both use the same function, [`judge`].

use std::ops::AddAssign;

use chrono::TimeDelta;

use crate::domain::Instant;
use crate::domain::releases::{Release, ReleaseRefusal, ReleaseState};

/// The action of a halt rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HaltAction {
    /// A halt pauses the release. After the release's end it only announces the figures.
    Pause,
    /// A halt cancels a release whose window hasn't opened, and rolls back any other.
    RollBack,
}

/// A rule that halts a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HaltRule {
    /// The release halts when more than this share of the executed updates is bad, in hundredths of a percent.
    pub hundredths: i32,
    /// The release halts only after at least this number of updates was executed.
    pub at_least: i32,
    pub then: HaltAction,
    /// For how many hours after the release's end a report can still halt it.
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
    /// The rule, if its numbers are within their bounds: a percent of 0.01 to 100 with at most two decimals, 1 to
    /// 1,000,000 updates, and 0 to 336 hours.
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

    /// For how long after a release's end a report can still halt it.
    #[must_use]
    pub fn watch(&self) -> TimeDelta {
        TimeDelta::hours(self.watch_hours.into())
    }
}

/// The figures that a halt rule is judged by. They count since the release was made or last resumed. An update stays
/// counted when it is withdrawn later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HaltFigures {
    /// The number of updates that were applied or failed.
    pub executed: i64,
    /// The number of executed updates that failed or whose newest report says broken.
    pub bad: i64,
}

impl AddAssign for HaltFigures {
    fn add_assign(&mut self, other: Self) {
        self.executed += other.executed;
        self.bad += other.bad;
    }
}

impl HaltFigures {
    /// The share of bad updates among the executed ones, in percent; 0 when none was executed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a percentage for people; updates are far below 2^52")]
    pub fn percent(&self) -> f64 {
        if self.executed == 0 { 0.0 } else { self.bad as f64 * 100.0 / self.executed as f64 }
    }
}

/// Whether a rule halts a release with these figures. The comparison uses integers, so it doesn't round.
#[must_use]
pub fn judge(rule: &HaltRule, figures: HaltFigures) -> bool {
    let HaltFigures { executed, bad } = figures;
    executed >= i64::from(rule.at_least)
        && i128::from(bad) * 10_000 > i128::from(rule.hundredths) * i128::from(executed)
}

/// The most installations that the next batch of a release with a rule may have. The first batches have as many as the
/// rule needs to be judged at all. While the release goes well, each batch may have as many as were executed before it,
/// so that no batch does more harm than all batches before it could have shown. A release goes well while at most half
/// of the bad updates that the rule allows have occurred; otherwise the batches are small again.
#[must_use]
pub fn batch_limit(rule: &HaltRule, figures: HaltFigures) -> u64 {
    let HaltFigures { executed, bad } = figures;
    let goes_well = i128::from(bad) * 20_000 <= i128::from(rule.hundredths) * i128::from(executed);
    let first = i64::from(rule.at_least);
    u64::try_from(if goes_well { executed.max(first) } else { first }).unwrap_or(1).max(1)
}

impl Release {
    /// The end of the time in which a report can still halt the ended release. `None` before the release's end and
    /// without a rule.
    #[must_use]
    pub fn watched_until(&self) -> Option<Instant> {
        use ReleaseState as S;
        let (rule, ended) = (self.halt.as_ref()?, self.ended_at?);
        matches!(self.state, S::Succeeded | S::PartiallySucceeded | S::Failed).then(|| ended + rule.watch())
    }

    /// Whether the halt rule counts an update that was settled at `settled_at`. After a resume, it counts only updates
    /// that were settled since (R58).
    #[must_use]
    pub fn counts(&self, settled_at: Option<Instant>) -> bool {
        self.resumed_at.is_none_or(|resumed| settled_at.is_some_and(|settled| settled >= resumed))
    }

    /// When an update is settled that is executed at `now`: not before the resume, even if the clock was set back since
    /// or another server's clock is a little behind. Otherwise the update would not count.
    #[must_use]
    pub fn settles_at(&self, now: Instant) -> Instant {
        self.resumed_at.map_or(now, |resumed| resumed.max(now))
    }

    /// The rule to be judged at `now`. `None` if the release has none, was halted since it was made or last resumed, or
    /// is over: neither scheduled, nor in progress, nor watched.
    #[must_use]
    pub fn judged_by(&self, now: Instant) -> Option<HaltRule> {
        let rule = self.halt.filter(|_| self.halted_at.is_none())?;
        let is_open = matches!(self.state, ReleaseState::Scheduled | ReleaseState::InProgress);
        (is_open || self.watched_until().is_some_and(|until| now < until)).then_some(rule)
    }
}

/// The effect of a halt on its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    Pause,
    Cancel,
    RollBack,
    /// The halt only announces an event to the publisher, because there is nothing to stop.
    Announce,
}

impl Halt {
    /// The effect's name in the audit log.
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

/// Decides the effect of a halt. `can_roll_back` is whether the release can be rolled back now.
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

/// The figures of a release after a change at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiguresAt {
    pub at: Instant,
    pub figures: HaltFigures,
}

/// Whether and when a rule would have halted a past release (R60).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HaltVerdict {
    /// When the rule would first have halted the release; `None` if it wouldn't have.
    pub halts_at: Option<Instant>,
    /// The figures at that instant, or else the last ones.
    pub figures: HaltFigures,
}

impl HaltVerdict {
    /// The verdict of a rule. `decisive` has the first figures that halt the release, or else the last ones that the
    /// rule would have been judged by; `None` if the release has none.
    #[must_use]
    pub fn of(rule: &HaltRule, decisive: Option<FiguresAt>) -> Self {
        let Some(FiguresAt { at, figures }) = decisive else { return Self::default() };
        Self { halts_at: judge(rule, figures).then_some(at), figures }
    }
}
