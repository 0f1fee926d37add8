//! A release and its state machine (R21–R30).

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::Instant;
use super::account::Actor;
use super::id::{AccountId, ComponentId, ComponentVersionId, PackId, PackVersionId, ReleaseId};
use super::installation::UpdateMethod;
use super::pack::{DraftRow, Standing, next_content};
use super::refusal::ReleaseRefusal;
use super::window::Window;
use super::zone::Zone;

/// How a release was made; a promoted one stays dated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReleaseSchedule {
    Immediately,
    OnSpecifiedDate,
}

/// Where a release stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReleaseState {
    Scheduled,
    InProgress,
    Succeeded,
    PartiallySucceeded,
    Failed,
    Canceled,
    Superseded,
}

impl ReleaseState {
    /// Every state, in the order of a release's life.
    pub const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::InProgress,
        Self::Succeeded,
        Self::PartiallySucceeded,
        Self::Failed,
        Self::Canceled,
        Self::Superseded,
    ];
}

/// What can be asked of a release after it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// The window has opened (R27, R30).
    Open,
    Reschedule,
    Promote,
    Cancel,
    /// An immediate release takes its place (R29).
    Supersede,
    /// Every installation was moved or skipped.
    CompleteAllWell,
    /// Some could not be moved.
    CompleteSomeFailed,
    /// None could be moved.
    CompleteAllFailed,
    RetryFailed,
}

impl Command {
    /// Every command.
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Reschedule,
        Self::Promote,
        Self::Cancel,
        Self::Supersede,
        Self::CompleteAllWell,
        Self::CompleteSomeFailed,
        Self::CompleteAllFailed,
        Self::RetryFailed,
    ];
}

/// Why a release can't do what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransitionFault {
    /// The window has opened or a rollout is running.
    InProgress,
    /// Canceled, superseded, or ended.
    NotPending,
    /// It has not started.
    NotStarted,
    /// A later release took its place.
    Superseded,
    /// No update of it has failed.
    NothingToRetry,
}

/// The whole state machine: the state after `command`.
///
/// # Errors
/// [`TransitionFault`].
pub fn transition(state: ReleaseState, command: Command) -> Result<ReleaseState, TransitionFault> {
    use Command as C;
    use ReleaseState as S;
    match (state, command) {
        (S::Scheduled, C::Open | C::Promote) => Ok(S::InProgress),
        (S::Scheduled, C::Reschedule) => Ok(S::Scheduled),
        (S::Scheduled, C::Cancel) => Ok(S::Canceled),
        (S::Scheduled, C::Supersede) => Ok(S::Superseded),
        (S::InProgress, C::CompleteAllWell) => Ok(S::Succeeded),
        (S::InProgress, C::CompleteSomeFailed) => Ok(S::PartiallySucceeded),
        (S::InProgress, C::CompleteAllFailed) => Ok(S::Failed),
        (S::PartiallySucceeded | S::Failed, C::RetryFailed) => Ok(S::InProgress),
        (
            S::Scheduled | S::Canceled,
            C::RetryFailed | C::CompleteAllWell | C::CompleteSomeFailed | C::CompleteAllFailed,
        ) => Err(TransitionFault::NotStarted),
        (S::Superseded, C::RetryFailed) => Err(TransitionFault::Superseded),
        (S::Succeeded, C::RetryFailed) => Err(TransitionFault::NothingToRetry),
        (S::InProgress, _) => Err(TransitionFault::InProgress),
        (S::Succeeded | S::PartiallySucceeded | S::Failed | S::Canceled | S::Superseded, _) => {
            Err(TransitionFault::NotPending)
        }
    }
}

/// How a release has ended, from how many installations could not be moved and how many were. Those that
/// were passed over or taken back tell nothing of it.
#[must_use]
pub fn outcome(failed: i64, applied: i64) -> Command {
    match (failed, applied) {
        (0, _) => Command::CompleteAllWell,
        (_, 0) => Command::CompleteAllFailed,
        _ => Command::CompleteSomeFailed,
    }
}

/// A release of a pack, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub id: ReleaseId,
    pub pack_id: PackId,
    pub publisher_id: AccountId,
    pub version_id: PackVersionId,
    /// The version that was current when it was made.
    pub previous_version_id: Option<PackVersionId>,
    /// As stored: read it through [`Release::state_at`].
    pub state: ReleaseState,
    pub schedule: ReleaseSchedule,
    /// Of a dated release (R35, R36).
    pub window: Option<Window>,
    /// By how many seconds after its window's end it started (R39).
    pub lateness_seconds: Option<i64>,
    pub superseded_by: Option<ReleaseId>,
    pub created_at: Instant,
    pub created_by: Actor,
    pub promoted_at: Option<Instant>,
    pub started_at: Option<Instant>,
    pub ended_at: Option<Instant>,
}

impl Release {
    /// How an installation that the release itself moves comes to its version.
    #[must_use]
    pub fn method(&self) -> UpdateMethod {
        let dated = self.schedule == ReleaseSchedule::OnSpecifiedDate && self.promoted_at.is_none();
        if dated { UpdateMethod::Automatic } else { UpdateMethod::Immediate }
    }

    /// Where it stands at `now`: a scheduled release whose window has opened is in progress, or has
    /// succeeded if it is the first, whether or not the scheduler has come to it (R23, R30).
    #[must_use]
    pub fn state_at(&self, now: Instant) -> ReleaseState {
        match (self.is_due(now), self.previous_version_id) {
            (false, _) => self.state,
            (true, Some(_)) => ReleaseState::InProgress,
            (true, None) => ReleaseState::Succeeded,
        }
    }

