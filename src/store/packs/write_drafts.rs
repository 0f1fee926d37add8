//! Writes and transactional reads of drafts, contents of versions, and the assessments that packs store about both.
//! Functions for many packs need as few statements as for one, except for chunks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::{component, component_version, content_key, draft_row, integration_pack, pack_version_item};
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::components::VersionKind;
use crate::domain::id::{ComponentId, ComponentVersionId, ContentKey, PackId, PackVersionId};
use crate::domain::packs::{Assessment, Content, DraftRow, Pack, VersionStamp};
use crate::store::any_of::VALUES_MAX;
use crate::store::column::col;
use crate::store::locks::shared_lock;
use crate::store::{StoreResult, Tx};

/// The number of packs that one statement saves.
const SAVED_MAX: usize = 500;

/// Saves the assessments of packs, and gives all their drafts the new revision, so that cached drafts are no longer
/// used.
pub async fn save_assessments(tx: &Tx, assessments: &[(PackId, Assessment)], revision: i64) -> StoreResult<()> {
    use integration_pack::Column;
    for chunk in assessments.chunks(SAVED_MAX) {
        let of_each = |column: Column, value: fn(&Assessment) -> Expr| -> Expr {
            let cases = chunk.iter().fold(CaseStatement::new(), |cases, (id, assessment)| {
                cases.case(col(Column::Id).eq(id.0), value(assessment))
            });
            cases.finally(col(column)).into()
        };
        integration_pack::Entity::update_many()
            .col_expr(Column::ComponentCount, of_each(Column::ComponentCount, |a| Expr::val(a.component_count)))
            .col_expr(Column::NewerCount, of_each(Column::NewerCount, |a| Expr::val(a.newer_count)))
            .col_expr(
                Column::HasUnreleasedChanges,
                of_each(Column::HasUnreleasedChanges, |a| Expr::val(a.has_unreleased_changes)),
            )
            .col_expr(Column::DraftRevision, Expr::val(revision))
            .filter(tx.any_of(col(Column::Id), chunk.iter().map(|(id, _)| id.0)))
            .exec(tx.conn())
            .await?;
    }
    Ok(())
}

/// The draft of a pack. Its components are held, so that nobody can package them meanwhile.
pub async fn of_pack(tx: &Tx, pack: &Pack) -> StoreResult<Vec<DraftRow>> {
    Ok(of_packs(tx, std::slice::from_ref(pack)).await?.remove(&pack.id).unwrap_or_default())
}

/// The drafts of packs; a pack with an empty draft is absent. Their components are held.
pub async fn of_packs(tx: &Tx, packs: &[Pack]) -> StoreResult<BTreeMap<PackId, Vec<DraftRow>>> {
    let mut rows = Vec::new();
    for chunk in packs.chunks(VALUES_MAX) {
        let select = draft_row::Entity::find()
            .filter(tx.any_of(col(draft_row::Column::PackId), chunk.iter().map(|pack| pack.id.0)))
            .order_by_asc(draft_row::Column::PackId)
            .order_by_asc(draft_row::Column::ComponentId);
        rows.extend(select.all(tx.conn()).await?);
    }
    let latest = latest_shareable(tx, rows.iter().map(|row| row.component_id).collect()).await?;
    let kinds: HashMap<PackId, VersionKind> =
        packs.iter().map(|pack| (pack.id, pack.deployment_model.holds())).collect();
    let mut drafts: BTreeMap<PackId, Vec<DraftRow>> = BTreeMap::new();
    for row in rows {
        let pack = PackId::from(row.pack_id);
        let newest = kinds.get(&pack).and_then(|kind| latest.get(&(row.component_id, *kind)));
        drafts.entry(pack).or_default().push(DraftRow {
            component_id: row.component_id.into(),
            pinned: row.pinned_version_id.map(Into::into),
            marked_for_removal: row.marked_for_removal,
            latest_shareable: newest.copied(),
        });
    }
    Ok(drafts)
}

/// The newest shareable version of each component and kind. The components are held.
async fn latest_shareable(
    tx: &Tx,
    components: BTreeSet<Uuid>,
) -> StoreResult<HashMap<(Uuid, VersionKind), VersionStamp>> {
    let components: Vec<_> = components.into_iter().collect();
    let mut newest: Vec<(Uuid, VersionKind, Uuid)> = Vec::new();
    for chunk in components.chunks(VALUES_MAX) {
        let select = component::Entity::find()
            .filter(tx.any_of(col(component::Column::Id), chunk.iter().copied()))
            .order_by_asc(component::Column::Id);
        for found in shared_lock(select).all(tx.conn()).await? {
            newest.extend(found.latest_shareable_id.map(|id| (found.id, VersionKind::Package, id)));
            newest.extend(found.latest_publication_id.map(|id| (found.id, VersionKind::Publication, id)));
        }
    }
    let stamps = stamps(tx, newest.iter().map(|(.., id)| *id).collect()).await?;
    let stamp = |(component, kind, id): (Uuid, VersionKind, Uuid)| Some(((component, kind), *stamps.get(&id)?));
    Ok(newest.into_iter().filter_map(stamp).collect())
}

