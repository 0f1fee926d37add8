//! A version of a pack, as a managed account sees it.

use async_graphql::{Context, ID, Object, Result};

use crate::domain::id::PackVersionId;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::packs::PackContentItem;
use crate::graphql::scalars::{DateTime, Markdown};
use crate::store::sharing::available::AvailableVersion;

/// The type `AvailablePackVersion`: a version in a managed account's view.
pub struct AvailablePackVersion(AvailableVersion);

/// A version of a pack as a managed account sees it: the current one, and those that its installations have, had or are offered.
#[Object]
impl AvailablePackVersion {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::AvailablePackVersion(self.0.id).encode()
    }

    /// The same number for every account.
    pub async fn number(&self) -> i32 {
        self.0.number
    }

    /// The release notes.
    pub async fn notes(&self) -> Markdown {
        self.0.notes.clone().into()
    }

    /// When its release was made.
    pub async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// Its content, by name; at most 100.
    pub async fn contents(&self, ctx: &Context<'_>) -> Result<Vec<PackContentItem>> {
        let content = ctx.loaders().sharing.available_contents.one(self.0.content_id()).await;
        Ok(PackContentItem::all(content.or_failure()?))
    }
}

impl AvailablePackVersion {
    /// The version with this id, if the caller may see it.
    pub async fn by_id(ctx: &Context<'_>, id: PackVersionId) -> Result<Option<Self>> {
        Ok(ctx.loaders().sharing.available_versions.one(id).await.or_failure()?.map(Self))
    }
}
