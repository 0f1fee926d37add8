//! Accounts and their tokens.

use entity::{account, api_token, enrolment_token, pack_release};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::accounts::{Account, AccountKind, ApiToken};
use crate::domain::id::{AccountId, ReleaseId, TokenId};
use crate::domain::text;
use crate::store::convert::{self, Stored as _};
use crate::store::locks::{ActorColumns, locked};
use crate::store::scope::PublisherScope;
use crate::store::{Db, StoreResult, Tx};

/// An account, locked.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn lock(tx: &Tx, id: AccountId) -> StoreResult<Option<Account>> {
    locked(account::Entity::find_by_id(Uuid::from(id))).one(tx.conn()).await?.map(convert::account).transpose()
}

/// An account that the publisher manages, locked.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn lock_managed(tx: &Tx, scope: &PublisherScope, id: AccountId) -> StoreResult<Option<Account>> {
    let found = lock_managed_all(tx, scope, &[id]).await?;
    Ok(found.into_iter().next())
}

/// Accounts that the publisher manages, locked in the order of their ids.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn lock_managed_all(tx: &Tx, scope: &PublisherScope, ids: &[AccountId]) -> StoreResult<Vec<Account>> {
    let select = account::Entity::find()
        .filter(tx.among(account::Column::Id.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .filter(account::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
        .filter(account::Column::Kind.eq(AccountKind::Managed.stored()))
        .order_by_asc(account::Column::Id);
    locked(select).all(tx.conn()).await?.into_iter().map(convert::account).collect()
}

/// Whether there is an account.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn any(db: &Db) -> StoreResult<bool> {
    Ok(account::Entity::find().limit(1).one(db.reader()).await?.is_some())
}

/// All accounts, each publisher before those that it manages, by name: for the command line.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn all(db: &Db) -> StoreResult<Vec<Account>> {
    let found = account::Entity::find()
        .order_by_asc(account::Column::PublisherId)
        .order_by_desc(account::Column::Kind)
        .order_by_asc(account::Column::NameKey)
        .all(db.reader())
        .await?;
    found.into_iter().map(convert::account).collect()
}

/// Whether another account of the kind has the name: among a publisher's managed ones, or among publishers.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn with_name(
    tx: &Tx,
    kind: AccountKind,
    publisher: Option<AccountId>,
    name_key: &str,
    but: Option<AccountId>,
) -> StoreResult<Option<AccountId>> {
    let mut select = account::Entity::find()
        .filter(account::Column::Kind.eq(kind.stored()))
        .filter(account::Column::NameKey.eq(name_key));
    if let Some(publisher) = publisher {
        select = select.filter(account::Column::PublisherId.eq(Uuid::from(publisher)));
    }
    Ok(select.one(tx.conn()).await?.map(|found| AccountId::from(found.id)).filter(|id| Some(*id) != but))
}

/// Adds an account.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError): a conflict when the name is taken.
pub async fn insert(tx: &Tx, new: &Account) -> StoreResult<()> {
    account::Entity::insert(row(new)).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// The row of an account.
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
    }
}

/// Saves what can change of an account.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError): a conflict when the name is taken.
pub async fn save(tx: &Tx, account: &Account) -> StoreResult<()> {
    tx.dismisses();
    account::Entity::update(account::ActiveModel {
        id: Set(account.id.into()),
        name: Set(account.name.clone()),
        name_key: Set(text::key(&account.name)),
        time_zone: Set(account.time_zone.clone()),
        status: Set(account.status.stored().into()),
        suspended_at: Set(account.suspended_at),
        ..Default::default()
    })
    .exec(tx.conn())
    .await?;
    Ok(())
}

/// Saves since when an account has a token of its own.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn save_enrolled(tx: &Tx, id: AccountId, at: Instant) -> StoreResult<()> {
    let row = account::ActiveModel { id: Set(id.into()), enrolled_at: Set(Some(at)), ..Default::default() };
    account::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// An account.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn by_id(db: &Db, id: AccountId) -> StoreResult<Option<Account>> {
    account::Entity::find_by_id(Uuid::from(id)).one(db.reader()).await?.map(convert::account).transpose()
}

