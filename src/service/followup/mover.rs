//! The interface through which installations are moved.

use crate::domain::id::{InstallationId, ReleaseId};
use crate::domain::installations::FailureCode;

/// Called for every installation that is moved. In this server a move is only a change of a row, which can't fail on
/// its own. Tests implement failures here, and an extension could do more work.
pub trait Mover: Send + Sync {
    /// Moves one installation to the version of a release.
    ///
    /// # Errors
    /// The kind of fault that prevented the move.
    fn move_installation(&self, installation: InstallationId, release: ReleaseId) -> Result<(), FailureCode>;
}

/// The mover of the server. It always succeeds, because nothing outside the database has to be moved.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFaults;

impl Mover for NoFaults {
    fn move_installation(&self, _: InstallationId, _: ReleaseId) -> Result<(), FailureCode> {
        Ok(())
    }
}
