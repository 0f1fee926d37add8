//! The progress of a release.

use async_graphql::SimpleObject;

use crate::domain::log::Progress;
use crate::graphql::connection::int;

/// How many installations a release has moved. `total` is the sum of all others but `appliedEarly` and `appliedStaged`, which are parts of `applied`.
#[derive(SimpleObject, Clone, Debug)]
pub struct ReleaseProgress {
    /// Installations that the release concerns; 0 for a first release.
    pub total: i32,
    /// Offered or waiting to be moved.
    pub offered: i32,
    /// Moved.
    pub applied: i32,
    /// Moved in the testing period, by their accounts.
    pub applied_early: i32,
    /// Moved by early stages.
    pub applied_staged: i32,
    /// Skipped, each with a reason.
    pub skipped: i32,
    /// Not moved because of a fault, after all retries.
    pub failed: i32,
    /// Withdrawn: the installation was uninstalled, or the release was canceled, superseded or rolled back.
    pub withdrawn: i32,
    /// The part that is done, 0 to 100, for a progress bar: all installations that aren't `offered` any more. While the release is being rolled back: the installations that were moved back. 100 when there is nothing to do.
    pub percent: f64,
}

impl From<Progress> for ReleaseProgress {
    fn from(progress: Progress) -> Self {
        Self {
            total: int(progress.total()),
            offered: int(progress.offered),
            applied: int(progress.applied),
            applied_early: int(progress.applied_early),
            applied_staged: int(progress.applied_staged),
            skipped: int(progress.skipped),
            failed: int(progress.failed),
            withdrawn: int(progress.withdrawn),
            percent: progress.percent(),
        }
    }
}
