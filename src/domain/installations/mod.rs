//! Installations and their updates (R26, R27, R31, R43–R46).

mod adoption;
mod outcome;
mod refusal;

pub use adoption::{CurveFault, CurvePart};
pub(crate) use adoption::{CurvePoint, POINTS_MAX, POINTS_MIN, ReachedState, Tally};
pub(crate) use outcome::COMMENT_MAX;
pub use outcome::{OutcomeCounts, OutcomeReport, UpdateOutcome, may_report};
pub(crate) use refusal::InstallationRefusal;

use crate::domain::Instant;
use crate::domain::accounts::{AccountStatus, Actor};
use crate::domain::id::{AccountId, InstallationId, PackId, PackVersionId, UpdateId};
use crate::domain::releases::ReleaseState;

/// A pack in a managed account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    pub id: InstallationId,
    pub pack_id: PackId,
    pub account_id: AccountId,
    pub publisher_id: AccountId,
    /// The override name of a MULTI installation. `None` for a SINGLE one, which has the pack's name.
    pub override_name: Option<String>,
    pub version_id: PackVersionId,
    pub installed_at: Instant,
    /// When the installation last changed its version.
    pub moved_at: Option<Instant>,
    pub uninstalled_at: Option<Instant>,
    /// The account's own key, which the publisher doesn't see (R67).
    pub key: Option<String>,
}

/// The state of an installation update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpdateState {
    Offered,
    Applied,
    Skipped,
    Failed,
    Withdrawn,
}

/// How an update was applied or withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpdateMethod {
    Early,
    Automatic,
    Immediate,
    CatchUp,
    CanceledBack,
    /// Moved back, because the release was rolled back (R59).
    RolledBack,
    /// Applied by an early stage of a dated release (R55).
    Staged,
}

/// Why a release doesn't move an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    NotEntitled,
    AccountSuspended,
}

/// Whether waiting may mend a failed update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureCode {
    /// The fault may pass by itself.
    Temporary,
    /// The fault won't pass by itself.
    Internal,
}

/// An installation update: how one release changed, or will change, one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallationUpdate {
    pub id: UpdateId,
    pub account_id: AccountId,
    pub publisher_id: AccountId,
    pub pack_id: PackId,
    pub state: UpdateState,
    pub how: Option<UpdateMethod>,
    pub skip_reason: Option<SkipReason>,
    pub failure: Option<Failure>,
    pub from_version_id: PackVersionId,
    pub to_version_id: PackVersionId,
    pub offered_at: Instant,
    pub settled_at: Option<Instant>,
    /// The actor that applied the update early.
    pub applied_by: Option<Actor>,
}

/// Why an update failed. An offered update has a failure, too, after a failed attempt that will be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: FailureCode,
    pub attempts: i32,
}

/// The state of an update as readers see it. Canceling, superseding or rolling back a release withdraws its offers at
/// once, although batches store that later (R49).
#[must_use]
pub fn effective_state(stored: UpdateState, release: ReleaseState) -> UpdateState {
    match (stored, release) {
        (UpdateState::Offered, release) if release.is_taken_back() => UpdateState::Withdrawn,
        _ => stored,
    }
}

/// Why a release must skip an installation; `None` if it needn't (R45, R46). `entitled` is whether a group still grants
/// the pack to the account.
#[must_use]
pub fn reason_to_skip(entitled: bool, account: AccountStatus) -> Option<SkipReason> {
    match (entitled, account) {
        (false, _) => Some(SkipReason::NotEntitled),
        (true, AccountStatus::Suspended) => Some(SkipReason::AccountSuspended),
        (true, AccountStatus::Active) => None,
    }
}

/// The decision of a rollout for one installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutDecision {
    Move,
    Skip(SkipReason),
    /// The installation needs nothing: its update has ended, or it was installed at this version (R27).
    LeaveAlone,
}

/// Decides how a rollout treats one installation. `update` is the stored state of its update, if it has one;
/// `has_version` is whether it is at the release's version already; `skip` comes from [`reason_to_skip`].
#[must_use]
pub fn decide_rollout(update: Option<UpdateState>, has_version: bool, skip: Option<SkipReason>) -> RolloutDecision {
    match (update, skip) {
        (Some(UpdateState::Applied | UpdateState::Skipped | UpdateState::Failed | UpdateState::Withdrawn), _) => {
            RolloutDecision::LeaveAlone
        }
        (None, _) if has_version => RolloutDecision::LeaveAlone,
        (_, Some(reason)) => RolloutDecision::Skip(reason),
        (_, None) => RolloutDecision::Move,
    }
}

/// The number of automatic attempts to move an installation before its update fails.
pub const ATTEMPTS_MAX: i32 = 5;

/// The pause after failed attempt number `attempts`, counted from 1. `None` after the last one. All attempts together
/// take less than ten minutes.
#[must_use]
pub fn pause_after(attempts: i32) -> Option<chrono::Duration> {
    const PAUSES: [i64; 4] = [5, 30, 120, 300];
    let index = usize::try_from(attempts - 1).ok()?;
    PAUSES.get(index).map(|seconds| chrono::Duration::seconds(*seconds))
}

/// The pause after a failed attempt, for updates that a publisher may have retried. Each retry is another round of
/// [`ATTEMPTS_MAX`] attempts. `attempts` counts from 1 across all rounds; `None` after the last attempt of a round.
#[must_use]
pub fn pause_in_round(attempts: i32) -> Option<chrono::Duration> {
    pause_after((attempts - 1).rem_euclid(ATTEMPTS_MAX) + 1)
}