async fn stamps(tx: &Tx, ids: BTreeSet<Uuid>) -> StoreResult<BTreeMap<Uuid, VersionStamp>> {
    let ids: Vec<_> = ids.into_iter().collect();
    let mut stamps = BTreeMap::new();
    for chunk in ids.chunks(VALUES_MAX) {
        let found: Vec<(Uuid, Instant)> = component_version::Entity::find()
            .select_only()
            .column(component_version::Column::Id)
            .column(component_version::Column::CreatedAt)
            .filter(tx.any_of(col(component_version::Column::Id), chunk.iter().copied()))
            .into_tuple()
            .all(tx.conn())
            .await?;
        stamps.extend(found.into_iter().map(|(id, created_at)| (id, VersionStamp { id: id.into(), created_at })));
    }
    Ok(stamps)
}

/// The content of a version; empty for `None`.
pub async fn content(tx: &Tx, version: Option<PackVersionId>) -> StoreResult<Content> {
    let Some(version) = version else { return Ok(Content::new()) };
    Ok(contents(tx, &[version]).await?.remove(&version).unwrap_or_default())
}

/// The contents of versions; a version without items is absent.
pub async fn contents(tx: &Tx, versions: &[PackVersionId]) -> StoreResult<BTreeMap<PackVersionId, Content>> {
    let mut items = Vec::new();
    for chunk in versions.chunks(VALUES_MAX) {
        let any_of = tx.any_of(col(pack_version_item::Column::PackVersionId), chunk.iter().map(|id| id.0));
        items.extend(pack_version_item::Entity::find().filter(any_of).all(tx.conn()).await?);
    }
    let stamps = stamps(tx, items.iter().map(|item| item.component_version_id).collect()).await?;
    let mut contents: BTreeMap<PackVersionId, Content> = BTreeMap::new();
    for item in items {
        if let Some(stamp) = stamps.get(&item.component_version_id) {
            contents.entry(item.pack_version_id.into()).or_default().insert(item.component_id.into(), *stamp);
        }
    }
    Ok(contents)
}

/// Adds rows to a draft. A component that was in this pack before keeps its content key (R14).
pub async fn add_draft_rows(tx: &Tx, id: PackId, rows: &[(ComponentId, ContentKey)]) -> StoreResult<()> {
    draft_row::Entity::insert_many(rows.iter().map(|(component, _)| draft_row::ActiveModel {
        pack_id: Set(id.into()),
        component_id: Set((*component).into()),
        pinned_version_id: Set(None),
        marked_for_removal: Set(false),
    }))
    .exec_without_returning(tx.conn())
    .await?;
    let keep =
        OnConflict::columns([content_key::Column::PackId, content_key::Column::ComponentId]).do_nothing().to_owned();
    content_key::Entity::insert_many(rows.iter().map(|(component, key)| content_key::ActiveModel {
        pack_id: Set(id.into()),
        component_id: Set((*component).into()),
        content_key: Set((*key).into()),
    }))
    .on_conflict(keep)
    .exec_without_returning(tx.conn())
    .await?;
    Ok(())
}

/// Saves a row of a pack's draft, which exists already.
pub async fn save_draft_row(
    tx: &Tx,
    id: PackId,
    component: ComponentId,
    pinned: Option<ComponentVersionId>,
    marked_for_removal: bool,
) -> StoreResult<()> {
    let row = draft_row::ActiveModel {
        pack_id: Set(id.into()),
        component_id: Set(component.into()),
        pinned_version_id: Set(pinned.map(Into::into)),
        marked_for_removal: Set(marked_for_removal),
    };
    draft_row::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Deletes a row of a draft.
pub async fn drop_draft_row(tx: &Tx, id: PackId, component: ComponentId) -> StoreResult<()> {
    draft_row::Entity::delete_by_id((id.into(), component.into())).exec(tx.conn()).await?;
    Ok(())
}

/// Deletes the rows of a draft that are marked for removal (R15).
pub async fn drop_marked_rows(tx: &Tx, id: PackId) -> StoreResult<()> {
    draft_row::Entity::delete_many()
        .filter(draft_row::Column::PackId.eq(Uuid::from(id)))
        .filter(draft_row::Column::MarkedForRemoval.eq(true))
        .exec(tx.conn())
        .await?;
    Ok(())
}
