//! Rolling a release back: the former version takes its place again (R59).

use crate::domain::Instant;
use crate::domain::id::{PackVersionId, ReleaseId};
use crate::domain::releases::ReleaseState;
use crate::domain::releases::refusal::ReleaseRefusal;

/// The decision to roll a release back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollBack {
    /// When the former version became the current one again.
    pub began_at: Instant,
    /// The number of installations that it had to move at that time.
    pub installations: i64,
}

/// The facts about a release and its pack, as of `now`, on which [`decide_roll_back`] bases its decision.
#[derive(Clone, Copy, Debug)]
pub struct RollBackFacts {
    pub release: ReleaseId,
    /// Derived for `now`.
    pub state: ReleaseState,
    /// The version before the release.
    pub former: Option<PackVersionId>,
    /// Whether the release's version is the current one.
    pub is_current: bool,
    /// The pack's pending release.
    pub pending: Option<ReleaseId>,
    /// A release that still has installations to move, forward or back. It may be this one.
    pub moving: Option<ReleaseId>,
}

/// Decides whether a release is rolled back. Returns the version that takes its place.
///
/// # Errors
/// The first refusal in the order NOT_ROLLABLE_BACK, RELEASE_IN_PROGRESS, RELEASE_ALREADY_PENDING.
pub fn decide_roll_back(facts: &RollBackFacts) -> Result<PackVersionId, ReleaseRefusal> {
    use ReleaseState as S;
    let former = match facts.state {
        // The former version is the current one already, and the roll back that made it so is still running.
        S::RollingBack => return Err(ReleaseRefusal::ReleaseInProgress { blocking: Some(facts.release) }),
        S::InProgress | S::Succeeded | S::PartiallySucceeded | S::Failed => facts.former.filter(|_| facts.is_current),
        S::Scheduled | S::Canceled | S::Superseded | S::RolledBack => None,
    };
    let former = former.ok_or(ReleaseRefusal::NotRollableBack)?;
    // A rollout of this release doesn't block, because the roll back ends it.
    if let Some(blocking) = facts.moving.filter(|moving| *moving != facts.release) {
        return Err(ReleaseRefusal::ReleaseInProgress { blocking: Some(blocking) });
    }
    match facts.pending {
        Some(blocking) => Err(ReleaseRefusal::ReleaseAlreadyPending { blocking }),
        None => Ok(former),
    }
}

/// Checks how many installations a roll back would move against the caller's bound.
///
/// # Errors
/// MORE_INSTALLATIONS.
pub fn check_bound(installations: i64, at_most: i64) -> Result<(), ReleaseRefusal> {
    if installations > at_most { Err(ReleaseRefusal::MoreInstallations { installations }) } else { Ok(()) }
}
