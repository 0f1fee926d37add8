//! Writes of components and of their versions.

use entity::{component, component_version, manifest_entry};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use crate::domain::components::{
    Component, ComponentType, ComponentVersion, ManifestEntry, Numeric, NumericLabel, VersionKind,
};
use crate::domain::id::{ComponentId, ComponentVersionId};
use crate::domain::{Instant, text};
use crate::store::convert::{self, Stored, to_json};
use crate::store::locks::{ActorColumns, locked};
use crate::store::scope::PublisherScope;
use crate::store::{StoreResult, Tx};

/// A component, with the stored values that packaging reads and updates.
#[derive(Clone, Debug)]
pub struct Counters {
    pub component: Component,
    /// The newest package that is shareable and not deleted.
    pub latest_shareable: Option<ComponentVersionId>,
    /// The newest publication (R52).
    pub latest_publication: Option<ComponentVersionId>,
    /// The time of the newest package or publication (R7).
    pub newest_at: Option<Instant>,
    pub newest_revision: i32,
    /// The highest numeric label of a package; 0 when none is numeric (R6).
    pub highest_numeric_label: NumericLabel,
    /// The owner's own key (R67).
    pub key: Option<String>,
}

/// Locks the publisher's components with these ids, in the order of ids.
pub async fn lock_all(tx: &Tx, scope: &PublisherScope, ids: &[ComponentId]) -> StoreResult<Vec<Counters>> {
    let select = component::Entity::find()
        .filter(tx.any_of(component::Column::Id.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .filter(component::Column::OwnerId.eq(Uuid::from(scope.publisher_id())))
        .order_by_asc(component::Column::Id);
    locked(select)
        .all(tx.conn())
        .await?
        .into_iter()
        .map(|m| {
            Ok(Counters {
                latest_shareable: m.latest_shareable_id.map(Into::into),
                latest_publication: m.latest_publication_id.map(Into::into),
                newest_at: m.newest_at,
                newest_revision: m.newest_revision,
                highest_numeric_label: convert::whole(&m.highest_numeric_label)?,
                key: m.key.clone(),
                component: convert::component(m)?,
            })
        })
        .collect()
}

/// The types of the components among `ids` that belong to the publisher.
pub async fn types(
    tx: &Tx,
    scope: &PublisherScope,
    ids: &[ComponentId],
) -> StoreResult<Vec<(ComponentId, ComponentType)>> {
    let found: Vec<(Uuid, String)> = component::Entity::find()
        .select_only()
        .column(component::Column::Id)
        .column(component::Column::ComponentType)
        .filter(tx.any_of(component::Column::Id.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .filter(component::Column::OwnerId.eq(Uuid::from(scope.publisher_id())))
        .into_tuple()
        .all(tx.conn())
        .await?;
    found.into_iter().map(|(id, name)| Ok((id.into(), ComponentType::read(&name)?))).collect()
}

/// Adds a component, with its owner's key.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the key is taken.
pub async fn insert(tx: &Tx, new: &Component, key: Option<String>) -> StoreResult<()> {
    let row = component::ActiveModel { key: Set(key), ..row(new) };
    component::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// The row of a component without versions and without a key.
pub(in crate::store) fn row(new: &Component) -> component::ActiveModel {
    let actor = ActorColumns::from(&new.created_by);
    component::ActiveModel {
        id: Set(new.id.into()),
        owner_id: Set(new.owner_id.into()),
        name: Set(new.name.clone()),
        name_key: Set(text::key(&new.name)),
        component_type: Set(new.component_type.stored().into()),
        created_at: Set(new.created_at),
        actor_kind: Set(actor.kind),
        actor_name: Set(actor.name),
        actor_token_id: Set(actor.token_id),
        actor_account_id: Set(actor.account_id),
        latest_shareable_id: Set(None),
        latest_publication_id: Set(None),
        newest_at: Set(None),
        newest_revision: Set(0),
        highest_numeric_label: Set(whole(None)),
        in_pack_version: Set(new.in_pack_version),
        key: Set(None),
    }
}

/// The stored form of the highest numeric label; 0 for `None`.
pub(in crate::store) fn whole(highest: Option<&NumericLabel>) -> String {
    highest.map_or_else(|| NumericLabel::default().as_str().to_owned(), |highest| highest.as_str().to_owned())
}

/// Saves the values that packaging reads.
pub async fn save_counters(tx: &Tx, counters: &Counters) -> StoreResult<()> {
    component::Entity::update(component::ActiveModel {
        id: Set(counters.component.id.into()),
        latest_shareable_id: Set(counters.latest_shareable.map(Into::into)),
        latest_publication_id: Set(counters.latest_publication.map(Into::into)),
        newest_at: Set(counters.newest_at),
        newest_revision: Set(counters.newest_revision),
        highest_numeric_label: Set(whole(Some(&counters.highest_numeric_label))),
        ..Default::default()
    })
    .exec(tx.conn())
    .await?;
    Ok(())
}

/// The package of a component with this label, deleted or not (R6). The caller has locked the component, so that nobody
/// can take the label meanwhile.
pub async fn with_label(tx: &Tx, component: ComponentId, label: &str) -> StoreResult<Option<ComponentVersionId>> {
    let found = component_version::Entity::find()
        .filter(component_version::Column::ComponentId.eq(Uuid::from(component)))
        .filter(component_version::Column::Kind.eq("PACKAGE"))
        .filter(component_version::Column::VersionKey.eq(text::key(label)))
        .all(tx.conn())
        .await?;
    let folded = text::label_key(label);
    let same = found.into_iter().find(|version| text::label_key(&version.version) == folded);
    Ok(same.map(|version| version.id.into()))
}

/// Adds a package with its manifest, or a publication with an empty one.
pub async fn insert_version(
    tx: &Tx,
    new: &ComponentVersion,
    of: &Component,
    manifest: &[ManifestEntry],
) -> StoreResult<()> {
    component_version::Entity::insert(version_row(new, of)?).exec_without_returning(tx.conn()).await?;
    let rows = manifest_rows(new.id, manifest)?;
    if rows.is_empty() {
        return Ok(());
    }
    manifest_entry::Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// The row of a version that isn't deleted.
pub(in crate::store) fn version_row(
    new: &ComponentVersion,
    of: &Component,
) -> StoreResult<component_version::ActiveModel> {
    let actor = ActorColumns::from(&new.created_by);
    Ok(component_version::ActiveModel {
        id: Set(new.id.into()),
        component_id: Set(new.component_id.into()),
        owner_id: Set(of.owner_id.into()),
        kind: Set(new.kind.stored().into()),
        version: Set(new.version.clone()),
        version_key: Set(text::key(&new.version)),
        numeric_key: Set(Numeric::parse(&new.version).map(|numeric| numeric.sort_key())),
        shareable: Set(new.shareable),
        notes: Set(new.notes.clone()),
        revision: Set(new.revision),
        created_at: Set(new.created_at),
        actor_kind: Set(actor.kind),
        actor_name: Set(actor.name),
        actor_token_id: Set(actor.token_id),
        actor_account_id: Set(actor.account_id),
        deleted_at: Set(None),
        component_name_key: Set(text::key(&of.name)),
        source: Set(new.source.as_ref().map(to_json).transpose()?),
        artifacts: Set(if new.artifacts.is_empty() { None } else { Some(to_json(&new.artifacts)?) }),
    })
}

/// The rows of a package's manifest, in its order.
pub(in crate::store) fn manifest_rows(
    of: ComponentVersionId,
    manifest: &[ManifestEntry],
) -> StoreResult<Vec<manifest_entry::ActiveModel>> {
    let row = |(position, entry): (i32, &ManifestEntry)| {
        Ok(manifest_entry::ActiveModel {
            component_version_id: Set(of.into()),
            position: Set(position),
            component_id: Set(entry.component_id.into()),
            revision: Set(entry.revision),
            extensibility: Set(to_json(&entry.extensibility)?),
        })
    };
    (0..).zip(manifest).map(row).collect()
}

/// A version of one of the publisher's components, and whether it is deleted.
pub async fn version(
    tx: &Tx,
    scope: &PublisherScope,
    id: ComponentVersionId,
) -> StoreResult<Option<(ComponentVersion, bool)>> {
    let found = component_version::Entity::find_by_id(Uuid::from(id))
        .filter(component_version::Column::OwnerId.eq(Uuid::from(scope.publisher_id())))
        .one(tx.conn())
        .await?;
    found
        .map(|m| {
            let deleted = m.deleted_at.is_some();
            Ok((convert::component_version(m)?, deleted))
        })
        .transpose()
}

/// Saves a package's time of deletion; `None` restores it (R8).
pub async fn save_deleted(tx: &Tx, id: ComponentVersionId, deleted_at: Option<Instant>) -> StoreResult<()> {
    component_version::Entity::update(component_version::ActiveModel {
        id: Set(id.into()),
        deleted_at: Set(deleted_at),
        ..Default::default()
    })
    .exec(tx.conn())
    .await?;
    Ok(())
}

/// The newest package of a component that is shareable and not deleted (R7, R19).
pub async fn newest_shareable(tx: &Tx, component: ComponentId) -> StoreResult<Option<ComponentVersionId>> {
    let found: Option<Uuid> = component_version::Entity::find()
        .select_only()
        .column(component_version::Column::Id)
        .filter(component_version::Column::ComponentId.eq(Uuid::from(component)))
        .filter(component_version::Column::Kind.eq(VersionKind::Package.stored()))
        .filter(component_version::Column::Shareable.eq(true))
        .filter(component_version::Column::DeletedAt.is_null())
        .order_by_desc(component_version::Column::CreatedAt)
        .limit(1)
        .into_tuple()
        .one(tx.conn())
        .await?;
    Ok(found.map(Into::into))
}

/// The components among `ids` that have a version of the kind that is shareable and not deleted. The components are
/// held.
pub async fn with_shareable_version(tx: &Tx, ids: &[ComponentId], kind: VersionKind) -> StoreResult<Vec<ComponentId>> {
    let latest = match kind {
        VersionKind::Package => component::Column::LatestShareableId,
        VersionKind::Publication => component::Column::LatestPublicationId,
    };
    let select = component::Entity::find()
        .filter(tx.any_of(component::Column::Id.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .filter(latest.is_not_null())
        .order_by_asc(component::Column::Id);
    Ok(crate::store::locks::shared_lock(select).all(tx.conn()).await?.into_iter().map(|m| m.id.into()).collect())
}
