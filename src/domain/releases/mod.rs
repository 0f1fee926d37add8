//! Releases and their state machine (R21–R30).

mod halting;
mod pausing;
mod preview;
mod refusal;
mod retrying;
mod rolling_back;
mod stages;
mod window;
mod zone;

pub use halting::{
    FiguresAt, Halt, HaltAction, HaltFigures, HaltRule, HaltVerdict, RequestedHaltRule, batch_limit, decide_halt,
    decide_set_rule, judge,
};
pub use pausing::{Pause, REASON_MAX, decide_pause, decide_resume};
pub use preview::{GoesBack, Labelled, LabelledRow, MISMATCHES_MAX, PreviewFacts, Warning, mismatches, warnings};
pub(crate) use preview::{Mismatch, Occurrence};
pub use refusal::{ReleaseRefusal, StageNameFault, StagesFault};
pub use retrying::{RetryFacts, decide_retry};
pub use rolling_back::{RollBack, RollBackFacts, check_bound, decide_roll_back};
pub use stages::{
    BUCKET_BITS, Buckets, EVERYBODY, Holds, Percent, Planning, RequestedHolds, RequestedStage, STAGE_NAME_MAX, Stage,
    StageDate, StageState, applies_in, bucket_seed, buckets_again, check_stage_sizes, first_stage, last_stage_state,
    pending_due_at, plan_stages, reschedule_stages,
};
pub(crate) use window::DateRange;
pub use window::{Window, WindowFault, computed_anew, is_representable, lateness, release_dates, release_window};
pub use zone::Zone;
pub(crate) use zone::{DataVersion, Offsets};

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::id::{AccountId, ComponentId, ComponentVersionId, PackId, PackVersionId, ReleaseId};
use crate::domain::installations::UpdateMethod;
use crate::domain::packs::{DraftRow, PackStanding, next_content};
use crate::domain::source::Source;

/// How a release was scheduled at first. Promoting a dated release doesn't change this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReleaseSchedule {
    Immediately,
    OnSpecifiedDate,
}

/// The state of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReleaseState {
    Scheduled,
    InProgress,
    Succeeded,
    PartiallySucceeded,
    Failed,
    Canceled,
    Superseded,
    /// Installations are being moved back to the former version (R59).
    RollingBack,
    RolledBack,
}

impl ReleaseState {
    /// Every state, in the order of a release's life.
    pub const ALL: [Self; 9] = [
        Self::Scheduled,
        Self::InProgress,
        Self::Succeeded,
        Self::PartiallySucceeded,
        Self::Failed,
        Self::Canceled,
        Self::Superseded,
        Self::RollingBack,
        Self::RolledBack,
    ];

    /// Whether the failed updates of a release in this state can be retried.
    #[must_use]
    pub fn may_be_retried(self) -> bool {
        transition(self, Command::RetryFailed).is_ok()
    }

    /// Whether the release was taken back: its offers end, and installations that it moved are moved back (R29, R30,
    /// R59).
    #[must_use]
    pub fn is_taken_back(self) -> bool {
        match self {
            Self::Canceled | Self::Superseded | Self::RollingBack | Self::RolledBack => true,
            Self::Scheduled | Self::InProgress | Self::Succeeded | Self::PartiallySucceeded | Self::Failed => false,
        }
    }
}

/// An action on an existing release, by a caller or by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// The window has opened (R27, R30).
    Open,
    Reschedule,
    Promote,
    Cancel,
    /// An immediate release replaces it (R29).
    Supersede,
    /// An immediate release replaces a rollout that is paused (R56).
    SupersedePaused,
    Pause,
    Resume,
    /// No installation failed to move.
    CompleteAllWell,
    /// Some installations failed to move.
    CompleteSomeFailed,
    /// Installations failed to move, and none moved.
    CompleteAllFailed,
    RetryFailed,
    /// The former version takes the release's place again (R59).
    RollBack,
    /// Every installation that could be moved back was moved back.
    CompleteRollBack,
}

