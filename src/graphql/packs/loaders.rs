//! The loaders for packs, their drafts and their versions.

use std::sync::Arc;

use crate::domain::id::{PackId, PackVersionId, ReleaseId};
use crate::domain::packs::{ContentItem, DraftRow, Pack, PackVersion};
use crate::graphql::batch::{Base, Batch};
use crate::store::packs::drafts::DraftOf;
use crate::store::packs::read::PacksKey;
use crate::store::packs::{drafts, read as packs, versions as pack_versions};
use crate::store::page::{Page, PageRequest};
use crate::store::scope::Scope;

/// Loaders of packs. Managed accounts use some of them for the versions and contents that they can see.
pub struct PackLoaders {
    pub by_id: Batch<PackId, Arc<Pack>>,
    pub pages: Batch<PacksKey, Page<Arc<Pack>>>,
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
            by_id: Batch::of_publisher(base, async |b, scope, ids| packs::by_ids(&b.db, scope, &ids).await),
            pages: Batch::of_publisher(base, async |b, scope, keys| packs::pages(&b.db, scope, b.now, &keys).await),
            moving: Batch::of_publisher(base, async |b, scope, ids| packs::moving(&b.db, scope, &ids).await),
            drafts: Batch::of_publisher(base, async |b, scope, of| drafts::of_packs(&b.db, scope, &of).await).knowing(
                base,
                |db, scope, of| match scope {
                    Scope::Publisher(scope) => drafts::known(db, scope, *of),
                    Scope::Managed(_) => None,
                },
            ),
            versions: Batch::scoped(base, async |b, scope, ids| pack_versions::by_ids(&b.db, scope, &ids).await)
                .knowing(base, |db, scope, id| pack_versions::known(db, scope, *id)),
            numbered_versions: Batch::of_publisher(base, async |b, scope, keys| {
                pack_versions::by_numbers(&b.db, scope, &keys).await
            }),
            version_pages: Batch::of_publisher(base, async |b, scope, keys| {
                pack_versions::pages(&b.db, scope, &keys).await
            }),
            contents: Batch::scoped(base, async |b, scope, ids| pack_versions::contents(&b.db, scope, &ids).await)
                .knowing(base, |db, scope, id| pack_versions::known_content(db, scope, *id)),
        }
    }
}
