//! A version of a pack, and its content.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain;
use crate::domain::id::{ComponentVersionId, PackId, PackVersionId};
use crate::domain::packs as pack;
use crate::domain::packs::ContentItem;
use crate::graphql::connection::{PageArgs, connection, int};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::ComponentType;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::packs::integration_pack::IntegrationPack;
use crate::graphql::packs::pack_component::PackComponent;
use crate::graphql::packs::pack_diff::PackDiff;
use crate::graphql::releases::Release;
use crate::graphql::scalars::{DateTime, Markdown};
use crate::graphql::source::Artifact;
use crate::store::packs::versions as pack_versions;
use crate::store::page::Page;
use crate::store::scope::Scope;

/// The type `PackVersion`: a version in its publisher's view.
pub struct PackVersion(pub(crate) Arc<pack::PackVersion>);

connection!("versions", PackVersionConnection, PackVersionEdge, PackVersion);

/// A page of a pack's versions, newest first.
pub(crate) async fn versions_of_pack(ctx: &Context<'_>, pack: PackId, args: PageArgs) -> Result<PackVersionConnection> {
    let key = (pack, args.request(ctx, pack_versions::NEWEST)?);
    let page = ctx.loaders().packs.version_pages.one(key).await.or_failure()?;
    Ok(PackVersionConnection::of(page.unwrap_or_else(|| Page::empty(false)), PackVersion))
}

/// One item of a pack version's content, as every account that has the pack may see it.
#[derive(SimpleObject, Clone, Debug)]
#[graphql(complex)]
pub struct PackContentItem {
    #[graphql(skip)]
    version_id: ComponentVersionId,
    /// Identifies the component within this pack, and stays the same over its versions. Opaque; not the ID of any object.
    pub key: String,
    /// The component's name.
    pub name: String,
    /// The component's type: PROCESS or API_SERVICE.
    #[graphql(name = "type")]
    pub component_type: ComponentType,
    /// The version label, or the number of the publication.
    pub version: String,
}

impl From<&ContentItem> for PackContentItem {
    fn from(item: &ContentItem) -> Self {
        Self {
            version_id: item.component_version_id,
            key: URL_SAFE_NO_PAD.encode(item.key.0.as_bytes()),
            name: item.name.clone(),
            component_type: item.component_type.into(),
            version: item.version.clone(),
        }
    }
}

#[ComplexObject]
impl PackContentItem {
    /// What the package stands for, at most 20. For a managed account null, unless it has a version of the pack with this item installed, or is offered one.
    async fn artifacts(&self, ctx: &Context<'_>) -> Option<Result<Vec<Artifact>>> {
        artifacts(ctx, self.version_id).await.transpose()
    }
}

async fn artifacts(ctx: &Context<'_>, id: ComponentVersionId) -> Result<Option<Vec<Artifact>>> {
    let loaders = ctx.loaders();
    let shown = |artifacts: &[domain::source::Artifact]| artifacts.iter().map(Into::into).collect();
    Ok(match ctx.scope()? {
        Scope::Publisher(_) => {
            let version = loaders.components.versions.one(id).await.or_failure()?;
            version.map(|version| shown(&version.artifacts))
        }
        Scope::Managed(_) => {
            let artifacts = loaders.sharing.artifacts.one(id).await.or_failure()?;
            artifacts.map(|artifacts| shown(&artifacts))
        }
    })
}

impl PackContentItem {
    /// The items of a content, by name; none without a content.
    pub fn all(content: Option<Arc<Vec<ContentItem>>>) -> Vec<Self> {
        content.iter().flat_map(|items| items.iter()).map(Into::into).collect()
    }
}

impl PackVersion {
    /// The version with this id, if the caller may see it.
    pub async fn by_id(ctx: &Context<'_>, id: PackVersionId) -> Result<Option<Self>> {
        let Scope::Publisher(_) = ctx.scope()? else { return Ok(None) };
        let Some(found) = ctx.loaders().packs.versions.one(id).await.or_failure()? else { return Ok(None) };
        // The process caches versions, because they never change. The pack isn't cached, because it may be deleted.
        Ok(IntegrationPack::by_id(ctx, found.pack_id).await?.map(|_| Self(found)))
    }

    /// The version with this id, which must exist; its pack may be deleted.
    pub(crate) async fn must(ctx: &Context<'_>, id: PackVersionId) -> Result<Self> {
        Ok(Self(ctx.loaders().packs.versions.must(id).await.or_failure()?))
    }
}

/// A numbered, immutable snapshot of a pack's content. The publisher's view.
#[Object]
impl PackVersion {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::PackVersion(self.0.id).encode()
    }

    /// 1, 2, 3 … for each pack; a release that was canceled keeps the number it took.
    pub async fn number(&self) -> i32 {
        self.0.number
    }

    /// The notes of its release.
    pub async fn notes(&self) -> Markdown {
        Markdown(self.0.notes.clone())
    }

    /// When its release was made.
    pub async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// Its content, as everybody may see it, by name; at most 100.
    pub async fn contents(&self, ctx: &Context<'_>) -> Result<Vec<PackContentItem>> {
        Ok(PackContentItem::all(ctx.loaders().packs.contents.one(self.0.id).await.or_failure()?))
    }

    /// The pack.
    pub async fn pack(&self, ctx: &Context<'_>) -> Result<IntegrationPack> {
        IntegrationPack::must(ctx, self.0.pack_id).await
    }

    /// The release that made it.
    pub async fn release(&self, ctx: &Context<'_>) -> Result<Release> {
        Release::must(ctx, self.0.release_id).await
    }

    /// Its content, row by row, with the present state of the pack; at most 100.
    pub async fn components(&self, ctx: &Context<'_>) -> Result<Vec<PackComponent>> {
        let pack = IntegrationPack::must(ctx, self.0.pack_id).await?;
        let items = ctx.loaders().packs.contents.one(self.0.id).await.or_failure()?;
        PackComponent::of_version(ctx, pack.draft(), pack.standing(), items.unwrap_or_default()).await
    }

    /// Its changes from the version that was current when it was made; from nothing for the first version.
    pub async fn diff(&self, ctx: &Context<'_>) -> Result<PackDiff> {
        let found = ctx.loaders().releases.by_id.must(self.0.release_id).await.or_failure()?;
        PackDiff::between(ctx, found.release.previous_version_id, self.0.id).await
    }

    /// How many installations have it now.
    pub async fn installation_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = ctx.loaders().installations.version_counts.one(self.0.id).await.or_failure()?;
        Ok(int(count.unwrap_or(0)))
    }
}
