//! Writes and transactional reads of installations.

use std::collections::BTreeMap;

use entity::{account, installation, past_visibility};
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait as _, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait as _, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _,
    QueryTrait as _,
};
use uuid::Uuid;

use crate::domain::accounts::AccountStatus;
use crate::domain::id::{AccountId, InstallationId, PackId, PackVersionId};
use crate::domain::installations::Installation;
use crate::domain::packs::InstallationType;
use crate::domain::releases::bucket_seed;
use crate::domain::{Instant, text};
use crate::store::column::col;
use crate::store::convert::{self, Stored as _};
use crate::store::installations::section::Members;
use crate::store::installations::write_counts as counts;
use crate::store::installations::write_counts::Move;
use crate::store::locks::locked;
use crate::store::scope::ManagedScope;
use crate::store::{Snapshot, StoreError, StoreResult, Tx};

/// The live installations of a pack.
fn live_of(pack: PackId) -> sea_orm::Select<installation::Entity> {
    installation::Entity::find()
        .filter(installation::Column::PackId.eq(Uuid::from(pack)))
        .filter(installation::Column::UninstalledAt.is_null())
}

/// Locks the next live installations of a pack in the order of ids, after the id `after`, at most `limit`.
pub async fn batch(tx: &Tx, pack: PackId, after: Option<Uuid>, limit: u64) -> StoreResult<Vec<Installation>> {
    let mut select = live_of(pack);
    if let Some(after) = after {
        select = select.filter(installation::Column::Id.gt(after));
    }
    let select = select.order_by_asc(installation::Column::Id).limit(limit);
    Ok(locked(select).all(tx.conn()).await?.into_iter().map(convert::installation).collect())
}

/// Locks installations in the order of ids. Uninstalled ones are left out.
pub async fn lock_live(tx: &Tx, ids: &[InstallationId]) -> StoreResult<Vec<Installation>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let select = installation::Entity::find()
        .filter(tx.any_of(installation::Column::Id.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .filter(installation::Column::UninstalledAt.is_null())
        .order_by_asc(installation::Column::Id);
    Ok(locked(select).all(tx.conn()).await?.into_iter().map(convert::installation).collect())
}

/// Locks the live installations of these packs in these accounts, in the order of ids. Returns each with whether its
/// freeze was announced.
pub async fn of_accounts(tx: &Tx, packs: &[PackId], accounts: &[AccountId]) -> StoreResult<Vec<(Installation, bool)>> {
    let select = installation::Entity::find()
        .filter(installation::Column::UninstalledAt.is_null())
        .filter(tx.any_of(installation::Column::PackId.into_expr(), packs.iter().map(|id| Uuid::from(*id))))
        .filter(tx.any_of(installation::Column::AccountId.into_expr(), accounts.iter().map(|id| Uuid::from(*id))))
        .order_by_asc(installation::Column::Id);
    let found = locked(select).all(tx.conn()).await?;
    Ok(found
        .into_iter()
        .map(|m| {
            let frozen = m.frozen_at.is_some();
            (convert::installation(m), frozen)
        })
        .collect())
}

/// The next packs that an account has installed, in the order of ids, after the id `after`, at most `limit`.
pub async fn packs_of_account(
    tx: &Tx,
    account: AccountId,
    after: Option<Uuid>,
    limit: u64,
) -> StoreResult<Vec<PackId>> {
    let mut select = installation::Entity::find()
        .select_only()
        .column(installation::Column::PackId)
        .distinct()
        .filter(installation::Column::AccountId.eq(Uuid::from(account)))
        .filter(installation::Column::UninstalledAt.is_null());
    if let Some(after) = after {
        select = select.filter(installation::Column::PackId.gt(after));
    }
    let select = select.order_by_asc(installation::Column::PackId).limit(limit);
    let found: Vec<Uuid> = select.into_tuple().all(tx.conn()).await?;
    Ok(found.into_iter().map(Into::into).collect())
}

/// Locks an installation of the account, uninstalled or not.
pub async fn lock_own(tx: &Tx, scope: &ManagedScope, id: InstallationId) -> StoreResult<Option<Installation>> {
    let select = installation::Entity::find_by_id(Uuid::from(id))
        .filter(installation::Column::AccountId.eq(Uuid::from(scope.account_id())));
    Ok(locked(select).one(tx.conn()).await?.map(convert::installation))
}

/// The account's live installations of a pack.
pub async fn own_of_pack(tx: &Tx, scope: &ManagedScope, pack: PackId) -> StoreResult<Vec<Installation>> {
    let found = live_of(pack)
        .filter(installation::Column::AccountId.eq(Uuid::from(scope.account_id())))
        .order_by_asc(installation::Column::Id)
        .all(tx.conn())
        .await?;
    Ok(found.into_iter().map(convert::installation).collect())
}

/// An installation to add.
#[derive(Clone, Debug)]
pub struct NewInstallation<'a> {
    pub installation: &'a Installation,
    pub installation_type: InstallationType,
    pub pack_name: &'a str,
    pub account_name: &'a str,
    /// The account sees events of the pack's releases after this position of the event log.
    pub visible_after: i64,
}