impl Command {
    /// All commands.
    pub const ALL: [Self; 14] = [
        Self::Open,
        Self::Reschedule,
        Self::Promote,
        Self::Cancel,
        Self::Supersede,
        Self::SupersedePaused,
        Self::Pause,
        Self::Resume,
        Self::CompleteAllWell,
        Self::CompleteSomeFailed,
        Self::CompleteAllFailed,
        Self::RetryFailed,
        Self::RollBack,
        Self::CompleteRollBack,
    ];
}

/// Why a release's state doesn't allow a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransitionFault {
    /// The window has opened, or the rollout is running.
    InProgress,
    /// The release was canceled or superseded, or has ended.
    NotPending,
    /// The release has not started.
    NotStarted,
    /// A later release replaced this one.
    Superseded,
    /// None of the release's updates has failed.
    NothingToRetry,
    /// The release was canceled, superseded or rolled back.
    NotInForce,
}

/// The state machine: the state of a release after `command`.
///
/// # Errors
/// The reason why the state doesn't allow the command.
pub fn transition(state: ReleaseState, command: Command) -> Result<ReleaseState, TransitionFault> {
    use Command as C;
    use ReleaseState as S;
    match (state, command) {
        (S::Scheduled, C::Open | C::Promote) => Ok(S::InProgress),
        (S::Scheduled, C::Reschedule | C::Pause | C::Resume) => Ok(S::Scheduled),
        (S::Scheduled, C::Cancel) => Ok(S::Canceled),
        (S::Scheduled, C::Supersede) | (S::InProgress, C::SupersedePaused) => Ok(S::Superseded),
        (S::InProgress, C::Pause | C::Resume) => Ok(S::InProgress),
        (S::InProgress, C::CompleteAllWell) => Ok(S::Succeeded),
        (S::InProgress, C::CompleteSomeFailed) => Ok(S::PartiallySucceeded),
        (S::InProgress, C::CompleteAllFailed) => Ok(S::Failed),
        (S::PartiallySucceeded | S::Failed, C::RetryFailed) => Ok(S::InProgress),
        (S::InProgress | S::Succeeded | S::PartiallySucceeded | S::Failed, C::RollBack) => Ok(S::RollingBack),
        (S::RollingBack, C::CompleteRollBack) => Ok(S::RolledBack),
        (
            S::Scheduled | S::Canceled,
            C::RetryFailed | C::CompleteAllWell | C::CompleteSomeFailed | C::CompleteAllFailed,
        )
        | (S::Scheduled, C::SupersedePaused | C::RollBack | C::CompleteRollBack) => Err(TransitionFault::NotStarted),
        (S::Canceled | S::Superseded | S::RolledBack, C::RollBack | C::CompleteRollBack) => {
            Err(TransitionFault::NotInForce)
        }
        (S::Superseded, C::RetryFailed) => Err(TransitionFault::Superseded),
        (S::Succeeded | S::RolledBack, C::RetryFailed) => Err(TransitionFault::NothingToRetry),
        (S::InProgress | S::RollingBack, _) => Err(TransitionFault::InProgress),
        (S::Succeeded | S::PartiallySucceeded | S::Failed | S::Canceled | S::Superseded | S::RolledBack, _) => {
            Err(TransitionFault::NotPending)
        }
    }
}

/// The position of the stage that opens when the publisher calls `openNextStage` (R55).
///
/// # Errors
/// The reason why the state doesn't allow it; `Err(None)` when no stage waits.
pub fn opens_next_stage(state: ReleaseState, stages: &[stages::Stage]) -> Result<usize, Option<TransitionFault>> {
    // A stage opens where a release can still be given another date.
    transition(state, Command::Reschedule).map_err(Some)?;
    stages.iter().position(stages::Stage::waits).ok_or(None)
}

/// The command that ends a rollout, from the number of failed and of applied updates. Skipped and withdrawn updates
/// don't count.
#[must_use]
pub fn outcome(failed: i64, applied: i64) -> Command {
    match (failed, applied) {
        (0, _) => Command::CompleteAllWell,
        (_, 0) => Command::CompleteAllFailed,
        _ => Command::CompleteSomeFailed,
    }
}

