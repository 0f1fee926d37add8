//! A component in a pack. Drafts and versions show their rows with the same type.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::{Context, Object, Result};

use crate::domain::id::{ComponentId, ComponentVersionId, PackId, PackVersionId};
use crate::domain::packs::{Content, ContentItem, DraftRow, PackStanding, VersionStamp};
use crate::domain::text;
use crate::graphql::components::Component;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::ResultExt as _;
use crate::graphql::interfaces::ComponentVersion;
use crate::graphql::loaders::Loaders;
use crate::store::packs::drafts::DraftOf;

/// The type `PackComponent`: a row of a draft or of a version.
pub struct PackComponent {
    component: ComponentId,
    in_this_content: Option<ComponentVersionId>,
    current: Option<ComponentVersionId>,
    pending: Option<ComponentVersionId>,
    next: Option<ComponentVersionId>,
    latest_shareable: Option<ComponentVersionId>,
    newer_shareable_available: bool,
    pinned: bool,
    marked_for_removal: bool,
}

/// The current state of a pack. The fields of its rows are computed from it.
struct Situation {
    draft: HashMap<ComponentId, DraftRow>,
    current: Content,
    /// `None` without a pending release.
    pending: Option<Content>,
}

/// The content of a version; `None` when `version` is.
pub(crate) async fn content(loaders: &Loaders, version: Option<PackVersionId>) -> Result<Option<Content>> {
    let Some(version) = version else { return Ok(None) };
    let items = loaders.packs.contents.one(version).await.or_failure()?;
    let stamp = |item: &ContentItem| VersionStamp { id: item.component_version_id, created_at: item.created_at };
    Ok(Some(items.iter().flat_map(|items| items.iter()).map(|item| (item.component_id, stamp(item))).collect()))
}

impl Situation {
    async fn of(loaders: &Loaders, draft: DraftOf, standing: PackStanding) -> Result<Self> {
        let (draft, current, pending) = futures_util::try_join!(
            async { loaders.packs.drafts.one(draft).await.or_failure() },
            content(loaders, standing.current_version),
            content(loaders, standing.pending.map(|p| p.version_id)),
        )?;
        let draft = draft.iter().flat_map(|rows| rows.iter()).map(|row| (row.component_id, row.clone())).collect();
        Ok(Self { draft, current: current.unwrap_or_default(), pending })
    }

    /// Computes the fields of a row, except `in_this_content`.
    fn judge(&self, row: &DraftRow, next: Option<ComponentVersionId>) -> PackComponent {
        let component = row.component_id;
        let in_force = self.pending.as_ref().unwrap_or(&self.current);
        PackComponent {
            component,
            in_this_content: None,
            current: self.current.get(&component).map(|stamp| stamp.id),
            pending: self.pending.as_ref().and_then(|content| content.get(&component)).map(|stamp| stamp.id),
            next,
            latest_shareable: row.latest_shareable.map(|stamp| stamp.id),
            newer_shareable_available: row.newer_shareable_available(in_force.get(&component).copied()),
            pinned: row.pinned.is_some(),
            marked_for_removal: row.marked_for_removal,
        }
    }

    fn of_draft(&self, row: &DraftRow) -> PackComponent {
        let next = row.next();
        PackComponent { in_this_content: next, ..self.judge(row, next) }
    }
}

impl PackComponent {
    /// The rows of the draft, by component name.
    pub(crate) async fn draft(loaders: &Loaders, draft: DraftOf, standing: PackStanding) -> Result<Vec<Self>> {
        let situation = Situation::of(loaders, draft, standing).await?;
        let components = loaders.components.by_id.many(situation.draft.keys().copied()).await.or_failure()?;
        let names: HashMap<_, _> = components.iter().map(|c| (c.id, text::key(&c.name))).collect();
        let mut rows: Vec<_> = situation.draft.values().map(|row| situation.of_draft(row)).collect();
        rows.sort_by_key(|row| (names.get(&row.component), row.component));
        Ok(rows)
    }

