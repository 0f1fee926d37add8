//! A packaged component.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};

use crate::domain::accounts::Privilege;
use crate::domain::components::{ComponentVersion, VersionKind};
use crate::domain::id::ComponentVersionId;
use crate::graphql::accounts::Actor;
use crate::graphql::components::component::Component;
use crate::graphql::components::manifest::ManifestEntry;
use crate::graphql::connection::{PageArgs, connection};
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::{ResultExt as _, bug};
use crate::graphql::filters::PackagedComponentOrder;
use crate::graphql::ids::Gid;
use crate::graphql::library::PublishedProcess;
use crate::graphql::packs::{IntegrationPackConnection, PacksOf, packs_connection};
use crate::graphql::scalars::DateTime;
use crate::graphql::source::{Artifact, Source};
use crate::store::components::versions::{VersionFilter, VersionOrder, VersionsKey};
use crate::store::page::Page;

/// The type `PackagedComponent`.
pub struct PackagedComponent(pub(crate) Arc<ComponentVersion>);

connection!("packaged components", PackagedComponentConnection, PackagedComponentEdge, PackagedComponent);

/// A page of packaged components, newest first unless `order` says otherwise. Empty for a managed account: its
/// components are copies and have no packages.
pub(crate) async fn packages_connection(
    ctx: &Context<'_>,
    filter: VersionFilter,
    order: Option<PackagedComponentOrder>,
    args: PageArgs,
) -> Result<PackagedComponentConnection> {
    let order = order.map_or(VersionOrder::NEWEST, Into::into);
    let key = VersionsKey { filter, order, page: args.request(ctx, order.form())? };
    let empty = Page::empty(key.page.count);
    let page = ctx.loaders().components.version_pages.one(key).await.or_failure()?;
    Ok(PackagedComponentConnection::of(page.unwrap_or(empty), PackagedComponent))
}

impl PackagedComponent {
    /// The packaged component with this id, deleted or not, if the caller may see it.
    pub async fn by_id(ctx: &Context<'_>, id: ComponentVersionId) -> Result<Option<Self>> {
        let found = ctx.loaders().components.versions.one(id).await.or_failure()?;
        Ok(found.filter(|version| version.kind == VersionKind::Package).map(Self))
    }

    /// The packaged component with this id, which must exist.
    pub(crate) async fn must(ctx: &Context<'_>, id: ComponentVersionId) -> Result<Self> {
        Self::by_id(ctx, id).await?.ok_or_else(|| bug("a packaged component is gone"))
    }
}

/// An immutable snapshot of a component. Only its publisher sees it.
#[Object]
impl PackagedComponent {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::PackagedComponent(self.0.id).encode()
    }

    /// The component of the package.
    pub async fn component(&self, ctx: &Context<'_>) -> Result<Component> {
        Component::must(ctx, self.0.component_id).await
    }

    /// The version label: free text of 1 to 64 characters, unique for the component, deleted packages included. It doesn't decide which package is newer.
    pub async fn version(&self) -> String {
        self.0.version.clone()
    }

    /// Whether packs may hold it; fixed at creation.
    pub async fn shareable(&self) -> bool {
        self.0.shareable
    }

    /// The notes; fixed at creation; null when there are none.
    pub async fn notes(&self) -> Option<String> {
        self.0.notes.clone()
    }

    /// When it was packaged. The newest package is the one with the latest time, whatever its label.
    pub async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// The actor that packaged it.
    pub async fn created_by(&self) -> Actor {
        Actor::from(self.0.created_by.clone())
    }

    /// The revision of the component that was packaged.
    pub async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// Where it comes from; null when nothing was said.
    pub async fn source(&self) -> Option<Source> {
        self.0.source.clone().map(Into::into)
    }

    /// The files that it stands for; at most 20.
    pub async fn artifacts(&self) -> Vec<Artifact> {
        self.0.artifacts.iter().map(Into::into).collect()
    }

    /// When it was deleted; null while it isn't.
    pub async fn deleted_at(&self, ctx: &Context<'_>) -> Option<Result<DateTime>> {
        let deleted = ctx.loaders().components.deletions.one(self.0.id).await.or_failure();
        deleted.map(|at| at.map(Into::into)).transpose()
    }

    /// The components inside, the packaged one first; at most 500.
    pub async fn manifest(&self, ctx: &Context<'_>) -> Result<Vec<ManifestEntry>> {
        let manifest = ctx.loaders().components.manifests.one(self.0.id).await.or_failure()?;
        Ok(manifest.iter().flat_map(|entries| entries.iter()).map(Into::into).collect())
    }

    /// The packs whose current version or pending release holds it or whose draft is pinned to it, by name. While there are any it can't be deleted.
    pub async fn packs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<IntegrationPackConnection> {
        let args = PageArgs::new(first, after, last, before);
        packs_connection(ctx, PacksOf::HoldingVersion(self.0.id), None, None, args).await
    }
    /// Its entry in the process library; null when it has none.
    pub async fn published_process(&self, ctx: &Context<'_>) -> Option<Result<PublishedProcess>> {
        let process = ctx.loaders().library.of_packages.one(self.0.id).await.or_failure();
        process.map(|process| process.map(PublishedProcess)).transpose()
    }

    /// Whether the caller may now delete it.
    pub async fn viewer_can_delete(&self, ctx: &Context<'_>) -> Result<bool> {
        let loaders = ctx.loaders();
        if !ctx.viewer()?.may(Privilege::PackagedComponentManagement) {
            return Ok(false);
        }
        let (deleted, used) = futures_util::try_join!(
            loaders.components.deletions.one(self.0.id),
            loaders.components.packages_in_use.one(self.0.id)
        )
        .or_failure()?;
        Ok(deleted.is_none() && used.is_none())
    }

    /// Whether the caller may now restore it.
    pub async fn viewer_can_restore(&self, ctx: &Context<'_>) -> Result<bool> {
        let deleted = ctx.loaders().components.deletions.one(self.0.id).await.or_failure()?;
        Ok(deleted.is_some() && ctx.viewer()?.may(Privilege::PackagedComponentManagement))
    }
}
