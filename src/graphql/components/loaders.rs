//! The loaders for components and their versions.

use std::sync::Arc;

use crate::domain::Instant;
use crate::domain::components::{Component, ComponentVersion, ManifestEntry};
use crate::domain::id::{ComponentId, ComponentVersionId};
use crate::graphql::batch::{Base, Batch};
use crate::store::components::versions::VersionsKey;
use crate::store::components::{read as components, uses as package_uses, versions as component_versions};
use crate::store::page::Page;
use crate::store::scope::Scope;

/// Loaders of components and their versions. Managed accounts use some of them for what they can see.
pub struct ComponentLoaders {
    pub by_id: Batch<ComponentId, Arc<Component>>,
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
            by_id: Batch::scoped(base, async |b, scope, ids| components::by_ids(&b.db, scope, &ids).await)
                .knowing(base, |db, scope, id| components::known(db, scope, *id)),
            latest: Batch::scoped(base, async |b, scope, ids| components::latest(&b.db, scope, &ids).await),
            versions: Batch::of_publisher(base, async |b, scope, ids| {
                component_versions::by_ids(&b.db, scope, &ids).await
            })
            .knowing(base, |db, scope, id| match scope {
                Scope::Publisher(scope) => component_versions::known(db, scope, *id),
                Scope::Managed(_) => None,
            }),
            version_pages: Batch::of_publisher(base, async |b, scope, keys| {
                component_versions::pages(&b.db, scope, &keys).await
            }),
            manifests: Batch::of_publisher(base, async |b, scope, ids| {
                component_versions::manifests(&b.db, scope, &ids).await
            }),
            deletions: Batch::of_publisher(base, async |b, scope, ids| {
                package_uses::deletions(&b.db, scope, &ids).await
            }),
            packages_in_use: Batch::of_publisher(base, async |b, scope, ids| {
                Ok(package_uses::in_use(&b.db, scope, b.now, &ids).await?.into_iter().map(|id| (id, ())).collect())
            }),
        }
    }
}
