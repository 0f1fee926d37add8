//! The loaders for components and their versions.

use std::sync::Arc;

use crate::domain::Instant;
use crate::domain::components::{Component, ComponentVersion, ManifestEntry};
use crate::domain::id::{ComponentId, ComponentVersionId};
use crate::domain::own_key::OwnKey;
use crate::graphql::batch::{Base, Batch};
use crate::store::components::versions::VersionsKey;
use crate::store::components::{read as components, uses as package_uses, versions as component_versions};
use crate::store::page::Page;

/// Loaders of components and their versions. Managed accounts use some of them for what they can see.
pub struct ComponentLoaders {
    pub by_id: Batch<ComponentId, Arc<Component>>,
    /// By their owners' keys (R67).
    pub by_key: Batch<OwnKey, Arc<Component>>,
    /// What can change of a component at any time.
    pub changeable: Batch<ComponentId, components::Changeable>,
    /// The newest versions of a component that packs may contain.
    pub latest: Batch<ComponentId, components::Latest>,
    pub versions: Batch<ComponentVersionId, Arc<ComponentVersion>>,
    pub version_pages: Batch<VersionsKey, Page<Arc<ComponentVersion>>>,
    pub manifests: Batch<ComponentVersionId, Arc<Vec<ManifestEntry>>>,
    /// When a package was deleted. Packages that aren't deleted have no value.
    pub deletions: Batch<ComponentVersionId, Instant>,
    /// Packages that can't be deleted now (R8).
    pub packages_in_use: Batch<ComponentVersionId, ()>,
}

impl ComponentLoaders {
    pub(in crate::graphql) fn new(base: &Base) -> Self {
        Self {
            by_id: Batch::scoped(base, async |snapshot, ids| components::by_ids(&snapshot, &ids).await)
                .with_cache(base.snapshot.clone(), |snapshot, id| components::cached(snapshot, *id)),
            by_key: Batch::scoped(base, async |snapshot, keys| components::by_keys(&snapshot, &keys).await),
            changeable: Batch::scoped(base, async |snapshot, ids| components::changeable(&snapshot, &ids).await),
            latest: Batch::scoped(base, async |snapshot, ids| components::latest(&snapshot, &ids).await),
            versions: Batch::of_publisher(base, async |snapshot, ids| {
                component_versions::by_ids(&snapshot, &ids).await
            })
            .with_cache(base.of_publisher(), |snapshot, id| component_versions::cached(snapshot, *id)),
            version_pages: Batch::of_publisher(base, async |snapshot, keys| {
                component_versions::pages(&snapshot, &keys).await
            }),
            manifests: Batch::of_publisher(base, async |snapshot, ids| {
                component_versions::manifests(&snapshot, &ids).await
            }),
            deletions: Batch::of_publisher(base, async |snapshot, ids| package_uses::deletions(&snapshot, &ids).await),
            packages_in_use: Batch::of_publisher(base, async |snapshot, ids| {
                Ok(package_uses::in_use(&snapshot, &ids).await?.into_iter().map(|id| (id, ())).collect())
            }),
        }
    }
}