    /// Whether its window has opened and nobody has carried that out yet.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.state == ReleaseState::Scheduled && self.window.as_ref().is_some_and(|w| w.starts_at <= now)
    }

    /// When accounts may apply it early: from the call until the window opens, or until it was promoted,
    /// canceled or superseded (R26). `None` for an immediate and for a first release (R23).
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

/// What a publisher asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedSchedule {
    Immediately,
    /// `immediately: false`, that says nothing.
    Invalid,
    OnDate(NaiveDate),
}

/// What [`decide`] needs to know of the pack at `now`.
#[derive(Clone, Debug)]
pub struct ReleaseFacts<'a> {
    pub rows: &'a [DraftRow],
    /// What the current version holds; empty when there is none.
    pub current: &'a BTreeMap<ComponentId, ComponentVersionId>,
    /// As of `now`.
    pub standing: Standing,
    /// A release whose moves are not all done: a rollout, or early appliers on their way back.
    pub moving: Option<ReleaseId>,
    /// The publisher's zone, if it has one that the server knows.
    pub time_zone: Option<&'a Zone>,
    /// How many days ahead a date may be.
    pub days_ahead: u16,
}

/// What a release is going to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What the new version holds.
    pub content: BTreeMap<ComponentId, ComponentVersionId>,
    /// `None` for an immediate release.
    pub window: Option<Window>,
    /// The pending release whose place it takes (R29).
    pub supersedes: Option<ReleaseId>,
}

/// Decides a release of the draft (R21–R23, R28, R29, R35–R38), once the request itself is in order.
///
/// # Errors
/// The first refusal in the order EMPTY_PACK, NOTHING_TO_RELEASE, NO_SHAREABLE_VERSION,
/// RELEASE_IN_PROGRESS, RELEASE_ALREADY_PENDING, and those of the date.
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
    if let Some(blocking) = facts.standing.running_release.or(facts.moving) {
        return Err(ReleaseRefusal::ReleaseInProgress { blocking: Some(blocking) });
    }
    let pending = facts.standing.pending.map(|p| p.release_id);
    match schedule {
        RequestedSchedule::Invalid => Err(ReleaseRefusal::InvalidSchedule),
        RequestedSchedule::Immediately => Ok(Decision { content, window: None, supersedes: pending }),
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

/// [`super::window::future_window`], with its faults as refusals.
///
/// # Errors
/// DATE_DOES_NOT_EXIST, RELEASE_DATE_NOT_IN_FUTURE, RELEASE_DATE_TOO_FAR.
pub fn future_window(now: Instant, date: NaiveDate, zone: &Zone, days_ahead: u16) -> Result<Window, ReleaseRefusal> {
    use super::window::DateFault;
    let time_zone = zone.name.clone();
    super::window::future_window(now, date, zone, days_ahead).map_err(|fault| match fault {
        DateFault::DoesNotExist(earliest) => ReleaseRefusal::DateDoesNotExist { earliest, time_zone },
        DateFault::NotInFuture(earliest) => ReleaseRefusal::DateNotInFuture { earliest, time_zone },
        DateFault::TooFar(latest) => ReleaseRefusal::DateTooFar { latest, time_zone },
    })
}

/// What [`decide_retry`] needs to know of a release and its pack at `now`.
#[derive(Clone, Copy, Debug)]
pub struct RetryFacts {
    pub release: ReleaseId,
    /// As of `now`.
    pub state: ReleaseState,
    /// Whether its version is the current one: it is the newest release that has started.
    pub newest: bool,
    /// The pack's pending release.
    pub pending: Option<ReleaseId>,
    /// A release whose moves are not all done.
    pub moving: Option<ReleaseId>,
    /// How many of its updates have failed and can be tried again.
    pub failed: u64,
}

/// Decides whether a release's failed updates are tried again; gives the state that it then has.
///
/// # Errors
/// The first refusal in the order NOT_STARTED, SUPERSEDED, RELEASE_IN_PROGRESS, RELEASE_ALREADY_PENDING,
/// NOTHING_TO_RETRY.
pub fn decide_retry(facts: &RetryFacts) -> Result<ReleaseState, ReleaseRefusal> {
    use ReleaseState as S;
    let refusal = match facts.state {
        S::Scheduled | S::Canceled => Some(ReleaseRefusal::NotStarted),
        S::Superseded => Some(ReleaseRefusal::Superseded),
        S::InProgress => Some(ReleaseRefusal::ReleaseInProgress { blocking: Some(facts.release) }),
        S::Succeeded | S::PartiallySucceeded | S::Failed => match (facts.pending, facts.moving) {
            _ if !facts.newest => Some(ReleaseRefusal::Superseded),
            (_, Some(blocking)) => Some(ReleaseRefusal::ReleaseInProgress { blocking: Some(blocking) }),
            (Some(blocking), None) => Some(ReleaseRefusal::ReleaseAlreadyPending { blocking }),
            (None, None) if facts.failed == 0 => Some(ReleaseRefusal::NothingToRetry),
            (None, None) => None,
        },
    };
    match refusal {
        Some(refusal) => Err(refusal),
        None => transition(facts.state, Command::RetryFailed).map_err(|_| ReleaseRefusal::NothingToRetry),
    }
}
