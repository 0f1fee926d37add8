//! Writes and transactional reads of groups, members, shares and announcements.

use std::collections::BTreeSet;

use entity::{
    account, account_group, account_group_member, announced_grant, installation, integration_pack, library_share,
    pack_share,
};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait as _, EntityTrait, PaginatorTrait as _, QueryFilter,
    QueryOrder as _, QuerySelect as _, TryGetable as _,
};
use uuid::Uuid;

use crate::domain::accounts::AccountGroup;
use crate::domain::id::{AccountId, GroupId, PackId};
use crate::domain::text;
use crate::store::locks::locked;
use crate::store::scope::PublisherScope;
use crate::store::{StoreResult, Tx, convert};

fn uuids<T: Copy + Into<Uuid>>(ids: &[T]) -> Vec<Uuid> {
    ids.iter().map(|id| (*id).into()).collect()
}

/// Locks the publisher's groups with these ids, in the order of ids.
pub async fn lock_groups(tx: &Tx, scope: &PublisherScope, ids: &[GroupId]) -> StoreResult<Vec<AccountGroup>> {
    let select = account_group::Entity::find()
        .filter(tx.any_of(account_group::Column::Id.into_expr(), uuids(ids)))
        .filter(account_group::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .order_by_asc(account_group::Column::Id);
    Ok(locked(select).all(tx.conn()).await?.into_iter().map(convert::group).collect())
}

/// The publisher's group All Accounts.
pub async fn all_accounts(tx: &Tx, scope: &PublisherScope) -> StoreResult<Option<AccountGroup>> {
    let found = account_group::Entity::find()
        .filter(account_group::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .filter(account_group::Column::IsAllAccounts.eq(true))
        .one(tx.conn())
        .await?;
    Ok(found.map(convert::group))
}

/// The publisher's group with this name, other than `but`.
pub async fn with_name(
    tx: &Tx,
    scope: &PublisherScope,
    name_key: &str,
    but: Option<GroupId>,
) -> StoreResult<Option<GroupId>> {
    let found = account_group::Entity::find()
        .filter(account_group::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .filter(account_group::Column::NameKey.eq(name_key))
        .one(tx.conn())
        .await?;
    Ok(found.map(|group| GroupId::from(group.id)).filter(|id| Some(*id) != but))
}

/// The publisher's group with this key, other than `but` (R67).
pub async fn with_key(
    tx: &Tx,
    scope: &PublisherScope,
    key: &str,
    but: Option<GroupId>,
) -> StoreResult<Option<GroupId>> {
    let found = account_group::Entity::find()
        .filter(account_group::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .filter(account_group::Column::Key.eq(key))
        .one(tx.conn())
        .await?;
    Ok(found.map(|group| GroupId::from(group.id)).filter(|id| Some(*id) != but))
}

/// Adds a group.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the name or the key is taken.
pub async fn insert_group(tx: &Tx, group: &AccountGroup) -> StoreResult<()> {
    account_group::Entity::insert(group_row(group)).exec_without_returning(tx.conn()).await?;
    Ok(())
}

pub(in crate::store) fn group_row(group: &AccountGroup) -> account_group::ActiveModel {
    account_group::ActiveModel {
        id: Set(group.id.into()),
        publisher_id: Set(group.publisher_id.into()),
        name: Set(group.name.clone()),
        name_key: Set(text::key(&group.name)),
        is_all_accounts: Set(group.is_all_accounts),
        rank: Set(i32::from(!group.is_all_accounts)),
        created_at: Set(group.created_at),
        key: Set(group.key.clone()),
    }
}

///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the name or the key is taken.
pub async fn save_group(tx: &Tx, id: GroupId, name: &str, key: Option<&str>) -> StoreResult<()> {
    account_group::Entity::update(account_group::ActiveModel {
        id: Set(id.into()),
        name: Set(name.to_owned()),
        name_key: Set(text::key(name)),
        key: Set(key.map(Into::into)),
        ..Default::default()
    })
    .exec(tx.conn())
    .await?;
    Ok(())
}

/// Ends all shares of packs with a group.
pub async fn unshare_all(tx: &Tx, group: GroupId) -> StoreResult<()> {
    let of_group = pack_share::Column::GroupId.eq(Uuid::from(group));
    pack_share::Entity::delete_many().filter(of_group).exec(tx.conn()).await?;
    Ok(())
}

/// Deletes a group with its members and its shares of library processes. The caller has ended its shares of packs.
pub async fn delete_group(tx: &Tx, id: GroupId) -> StoreResult<()> {
    let id = Uuid::from(id);
    account_group_member::Entity::delete_many()
        .filter(account_group_member::Column::GroupId.eq(id))
        .exec(tx.conn())
        .await?;
    library_share::Entity::delete_many().filter(library_share::Column::GroupId.eq(id)).exec(tx.conn()).await?;
    account_group::Entity::delete_by_id(id).exec(tx.conn()).await?;
    Ok(())
}

/// The accounts among `accounts` that are members of the group.
pub async fn members_of(tx: &Tx, group: GroupId, accounts: &[AccountId]) -> StoreResult<BTreeSet<AccountId>> {
    let found = account_group_member::Entity::find()
        .filter(account_group_member::Column::GroupId.eq(Uuid::from(group)))
        .filter(tx.any_of(account_group_member::Column::AccountId.into_expr(), uuids(accounts)))
        .all(tx.conn())
        .await?;
    Ok(found.into_iter().map(|m| m.account_id.into()).collect())
}

/// Adds accounts to a group.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if an account is a member already.
pub async fn add_members(tx: &Tx, group: GroupId, accounts: &[AccountId]) -> StoreResult<()> {
    account_group_member::Entity::insert_many(accounts.iter().map(|account| account_group_member::ActiveModel {
        group_id: Set(group.into()),
        account_id: Set((*account).into()),
    }))
    .exec_without_returning(tx.conn())
    .await?;
    Ok(())
}

/// Removes accounts from a group.
pub async fn remove_members(tx: &Tx, group: GroupId, accounts: &[AccountId]) -> StoreResult<()> {
    account_group_member::Entity::delete_many()
        .filter(account_group_member::Column::GroupId.eq(Uuid::from(group)))
        .filter(tx.any_of(account_group_member::Column::AccountId.into_expr(), uuids(accounts)))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The groups that a pack is shared with.
pub async fn groups_of(tx: &Tx, pack: PackId) -> StoreResult<BTreeSet<GroupId>> {
    let found =
        pack_share::Entity::find().filter(pack_share::Column::PackId.eq(Uuid::from(pack))).all(tx.conn()).await?;
    Ok(found.into_iter().map(|m| m.group_id.into()).collect())
}

/// The packs that are shared with a group, by id.
pub async fn packs_of(tx: &Tx, group: GroupId) -> StoreResult<Vec<PackId>> {
    let found = pack_share::Entity::find()
        .filter(pack_share::Column::GroupId.eq(Uuid::from(group)))
        .order_by_asc(pack_share::Column::PackId)
        .all(tx.conn())
        .await?;
    Ok(found.into_iter().map(|m| m.pack_id.into()).collect())
}

/// Shares a pack with groups.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if it is shared with one of them already.
pub async fn share(tx: &Tx, pack: PackId, groups: &[GroupId]) -> StoreResult<()> {
    pack_share::Entity::insert_many(
        groups
            .iter()
            .map(|group| pack_share::ActiveModel { pack_id: Set(pack.into()), group_id: Set((*group).into()) }),
    )
    .exec_without_returning(tx.conn())
    .await?;
    Ok(())
}

/// Ends the shares of a pack with these groups.
pub async fn unshare(tx: &Tx, pack: PackId, groups: &[GroupId]) -> StoreResult<()> {
    pack_share::Entity::delete_many()
        .filter(pack_share::Column::PackId.eq(Uuid::from(pack)))
        .filter(tx.any_of(pack_share::Column::GroupId.into_expr(), uuids(groups)))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Selects the accounts to which a group grants the pack.
pub(in crate::store) fn granted_accounts(pack: PackId) -> SelectStatement {
    let (member, share) = (account_group_member::Entity, pack_share::Entity);
    Query::select()
        .column((member, account_group_member::Column::AccountId))
        .from(member)
        .inner_join(
            share,
            Expr::col((share, pack_share::Column::GroupId)).equals((member, account_group_member::Column::GroupId)),
        )
        .and_where(Expr::col((share, pack_share::Column::PackId)).eq(Uuid::from(pack)))
        .to_owned()
}

/// The accounts among `accounts` to which a group grants the pack (R48).
pub async fn entitled(tx: &Tx, pack: PackId, accounts: &[AccountId]) -> StoreResult<BTreeSet<AccountId>> {
    if accounts.is_empty() {
        return Ok(BTreeSet::new());
    }
    let select = granted_accounts(pack)
        .and_where(tx.any_of(account_group_member::Column::AccountId.into_expr(), uuids(accounts)))
        .to_owned();
    let rows = tx.conn().query_all(&select).await?;
    rows.iter().map(|row| Ok(AccountId::from(Uuid::try_get_by_index(row, 0).map_err(sea_orm::DbErr::from)?))).collect()
}

/// The accounts among `accounts` to which the pack was announced.
pub async fn announced(tx: &Tx, pack: PackId, accounts: &[AccountId]) -> StoreResult<BTreeSet<AccountId>> {
    let found = announced_grant::Entity::find()
        .filter(announced_grant::Column::PackId.eq(Uuid::from(pack)))
        .filter(tx.any_of(announced_grant::Column::AccountId.into_expr(), uuids(accounts)))
        .all(tx.conn())
        .await?;
    Ok(found.into_iter().map(|m| m.account_id.into()).collect())
}

/// Deletes the announcements of the pack to these accounts.
pub async fn forget_announced(tx: &Tx, pack: PackId, accounts: &[AccountId]) -> StoreResult<()> {
    announced_grant::Entity::delete_many()
        .filter(announced_grant::Column::PackId.eq(Uuid::from(pack)))
        .filter(tx.any_of(announced_grant::Column::AccountId.into_expr(), uuids(accounts)))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The next managed accounts of a publisher in the order of ids, after the id `after`, at most `limit`.
pub async fn accounts_after(
    tx: &Tx,
    publisher: AccountId,
    after: Option<Uuid>,
    limit: u64,
) -> StoreResult<Vec<AccountId>> {
    let mut select = account::Entity::find()
        .select_only()
        .column(account::Column::Id)
        .filter(account::Column::PublisherId.eq(Uuid::from(publisher)))
        .filter(account::Column::Kind.eq("MANAGED"));
    if let Some(after) = after {
        select = select.filter(account::Column::Id.gt(after));
    }
    let found: Vec<Uuid> = select.order_by_asc(account::Column::Id).limit(limit).into_tuple().all(tx.conn()).await?;
    Ok(found.into_iter().map(Into::into).collect())
}

/// The accounts whose grants a call has taken away.
#[derive(Clone, Copy, Debug)]
pub enum LostGrants<'a> {
    /// These accounts: they left a group.
    Accounts(&'a [AccountId]),
    /// The members of groups with which a pack was shared until now.
    OfUnshared(&'a [GroupId]),
    /// The members of a group that is about to be deleted. Nothing is shared with it any more.
    MembersOf(GroupId),
}

/// Counts the live installations of the packs that this transaction has frozen (R45): their account is one of `lost`,
/// which had a grant until now, and no group grants them any more.
pub async fn count_frozen(tx: &Tx, packs: &[PackId], lost: LostGrants<'_>) -> StoreResult<u64> {
    let (member, share, row) = (account_group_member::Entity, pack_share::Entity, installation::Entity);
    let account = || Expr::col((row, installation::Column::AccountId));
    let grant = Query::select()
        .expr(Expr::val(1))
        .from(member)
        .inner_join(
            share,
            Expr::col((share, pack_share::Column::GroupId)).equals((member, account_group_member::Column::GroupId)),
        )
        .and_where(Expr::col((share, pack_share::Column::PackId)).equals((row, installation::Column::PackId)))
        .and_where(Expr::col((member, account_group_member::Column::AccountId)).eq(account()))
        .to_owned();
    // A subquery that looks up a grant for each row. With EXISTS, PostgreSQL would first make a table of all grants of
    // all packs, members times packs.
    let has_none = Expr::SubQuery(None, Box::new(grant.clone().limit(1).take().into())).is_null();
    let select = installation::Entity::find()
        .filter(tx.any_of(installation::Column::PackId.into_expr(), uuids(packs)))
        .filter(installation::Column::UninstalledAt.is_null());
    let member_of = |groups: &[GroupId]| {
        let of_groups = Query::select()
            .expr(Expr::val(1))
            .from(member)
            .and_where(tx.any_of(Expr::col((member, account_group_member::Column::GroupId)), uuids(groups)))
            .and_where(Expr::col((member, account_group_member::Column::AccountId)).eq(account()))
            .to_owned();
        Expr::exists(of_groups)
    };
    let select = match lost {
        LostGrants::Accounts(accounts) => {
            select.filter(has_none).filter(tx.any_of(installation::Column::AccountId.into_expr(), uuids(accounts)))
        }
        // The grants of one pack are no more than the accounts.
        LostGrants::OfUnshared(groups) => select.filter(member_of(groups)).filter(Expr::exists(grant).not()),
        LostGrants::MembersOf(group) => select.filter(member_of(&[group])).filter(has_none),
    };
    Ok(select.count(tx.conn()).await?)
}

/// Locks the packs that are shared with a group, so that no batch reads its members meanwhile.
pub async fn lock_packs_of(tx: &Tx, group: GroupId) -> StoreResult<Vec<PackId>> {
    let shared = Query::select()
        .column(pack_share::Column::PackId)
        .from(pack_share::Entity)
        .and_where(pack_share::Column::GroupId.eq(Uuid::from(group)))
        .to_owned();
    let select = integration_pack::Entity::find()
        .filter(integration_pack::Column::Id.in_subquery(shared))
        .order_by_asc(integration_pack::Column::Id);
    Ok(locked(select).all(tx.conn()).await?.into_iter().map(|m| m.id.into()).collect())
}

/// Whether the group belongs to the publisher.
pub async fn is_own_group(tx: &Tx, scope: &PublisherScope, id: GroupId) -> StoreResult<bool> {
    let found = account_group::Entity::find_by_id(Uuid::from(id))
        .filter(account_group::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .one(tx.conn())
        .await?;
    Ok(found.is_some())
}
