//! The loaders for groups of accounts, and the packs that accounts are granted.

use std::sync::Arc;

use crate::domain::accounts::AccountGroup;
use crate::domain::id::{ComponentVersionId, GroupId, PackId, PackVersionId, ReleaseId};
use crate::domain::own_key::OwnKey;
use crate::domain::packs::ContentItem;
use crate::domain::releases::Release;
use crate::domain::source::Artifact;
use crate::graphql::batch::{Base, Batch};
use crate::store::Snapshot;
use crate::store::page::{Page, PageRequest};
use crate::store::scope::ManagedScope;
use crate::store::sharing::available::{AvailableFilter, AvailablePack, AvailableVersion, AvailableVersionId};
use crate::store::sharing::groups::GroupFilter;
use crate::store::sharing::many::VisibleToMany;
use crate::store::sharing::{artifacts, available, groups};

/// Loaders of groups for publishers, and of granted packs for managed accounts.
pub struct SharingLoaders {
    pub groups: Batch<GroupId, AccountGroup>,
    /// By their owners' keys (R67).
    pub groups_by_key: Batch<OwnKey, AccountGroup>,
    pub group_pages: Batch<(GroupFilter, PageRequest), Page<AccountGroup>>,
    pub available_packs: Batch<PackId, AvailablePack>,
    pub available_pages: Batch<(AvailableFilter, PageRequest), Page<AvailablePack>>,
    pub available_versions: Batch<PackVersionId, AvailableVersion>,
    pub available_contents: Batch<AvailableVersionId, Arc<Vec<ContentItem>>>,
    pub announced_releases: Batch<ReleaseId, Release>,
    /// The artifacts of packages that the account has installed or is offered (R68).
    pub artifacts: Batch<ComponentVersionId, Arc<Vec<Artifact>>>,
}

impl SharingLoaders {
    pub(in crate::graphql) fn new(base: &Base) -> Self {
        Self {
            groups: Batch::of_publisher(base, async |snapshot, ids| groups::by_ids(&snapshot, &ids).await),
            groups_by_key: Batch::of_publisher(base, async |snapshot, keys| groups::by_keys(&snapshot, &keys).await),
            artifacts: Batch::of_managed(base, async |snapshot, ids| artifacts::of_versions(&snapshot, &ids).await),
            group_pages: Batch::of_publisher(base, async |snapshot, keys| groups::pages(&snapshot, &keys).await),
            available_packs: Batch::of_managed(base, async |snapshot, ids| {
                available::packs_by_ids(&snapshot, &ids).await
            })
            .with_cache(base.of_managed(), look_up(base, VisibleToMany::pack)),
            available_pages: Batch::of_managed(base, async |snapshot, keys| available::pages(&snapshot, &keys).await),
            available_versions: Batch::of_managed(base, async |snapshot, ids| {
                available::versions_by_ids(&snapshot, &ids).await
            })
            .with_cache(base.of_managed(), look_up(base, VisibleToMany::version)),
            available_contents: Batch::of_managed(base, async |snapshot, ids| {
                available::contents(&snapshot, &ids).await
            })
            .with_cache(base.of_managed(), |snapshot, id| available::cached_content(snapshot, *id)),
            announced_releases: Batch::of_managed(base, async |snapshot, ids| {
                available::releases_by_ids(&snapshot, &ids).await
            })
            .with_answers(base.of_managed(), look_up(base, VisibleToMany::release)),
        }
    }
}

/// A lookup in the data that was read at once for all accounts that are shown the same event.
fn look_up<K: Copy, V>(
    base: &Base,
    read: fn(&VisibleToMany, ManagedScope, K) -> Option<V>,
) -> impl Fn(&Snapshot<ManagedScope>, &K) -> Option<V> + Send + Sync + use<K, V> {
    let seen = base.seen.clone();
    move |snapshot, id| read(seen.as_ref()?, snapshot.scope(), *id)
}
