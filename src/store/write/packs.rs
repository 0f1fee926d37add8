//! Packs, their drafts, versions and what is kept on them.

use std::collections::BTreeMap;

use entity::{
    account_group_member, component, component_version, content_key, draft_row, installation, integration_pack,
    pack_version, pack_version_item,
};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use super::{ActorColumns, held, locked};
use crate::domain::Instant;
use crate::domain::id::{AccountId, ComponentId, ComponentVersionId, ContentKey, PackId, PackVersionId};
use crate::domain::pack::{Assessment, Content, DraftRow, Pack, Stamp, Standing, SupportInfo};
use crate::domain::packaged_component::VersionKind;
use crate::domain::text;
use crate::store::convert::{self, Stored as _, to_json};
use crate::store::scope::{ManagedScope, PublisherScope};
use crate::store::{StoreResult, Tx};

/// A publisher's pack, locked.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn lock(tx: &Tx, scope: &PublisherScope, id: PackId) -> StoreResult<Option<Pack>> {
    let select = integration_pack::Entity::find_by_id(Uuid::from(id))
        .filter(integration_pack::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .filter(integration_pack::Column::DeletedAt.is_null());
    locked(select).one(tx.conn()).await?.map(convert::pack).transpose()
}

/// Any pack, locked: for the transition that is due, whoever comes first (R30).
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn lock_any(tx: &Tx, id: PackId) -> StoreResult<Option<Pack>> {
    let select =
        integration_pack::Entity::find_by_id(Uuid::from(id)).filter(integration_pack::Column::DeletedAt.is_null());
    locked(select).one(tx.conn()).await?.map(convert::pack).transpose()
}

/// Any pack, held as it is while others may hold it too. Who may see it is the caller's to decide.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn hold(tx: &Tx, id: PackId) -> StoreResult<Option<Pack>> {
    let select =
        integration_pack::Entity::find_by_id(Uuid::from(id)).filter(integration_pack::Column::DeletedAt.is_null());
    held(select).one(tx.conn()).await?.map(convert::pack).transpose()
}

/// A pack that a managed account can see at `now`, held: granted and released, or installed by it (R2).
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn hold_visible(tx: &Tx, scope: &ManagedScope, id: PackId, now: Instant) -> StoreResult<Option<Pack>> {
    use sea_orm::sea_query::{Expr, Query};
    let account = Uuid::from(scope.account_id());
    let installed = Query::select()
        .expr(Expr::val(1))
        .from(installation::Entity)
        .and_where(installation::Column::PackId.eq(Uuid::from(id)))
        .and_where(installation::Column::AccountId.eq(account))
        .and_where(installation::Column::UninstalledAt.is_null())
        .to_owned();
    let granted =
        super::grants::granted_accounts(id).and_where(account_group_member::Column::AccountId.eq(account)).to_owned();
    let released = Condition::any()
        .add(integration_pack::Column::CurrentVersionId.is_not_null())
        .add(integration_pack::Column::PendingStartsAt.lte(now));
    let select = integration_pack::Entity::find_by_id(Uuid::from(id))
        .filter(integration_pack::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .filter(integration_pack::Column::DeletedAt.is_null())
        .filter(
            Condition::any()
                .add(Expr::exists(installed))
                .add(Condition::all().add(Expr::exists(granted)).add(released)),
        );
    held(select).one(tx.conn()).await?.map(convert::pack).transpose()
}

/// A publisher's packs after one, by id, locked.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn lock_after(tx: &Tx, publisher: AccountId, after: Option<Uuid>, limit: u64) -> StoreResult<Vec<Pack>> {
    let mut select = integration_pack::Entity::find()
        .filter(integration_pack::Column::PublisherId.eq(Uuid::from(publisher)))
        .filter(integration_pack::Column::DeletedAt.is_null());
    if let Some(after) = after {
        select = select.filter(integration_pack::Column::Id.gt(after));
    }
    let select = select.order_by_asc(integration_pack::Column::Id).limit(limit);
    locked(select).all(tx.conn()).await?.into_iter().map(convert::pack).collect()
}

/// Packs by id, locked in the order of their ids.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn lock_all(tx: &Tx, ids: &[PackId]) -> StoreResult<Vec<Pack>> {
    let select = integration_pack::Entity::find()
        .filter(integration_pack::Column::Id.is_in(ids.iter().map(|id| Uuid::from(*id))))
        .filter(integration_pack::Column::DeletedAt.is_null())
        .order_by_asc(integration_pack::Column::Id);
    locked(select).all(tx.conn()).await?.into_iter().map(convert::pack).collect()
}

