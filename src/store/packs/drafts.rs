//! Reads of drafts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use entity::{component, content_key, draft_row, integration_pack};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{ExprTrait as _, Query};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QuerySelect as _};

use crate::domain::components::VersionKind;
use crate::domain::id::{ComponentId, ComponentVersionId, PackId};
use crate::domain::packs::{ContentItem, DeploymentModel, DraftRow, Pack, VersionStamp};
use crate::domain::text;
use crate::store::column::col;
use crate::store::components::{component_versions_by_ids, components_by_ids};
use crate::store::convert::Stored as _;
use crate::store::page::checked;
use crate::store::scope::PublisherScope;
use crate::store::{Snapshot, StoreResult};

/// A draft at a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DraftOf {
    pub pack: PackId,
    pub revision: i64,
}

impl From<&Pack> for DraftOf {
    fn from(pack: &Pack) -> Self {
        Self { pack: pack.id, revision: pack.draft_revision }
    }
}

/// A pack with one row of its draft; without row if the draft is empty.
#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    draft_revision: i64,
    deployment_model: String,
    component_id: Option<Uuid>,
    pinned_version_id: Option<Uuid>,
    marked_for_removal: Option<bool>,
    latest_shareable_id: Option<Uuid>,
    latest_publication_id: Option<Uuid>,
}

impl Row {
    /// The newest version that the pack could contain: a package or a publication, by its deployment model (R52).
    fn latest(&self) -> StoreResult<Option<ComponentVersionId>> {
        Ok(match DeploymentModel::read(&self.deployment_model)?.holds() {
            VersionKind::Package => self.latest_shareable_id,
            VersionKind::Publication => self.latest_publication_id,
        }
        .map(Into::into))
    }
}

/// A draft from the cache, without a query.
#[must_use]
pub fn cached(snapshot: &Snapshot<PublisherScope>, of: DraftOf) -> Option<Arc<Vec<DraftRow>>> {
    snapshot.cache().drafts.peek(snapshot.scope().publisher_id(), of.pack, of.revision)
}

/// The drafts of these packs, each in the order of component ids. The rows are the current ones, even if a key has an
/// older revision.
pub async fn of_packs(
    snapshot: &Snapshot<PublisherScope>,
    requested: &[DraftOf],
) -> StoreResult<HashMap<DraftOf, Arc<Vec<DraftRow>>>> {
    let scope = snapshot.scope();
    let rows = Query::select()
        .columns([
            (integration_pack::Entity, integration_pack::Column::Id),
            (integration_pack::Entity, integration_pack::Column::DraftRevision),
            (integration_pack::Entity, integration_pack::Column::DeploymentModel),
        ])
        .columns([
            (draft_row::Entity, draft_row::Column::ComponentId),
            (draft_row::Entity, draft_row::Column::PinnedVersionId),
            (draft_row::Entity, draft_row::Column::MarkedForRemoval),
        ])
        .columns([
            (component::Entity, component::Column::LatestShareableId),
            (component::Entity, component::Column::LatestPublicationId),
        ])
        .from(integration_pack::Entity)
        .left_join(draft_row::Entity, col(draft_row::Column::PackId).eq(col(integration_pack::Column::Id)))
        .left_join(component::Entity, col(component::Column::Id).eq(col(draft_row::Column::ComponentId)))
        .and_where(snapshot.any_of(col(integration_pack::Column::Id), requested.iter().map(|of| of.pack.0)))
        .and_where(checked(col(integration_pack::Column::PublisherId).eq(scope.publisher_id().0)))
        .take();
    let rows = snapshot.conn().query_all(&rows).await?;
    let rows = rows.iter().map(|row| Row::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?;
    let stamps = stamps(snapshot, &rows).await?;
    let mut drafts: HashMap<PackId, (i64, BTreeMap<Uuid, DraftRow>)> = HashMap::new();
    for row in rows {
        let (_, draft) = drafts.entry(row.id.into()).or_insert_with(|| (row.draft_revision, BTreeMap::new()));
        let Some(component) = row.component_id else { continue };
        let judged = DraftRow {
            component_id: component.into(),
            pinned: row.pinned_version_id.map(Into::into),
            marked_for_removal: row.marked_for_removal.unwrap_or_default(),
            latest_shareable: row.latest()?.and_then(|id| stamps.get(&id).copied()),
        };
        draft.insert(component, judged);
    }
    let mut found = HashMap::with_capacity(requested.len());
    for (pack, (revision, draft)) in drafts {
        let draft = Arc::new(draft.into_values().collect::<Vec<_>>());
        snapshot.cache().drafts.keep(scope.publisher_id(), pack, revision, draft.clone());
        found.extend(requested.iter().filter(|of| of.pack == pack).map(|of| (*of, draft.clone())));
    }
    Ok(found)
}

/// The creation times of the newest shareable versions. Most come from the cache, because versions never change.
async fn stamps(
    snapshot: &Snapshot<PublisherScope>,
    rows: &[Row],
) -> StoreResult<HashMap<ComponentVersionId, VersionStamp>> {
    let latest = rows.iter().filter_map(|row| row.latest().transpose()).collect::<StoreResult<BTreeSet<_>>>()?;
    if latest.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<_> = latest.into_iter().collect();
    let versions = component_versions_by_ids(snapshot, &ids).await?;
    Ok(versions.into_iter().map(|(id, version)| (id, VersionStamp { id, created_at: version.created_at })).collect())
}

/// The items of `content` in the pack, by name, like
/// [`pack_versions::contents`](crate::store::packs::versions::contents) does for a released version. The caller checks
/// that the publisher may see the pack and the versions.
pub async fn items(
    snapshot: &Snapshot<PublisherScope>,
    pack: PackId,
    content: &BTreeMap<ComponentId, ComponentVersionId>,
) -> StoreResult<Vec<ContentItem>> {
    let ids: (Vec<_>, Vec<_>) = content.iter().map(|(component, version)| (*component, *version)).unzip();
    let components = components_by_ids(&snapshot.of_either(), &ids.0).await?;
    let versions = component_versions_by_ids(snapshot, &ids.1).await?;
    let keys: Vec<(Uuid, Uuid)> = content_key::Entity::find()
        .select_only()
        .columns([content_key::Column::ComponentId, content_key::Column::ContentKey])
        .filter(col(content_key::Column::PackId).eq(pack.0))
        .filter(snapshot.any_of(col(content_key::Column::ComponentId), ids.0.iter().map(|id| id.0)))
        .into_tuple()
        .all(snapshot.conn())
        .await?;
    let mut items: Vec<_> = keys
        .into_iter()
        .filter_map(|(component, key)| {
            let component = components.get(&ComponentId(component))?;
            let version = versions.get(content.get(&component.id)?)?;
            Some(ContentItem {
                component_id: component.id,
                component_version_id: version.id,
                key: key.into(),
                name: component.name.clone(),
                component_type: component.component_type,
                version: version.version.clone(),
                created_at: version.created_at,
            })
        })
        .collect();
    items.sort_by_cached_key(|item| (text::key(&item.name), item.key));
    Ok(items)
}