/// Adds an installation, and its tally.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if it exists already, or its name or key is taken.
pub async fn insert(tx: &Tx, new: NewInstallation<'_>) -> StoreResult<()> {
    let Installation { id, pack_id, account_id, publisher_id, override_name, version_id, installed_at, key, .. } =
        new.installation;
    let single = new.installation_type == InstallationType::Single;
    installation::Entity::insert(installation::ActiveModel {
        id: Set((*id).into()),
        pack_id: Set((*pack_id).into()),
        account_id: Set((*account_id).into()),
        publisher_id: Set((*publisher_id).into()),
        override_name: Set(override_name.clone()),
        name_key: Set(text::key(override_name.as_deref().unwrap_or(new.pack_name))),
        account_name_key: Set(text::key(new.account_name)),
        version_id: Set((*version_id).into()),
        bucket_seed: Set(bucket_seed(*id)),
        installed_at: Set(*installed_at),
        moved_at: Set(None),
        uninstalled_at: Set(None),
        frozen_at: Set(None),
        visible_after: Set(new.visible_after),
        visible_until: Set(None),
        single_pack_id: Set(single.then(|| (*pack_id).into())),
        override_name_key: Set(override_name.as_deref().map(text::key)),
        key: Set(key.clone()),
    })
    .exec_without_returning(tx.conn())
    .await?;
    counts::installed(tx, new.installation).await
}

/// Saves the sort key of a pack's new name in its SINGLE installations.
pub async fn save_name_key(tx: &Tx, ids: &[InstallationId], name_key: &str) -> StoreResult<()> {
    change_many(tx, ids, installation::ActiveModel { name_key: Set(name_key.to_owned()), ..Default::default() }).await
}

