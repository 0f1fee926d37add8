//! Writes of packs.

use std::collections::BTreeMap;

use entity::{account_group_member, installation, integration_pack, pack_version};
use sea_orm::{
    ActiveValue::NotSet, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait as _, QueryFilter,
    QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use crate::domain::id::{AccountId, PackId, PackVersionId};
use crate::domain::packs::{Pack, PackStanding};
use crate::domain::{Instant, text};
use crate::store::convert::{self, Stored as _, to_json};
use crate::store::locks::{ActorColumns, locked, shared_lock};
use crate::store::packs::due::is_due;
use crate::store::scope::{ManagedScope, PublisherScope};
use crate::store::{StoreResult, Tx};

/// Locks one of the publisher's packs.
pub async fn lock(tx: &Tx, scope: &PublisherScope, id: PackId) -> StoreResult<Option<Pack>> {
    let select = integration_pack::Entity::find_by_id(Uuid::from(id))
        .filter(integration_pack::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .filter(integration_pack::Column::DeletedAt.is_null());
    locked(select).one(tx.conn()).await?.map(convert::pack).transpose()
}

/// Locks any publisher's pack, for the scheduler, for batches, and for a due transition, which any command on the pack
/// may carry out (R30).
pub async fn lock_any(tx: &Tx, id: PackId) -> StoreResult<Option<Pack>> {
    let select =
        integration_pack::Entity::find_by_id(Uuid::from(id)).filter(integration_pack::Column::DeletedAt.is_null());
    locked(select).one(tx.conn()).await?.map(convert::pack).transpose()
}

/// Holds any publisher's pack: nobody can change it, but others may hold it too. The caller checks who may see it.
pub async fn hold(tx: &Tx, id: PackId) -> StoreResult<Option<Pack>> {
    let select =
        integration_pack::Entity::find_by_id(Uuid::from(id)).filter(integration_pack::Column::DeletedAt.is_null());
    shared_lock(select).one(tx.conn()).await?.map(convert::pack).transpose()
}

/// Holds a pack that a managed account can see at `now`: it is granted and released, or the account has installed it
/// (R2).
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
    let granted = crate::store::sharing::granted_accounts(id)
        .and_where(account_group_member::Column::AccountId.eq(account))
        .to_owned();
    let released = Condition::any().add(integration_pack::Column::CurrentVersionId.is_not_null()).add(is_due(now));
    let select = integration_pack::Entity::find_by_id(Uuid::from(id))
        .filter(integration_pack::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .filter(integration_pack::Column::DeletedAt.is_null())
        .filter(
            Condition::any()
                .add(Expr::exists(installed))
                .add(Condition::all().add(Expr::exists(granted)).add(released)),
        );
    // The locking statement may wait for a writer, and still sees grants and installations from before its wait. The
    // second statement judges them while the pack is held. It runs for a hidden pack too, so that both answers take
    // the same number of statements (R3).
    let held = shared_lock(select.clone()).one(tx.conn()).await?;
    let still_visible = select.one(tx.conn()).await?;
    held.and(still_visible).map(convert::pack).transpose()
}

/// Locks the next packs of a publisher in the order of ids, after the id `after`, at most `limit`.
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

/// The number of a publisher's packs that aren't deleted. It locks none of them.
pub async fn count_all(tx: &Tx, publisher: AccountId) -> StoreResult<u64> {
    let packs = integration_pack::Entity::find()
        .filter(integration_pack::Column::PublisherId.eq(Uuid::from(publisher)))
        .filter(integration_pack::Column::DeletedAt.is_null());
    Ok(packs.count(tx.conn()).await?)
}

/// Locks packs with these ids, in the order of ids.
pub async fn lock_all(tx: &Tx, ids: &[PackId]) -> StoreResult<Vec<Pack>> {
    let select = integration_pack::Entity::find()
        .filter(tx.any_of(integration_pack::Column::Id.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .filter(integration_pack::Column::DeletedAt.is_null())
        .order_by_asc(integration_pack::Column::Id);
    locked(select).all(tx.conn()).await?.into_iter().map(convert::pack).collect()
}

/// The publisher's pack with this name, other than `but`.
pub async fn with_name(
    tx: &Tx,
    scope: &PublisherScope,
    name_key: &str,
    but: Option<PackId>,
) -> StoreResult<Option<PackId>> {
    let found = integration_pack::Entity::find()
        .filter(integration_pack::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .filter(integration_pack::Column::NameKey.eq(name_key))
        .filter(integration_pack::Column::DeletedAt.is_null())
        .one(tx.conn())
        .await?;
    Ok(found.map(|pack| PackId::from(pack.id)).filter(|id| Some(*id) != but))
}

/// The publisher's pack with this key, other than `but` (R67).
pub async fn with_key(tx: &Tx, scope: &PublisherScope, key: &str, but: Option<PackId>) -> StoreResult<Option<PackId>> {
    let found = integration_pack::Entity::find()
        .filter(integration_pack::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .filter(integration_pack::Column::Key.eq(key))
        .filter(integration_pack::Column::DeletedAt.is_null())
        .one(tx.conn())
        .await?;
    Ok(found.map(|pack| PackId::from(pack.id)).filter(|id| Some(*id) != but))
}

pub async fn insert(tx: &Tx, pack: &Pack) -> StoreResult<()> {
    integration_pack::Entity::insert(row(pack)?).exec_without_returning(tx.conn()).await?;
    Ok(())
}

pub(in crate::store) fn row(pack: &Pack) -> StoreResult<integration_pack::ActiveModel> {
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
        draft_revision: Set(pack.draft_revision),
        current_version_id: Set(pack.standing.current_version.map(Into::into)),
        pending_release_id: Set(pending.map(|pending| pending.release_id.into())),
        pending_version_id: Set(pending.map(|pending| pending.version_id.into())),
        pending_starts_at: Set(pending.map(|pending| pending.starts_at)),
        pending_due_at: Set(pending.map(|pending| pending.due_at)),
        running_release_id: Set(pack.standing.running_release.map(Into::into)),
        release_paused: Set(pack.standing.is_paused),
        former_version_id: Set(pack.standing.former_version.map(Into::into)),
        tally_base_id: NotSet,
        created_at: Set(pack.created_at),
        updated_at: Set(pack.updated_at),
        actor_kind: Set(actor.kind),
        actor_name: Set(actor.name),
        actor_token_id: Set(actor.token_id),
        actor_account_id: Set(actor.account_id),
        deleted_at: Set(pack.deleted_at),
        key: Set(pack.key.clone()),
    })
}

fn change(id: PackId) -> integration_pack::ActiveModel {
    integration_pack::ActiveModel { id: Set(id.into()), ..Default::default() }
}

async fn save(tx: &Tx, row: integration_pack::ActiveModel) -> StoreResult<()> {
    integration_pack::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Saves the number of a pack's newest version.
pub(in crate::store) async fn save_last_number(tx: &Tx, id: PackId, number: i32) -> StoreResult<()> {
    save(tx, integration_pack::ActiveModel { last_number: Set(number), ..change(id) }).await
}

/// Saves a pack's name, description, support data and key.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the name or the key is taken.
pub async fn save_details(tx: &Tx, pack: &Pack) -> StoreResult<()> {
    let row = integration_pack::ActiveModel {
        name: Set(pack.name.clone()),
        name_key: Set(text::key(&pack.name)),
        description: Set(pack.description.clone()),
        support: Set(to_json(&pack.support)?),
        key: Set(pack.key.clone()),
        ..change(pack.id)
    };
    save(tx, row).await
}

/// Saves the revision and the time of an edit.
pub async fn save_revision(tx: &Tx, id: PackId, revision: i32, updated_at: Instant) -> StoreResult<()> {
    save(tx, integration_pack::ActiveModel { revision: Set(revision), updated_at: Set(updated_at), ..change(id) }).await
}

/// Saves a pack's new revision after a release. `updated_at` stays, because a release is no edit.
pub async fn count_revision(tx: &Tx, id: PackId, revision: i32) -> StoreResult<()> {
    save(tx, integration_pack::ActiveModel { revision: Set(revision), ..change(id) }).await
}

/// Saves the current version, and the pending and the running release.
pub async fn save_standing(tx: &Tx, id: PackId, standing: &PackStanding) -> StoreResult<()> {
    let row = integration_pack::ActiveModel {
        current_version_id: Set(standing.current_version.map(Into::into)),
        pending_release_id: Set(standing.pending.map(|p| p.release_id.into())),
        pending_version_id: Set(standing.pending.map(|p| p.version_id.into())),
        pending_starts_at: Set(standing.pending.map(|p| p.starts_at)),
        pending_due_at: Set(standing.pending.map(|p| p.due_at)),
        running_release_id: Set(standing.running_release.map(Into::into)),
        release_paused: Set(standing.is_paused),
        former_version_id: Set(standing.former_version.map(Into::into)),
        ..change(id)
    };
    save(tx, row).await
}

/// The number of a version; 0 for an unknown one.
pub async fn version_number(tx: &Tx, version: PackVersionId) -> StoreResult<i32> {
    let found = pack_version::Entity::find_by_id(Uuid::from(version)).one(tx.conn()).await?;
    Ok(found.map_or(0, |version| version.number))
}

/// The numbers of these versions.
pub async fn version_numbers(tx: &Tx, versions: &[PackVersionId]) -> StoreResult<BTreeMap<PackVersionId, i32>> {
    if versions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<(Uuid, i32)> = pack_version::Entity::find()
        .select_only()
        .columns([pack_version::Column::Id, pack_version::Column::Number])
        .filter(tx.any_of(pack_version::Column::Id.into_expr(), versions.iter().map(|id| id.0)))
        .into_tuple()
        .all(tx.conn())
        .await?;
    Ok(found.into_iter().map(|(id, number)| (id.into(), number)).collect())
}