/// How a roll back treats an installation (R59).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RollBackDecision {
    /// The installation moves to the former version, whichever way it got the release's version.
    MoveBack,
    /// The release hasn't moved the installation: its offer ends.
    EndOffer,
    /// The planned further attempts to move the installation are dropped.
    GiveUp,
    LeaveAlone,
}

/// Decides how a roll back treats one installation. `update` is the stored state of its update by the release, if it
/// has one; `has_version` is whether it has the release's version; `skip` comes from [`reason_to_skip`];
/// `is_tried_again` is whether an attempt to move it failed and another one is planned.
#[must_use]
pub fn decide_roll_back(
    update: Option<UpdateState>,
    has_version: bool,
    skip: Option<SkipReason>,
    is_tried_again: bool,
) -> RollBackDecision {
    match (update, skip) {
        (_, None) if has_version => RollBackDecision::MoveBack,
        (Some(UpdateState::Offered), _) => RollBackDecision::EndOffer,
        _ if is_tried_again => RollBackDecision::GiveUp,
        _ => RollBackDecision::LeaveAlone,
    }
}

/// How catching up treats an installation (R45, R46).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUpDecision {
    /// The release in force skipped the installation: its update is applied now.
    Settle,
    /// The installation moves to the current version, if the release of its own version was taken back.
    MoveBack,
    /// The rollout will move the installation, or has tried and failed. Or the installation has the pending release's
    /// version already.
    LeaveAlone,
}

/// The release later than the one in force, of which an installation has the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaterRelease {
    /// It is pending: the installation has applied it early, or one of its stages has moved the installation.
    Pending,
    /// It was canceled, superseded or rolled back.
    TakenBack,
}

/// Decides how catching up treats an installation that is not at the current version, of an active account that is
/// entitled to the pack. `update` is the state of its update by the release in force, if it has one; `running` is
/// whether that release is being rolled out; `later` is the later release whose version the installation has, if it
/// has one.
#[must_use]
pub fn decide_catch_up(update: Option<UpdateState>, running: bool, later: Option<LaterRelease>) -> CatchUpDecision {
    // The release in force is the earlier one. Whatever came of its update, the later release moved the installation.
    match (later, update) {
        // Moved now, it would stay behind when the window opens, because the pending release never touches it again
        // (R27).
        (Some(LaterRelease::Pending), _) => CatchUpDecision::LeaveAlone,
        (Some(LaterRelease::TakenBack), _) => CatchUpDecision::MoveBack,
        (None, Some(UpdateState::Skipped)) => CatchUpDecision::Settle,
        (None, Some(UpdateState::Offered | UpdateState::Failed)) => CatchUpDecision::LeaveAlone,
        (None, None) if running => CatchUpDecision::LeaveAlone,
        (None, None | Some(UpdateState::Applied | UpdateState::Withdrawn)) => CatchUpDecision::MoveBack,
    }
}

/// The result of an attempt to apply an update early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyApplyDecision {
    Apply,
    /// The update is applied already: the call changes nothing and says so (R26).
    AlreadyApplied,
    /// No group grants the pack any more (R45).
    NotEntitled,
    /// The release was canceled or superseded, or the pack uninstalled.
    Withdrawn,
    /// The release window or the installation's stage has opened: the server moves the installation (R30, R55).
    InProgress,
    /// The release is paused: no installation is moved to its version (R56).
    Paused,
}

/// Decides an early apply (R26, R30, R45, R55, R56). `release` is the state as of now, not the stored one;
/// `in_open_stage` is whether a stage that has opened holds the installation.
#[must_use]
pub fn decide_early_apply(
    update: UpdateState,
    release: ReleaseState,
    is_paused: bool,
    entitled: bool,
    in_open_stage: bool,
) -> EarlyApplyDecision {
    match (effective_state(update, release), release) {
        // The cancel or the roll back will move the installation back.
        (UpdateState::Applied, ReleaseState::Canceled | ReleaseState::RollingBack | ReleaseState::RolledBack)
            if entitled =>
        {
            EarlyApplyDecision::Withdrawn
        }
        (UpdateState::Applied, _) => EarlyApplyDecision::AlreadyApplied,
        (_, _) if !entitled => EarlyApplyDecision::NotEntitled,
        (UpdateState::Withdrawn, _) => EarlyApplyDecision::Withdrawn,
        (UpdateState::Offered | UpdateState::Failed, ReleaseState::Scheduled | ReleaseState::InProgress)
            if is_paused =>
        {
            EarlyApplyDecision::Paused
        }
        // Before the window opens, only an early stage makes attempts that can fail. The stage tries again.
        (UpdateState::Failed, ReleaseState::Scheduled) => EarlyApplyDecision::InProgress,
        (UpdateState::Offered, ReleaseState::Scheduled) if in_open_stage => EarlyApplyDecision::InProgress,
        (UpdateState::Offered, ReleaseState::Scheduled) => EarlyApplyDecision::Apply,
        (UpdateState::Offered | UpdateState::Failed, ReleaseState::InProgress) => EarlyApplyDecision::InProgress,
        (UpdateState::Offered | UpdateState::Skipped | UpdateState::Failed, _) => EarlyApplyDecision::Withdrawn,
    }
}
