//! Writes of accounts and their tokens, and reads without a scope.

use entity::{account, api_token, enrolment_token, pack_release};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use crate::domain::accounts::{Account, AccountKind, ApiToken};
use crate::domain::id::{AccountId, ReleaseId, TokenId};
use crate::domain::{Instant, text};
use crate::store::convert::{self, Stored as _};
use crate::store::locks::{ActorColumns, locked};
use crate::store::scope::PublisherScope;
use crate::store::{Db, StoreResult, Tx, WholeServer, readable};

/// Locks an account.
pub async fn lock(tx: &Tx, id: AccountId) -> StoreResult<Option<Account>> {
    locked(account::Entity::find_by_id(Uuid::from(id))).one(tx.conn()).await?.map(convert::account).transpose()
}

/// Locks an account that the publisher manages.
pub async fn lock_managed(tx: &Tx, scope: &PublisherScope, id: AccountId) -> StoreResult<Option<Account>> {
    let found = lock_managed_all(tx, scope, &[id]).await?;
    Ok(found.into_iter().next())
}

/// Locks accounts that the publisher manages, in the order of ids.
pub async fn lock_managed_all(tx: &Tx, scope: &PublisherScope, ids: &[AccountId]) -> StoreResult<Vec<Account>> {
    let select = account::Entity::find()
        .filter(tx.any_of(account::Column::Id.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .filter(account::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .filter(account::Column::Kind.eq(AccountKind::Managed.stored()))
        .order_by_asc(account::Column::Id);
    locked(select).all(tx.conn()).await?.into_iter().map(convert::account).collect()
}

/// Whether the database has an account.
pub async fn any(server: &WholeServer) -> StoreResult<bool> {
    Ok(account::Entity::find().limit(1).one(server.conn()).await?.is_some())
}

/// All accounts for the command line: each publisher is followed by the accounts that it manages, by name. One that can't
/// be read is logged and left out.
pub async fn all(server: &WholeServer) -> StoreResult<Vec<Account>> {
    let found = account::Entity::find()
        .order_by_asc(account::Column::PublisherId)
        .order_by_desc(account::Column::Kind)
        .order_by_asc(account::Column::NameKey)
        .all(server.conn())
        .await?;
    let read = |row: account::Model| readable("account", row.id, convert::account(row)).transpose();
    found.into_iter().filter_map(read).collect()
}

/// The account with this name, other than `but`: among the managed accounts of `publisher`, or among publishers.
pub async fn with_name(
    tx: &Tx,
    kind: AccountKind,
    publisher: Option<AccountId>,
    name_key: &str,
    but: Option<AccountId>,
) -> StoreResult<Option<AccountId>> {
    // A literal, and not a parameter: SQLite uses the partial index `publisher_name` only if the statement names the
    // kind.
    let of_kind = match kind {
        AccountKind::Publisher => Expr::cust("kind = 'PUBLISHER'"),
        other => account::Column::Kind.eq(other.stored()),
    };
    let mut select = account::Entity::find().filter(of_kind).filter(account::Column::NameKey.eq(name_key));
    if let Some(publisher) = publisher {
        select = select.filter(account::Column::PublisherId.eq(Uuid::from(publisher)));
    }
    Ok(select.one(tx.conn()).await?.map(|found| AccountId::from(found.id)).filter(|id| Some(*id) != but))
}

/// The publisher's managed account with this key, other than `but` (R67).
pub async fn with_key(
    tx: &Tx,
    publisher: AccountId,
    key: &str,
    but: Option<AccountId>,
) -> StoreResult<Option<AccountId>> {
    let found = account::Entity::find()
        .filter(account::Column::PublisherId.eq(Uuid::from(publisher)))
        .filter(account::Column::Key.eq(key))
        .one(tx.conn())
        .await?;
    Ok(found.map(|found| AccountId::from(found.id)).filter(|id| Some(*id) != but))
}

/// Adds an account.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the name or the key is taken.
pub async fn insert(tx: &Tx, new: &Account) -> StoreResult<()> {
    account::Entity::insert(row(new)).exec_without_returning(tx.conn()).await?;
    Ok(())
}

pub(in crate::store) fn row(of: &Account) -> account::ActiveModel {
    account::ActiveModel {
        id: Set(of.id.into()),
        kind: Set(of.kind.stored().into()),
        publisher_id: Set(of.publisher_id.into()),
        name: Set(of.name.clone()),
        name_key: Set(text::key(&of.name)),
        time_zone: Set(of.time_zone.clone()),
        status: Set(of.status.stored().into()),
        suspended_at: Set(of.suspended_at),
        enrolled_at: Set(of.enrolled_at),
        created_at: Set(of.created_at),
        key: Set(of.key.clone()),
    }
}

/// Saves the changeable fields of an account, except `enrolled_at`.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the name or the key is taken.
pub async fn save(tx: &Tx, account: &Account) -> StoreResult<()> {
    tx.changes_token();
    account::Entity::update(account::ActiveModel {
        id: Set(account.id.into()),
        name: Set(account.name.clone()),
        name_key: Set(text::key(&account.name)),
        time_zone: Set(account.time_zone.clone()),
        status: Set(account.status.stored().into()),
        suspended_at: Set(account.suspended_at),
        key: Set(account.key.clone()),
        ..Default::default()
    })
    .exec(tx.conn())
    .await?;
    Ok(())
}

/// Saves when an account got its first token of its own.
pub async fn save_enrolled(tx: &Tx, id: AccountId, at: Instant) -> StoreResult<()> {
    let row = account::ActiveModel { id: Set(id.into()), enrolled_at: Set(Some(at)), ..Default::default() };
    account::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Locks a token of an account.
pub async fn lock_token(tx: &Tx, account: AccountId, id: TokenId) -> StoreResult<Option<ApiToken>> {
    let select =
        api_token::Entity::find_by_id(Uuid::from(id)).filter(api_token::Column::AccountId.eq(Uuid::from(account)));
    locked(select).one(tx.conn()).await?.map(convert::token).transpose()
}

/// The tokens of an account, newest first.
pub async fn tokens_of(server: &WholeServer, account: AccountId) -> StoreResult<Vec<ApiToken>> {
    let found = api_token::Entity::find()
        .filter(api_token::Column::AccountId.eq(Uuid::from(account)))
        .order_by_desc(api_token::Column::CreatedAt)
        .order_by_desc(api_token::Column::Id)
        .all(server.conn())
        .await?;
    found.into_iter().map(convert::token).collect()
}

/// The tokens of an account that aren't revoked, including expired ones. The caller has locked the account.
pub async fn tokens_in(tx: &Tx, account: AccountId) -> StoreResult<Vec<ApiToken>> {
    let found = api_token::Entity::find()
        .filter(api_token::Column::AccountId.eq(Uuid::from(account)))
        .filter(api_token::Column::RevokedAt.is_null())
        .all(tx.conn())
        .await?;
    found.into_iter().map(convert::token).collect()
}

/// Adds a token.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the secret is in use.
pub async fn insert_token(tx: &Tx, token: &ApiToken, secret_hash: Vec<u8>) -> StoreResult<()> {
    api_token::Entity::insert(token_row(token, secret_hash)).exec_without_returning(tx.conn()).await?;
    Ok(())
}

pub(in crate::store) fn token_row(token: &ApiToken, secret_hash: Vec<u8>) -> api_token::ActiveModel {
    let actor = ActorColumns::from(&token.created_by);
    api_token::ActiveModel {
        id: Set(token.id.into()),
        account_id: Set(token.account_id.into()),
        name: Set(token.name.clone()),
        role: Set(token.role.stored().into()),
        secret_hash: Set(secret_hash),
        created_at: Set(token.created_at),
        actor_kind: Set(actor.kind),
        actor_name: Set(actor.name),
        actor_token_id: Set(actor.token_id),
        actor_account_id: Set(actor.account_id),
        last_used_at: Set(token.last_used_at),
        expires_at: Set(token.expires_at),
        revoked_at: Set(token.revoked_at),
        replaced_by: Set(token.replaced_by.map(Into::into)),
    }
}

/// Saves that a token was revoked. Subscriptions with the token are woken, so that they notice it.
pub async fn save_revoked(tx: &Tx, id: TokenId, at: Instant) -> StoreResult<()> {
    tx.notify();
    tx.changes_token();
    let row = api_token::ActiveModel { id: Set(id.into()), revoked_at: Set(Some(at)), ..Default::default() };
    api_token::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Saves when a token expires. Subscriptions with the token are woken, so that they notice it.
pub async fn save_expires(tx: &Tx, id: TokenId, at: Instant) -> StoreResult<()> {
    tx.notify();
    tx.changes_token();
    let row = api_token::ActiveModel { id: Set(id.into()), expires_at: Set(Some(at)), ..Default::default() };
    api_token::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Saves the token that replaced another by rotation.
pub async fn save_replaced_by(tx: &Tx, id: TokenId, by: TokenId) -> StoreResult<()> {
    tx.changes_token();
    let row = api_token::ActiveModel { id: Set(id.into()), replaced_by: Set(Some(by.into())), ..Default::default() };
    api_token::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Saves when tokens were last used, unless a later use is saved already. The caller sorts by id, so that two servers
/// can't deadlock.
pub async fn save_last_used(db: &Db, uses: &[(TokenId, Instant)]) -> StoreResult<()> {
    if uses.is_empty() {
        return Ok(());
    }
    let tx = db.begin().await?;
    for (id, at) in uses {
        let row = api_token::ActiveModel { last_used_at: Set(Some(*at)), ..Default::default() };
        let older =
            Condition::any().add(api_token::Column::LastUsedAt.is_null()).add(api_token::Column::LastUsedAt.lt(*at));
        api_token::Entity::update_many()
            .set(row)
            .filter(api_token::Column::Id.eq(Uuid::from(*id)))
            .filter(older)
            .exec(tx.conn())
            .await?;
    }
    tx.commit().await?;
    db.bearers().forget();
    Ok(())
}

/// An enrolment token.
#[derive(Clone, Debug)]
pub struct EnrolmentRow {
    pub id: Uuid,
    pub account_id: AccountId,
    pub expires_at: Instant,
    pub spent_at: Option<Instant>,
}

fn enrolment(m: enrolment_token::Model) -> EnrolmentRow {
    EnrolmentRow { id: m.id, account_id: m.account_id.into(), expires_at: m.expires_at, spent_at: m.spent_at }
}

/// Saves an enrolment token for an account. It replaces a former one (R1).
pub async fn issue_enrolment(tx: &Tx, row: &EnrolmentRow, secret_hash: Vec<u8>, now: Instant) -> StoreResult<()> {
    use enrolment_token::Column;
    let replace = OnConflict::column(Column::AccountId)
        .update_columns([Column::Id, Column::SecretHash, Column::CreatedAt, Column::ExpiresAt, Column::SpentAt])
        .to_owned();
    enrolment_token::Entity::insert(enrolment_row(row, secret_hash, now))
        .on_conflict(replace)
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

pub(in crate::store) fn enrolment_row(
    of: &EnrolmentRow,
    secret_hash: Vec<u8>,
    created_at: Instant,
) -> enrolment_token::ActiveModel {
    enrolment_token::ActiveModel {
        id: Set(of.id),
        account_id: Set(of.account_id.into()),
        secret_hash: Set(secret_hash),
        created_at: Set(created_at),
        expires_at: Set(of.expires_at),
        spent_at: Set(of.spent_at),
    }
}

/// The enrolment token with this hash, and its account.
pub async fn enrolment_by_hash(server: &WholeServer, hash: &[u8]) -> StoreResult<Option<(EnrolmentRow, Account)>> {
    let found =
        enrolment_token::Entity::find().filter(enrolment_token::Column::SecretHash.eq(hash)).one(server.conn()).await?;
    let Some(row) = found else { return Ok(None) };
    let account = account::Entity::find_by_id(row.account_id).one(server.conn()).await?;
    account.map(|account| Ok((enrolment(row), convert::account(account)?))).transpose()
}

/// Locks an enrolment token.
pub async fn lock_enrolment(tx: &Tx, id: Uuid) -> StoreResult<Option<EnrolmentRow>> {
    Ok(locked(enrolment_token::Entity::find_by_id(id)).one(tx.conn()).await?.map(enrolment))
}

/// Saves when an enrolment token was used.
pub async fn save_spent(tx: &Tx, id: Uuid, at: Instant) -> StoreResult<()> {
    let row = enrolment_token::ActiveModel { id: Set(id), spent_at: Set(Some(at)), ..Default::default() };
    enrolment_token::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// The publisher's scheduled releases with a window that opens after `now` in another time zone than `zone`, soonest
/// first, at most 100 (R35).
pub async fn pending_in_other_zones(
    tx: &Tx,
    publisher: AccountId,
    zone: Option<&str>,
    now: Instant,
) -> StoreResult<Vec<ReleaseId>> {
    let mut select = pack_release::Entity::find()
        .select_only()
        .column(pack_release::Column::Id)
        .filter(pack_release::Column::PublisherId.eq(Uuid::from(publisher)))
        // A literal for SQLite's partial index `release_pending`.
        .filter(Expr::cust("state = 'SCHEDULED'"))
        .filter(
            Condition::any()
                .add(pack_release::Column::StartsAt.gt(now))
                .add(pack_release::Column::PausedAt.is_not_null()),
        );
    if let Some(zone) = zone {
        select = select.filter(pack_release::Column::TimeZone.ne(zone));
    }
    let found: Vec<Uuid> = select
        .order_by_asc(pack_release::Column::StartsAt)
        .order_by_asc(pack_release::Column::Id)
        .limit(100)
        .into_tuple()
        .all(tx.conn())
        .await?;
    Ok(found.into_iter().map(Into::into).collect())
}