/// A release of a pack version to the pack's installations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub id: ReleaseId,
    pub pack_id: PackId,
    pub publisher_id: AccountId,
    pub version_id: PackVersionId,
    /// The version that was current when the release was made; `None` for a first release.
    pub previous_version_id: Option<PackVersionId>,
    /// Whether the release has early stages (R54).
    pub has_stages: bool,
    /// As stored. Use [`Release::state_at`] for the state as of now.
    pub state: ReleaseState,
    pub schedule: ReleaseSchedule,
    /// The release window; `None` for an immediate release (R35, R36).
    pub window: Option<Window>,
    /// How many seconds after its window's end the release started; `None` when it wasn't late (R39).
    pub lateness_seconds: Option<i64>,
    pub superseded_by: Option<ReleaseId>,
    pub created_at: Instant,
    pub created_by: Actor,
    pub promoted_at: Option<Instant>,
    pub started_at: Option<Instant>,
    pub ended_at: Option<Instant>,
    /// The pause; `None` while the release isn't paused (R56).
    pub pause: Option<Pause>,
    /// When the release was last resumed.
    pub resumed_at: Option<Instant>,
    /// Why the release was rolled back, or canceled by its halt rule (R58, R59).
    pub reason: Option<String>,
    pub roll_back: Option<RollBack>,
    /// The release's halt rule (R58).
    pub halt: Option<HaltRule>,
    /// When the halt rule halted the release; `None` if it hasn't since the release was made or last resumed.
    pub halted_at: Option<Instant>,
    /// The origin of the content (R68).
    pub source: Option<Source>,
}

impl Release {
    /// The method of updates that the rollout itself applies.
    #[must_use]
    pub fn method(&self) -> UpdateMethod {
        let dated = self.schedule == ReleaseSchedule::OnSpecifiedDate && self.promoted_at.is_none();
        if dated { UpdateMethod::Automatic } else { UpdateMethod::Immediate }
    }

    /// The state at `now`. When a scheduled release's window has opened, the release is in progress, or has succeeded
    /// if it is a first release, whether or not the scheduler has carried that out (R23, R30).
    #[must_use]
    pub fn state_at(&self, now: Instant) -> ReleaseState {
        match (self.is_due(now), self.previous_version_id) {
            (false, _) => self.state,
            (true, Some(_)) => ReleaseState::InProgress,
            (true, None) => ReleaseState::Succeeded,
        }
    }

    /// When the release was taken back: canceled, superseded, or begun to be rolled back.
    #[must_use]
    pub fn taken_back_at(&self) -> Option<Instant> {
        if !self.state.is_taken_back() {
            return None;
        }
        self.roll_back.map(|it| it.began_at).or(self.ended_at)
    }

    /// Whether the window has opened and the stored state doesn't show it yet. A paused release's window doesn't open
    /// (R56).
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.state == ReleaseState::Scheduled
            && !self.is_paused()
            && self.window.as_ref().is_some_and(|w| w.starts_at <= now)
    }

    /// The start and the end of the testing period, in which accounts may apply the update early (R26). It ends when
    /// the window opens, or when the release is promoted, canceled or superseded. `None` for immediate releases and
    /// first releases (R23).
    #[must_use]
    pub fn testing_period(&self) -> Option<(Instant, Instant)> {
        let window = self.window.as_ref().filter(|_| self.previous_version_id.is_some())?;
        let closed = match self.state {
            ReleaseState::Canceled | ReleaseState::Superseded => self.ended_at,
            _ => self.promoted_at,
        };
        Some((self.created_at, closed.unwrap_or(window.starts_at).min(window.starts_at)))
    }
}

/// The schedule in a publisher's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedSchedule {
    Immediately,
    /// `immediately: false`, which is no schedule.
    Invalid,
    OnDate(NaiveDate),
}

