//! The loaders for releases.

use std::sync::Arc;

use crate::domain::id::ReleaseId;
use crate::domain::installations::OutcomeCounts;
use crate::domain::log::Progress;
use crate::domain::releases::Release;
use crate::graphql::batch::{Base, Batch};
use crate::store::installations::outcomes;
use crate::store::page::{Page, PageRequest};
use crate::store::releases::read as releases;
use crate::store::releases::read::{FoundRelease, ReleaseFilter};

/// Loaders of releases, for their publisher.
pub struct ReleaseLoaders {
    /// Releases of deleted packs are included.
    pub by_id: Batch<ReleaseId, FoundRelease>,
    pub pages: Batch<(ReleaseFilter, PageRequest), Page<Arc<Release>>>,
    pub progress: Batch<ReleaseId, Progress>,
    pub outcomes: Batch<ReleaseId, OutcomeCounts>,
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
            retriable: Batch::of_publisher(base, async |snapshot, ids| releases::retriable(&snapshot, &ids).await),
        }
    }
}
