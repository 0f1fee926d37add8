//! The move of an installation, made to fail.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use packwright::domain::id::{InstallationId, ReleaseId};
use packwright::domain::installation::FailureCode;
use packwright::service::followup::Mover;

use super::uuid_of;

/// Moves everything well until it is told otherwise, and remembers each attempt.
#[derive(Default)]
pub(crate) struct FailingMover {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How often the moves of an installation still fail, and how.
    failing: HashMap<InstallationId, (u32, FailureCode)>,
    attempts: Vec<(InstallationId, ReleaseId)>,
    /// What the next move waits for.
    held: Option<Box<dyn FnOnce() + Send>>,
}

impl FailingMover {
    /// Makes the next `times` moves of an installation fail; `u32::MAX` for all of them.
    pub(crate) fn fail(&self, installation: &str, times: u32, code: FailureCode) {
        self.state().failing.insert(InstallationId(uuid_of(installation)), (times, code));
    }

    /// Does something before the next move, in the middle of its batch.
    pub(crate) fn before_next(&self, hook: impl FnOnce() + Send + 'static) {
        self.state().held = Some(Box::new(hook));
    }

    /// Lets all moves go well from now on.
    pub(crate) fn mend(&self) {
        self.state().failing.clear();
    }

    /// How often a move of an installation was tried, over all releases.
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
        let held = self.state().held.take();
        if let Some(hook) = held {
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