/// Whether another pack of the publisher has the name.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn name_is_taken(tx: &Tx, scope: &PublisherScope, name_key: &str, but: Option<PackId>) -> StoreResult<bool> {
    let found = integration_pack::Entity::find()
        .filter(integration_pack::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .filter(integration_pack::Column::NameKey.eq(name_key))
        .filter(integration_pack::Column::DeletedAt.is_null())
        .one(tx.conn())
        .await?;
    Ok(found.is_some_and(|pack| Some(PackId::from(pack.id)) != but))
}

/// Adds a pack.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn insert(tx: &Tx, pack: &Pack) -> StoreResult<()> {
    integration_pack::Entity::insert(row(pack)?).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// The row of a pack.
pub(super) fn row(pack: &Pack) -> StoreResult<integration_pack::ActiveModel> {
    let actor = ActorColumns::from(&pack.created_by);
    let pending = pack.standing.pending;
    Ok(integration_pack::ActiveModel {
        id: Set(pack.id.into()),
        publisher_id: Set(pack.publisher_id.into()),
        name: Set(pack.name.clone()),
        name_key: Set(text::key(&pack.name)),
        description: Set(pack.description.clone()),
        installation_type: Set(pack.installation_type.stored().into()),
        deployment_model: Set(pack.deployment_model.stored().into()),
        support: Set(to_json(&pack.support)?),
        revision: Set(pack.revision),
        last_number: Set(pack.last_number),
        component_count: Set(pack.assessment.component_count),
        newer_count: Set(pack.assessment.newer_count),
        has_unreleased_changes: Set(pack.assessment.has_unreleased_changes),
        current_version_id: Set(pack.standing.current_version.map(Into::into)),
        pending_release_id: Set(pending.map(|pending| pending.release_id.into())),
        pending_version_id: Set(pending.map(|pending| pending.version_id.into())),
        pending_starts_at: Set(pending.map(|pending| pending.starts_at)),
        running_release_id: Set(pack.standing.running_release.map(Into::into)),
        created_at: Set(pack.created_at),
        updated_at: Set(pack.updated_at),
        actor_kind: Set(actor.kind),
        actor_name: Set(actor.name),
        actor_token_id: Set(actor.token_id),
        actor_account_id: Set(actor.account_id),
        deleted_at: Set(pack.deleted_at),
    })
}

pub(super) fn change(id: PackId) -> integration_pack::ActiveModel {
    integration_pack::ActiveModel { id: Set(id.into()), ..Default::default() }
}

pub(super) async fn save(tx: &Tx, row: integration_pack::ActiveModel) -> StoreResult<()> {
    integration_pack::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Saves a pack's name, description and support data.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn save_details(
    tx: &Tx,
    id: PackId,
    name: &str,
    description: &str,
    support: &SupportInfo,
) -> StoreResult<()> {
    let row = integration_pack::ActiveModel {
        name: Set(name.to_owned()),
        name_key: Set(text::key(name)),
        description: Set(description.to_owned()),
        support: Set(to_json(support)?),
        ..change(id)
    };
    save(tx, row).await
}

/// Saves that a pack was edited.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn save_revision(tx: &Tx, id: PackId, revision: i32, updated_at: Instant) -> StoreResult<()> {
    save(tx, integration_pack::ActiveModel { revision: Set(revision), updated_at: Set(updated_at), ..change(id) }).await
}

/// Counts a pack's revision on without an edit: by a release.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn count_revision(tx: &Tx, id: PackId, revision: i32) -> StoreResult<()> {
    save(tx, integration_pack::ActiveModel { revision: Set(revision), ..change(id) }).await
}

/// Saves which versions and releases are in force.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn save_standing(tx: &Tx, id: PackId, standing: &Standing) -> StoreResult<()> {
    let row = integration_pack::ActiveModel {
        current_version_id: Set(standing.current_version.map(Into::into)),
        pending_release_id: Set(standing.pending.map(|p| p.release_id.into())),
        pending_version_id: Set(standing.pending.map(|p| p.version_id.into())),
        pending_starts_at: Set(standing.pending.map(|p| p.starts_at)),
        running_release_id: Set(standing.running_release.map(Into::into)),
        ..change(id)
    };
    save(tx, row).await
}

