//! A mover of installations that can fail.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use packwright::domain::id::{InstallationId, ReleaseId};
use packwright::domain::installations::FailureCode;
use packwright::service::followup::Mover;

use super::uuid_of;

/// Moves installations without faults unless a test sets one, and records each attempt.
#[derive(Default)]
pub(crate) struct FailingMover {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of moves that will still fail for an installation, and the code.
    failing: HashMap<InstallationId, (u32, FailureCode)>,
    attempts: Vec<(InstallationId, ReleaseId)>,
    /// Called before the next move.
    before_move: Option<Box<dyn FnOnce() + Send>>,
}

impl FailingMover {
    /// Makes the next `times` moves of an installation fail; `u32::MAX` for all of them.
    pub(crate) fn fail(&self, installation: &str, times: u32, code: FailureCode) {
        self.state().failing.insert(InstallationId(uuid_of(installation)), (times, code));
    }

    /// Calls a function before the next move, in the middle of its batch.
    pub(crate) fn before_next(&self, hook: impl FnOnce() + Send + 'static) {
        self.state().before_move = Some(Box::new(hook));
    }

    /// Lets all further moves succeed.
    pub(crate) fn repair(&self) {
        self.state().failing.clear();
    }

    /// The number of attempts to move an installation, over all releases.
    pub(crate) fn attempts(&self, installation: &str) -> usize {
        let installation = InstallationId(uuid_of(installation));
        self.state().attempts.iter().filter(|(id, _)| *id == installation).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mover for FailingMover {
    fn move_installation(&self, installation: InstallationId, release: ReleaseId) -> Result<(), FailureCode> {
        let before_move = self.state().before_move.take();
        if let Some(hook) = before_move {
            hook();
        }
        let mut state = self.state();
        state.attempts.push((installation, release));
        match state.failing.get_mut(&installation) {
            Some((0, _)) | None => Ok(()),
            Some((left, code)) => {
                *left = left.saturating_sub(u32::from(*left != u32::MAX));
                Err(*code)
            }
        }
    }
}
