//! The loaders for releases.

use std::sync::Arc;

use crate::domain::id::ReleaseId;
use crate::domain::installations::OutcomeCounts;
use crate::domain::log::Progress;
use crate::domain::releases::{FiguresAt, HaltFigures, Release, Stage};
use crate::graphql::batch::{Base, Batch};
use crate::store::installations::outcomes;
use crate::store::page::{Page, PageRequest};
use crate::store::releases::halting::HistoryKey;
use crate::store::releases::read::{FoundRelease, ReleaseFilter};
use crate::store::releases::{halting, read as releases, read_stages};

/// Loaders of releases, for their publisher.
pub struct ReleaseLoaders {
    /// Releases of deleted packs are included.
    pub by_id: Batch<ReleaseId, FoundRelease>,
    pub pages: Batch<(ReleaseFilter, PageRequest), Page<Arc<Release>>>,
    pub progress: Batch<ReleaseId, Progress>,
    /// How the updates went, and the numbers that a halt rule is judged by.
    pub outcomes: Batch<ReleaseId, (OutcomeCounts, HaltFigures)>,
    /// The numbers that decide about a halt rule in a release's history. A release without any has no value.
    pub decisive: Batch<HistoryKey, FiguresAt>,
    /// How many failed updates of a release can be retried. A release without any has no value.
    pub retriable: Batch<ReleaseId, u64>,
    /// The early stages of a release. A release without any has no value.
    pub stages: Batch<ReleaseId, Arc<Vec<Stage>>>,
    /// How many installations each early stage holds, by position.
    pub stage_counts: Batch<ReleaseId, Vec<i64>>,
}

impl ReleaseLoaders {
    pub(in crate::graphql) fn new(base: &Base) -> Self {
        Self {
            by_id: Batch::of_publisher(base, async |snapshot, ids| releases::by_ids(&snapshot, &ids).await),
            pages: Batch::of_publisher(base, async |snapshot, keys| releases::pages(&snapshot, &keys).await),
            progress: Batch::of_publisher(base, async |snapshot, ids| releases::progress(&snapshot, &ids).await),
            outcomes: Batch::of_publisher(base, async |snapshot, ids| outcomes::counts(&snapshot, &ids).await),
            decisive: Batch::of_publisher(base, async |snapshot, keys| halting::decisive(&snapshot, &keys).await),
            stages: Batch::of_publisher(base, async |snapshot, ids| {
                let found = read_stages::of_releases(&snapshot, &ids).await?;
                Ok(found.into_iter().map(|(id, stages)| (id, Arc::new(stages))).collect())
            }),
            stage_counts: Batch::of_publisher(base, async |snapshot, ids| read_stages::counts(&snapshot, &ids).await),
            retriable: Batch::of_publisher(base, async |snapshot, ids| releases::retriable(&snapshot, &ids).await),
        }
    }
}
