//! Retrying the failed updates of a release.

use crate::domain::id::ReleaseId;
use crate::domain::releases::{Command, ReleaseRefusal, ReleaseState, transition};

/// The facts about a release and its pack, as of `now`, on which [`decide_retry`] bases its decision.
#[derive(Clone, Copy, Debug)]
pub struct RetryFacts {
    pub release: ReleaseId,
    /// Derived for `now`.
    pub state: ReleaseState,
    /// Whether the release's version is the current one, and so no later release has started.
    pub newest: bool,
    /// The pack's pending release.
    pub pending: Option<ReleaseId>,
    /// A release that still has installations to move.
    pub moving: Option<ReleaseId>,
    /// How many failed updates could be applied if they were retried.
    pub failed: u64,
}

/// Decides whether the failed updates of a release are retried. Returns the release's state after it.
///
/// # Errors
/// The first refusal in the order NOT_STARTED, SUPERSEDED, RELEASE_IN_PROGRESS, RELEASE_ALREADY_PENDING,
/// NOTHING_TO_RETRY.
pub fn decide_retry(facts: &RetryFacts) -> Result<ReleaseState, ReleaseRefusal> {
    use ReleaseState as S;
    let refusal = match facts.state {
        S::Scheduled | S::Canceled => Some(ReleaseRefusal::NotStarted),
        S::Superseded => Some(ReleaseRefusal::Superseded),
        S::InProgress | S::RollingBack => Some(ReleaseRefusal::ReleaseInProgress { blocking: Some(facts.release) }),
        S::RolledBack => Some(ReleaseRefusal::NothingToRetry),
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
