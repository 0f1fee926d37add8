//! The seam at which an installation is moved.

use crate::domain::id::{InstallationId, ReleaseId};
use crate::domain::installations::FailureCode;

/// The seam at which an installation is moved. What moves one for real is a row of the database, that
/// can't fail alone; here a test can make one fail, and an operator's extension could do more.
pub trait Mover: Send + Sync {
    /// Moves one installation to the version of a release.
    ///
    /// # Errors
    /// Which kind of fault kept it from being moved.
    fn move_installation(&self, installation: InstallationId, release: ReleaseId) -> Result<(), FailureCode>;
}

/// The mover of a server: nothing beside the database has to be moved.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFaults;

impl Mover for NoFaults {
    fn move_installation(&self, _: InstallationId, _: ReleaseId) -> Result<(), FailureCode> {
        Ok(())
    }
}
