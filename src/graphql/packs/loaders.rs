//! The loaders for packs, their drafts and their versions.

use std::sync::Arc;

use crate::domain::id::{PackId, PackVersionId, ReleaseId};
use crate::domain::own_key::OwnKey;
use crate::domain::packs::{ContentItem, DraftRow, Pack, PackVersion};
use crate::graphql::batch::{Base, Batch};
use crate::store::packs::drafts::DraftOf;
use crate::store::packs::read::{ListedPack, PacksKey};
use crate::store::packs::{drafts, read as packs, versions as pack_versions};
use crate::store::page::{Page, PageRequest};

/// Loaders of packs, for their publisher.
pub struct PackLoaders {
    pub by_id: Batch<PackId, Arc<Pack>>,
    /// By their owners' keys (R67).
    pub by_key: Batch<OwnKey, Arc<Pack>>,
    pub pages: Batch<PacksKey, Page<ListedPack>>,
    /// The release whose rollout is moving the pack's installations (R49).
    pub moving: Batch<PackId, ReleaseId>,
    pub drafts: Batch<DraftOf, Arc<Vec<DraftRow>>>,
    pub versions: Batch<PackVersionId, Arc<PackVersion>>,
    pub numbered_versions: Batch<(PackId, i32), Arc<PackVersion>>,
    pub version_pages: Batch<(PackId, PageRequest), Page<Arc<PackVersion>>>,
    pub contents: Batch<PackVersionId, Arc<Vec<ContentItem>>>,
}

impl PackLoaders {
    pub(in crate::graphql) fn new(base: &Base) -> Self {
        Self {
            by_id: Batch::of_publisher(base, async |snapshot, ids| packs::by_ids(&snapshot, &ids).await),
            by_key: Batch::of_publisher(base, async |snapshot, keys| packs::by_keys(&snapshot, &keys).await),
            pages: Batch::of_publisher(base, async |snapshot, keys| packs::pages(&snapshot, &keys).await),
            moving: Batch::of_publisher(base, async |snapshot, ids| packs::moving(&snapshot, &ids).await),
            drafts: Batch::of_publisher(base, async |snapshot, of| drafts::of_packs(&snapshot, &of).await)
                .with_cache(base.of_publisher(), |snapshot, of| drafts::cached(snapshot, *of)),
            versions: Batch::of_publisher(base, async |snapshot, ids| pack_versions::by_ids(&snapshot, &ids).await)
                .with_cache(base.of_publisher(), |snapshot, id| pack_versions::cached(snapshot, *id)),
            numbered_versions: Batch::of_publisher(base, async |snapshot, keys| {
                pack_versions::by_numbers(&snapshot, &keys).await
            }),
            version_pages: Batch::of_publisher(base, async |snapshot, keys| {
                pack_versions::pages(&snapshot, &keys).await
            }),
            contents: Batch::of_publisher(base, async |snapshot, ids| pack_versions::contents(&snapshot, &ids).await)
                .with_cache(base.of_publisher(), |snapshot, id| pack_versions::cached_content(snapshot, *id)),
        }
    }
}
