//! A component, and the connections below it.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};

use crate::domain::accounts::Privilege;
use crate::domain::components as domain;
use crate::domain::id::ComponentId;
use crate::domain::own_key::OwnKey;
use crate::graphql::accounts::Actor;
use crate::graphql::components::packaged_component::{
    PackagedComponent, PackagedComponentConnection, packages_connection,
};
use crate::graphql::connection::{PageArgs, connection};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::ComponentType;
use crate::graphql::error::{ResultExt as _, bug};
use crate::graphql::filters::PackagedComponentFilter;
use crate::graphql::ids::Gid;
use crate::graphql::library::{LibraryCopySource, Publication, PublicationConnection, publications_connection};
use crate::graphql::packs::{IntegrationPackConnection, PacksOf, packs_or_none};
use crate::graphql::scalars::DateTime;

/// The type `Component`.
pub struct Component(pub(crate) Arc<domain::Component>);

connection!("components", ComponentConnection, ComponentEdge, Component);

impl Component {
    /// The component with this id, if the caller owns it.
    pub async fn by_id(ctx: &Context<'_>, id: ComponentId) -> Result<Option<Self>> {
        Ok(ctx.loaders().components.by_id.one(id).await.or_failure()?.map(Self))
    }

    /// The component with this key, if the caller owns it.
    pub(in crate::graphql) async fn by_key(ctx: &Context<'_>, key: OwnKey) -> Result<Option<Self>> {
        Ok(ctx.loaders().components.by_key.one(key).await.or_failure()?.map(Self))
    }

    /// The component with this id, which must exist.
    pub(crate) async fn must(ctx: &Context<'_>, id: ComponentId) -> Result<Self> {
        Self::by_id(ctx, id).await?.ok_or_else(|| bug("a component is gone"))
    }
}

/// A thing that can be packaged: built by the publisher, or a managed account's copy from the process library. Only its owner sees it.
#[Object]
impl Component {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::Component(self.0.id).encode()
    }

    /// 1 to 255 characters; need not be unique.
    pub async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is.
    #[graphql(name = "type")]
    pub async fn component_type(&self) -> ComponentType {
        self.0.component_type.into()
    }

    /// When it was made or copied.
    pub async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// The actor that made or copied it.
    pub async fn created_by(&self) -> Actor {
        Actor::from(self.0.created_by.clone())
    }

    /// The origin of a copy; null for a component that was built here.
    pub async fn copied_from(&self, ctx: &Context<'_>) -> Option<Result<LibraryCopySource>> {
        let source = ctx.loaders().library.copy_sources.one(self.0.id).await.or_failure();
        source.map(|source| source.map(LibraryCopySource)).transpose()
    }

    /// The newest shareable, undeleted package; null when there is none.
    pub async fn latest_shareable(&self, ctx: &Context<'_>) -> Option<Result<PackagedComponent>> {
        latest_shareable(ctx, self.0.id).await.transpose()
    }

    /// The newest publication; null when there is none.
    pub async fn latest_publication(&self, ctx: &Context<'_>) -> Option<Result<Publication>> {
        latest_publication(ctx, self.0.id).await.transpose()
    }

    /// Its history of packages, newest first.
    pub async fn packaged_components(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only packages that match all of it; `componentId` is ignored here.")] filter: Option<
            PackagedComponentFilter,
        >,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<PackagedComponentConnection> {
        let filter = filter.unwrap_or_default().of_component(self.0.id)?;
        packages_connection(ctx, filter, None, PageArgs::new(first, after, last, before)).await
    }

    /// Its publications for legacy packs, newest first.
    pub async fn publications(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<PublicationConnection> {
        publications_connection(ctx, self.0.id, PageArgs::new(first, after, last, before)).await
    }

    /// The packs whose current version, pending release or draft holds it, by name.
    pub async fn packs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<IntegrationPackConnection> {
        let args = PageArgs::new(first, after, last, before);
        packs_or_none(ctx, PacksOf::WithComponent(self.0.id), None, None, args).await
    }

    /// Whether the caller may now package or publish it.
    pub async fn viewer_can_package(&self, ctx: &Context<'_>) -> Result<bool> {
        may_change(ctx)
    }

    /// A key of your own, to look it up by; null when there is none.
    pub async fn key(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let found = ctx.loaders().components.changeable.one(self.0.id).await.or_failure()?;
        Ok(found.and_then(|found| found.key))
    }

    /// Whether the caller may now rename it: while no version of it was ever in a pack's version.
    pub async fn viewer_can_rename(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.0.can_be_renamed() && may_change(ctx)?)
    }

    /// Whether the caller may now delete it: while it has no version and is in no manifest.
    pub async fn viewer_can_delete(&self, ctx: &Context<'_>) -> Result<bool> {
        if !may_change(ctx)? {
            return Ok(false);
        }
        let found = ctx.loaders().components.changeable.one(self.0.id).await.or_failure()?;
        Ok(found.is_some_and(|found| found.deletable))
    }
}

/// Whether the caller is a publisher whose token may change components. A managed account keeps its copies as they are.
fn may_change(ctx: &Context<'_>) -> Result<bool> {
    let viewer = ctx.viewer()?;
    Ok(viewer.publisher().is_ok() && viewer.may(Privilege::PackagedComponentManagement))
}

async fn latest_shareable(ctx: &Context<'_>, id: ComponentId) -> Result<Option<PackagedComponent>> {
    let latest = ctx.loaders().components.latest.one(id).await.or_failure()?;
    match latest.and_then(|latest| latest.package) {
        Some(version) => PackagedComponent::by_id(ctx, version).await,
        None => Ok(None),
    }
}

async fn latest_publication(ctx: &Context<'_>, id: ComponentId) -> Result<Option<Publication>> {
    let latest = ctx.loaders().components.latest.one(id).await.or_failure()?;
    match latest.and_then(|latest| latest.publication) {
        Some(version) => Publication::by_id(ctx, version).await,
        None => Ok(None),
    }
}
