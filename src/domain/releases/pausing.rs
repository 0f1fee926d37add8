//! Pausing and resuming a release (R56). A pause is no state of the release: it keeps everybody from being moved to its
//! version.

use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::releases::{
    Command, HaltFigures, Release, ReleaseRefusal, ReleaseSchedule, ReleaseState, transition,
};

/// The most characters of a reason.
pub const REASON_MAX: usize = 2_000;

/// Since when and why nobody is moved to a release's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub at: Instant,
    pub reason: String,
    pub by: Actor,
    /// The numbers that decided, if the release's halt rule paused it (R58).
    pub figures: Option<HaltFigures>,
}

impl Release {
    /// Whether the release is paused. Whoever moves an installation to the release's version asks this in the
    /// transaction of the move, while it holds the pack.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// Whether the release could be paused at `now`: it waits for its date and isn't the pack's first, or it is being
    /// rolled out.
    #[must_use]
    pub fn is_pausable(&self, now: Instant) -> bool {
        let state = self.state_at(now);
        let moves_somebody = match state {
            ReleaseState::Scheduled => {
                self.schedule == ReleaseSchedule::OnSpecifiedDate && self.previous_version_id.is_some()
            }
            _ => true,
        };
        moves_somebody && transition(state, Command::Pause).is_ok()
    }
}

/// Decides whether a release is paused.
///
/// # Errors
/// ALREADY_PAUSED, then NOT_PAUSABLE.
pub fn decide_pause(release: &Release, now: Instant) -> Result<(), ReleaseRefusal> {
    if release.is_paused() {
        return Err(ReleaseRefusal::AlreadyPaused);
    }
    if release.is_pausable(now) { Ok(()) } else { Err(ReleaseRefusal::NotPausable) }
}

/// Decides whether a release is resumed. Returns its pause.
///
/// # Errors
/// NOT_PAUSED.
pub fn decide_resume(release: &Release) -> Result<&Pause, ReleaseRefusal> {
    release.pause.as_ref().ok_or(ReleaseRefusal::NotPaused)
}