    /// The draft's row of a component; `None` when the draft has none.
    pub async fn of_draft(ctx: &Context<'_>, pack: PackId, component: ComponentId) -> Result<Option<Self>> {
        let loaders = ctx.loaders();
        let Some(found) = loaders.packs.by_id.one(pack).await.or_failure()? else { return Ok(None) };
        let situation = Situation::of(&loaders, DraftOf::from(&*found), found.standing.at(loaders.now())).await?;
        Ok(situation.draft.get(&component).map(|row| situation.of_draft(row)))
    }

    /// The rows of a version. The other fields of each row show the pack's current state.
    pub(crate) async fn of_version(
        ctx: &Context<'_>,
        draft: DraftOf,
        standing: PackStanding,
        items: Arc<Vec<ContentItem>>,
    ) -> Result<Vec<Self>> {
        let situation = Situation::of(&ctx.loaders(), draft, standing).await?;
        let row = async |item: &ContentItem| {
            let judged = match situation.draft.get(&item.component_id) {
                Some(row) => situation.judge(row, row.next()),
                None => situation.judge(&gone(ctx, draft.pack, item.component_id).await?, None),
            };
            Ok(Self { in_this_content: Some(item.component_version_id), ..judged })
        };
        futures_util::future::try_join_all(items.iter().map(row)).await
    }

    pub(crate) fn newer_shareable(&self) -> bool {
        self.newer_shareable_available
    }
}

/// The row that the draft would have if the component were still in it.
async fn gone(ctx: &Context<'_>, pack: PackId, component_id: ComponentId) -> Result<DraftRow> {
    let loaders = ctx.loaders();
    let kind = loaders.packs.by_id.must(pack).await.or_failure()?.deployment_model.holds();
    let latest = loaders.components.latest.one(component_id).await.or_failure()?.unwrap_or_default();
    let latest = match latest.of(kind) {
        Some(id) => loaders.components.versions.one(id).await.or_failure()?,
        None => None,
    };
    let latest_shareable = latest.map(|version| VersionStamp { id: version.id, created_at: version.created_at });
    Ok(DraftRow { component_id, pinned: None, marked_for_removal: false, latest_shareable })
}

async fn version(ctx: &Context<'_>, id: Option<ComponentVersionId>) -> Option<Result<ComponentVersion>> {
    Some(ComponentVersion::must(ctx, id?).await)
}

/// One component in a pack. A draft, a preview and a pack version have the same type of row: `inThisContent` is the version in that content; all other fields describe the present state of the pack.
#[Object]
impl PackComponent {
    /// The component. It is in a pack only once, so its ID is the row's key.
    async fn component(&self, ctx: &Context<'_>) -> Result<Component> {
        Component::must(ctx, self.component).await
    }

    /// The version in this content: in a draft and a preview the same as `next`, in a pack version the one that it holds for good.
    async fn in_this_content(&self, ctx: &Context<'_>) -> Option<Result<ComponentVersion>> {
        version(ctx, self.in_this_content).await
    }

    /// The version in the pack's current version; null when the component isn't in it.
    async fn current(&self, ctx: &Context<'_>) -> Option<Result<ComponentVersion>> {
        version(ctx, self.current).await
    }

    /// The version in the pending release; null when there is none, or it is without this component.
    async fn pending(&self, ctx: &Context<'_>) -> Option<Result<ComponentVersion>> {
        version(ctx, self.pending).await
    }

    /// The version that a release made now would take; null for a row that is marked for removal.
    async fn next(&self, ctx: &Context<'_>) -> Option<Result<ComponentVersion>> {
        version(ctx, self.next).await
    }

    /// The newest version that is shareable and not deleted; null when all are deleted.
    async fn latest_shareable(&self, ctx: &Context<'_>) -> Option<Result<ComponentVersion>> {
        version(ctx, self.latest_shareable).await
    }

    /// Whether `latestShareable` was made after the one in force: pending if there is one, else current.
    async fn newer_shareable_available(&self) -> bool {
        self.newer_shareable_available
    }

    /// Whether the publisher chose the version; else the row follows the newest shareable one.
    async fn pinned(&self) -> bool {
        self.pinned
    }

    /// Whether the next release drops it.
    async fn marked_for_removal(&self) -> bool {
        self.marked_for_removal
    }
}