/// A token of an account, locked.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn lock_token(tx: &Tx, account: AccountId, id: TokenId) -> StoreResult<Option<ApiToken>> {
    let select =
        api_token::Entity::find_by_id(Uuid::from(id)).filter(api_token::Column::AccountId.eq(Uuid::from(account)));
    locked(select).one(tx.conn()).await?.map(convert::token).transpose()
}

/// The tokens of an account, newest first.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn tokens_of(db: &Db, account: AccountId) -> StoreResult<Vec<ApiToken>> {
    let found = api_token::Entity::find()
        .filter(api_token::Column::AccountId.eq(Uuid::from(account)))
        .order_by_desc(api_token::Column::CreatedAt)
        .order_by_desc(api_token::Column::Id)
        .all(db.reader())
        .await?;
    found.into_iter().map(convert::token).collect()
}

/// The tokens of an account that are not revoked, expired ones too. The account is locked by this transaction.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
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
/// [`StoreError`](crate::store::StoreError): a conflict when the secret is in use.
pub async fn insert_token(tx: &Tx, token: &ApiToken, secret_hash: Vec<u8>) -> StoreResult<()> {
    api_token::Entity::insert(token_row(token, secret_hash)).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// The row of a token.
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

/// Saves that a token was revoked. Whoever subscribed with it is told.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn save_revoked(tx: &Tx, id: TokenId, at: Instant) -> StoreResult<()> {
    tx.tell();
    tx.dismisses();
    let row = api_token::ActiveModel { id: Set(id.into()), revoked_at: Set(Some(at)), ..Default::default() };
    api_token::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Saves when a token ends. Whoever subscribed with it is told.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn save_expires(tx: &Tx, id: TokenId, at: Instant) -> StoreResult<()> {
    tx.tell();
    tx.dismisses();
    let row = api_token::ActiveModel { id: Set(id.into()), expires_at: Set(Some(at)), ..Default::default() };
    api_token::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Saves what token another was rotated to.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn save_replaced_by(tx: &Tx, id: TokenId, by: TokenId) -> StoreResult<()> {
    tx.dismisses();
    let row = api_token::ActiveModel { id: Set(id.into()), replaced_by: Set(Some(by.into())), ..Default::default() };
    api_token::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Saves when tokens were last used, in the order given: that of their ids, so that two servers don't wait for
/// each other.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
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

/// Issues an enrolment token for an account; a former one ends (R1).
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
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

/// The row of an enrolment token.
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

/// The enrolment token with the hash, and its account.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn enrolment_by_hash(db: &Db, hash: &[u8]) -> StoreResult<Option<(EnrolmentRow, Account)>> {
    let found =
        enrolment_token::Entity::find().filter(enrolment_token::Column::SecretHash.eq(hash)).one(db.reader()).await?;
    let Some(row) = found else { return Ok(None) };
    let account = account::Entity::find_by_id(row.account_id).one(db.reader()).await?;
    account.map(|account| Ok((enrolment(row), convert::account(account)?))).transpose()
}

/// An enrolment token, locked.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn lock_enrolment(tx: &Tx, id: Uuid) -> StoreResult<Option<EnrolmentRow>> {
    Ok(locked(enrolment_token::Entity::find_by_id(id)).one(tx.conn()).await?.map(enrolment))
}

/// Saves that an enrolment token was used.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn save_spent(tx: &Tx, id: Uuid, at: Instant) -> StoreResult<()> {
    let row = enrolment_token::ActiveModel { id: Set(id), spent_at: Set(Some(at)), ..Default::default() };
    enrolment_token::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// A publisher's releases that wait for a window after `now` in another zone than `zone`, soonest first (R35).
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
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
        .filter(pack_release::Column::State.eq("SCHEDULED"))
        .filter(pack_release::Column::StartsAt.gt(now));
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