/// The facts about a pack, as of `now`, on which [`decide`] bases its decision.
#[derive(Clone, Debug)]
pub struct ReleaseFacts<'a> {
    pub rows: &'a [DraftRow],
    /// The content of the current version; empty before the first release.
    pub current: &'a BTreeMap<ComponentId, ComponentVersionId>,
    /// Derived for `now`.
    pub standing: PackStanding,
    /// A release that still has installations to move: forward, or back after a cancel.
    pub moving: Option<ReleaseId>,
    /// The publisher's zone; `None` if it isn't set, or isn't in the server's time zone data.
    pub time_zone: Option<&'a Zone>,
    /// How many days ahead the release date may be.
    pub days_ahead: u16,
}

/// The new release, as decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The content of the new version.
    pub content: BTreeMap<ComponentId, ComponentVersionId>,
    /// `None` for an immediate release.
    pub window: Option<Window>,
    /// The release that this one supersedes: the pending one (R29), or a rollout that is paused (R56).
    pub supersedes: Option<ReleaseId>,
}

/// Decides a release of the draft (R21–R23, R28, R29, R35–R38). Callers have checked the notes, the revision and the
/// expected content.
///
/// # Errors
/// The first refusal in the order EMPTY_PACK, NOTHING_TO_RELEASE, NO_SHAREABLE_VERSION, RELEASE_IN_PROGRESS,
/// RELEASE_ALREADY_PENDING, and those of the date.
pub fn decide(facts: &ReleaseFacts<'_>, schedule: RequestedSchedule, now: Instant) -> Result<Decision, ReleaseRefusal> {
    let content = next_content(facts.rows);
    let without: Vec<_> = facts
        .rows
        .iter()
        .filter(|row| !row.marked_for_removal && row.next().is_none())
        .map(|row| row.component_id)
        .collect();
    if content.is_empty() && without.is_empty() {
        return Err(ReleaseRefusal::EmptyPack);
    }
    if without.is_empty() && content == *facts.current {
        return Err(ReleaseRefusal::NothingToRelease);
    }
    if !without.is_empty() {
        return Err(ReleaseRefusal::NoShareableVersion { components: without });
    }
    // A paused rollout moves no installation, so an immediate release may replace it.
    let paused = facts.standing.paused_rollout().filter(|_| schedule == RequestedSchedule::Immediately);
    if let Some(blocking) = facts.standing.running_release.or(facts.moving).filter(|it| Some(*it) != paused) {
        return Err(ReleaseRefusal::ReleaseInProgress { blocking: Some(blocking) });
    }
    let pending = facts.standing.pending.map(|p| p.release_id);
    match schedule {
        RequestedSchedule::Invalid => Err(ReleaseRefusal::InvalidSchedule),
        RequestedSchedule::Immediately => Ok(Decision { content, window: None, supersedes: pending.or(paused) }),
        RequestedSchedule::OnDate(date) => {
            if let Some(blocking) = pending {
                return Err(ReleaseRefusal::ReleaseAlreadyPending { blocking });
            }
            let zone = facts.time_zone.ok_or(ReleaseRefusal::TimeZoneRequired)?;
            let window = future_window(now, date, zone, facts.days_ahead)?;
            Ok(Decision { content, window: Some(window), supersedes: None })
        }
    }
}

/// [`crate::domain::releases::window::future_window`], with its faults turned into refusals.
pub fn future_window(now: Instant, date: NaiveDate, zone: &Zone, days_ahead: u16) -> Result<Window, ReleaseRefusal> {
    use crate::domain::releases::window::DateFault;
    let time_zone = zone.name.clone();
    crate::domain::releases::window::future_window(now, date, zone, days_ahead).map_err(|fault| match fault {
        DateFault::DoesNotExist(earliest) => ReleaseRefusal::DateDoesNotExist { earliest, time_zone },
        DateFault::NotInFuture(earliest) => ReleaseRefusal::DateNotInFuture { earliest, time_zone },
        DateFault::TooFar(latest) => ReleaseRefusal::DateTooFar { latest, time_zone },
    })
}