/// Saves the sort key of an account's new name in its installations.
pub async fn save_account_name_key(tx: &Tx, account: AccountId, name_key: &str) -> StoreResult<()> {
    if tx.is_postgresql() {
        // Locks the rows in the order of ids first, as batches do. A different order could cause a deadlock.
        let by_id = installation::Entity::find()
            .select_only()
            .column(installation::Column::Id)
            .filter(installation::Column::AccountId.eq(Uuid::from(account)))
            .order_by_asc(installation::Column::Id);
        let _: Vec<Uuid> = locked(by_id).into_tuple().all(tx.conn()).await?;
    }
    let row = installation::ActiveModel { account_name_key: Set(name_key.to_owned()), ..Default::default() };
    installation::Entity::update_many()
        .set(row)
        .filter(installation::Column::AccountId.eq(Uuid::from(account)))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Uninstalls installations, and tallies them. The rows stay for the history, but their unique keys are free again. The
/// accounts can see events of the pack's releases up to the position `visible_until`, or to the freeze if there was
/// one.
pub async fn uninstall(tx: &Tx, ids: &[InstallationId], at: Instant, visible_until: i64) -> StoreResult<()> {
    use sea_orm::sea_query::Func;
    if ids.is_empty() {
        return Ok(());
    }
    let row = installation::ActiveModel {
        uninstalled_at: Set(Some(at)),
        single_pack_id: Set(None),
        override_name_key: Set(None),
        key: Set(None),
        ..Default::default()
    };
    let until = Func::coalesce([Expr::col(installation::Column::VisibleUntil), Expr::val(visible_until)]);
    installation::Entity::update_many()
        .set(row)
        .col_expr(installation::Column::VisibleUntil, until.into())
        .filter(tx.any_of(installation::Column::Id.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .exec(tx.conn())
        .await?;
    counts::uninstalled(tx, ids, at).await
}

/// From this number of moves to one version on, these moves have a statement of their own.
const ALIKE: usize = 100;

/// Moves installations, each to a version of its own pack, and tallies the moves.
pub async fn move_each(tx: &Tx, moves: &[(InstallationId, PackVersionId)], at: Instant) -> StoreResult<()> {
    let mut by_version: BTreeMap<PackVersionId, Vec<InstallationId>> = BTreeMap::new();
    for (id, version) in moves {
        by_version.entry(*version).or_default().push(*id);
    }
    if by_version.len() <= 1 + moves.len() / ALIKE {
        for (version, ids) in by_version {
            move_to(tx, &ids, version, at).await?;
        }
        return Ok(());
    }
    for chunk in moves.chunks(500) {
        let ids: Vec<_> = chunk.iter().map(|(id, _)| *id).collect();
        counts::tally_before_move(tx, &ids, at).await?;
        let version = chunk.iter().fold(CaseStatement::new(), |cases, (id, version)| {
            cases.case(col(installation::Column::Id).eq(id.0), Expr::val(version.0))
        });
        installation::Entity::update_many()
            .col_expr(installation::Column::VersionId, version.finally(col(installation::Column::VersionId)).into())
            .col_expr(installation::Column::MovedAt, Expr::val(at))
            .filter(tx.any_of(col(installation::Column::Id), chunk.iter().map(|(id, _)| id.0)))
            .exec(tx.conn())
            .await?;
        counts::tally_after_move(tx, &ids, at).await?;
    }
    Ok(())
}

/// Moves installations to a version, and tallies the moves.
pub async fn move_to(tx: &Tx, ids: &[InstallationId], version: PackVersionId, at: Instant) -> StoreResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    counts::tally_before_move(tx, ids, at).await?;
    let row =
        installation::ActiveModel { version_id: Set(version.into()), moved_at: Set(Some(at)), ..Default::default() };
    change_many(tx, ids, row).await?;
    counts::tally_after_move(tx, ids, at).await
}

/// Moves installations that all have the version `movement.from`, and tallies the moves.
pub async fn move_alike(tx: &Tx, members: Members<'_>, movement: Move) -> StoreResult<()> {
    if members.count() == 0 {
        return Ok(());
    }
    counts::moved(tx, movement, members.count()).await?;
    let (version, at) = (Set(movement.to.into()), Set(Some(movement.at)));
    let row = installation::ActiveModel { version_id: version, moved_at: at, ..Default::default() };
    let moved = installation::Entity::update_many().set(row).filter(members.any_of(tx)).exec(tx.conn()).await?;
    members.are_all(moved.rows_affected)
}

/// Saves that a freeze was announced. The account sees no events of the pack's releases after the position
/// `visible_until` of the event log (R50).
pub async fn save_frozen(tx: &Tx, ids: &[InstallationId], at: Instant, visible_until: i64) -> StoreResult<()> {
    let row = installation::ActiveModel {
        frozen_at: Set(Some(at)),
        visible_until: Set(Some(visible_until)),
        ..Default::default()
    };
    change_many(tx, ids, row).await
}

/// Saves that installations are entitled again. The account sees events of the pack's releases after the position
/// `visible_after` of the event log, and still those before the freeze, but never those in between (R50).
pub async fn save_unfrozen(tx: &Tx, ids: &[InstallationId], visible_after: i64) -> StoreResult<()> {
    use installation::Column as I;
    use past_visibility::Column as H;
    if ids.is_empty() {
        return Ok(());
    }
    let is_meant = || tx.any_of(I::Id.into_expr(), ids.iter().map(|id| Uuid::from(*id)));
    let over = installation::Entity::find()
        .select_only()
        .columns([I::AccountId, I::PackId, I::Id, I::VisibleAfter, I::VisibleUntil])
        .filter(is_meant())
        .filter(I::VisibleUntil.is_not_null())
        .into_query();
    let keep = Query::insert()
        .into_table(past_visibility::Entity)
        .columns([H::AccountId, H::PackId, H::InstallationId, H::VisibleAfter, H::VisibleUntil])
        .select_from(over)
        .map_err(|e| StoreError::Fault(e.to_string()))?
        .to_owned();
    tx.conn().execute(&keep).await?;
    let row = installation::ActiveModel {
        frozen_at: Set(None),
        visible_after: Set(visible_after),
        visible_until: Set(None),
        ..Default::default()
    };
    change_many(tx, ids, row).await
}

async fn change_many(tx: &Tx, ids: &[InstallationId], row: installation::ActiveModel) -> StoreResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    installation::Entity::update_many()
        .set(row)
        .filter(tx.any_of(installation::Column::Id.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The statuses of these accounts.
pub async fn account_statuses(tx: &Tx, ids: &[AccountId]) -> StoreResult<BTreeMap<AccountId, AccountStatus>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<(Uuid, String)> = account::Entity::find()
        .select_only()
        .column(account::Column::Id)
        .column(account::Column::Status)
        .filter(tx.any_of(account::Column::Id.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .into_tuple()
        .all(tx.conn())
        .await?;
    found.into_iter().map(|(id, status)| Ok((id.into(), AccountStatus::read(&status)?))).collect()
}

/// The pack of an installation of the account, uninstalled or not.
pub async fn pack_of_own(snapshot: &Snapshot<ManagedScope>, id: InstallationId) -> StoreResult<Option<PackId>> {
    let found = installation::Entity::find_by_id(Uuid::from(id))
        .filter(installation::Column::AccountId.eq(Uuid::from(snapshot.scope().account_id())))
        .one(snapshot.conn())
        .await?;
    Ok(found.map(|m| m.pack_id.into()))
}
