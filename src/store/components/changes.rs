//! Changes of components: names, own keys, deletions (R67, R69).

use entity::{component, component_version, draft_row, library_process, manifest_entry};
use sea_orm::sea_query::{ExprTrait as _, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use crate::domain::id::{ComponentId, PackId};
use crate::domain::text;
use crate::store::column::col;
use crate::store::locks::locked;
use crate::store::scope::PublisherScope;
use crate::store::{StoreResult, Tx};

/// The publisher's component with this key, other than `but` (R67).
pub async fn with_key(
    tx: &Tx,
    scope: &PublisherScope,
    key: &str,
    but: Option<ComponentId>,
) -> StoreResult<Option<ComponentId>> {
    let found: Option<Uuid> = component::Entity::find()
        .select_only()
        .column(component::Column::Id)
        .filter(component::Column::OwnerId.eq(Uuid::from(scope.publisher_id())))
        .filter(component::Column::Key.eq(key))
        .into_tuple()
        .one(tx.conn())
        .await?;
    Ok(found.map(ComponentId::from).filter(|id| Some(*id) != but))
}

/// Saves a component's key, or takes it away.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the key is taken.
pub async fn save_key(tx: &Tx, id: ComponentId, key: Option<&str>) -> StoreResult<()> {
    let row = component::ActiveModel { id: Set(id.into()), key: Set(key.map(Into::into)), ..Default::default() };
    component::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Saves a component's name, with the copies that its versions and the process library have of it. The component is
/// locked, so that no version is added meanwhile.
pub async fn rename(tx: &Tx, id: ComponentId, name: &str) -> StoreResult<()> {
    let (id, key) = (Uuid::from(id), text::key(name));
    let row = component::ActiveModel {
        id: Set(id),
        name: Set(name.to_owned()),
        name_key: Set(key.clone()),
        ..Default::default()
    };
    component::Entity::update(row).exec(tx.conn()).await?;
    let sort_key = component_version::ActiveModel { component_name_key: Set(key.clone()), ..Default::default() };
    component_version::Entity::update_many()
        .set(sort_key)
        .filter(component_version::Column::ComponentId.eq(id))
        .exec(tx.conn())
        .await?;
    let versions = Query::select()
        .column(component_version::Column::Id)
        .from(component_version::Entity)
        .and_where(col(component_version::Column::ComponentId).eq(id))
        .take();
    let offered = library_process::ActiveModel { name: Set(name.to_owned()), name_key: Set(key), ..Default::default() };
    library_process::Entity::update_many()
        .set(offered)
        .filter(col(library_process::Column::ComponentVersionId).in_subquery(versions))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Whether a package has the component in its manifest.
pub async fn is_in_manifest(tx: &Tx, id: ComponentId) -> StoreResult<bool> {
    let holding = manifest_entry::Entity::find()
        .filter(manifest_entry::Column::ComponentId.eq(Uuid::from(id)))
        .limit(1)
        .one(tx.conn())
        .await?;
    Ok(holding.is_some())
}

/// Deletes a component without versions.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if a package that was made meanwhile holds it.
pub async fn delete(tx: &Tx, id: ComponentId) -> StoreResult<()> {
    component::Entity::delete_by_id(Uuid::from(id)).exec(tx.conn()).await?;
    Ok(())
}

/// Locks the components of a pack's draft that aren't in any pack's version yet, in the order of ids. A release calls
/// it before it holds the draft's components, because it changes these components later. Two releases that first hold
/// the same component and then change it would wait for each other. SQLite has one writer and needs no locks.
pub async fn lock_not_in_pack_version(tx: &Tx, pack: PackId) -> StoreResult<()> {
    if !tx.is_postgresql() {
        return Ok(());
    }
    let in_draft = Query::select()
        .column(draft_row::Column::ComponentId)
        .from(draft_row::Entity)
        .and_where(col(draft_row::Column::PackId).eq(pack.0))
        .take();
    let select = component::Entity::find()
        .select_only()
        .column(component::Column::Id)
        .filter(col(component::Column::Id).in_subquery(in_draft))
        .filter(component::Column::InPackVersion.eq(false))
        .order_by_asc(component::Column::Id);
    let _: Vec<Uuid> = locked(select).into_tuple().all(tx.conn()).await?;
    Ok(())
}

/// Saves that components are in a pack's version, so that they can't be renamed any more (R69). Locks the components
/// that weren't in one before, in the order of ids.
pub(in crate::store) async fn save_in_pack_version(tx: &Tx, ids: impl Iterator<Item = ComponentId>) -> StoreResult<()> {
    let select = component::Entity::find()
        .select_only()
        .column(component::Column::Id)
        .filter(tx.any_of(component::Column::Id.into_expr(), ids.map(Uuid::from)))
        .filter(component::Column::InPackVersion.eq(false))
        .order_by_asc(component::Column::Id);
    let new: Vec<Uuid> = locked(select).into_tuple().all(tx.conn()).await?;
    if new.is_empty() {
        return Ok(());
    }
    let row = component::ActiveModel { in_pack_version: Set(true), ..Default::default() };
    component::Entity::update_many()
        .set(row)
        .filter(tx.any_of(component::Column::Id.into_expr(), new))
        .exec(tx.conn())
        .await?;
    Ok(())
}
