//! The loaders for groups of accounts, and the packs that accounts are granted.

use crate::domain::accounts::AccountGroup;
use crate::domain::id::{GroupId, PackId, PackVersionId, ReleaseId};
use crate::domain::packs::PackVersion;
use crate::domain::releases::Release;
use crate::graphql::batch::{Base, Batch};
use crate::store::page::{Page, PageRequest};
use crate::store::sharing::available::{AvailableFilter, AvailablePack};
use crate::store::sharing::groups::GroupFilter;
use crate::store::sharing::{available, groups};

/// Loaders of groups for publishers, and of granted packs for managed accounts.
pub struct SharingLoaders {
    pub groups: Batch<GroupId, AccountGroup>,
    pub group_pages: Batch<(GroupFilter, PageRequest), Page<AccountGroup>>,
    pub available_packs: Batch<PackId, AvailablePack>,
    pub available_pages: Batch<(AvailableFilter, PageRequest), Page<AvailablePack>>,
    pub available_versions: Batch<PackVersionId, PackVersion>,
    pub announced_releases: Batch<ReleaseId, Release>,
}

impl SharingLoaders {
    pub(in crate::graphql) fn new(base: &Base) -> Self {
        Self {
            groups: Batch::of_publisher(base, async |b, scope, ids| groups::by_ids(&b.db, &scope, &ids).await),
            group_pages: Batch::of_publisher(base, async |b, scope, keys| groups::pages(&b.db, &scope, &keys).await),
            available_packs: Batch::of_managed(base, async |b, scope, ids| {
                available::packs_by_ids(&b.db, &scope, b.now, &ids).await
            }),
            available_pages: Batch::of_managed(base, async |b, scope, keys| {
                available::pages(&b.db, &scope, b.now, &keys).await
            }),
            available_versions: Batch::of_managed(base, async |b, scope, ids| {
                available::versions_by_ids(&b.db, &scope, b.now, &ids).await
            }),
            announced_releases: Batch::of_managed(base, async |b, scope, ids| {
                available::releases_by_ids(&b.db, &scope, b.now, &ids).await
            }),
        }
    }
}