/// Saves what is kept about a pack's draft.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn save_assessment(tx: &Tx, id: PackId, assessment: Assessment) -> StoreResult<()> {
    let row = integration_pack::ActiveModel {
        component_count: Set(assessment.component_count),
        newer_count: Set(assessment.newer_count),
        has_unreleased_changes: Set(assessment.has_unreleased_changes),
        ..change(id)
    };
    save(tx, row).await
}

/// A pack's draft. Its components are held, so that nobody packages one meanwhile.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn draft(tx: &Tx, pack: &Pack) -> StoreResult<Vec<DraftRow>> {
    let rows = draft_row::Entity::find()
        .filter(draft_row::Column::PackId.eq(Uuid::from(pack.id)))
        .order_by_asc(draft_row::Column::ComponentId)
        .all(tx.conn())
        .await?;
    let components: Vec<_> = rows.iter().map(|row| row.component_id).collect();
    let latest = latest_shareable(tx, &components, pack.deployment_model.holds()).await?;
    Ok(rows
        .into_iter()
        .map(|row| DraftRow {
            component_id: row.component_id.into(),
            pinned: row.pinned_version_id.map(Into::into),
            marked_for_removal: row.marked_for_removal,
            latest_shareable: latest.get(&row.component_id).copied(),
        })
        .collect())
}

/// The newest shareable version of the kind, of each component that has one; the components are held.
async fn latest_shareable(tx: &Tx, components: &[Uuid], kind: VersionKind) -> StoreResult<BTreeMap<Uuid, Stamp>> {
    let select = component::Entity::find()
        .filter(component::Column::Id.is_in(components.iter().copied()))
        .order_by_asc(component::Column::Id);
    let found = held(select).all(tx.conn()).await?;
    let latest = |c: &component::Model| match kind {
        VersionKind::Package => c.latest_shareable_id,
        VersionKind::Publication => c.latest_publication_id,
    };
    let stamps = stamps(tx, found.iter().filter_map(latest)).await?;
    Ok(found.into_iter().filter_map(|c| Some((c.id, *stamps.get(&latest(&c)?)?))).collect())
}

async fn stamps(tx: &Tx, ids: impl IntoIterator<Item = Uuid>) -> StoreResult<BTreeMap<Uuid, Stamp>> {
    let found: Vec<(Uuid, Instant)> = component_version::Entity::find()
        .select_only()
        .column(component_version::Column::Id)
        .column(component_version::Column::CreatedAt)
        .filter(component_version::Column::Id.is_in(ids))
        .into_tuple()
        .all(tx.conn())
        .await?;
    Ok(found.into_iter().map(|(id, created_at)| (id, Stamp { id: id.into(), created_at })).collect())
}

/// What a version holds; empty for none.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn content(tx: &Tx, version: Option<PackVersionId>) -> StoreResult<Content> {
    let Some(version) = version else { return Ok(Content::new()) };
    let items = pack_version_item::Entity::find()
        .filter(pack_version_item::Column::PackVersionId.eq(Uuid::from(version)))
        .all(tx.conn())
        .await?;
    let stamps = stamps(tx, items.iter().map(|item| item.component_version_id)).await?;
    Ok(items
        .into_iter()
        .filter_map(|item| Some((item.component_id.into(), *stamps.get(&item.component_version_id)?)))
        .collect())
}

/// Adds rows to a draft, and a key for each component that has none in this pack (R14).
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
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

/// Saves a draft row's pin and mark.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
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

/// Takes a row out of a draft.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn drop_draft_row(tx: &Tx, id: PackId, component: ComponentId) -> StoreResult<()> {
    draft_row::Entity::delete_by_id((id.into(), component.into())).exec(tx.conn()).await?;
    Ok(())
}

/// Takes the rows that are marked for removal out of a draft (R15).
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn drop_marked_rows(tx: &Tx, id: PackId) -> StoreResult<()> {
    draft_row::Entity::delete_many()
        .filter(draft_row::Column::PackId.eq(Uuid::from(id)))
        .filter(draft_row::Column::MarkedForRemoval.eq(true))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The number of a version.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn version_number(tx: &Tx, version: PackVersionId) -> StoreResult<i32> {
    let found = pack_version::Entity::find_by_id(Uuid::from(version)).one(tx.conn()).await?;
    Ok(found.map_or(0, |version| version.number))
}
