//! A publication of a component, for legacy packs.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};

use crate::domain::components::{ComponentVersion, VersionKind, publication_number};
use crate::domain::id::{ComponentId, ComponentVersionId};
use crate::graphql::accounts::Actor;
use crate::graphql::components::Component;
use crate::graphql::connection::{PageArgs, connection};
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::{ResultExt as _, bug};
use crate::graphql::ids::Gid;
use crate::graphql::scalars::DateTime;
use crate::store::components::versions::{VersionFilter, VersionOrder, VersionsKey};
use crate::store::page::Page;

/// The type `Publication`.
pub struct Publication(pub(crate) Arc<ComponentVersion>);

connection!("publications", PublicationConnection, PublicationEdge, Publication);

/// A page of a component's publications, newest first. Empty for a copied component, which can't be published.
pub(crate) async fn publications_connection(
    ctx: &Context<'_>,
    component: ComponentId,
    args: PageArgs,
) -> Result<PublicationConnection> {
    let order = VersionOrder::Published;
    let filter =
        VersionFilter { kind: VersionKind::Publication, component: Some(component), ..VersionFilter::default() };
    let page = args.request(ctx, order.form())?;
    let empty = Page::empty(page.count);
    let page = ctx.loaders().components.version_pages.one(VersionsKey { filter, order, page }).await;
    Ok(PublicationConnection::of(page.or_failure()?.unwrap_or(empty), Publication))
}

impl Publication {
    /// The publication with this id, if the caller may see it.
    pub async fn by_id(ctx: &Context<'_>, id: ComponentVersionId) -> Result<Option<Self>> {
        let found = ctx.loaders().components.versions.one(id).await.or_failure()?;
        Ok(found.filter(|version| version.kind == VersionKind::Publication).map(Self))
    }
}

/// A numbered publication of a component, for packs of the LEGACY deployment model.
#[Object]
impl Publication {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::Publication(self.0.id).encode()
    }

    /// The component of the publication.
    pub async fn component(&self, ctx: &Context<'_>) -> Result<Component> {
        Component::must(ctx, self.0.component_id).await
    }

    /// 1, 2, 3 … for each component.
    pub async fn number(&self) -> Result<i32> {
        publication_number(&self.0.version).ok_or_else(|| bug("a publication without a number"))
    }

    /// `number` as text.
    pub async fn version(&self) -> String {
        self.0.version.clone()
    }

    /// Always true.
    pub async fn shareable(&self) -> bool {
        self.0.shareable
    }

    /// The publisher's notes; null when there are none.
    pub async fn notes(&self) -> Option<String> {
        self.0.notes.clone()
    }

    /// When it was published.
    pub async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// The actor that published it.
    pub async fn created_by(&self) -> Actor {
        Actor::from(self.0.created_by.clone())
    }
}
