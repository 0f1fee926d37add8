//! The loaders for releases.

use std::sync::Arc;

use crate::domain::id::ReleaseId;
use crate::domain::installations::OutcomeCounts;
use crate::domain::log::Progress;
use crate::domain::releases::{FiguresChange, HaltFigures, Release};
use crate::graphql::batch::{Base, Batch};
use crate::store::installations::outcomes;
use crate::store::page::{Page, PageRequest};
use crate::store::releases::read::{FoundRelease, ReleaseFilter};
use crate::store::releases::{halting, read as releases};

/// Loaders of releases, for their publisher.
pub struct ReleaseLoaders {
    /// Releases of deleted packs are included.
    pub by_id: Batch<ReleaseId, FoundRelease>,
    pub pages: Batch<(ReleaseFilter, PageRequest), Page<Arc<Release>>>,
    pub progress: Batch<ReleaseId, Progress>,
    /// How the updates went, and the numbers that a halt rule is judged by.
    pub outcomes: Batch<ReleaseId, (OutcomeCounts, HaltFigures)>,
    /// All changes of the numbers that a halt rule is judged by. A release without any has no value.
    pub figures: Batch<ReleaseId, Vec<FiguresChange>>,
    /// How many failed updates of a release can be retried. A release without any has no value.
    pub retriable: Batch<ReleaseId, u64>,
}

impl ReleaseLoaders {
    pub(in crate::graphql) fn new(base: &Base) -> Self {
        Self {
            by_id: Batch::of_publisher(base, async |snapshot, ids| releases::by_ids(&snapshot, &ids).await),
            pages: Batch::of_publisher(base, async |snapshot, keys| releases::pages(&snapshot, &keys).await),
            progress: Batch::of_publisher(base, async |snapshot, ids| releases::progress(&snapshot, &ids).await),
            outcomes: Batch::of_publisher(base, async |snapshot, ids| outcomes::counts(&snapshot, &ids).await),
            figures: Batch::of_publisher(base, async |snapshot, ids| halting::changes(&snapshot, &ids).await),
            retriable: Batch::of_publisher(base, async |snapshot, ids| releases::retriable(&snapshot, &ids).await),
        }
    }
}
