//! The loaders for installations, their updates and the spread of versions.

use std::sync::Arc;

use crate::domain::Instant;
use crate::domain::id::{InstallationId, OutcomeReportId, PackId, PackVersionId, UpdateId};
use crate::domain::installations::{CurvePoint, Installation, OutcomeReport};
use crate::domain::own_key::OwnKey;
use crate::graphql::batch::{Base, Batch};
use crate::store::installations::adoption::{AdoptionOf, Distribution};
use crate::store::installations::curves::{self, CurveKey};
use crate::store::installations::read::InstallationFilter;
use crate::store::installations::updates::{UpdatesKey, VisibleUpdate};
use crate::store::installations::{adoption, outcomes, read as installations, updates};
use crate::store::packs::versions as pack_versions;
use crate::store::page::{Page, PageRequest};
use crate::store::releases::read_stages::{self, StagesOfUpdate};
use crate::store::sharing::grants;

/// Loaders of installations and updates for both kinds of callers, and of their counts for publishers.
pub struct InstallationLoaders {
    pub by_id: Batch<InstallationId, Installation>,
    /// By their owners' keys (R67).
    pub by_key: Batch<OwnKey, Installation>,
    pub pages: Batch<(InstallationFilter, PageRequest), Page<Installation>>,
    /// Whether an installation is entitled. Otherwise it is frozen (R45).
    pub entitled: Batch<InstallationId, bool>,
    /// The update that can be applied early now (R26).
    pub pending: Batch<InstallationId, VisibleUpdate>,
    pub updates: Batch<UpdateId, VisibleUpdate>,
    /// The early stages of an update's release. An update of a release without any has no value.
    pub stages_of_updates: Batch<UpdateId, Arc<StagesOfUpdate>>,
    pub update_pages: Batch<UpdatesKey, Page<VisibleUpdate>>,
    pub outcomes: Batch<OutcomeReportId, OutcomeReport>,
    pub newest_outcomes: Batch<UpdateId, OutcomeReport>,
    pub outcome_pages: Batch<(UpdateId, PageRequest), Page<OutcomeReport>>,
    /// Versions without installations have no value.
    pub version_counts: Batch<PackVersionId, i64>,
    pub pack_counts: Batch<PackId, i64>,
    /// Without installations, these three have no value.
    pub distribution: Batch<AdoptionOf, Arc<Distribution>>,
    /// The spread of a pack's installations at an instant. A pack without installations then has no value.
    pub distributions_at: Batch<(PackId, Instant), Arc<Distribution>>,
    pub account_counts: Batch<AdoptionOf, i64>,
    pub frozen_counts: Batch<AdoptionOf, i64>,
    pub curves: Batch<CurveKey, Vec<CurvePoint>>,
}

impl InstallationLoaders {
    pub(in crate::graphql) fn new(base: &Base) -> Self {
        Self {
            by_id: Batch::scoped(base, async |snapshot, ids| installations::by_ids(&snapshot, &ids).await),
            by_key: Batch::of_managed(base, async |snapshot, keys| installations::by_keys(&snapshot, &keys).await),
            pages: Batch::scoped(base, async |snapshot, keys| installations::pages(&snapshot, &keys).await),
            entitled: Batch::scoped(base, async |snapshot, ids| {
                let entitled = grants::entitled_installations(&snapshot, &ids).await?;
                Ok(ids.into_iter().map(|id| (id, entitled.contains(&id))).collect())
            }),
            pending: Batch::scoped(base, async |snapshot, ids| updates::pending_of(&snapshot, &ids).await),
            updates: Batch::scoped(base, async |snapshot, ids| updates::by_ids(&snapshot, &ids).await),
            stages_of_updates: Batch::scoped(base, async |snapshot, ids| {
                let found = read_stages::of_updates(&snapshot, &ids).await?;
                Ok(found.into_iter().map(|(id, stages)| (id, Arc::new(stages))).collect())
            }),
            update_pages: Batch::scoped(base, async |snapshot, keys| updates::pages(&snapshot, &keys).await),
            outcomes: Batch::scoped(base, async |snapshot, ids| outcomes::by_ids(&snapshot, &ids).await),
            newest_outcomes: Batch::scoped(base, async |snapshot, ids| outcomes::newest(&snapshot, &ids).await),
            outcome_pages: Batch::scoped(base, async |snapshot, keys| outcomes::pages(&snapshot, &keys).await),
            version_counts: Batch::of_publisher(base, async |snapshot, ids| {
                pack_versions::installation_counts(&snapshot, &ids).await
            }),
            pack_counts: Batch::of_publisher(base, async |snapshot, ids| installations::totals(&snapshot, &ids).await),
            distribution: Batch::of_publisher(base, async |snapshot, of| {
                let found = adoption::distribution(&snapshot, &of).await?;
                Ok(found.into_iter().map(|(of, distribution)| (of, Arc::new(distribution))).collect())
            }),
            distributions_at: Batch::of_publisher(base, async |snapshot, keys| {
                let found = adoption::distribution_at(&snapshot, &keys).await?;
                Ok(found.into_iter().map(|(key, distribution)| (key, Arc::new(distribution))).collect())
            }),
            account_counts: Batch::of_publisher(base, async |snapshot, of| adoption::accounts(&snapshot, &of).await),
            frozen_counts: Batch::of_publisher(base, async |snapshot, of| adoption::frozen(&snapshot, &of).await),
            curves: Batch::of_publisher(base, async |snapshot, keys| curves::curves(&snapshot, &keys).await),
        }
    }
}
