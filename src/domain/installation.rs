//! Installations and their updates (R26, R27, R31, R43–R46).

use super::Instant;
use super::account::{AccountStatus, Actor};
use super::id::{AccountId, InstallationId, PackId, PackVersionId, UpdateId};
use super::release::ReleaseState;

/// A pack in a managed account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    pub id: InstallationId,
    pub pack_id: PackId,
    pub account_id: AccountId,
    pub publisher_id: AccountId,
    /// The override name of a MULTI installation; `None` for SINGLE, which bears the pack's name.
    pub override_name: Option<String>,
    pub version_id: PackVersionId,
    pub installed_at: Instant,
    /// When it was last moved to another version.
    pub moved_at: Option<Instant>,
    pub uninstalled_at: Option<Instant>,
}

/// Where an installation update stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpdateState {
    Offered,
    Applied,
    Skipped,
    Failed,
    Withdrawn,
}

/// How an installation update came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpdateMethod {
    Early,
    Automatic,
    Immediate,
    CatchUp,
    CanceledBack,
}

/// Why an installation is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    NotEntitled,
    AccountSuspended,
}

/// Which kind of fault made an update fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureCode {
    /// May pass.
    Temporary,
    /// Won't pass by itself.
    Internal,
}

/// One installation and one release: whether and how the release came to it.
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
    /// Who applied it early.
    pub applied_by: Option<Actor>,
}

/// Why an update failed, or what went wrong at the last attempt of one that is still offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: FailureCode,
    pub attempts: i32,
}

/// The state that an update is read in: an offer whose release was canceled or superseded is
/// withdrawn, also before a batch has come to it (R49).
#[must_use]
pub fn effective_state(stored: UpdateState, release: ReleaseState) -> UpdateState {
    match (stored, release) {
        (UpdateState::Offered, ReleaseState::Canceled | ReleaseState::Superseded) => UpdateState::Withdrawn,
        _ => stored,
    }
}

/// Why an installation must not be moved at this moment, if so (R45, R46).
#[must_use]
pub fn reason_to_skip(entitled: bool, account: AccountStatus) -> Option<SkipReason> {
    match (entitled, account) {
        (false, _) => Some(SkipReason::NotEntitled),
        (true, AccountStatus::Suspended) => Some(SkipReason::AccountSuspended),
        (true, AccountStatus::Active) => None,
    }
}

/// What a rollout does with one installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutStep {
    Move,
    Skip(SkipReason),
    /// Applied early, settled before, or installed at this version: not touched again (R27).
    LeaveAlone,
}

/// What a rollout does with one installation: its update's stored state, if it has one; whether it
/// has the release's version already; what [`reason_to_skip`] said.
#[must_use]
pub fn rollout_step(update: Option<UpdateState>, has_version: bool, skip: Option<SkipReason>) -> RolloutStep {
    match (update, skip) {
        (Some(UpdateState::Applied | UpdateState::Skipped | UpdateState::Failed | UpdateState::Withdrawn), _) => {
            RolloutStep::LeaveAlone
        }
        (None, _) if has_version => RolloutStep::LeaveAlone,
        (_, Some(reason)) => RolloutStep::Skip(reason),
        (_, None) => RolloutStep::Move,
    }
}

/// The most automatic attempts to move one installation before its update is FAILED.
pub const ATTEMPTS_MAX: i32 = 5;

/// How long after a failed attempt the next one is made; `None` when that was the last. All of them
/// lie within ten minutes.
#[must_use]
pub fn pause_after(attempts: i32) -> Option<chrono::Duration> {
    const PAUSES: [i64; 4] = [5, 30, 120, 300];
    let index = usize::try_from(attempts - 1).ok()?;
    PAUSES.get(index).map(|seconds| chrono::Duration::seconds(*seconds))
}

/// The same for an update that has failed and is retried: each retry is a round of [`ATTEMPTS_MAX`]
/// attempts, counted on from those before.
#[must_use]
pub fn pause_in_round(attempts: i32) -> Option<chrono::Duration> {
    pause_after((attempts - 1).rem_euclid(ATTEMPTS_MAX) + 1)
}

/// What catching up does with an installation that is not at its pack's current version (R45, R46).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUpStep {
    /// It was skipped by the release that is in force: it is brought to its version now.
    Settle,
    /// It is where a release brought it that may have been canceled since: then it is moved back.
    MoveBack,
    /// A rollout is still coming to it, or has failed to move it.
    LeaveAlone,
}

/// What catching up does with an entitled installation of an active account that is not at the current
/// version: the state of its update by the release in force, if it has one, and whether that release is
/// being rolled out.
#[must_use]
pub fn catch_up_step(update: Option<UpdateState>, running: bool) -> CatchUpStep {
    match update {
        Some(UpdateState::Skipped) => CatchUpStep::Settle,
        Some(UpdateState::Offered | UpdateState::Failed) => CatchUpStep::LeaveAlone,
        None if running => CatchUpStep::LeaveAlone,
        None | Some(UpdateState::Applied | UpdateState::Withdrawn) => CatchUpStep::MoveBack,
    }
}

/// Whether an update can be applied early now, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyStep {
    Apply,
    /// It is applied: a no-op that says so (R26).
    AlreadyApplied,
    /// No group grants the pack any more (R45).
    NotEntitled,
    /// Canceled, superseded, uninstalled.
    Withdrawn,
    /// The window has opened: the server moves it now (R30).
    InProgress,
}

/// Judges an early apply (R26, R30, R45). `release` is the state derived from what is stored and now.
#[must_use]
pub fn early_step(update: UpdateState, release: ReleaseState, entitled: bool) -> EarlyStep {
    match (effective_state(update, release), release) {
        // Applied, canceled, and on its way back.
        (UpdateState::Applied, ReleaseState::Canceled) if entitled => EarlyStep::Withdrawn,
        (UpdateState::Applied, _) => EarlyStep::AlreadyApplied,
        (_, _) if !entitled => EarlyStep::NotEntitled,
        (UpdateState::Withdrawn, _) => EarlyStep::Withdrawn,
        (UpdateState::Offered, ReleaseState::Scheduled) => EarlyStep::Apply,
        (UpdateState::Offered | UpdateState::Failed, ReleaseState::InProgress) => EarlyStep::InProgress,
        (UpdateState::Offered | UpdateState::Skipped | UpdateState::Failed, _) => EarlyStep::Withdrawn,
    }
}
