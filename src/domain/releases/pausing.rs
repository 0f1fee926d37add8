//! Pausing and resuming a release (R56). A paused release keeps its state, but no installation is moved to its version.

use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::releases::{
    Command, HaltFigures, Release, ReleaseRefusal, ReleaseSchedule, ReleaseState, transition,
};

/// The most characters of the reason for a pause, a roll back or a halt.
pub const REASON_MAX: usize = 2_000;

/// The pause of a release: since when, why, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub at: Instant,
    pub reason: String,
    pub by: Actor,
    /// The figures that led to the pause, if the halt rule paused the release (R58).
    pub figures: Option<HaltFigures>,
}

impl Release {
    /// Whether the release is paused. Each transaction that moves an installation to the release's version must check
    /// this while it holds the pack's row, so that no move is committed after the pause.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// Whether the release could be paused at `now`: it waits for its date and isn't the pack's first release, or it is
    /// being rolled out.
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
