//! The difference between two contents of a pack (R34).

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::{Context, Result, SimpleObject};

use crate::domain::id::PackVersionId;
use crate::domain::packs::ContentItem;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::ResultExt as _;
use crate::graphql::packs::loaders::PackLoaders;
use crate::graphql::packs::pack_version::PackContentItem;
use crate::store::scope::Scope;

/// The difference between two contents of a pack. The same for the publisher and for managed accounts.
#[derive(SimpleObject, Default)]
pub struct PackDiff {
    /// The number of the version compared from; null when compared from nothing.
    pub from_number: Option<i32>,
    /// The number of the version compared to; null for content that isn't released yet.
    pub to_number: Option<i32>,
    /// The components that are only in the newer content; at most 100.
    pub added: Vec<PackContentItem>,
    /// The components that are only in the older content; at most 100.
    pub removed: Vec<PackContentItem>,
    /// The components that are in both contents at different versions; at most 100.
    pub changed: Vec<PackContentChange>,
    /// How many components are in both at the same version.
    pub unchanged_count: i32,
}

/// A component that is at another version.
#[derive(SimpleObject)]
pub struct PackContentChange {
    /// The version in the older content.
    pub from: PackContentItem,
    /// The version in the newer content.
    pub to: PackContentItem,
    /// Whether the newer content holds an older version.
    pub is_downgrade: bool,
}

/// The number and the content of a version that the reader may see.
async fn numbered_content(ctx: &Context<'_>, id: PackVersionId) -> Result<(i32, Arc<Vec<ContentItem>>)> {
    let loaders = ctx.loaders();
    let (number, content) = match ctx.scope()? {
        Scope::Publisher(_) => {
            let PackLoaders { versions, contents, .. } = &*loaders.packs;
            let (version, content) = futures_util::try_join!(versions.must(id), contents.one(id)).or_failure()?;
            (version.number, content)
        }
        Scope::Managed(_) => {
            let version = loaders.sharing.available_versions.must(id).await.or_failure()?;
            let content = loaders.sharing.available_contents.one(version.content_id()).await.or_failure()?;
            (version.number, content)
        }
    };
    Ok((number, content.unwrap_or_default()))
}

impl PackDiff {
    /// The difference between two versions of a pack, or from nothing when `from` is `None`. Fails if the reader may
    /// not see both.
    pub async fn between(ctx: &Context<'_>, from: Option<PackVersionId>, to: PackVersionId) -> Result<Self> {
        let (to, content) = numbered_content(ctx, to).await?;
        Ok(Self { to_number: Some(to), ..Self::from_version(ctx, from, &content).await? })
    }

    /// The difference between a version and a content without a number, or from nothing when `from` is `None`. Fails if
    /// the reader may not see the version.
    pub async fn from_version(ctx: &Context<'_>, from: Option<PackVersionId>, to: &[ContentItem]) -> Result<Self> {
        let Some(from) = from else { return Ok(Self::of(&[], to)) };
        let (number, content) = numbered_content(ctx, from).await?;
        Ok(Self { from_number: Some(number), ..Self::of(&content, to) })
    }

    /// The difference between two contents. Both must be ordered by name.
    #[must_use]
    pub fn of(from: &[ContentItem], to: &[ContentItem]) -> Self {
        let mut before: HashMap<_, _> = from.iter().map(|item| (item.component_id, item)).collect();
        let mut diff = Self::default();
        for item in to {
            match before.remove(&item.component_id) {
                None => diff.added.push(item.into()),
                Some(old) if old.component_version_id == item.component_version_id => diff.unchanged_count += 1,
                Some(old) => diff.changed.push(PackContentChange {
                    from: old.into(),
                    to: item.into(),
                    is_downgrade: item.created_at < old.created_at,
                }),
            }
        }
        diff.removed = from.iter().filter(|item| before.contains_key(&item.component_id)).map(Into::into).collect();
        diff
    }
}
