//! Writes trusted publishers, for the account that they belong to (R70).

use entity::trusted_publisher as trusted;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};
use uuid::Uuid;

use crate::domain::accounts::TrustedPublisher;
use crate::domain::id::{AccountId, TrustedPublisherId};
use crate::domain::{Instant, text};
use crate::store::accounts::trusted::trusted_of;
use crate::store::convert::{Stored as _, to_json};
use crate::store::locks::{ActorColumns, locked, shared_lock};
use crate::store::{Db, StoreResult, Tx};

use trusted::Column as T;

/// Adds a trusted publisher.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the name is taken.
pub async fn insert(tx: &Tx, new: &TrustedPublisher) -> StoreResult<()> {
    let actor = ActorColumns::from(&new.created_by);
    let row = trusted::ActiveModel {
        id: Set(new.id.into()),
        account_id: Set(new.account_id.into()),
        name: Set(new.name.clone()),
        name_key: Set(text::key(&new.name)),
        issuer: Set(new.issuer.clone()),
        claims: Set(to_json(&new.claims)?),
        lookup_key: Set(new.stored_key()),
        role: Set(new.role.stored().into()),
        created_at: Set(new.created_at),
        actor_kind: Set(actor.kind),
        actor_name: Set(actor.name),
        actor_token_id: Set(actor.token_id),
        actor_account_id: Set(actor.account_id),
        last_used_at: Set(new.last_used_at),
    };
    trusted::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// How many trusted publishers an account has.
pub async fn count(tx: &Tx, account: AccountId) -> StoreResult<u64> {
    Ok(trusted::Entity::find().filter(T::AccountId.eq(Uuid::from(account))).count(tx.conn()).await?)
}

/// Whether a trusted publisher of the account has the name's key.
pub async fn is_taken(tx: &Tx, account: AccountId, key: &str) -> StoreResult<bool> {
    let select = trusted::Entity::find().filter(T::AccountId.eq(Uuid::from(account))).filter(T::NameKey.eq(key));
    Ok(select.one(tx.conn()).await?.is_some())
}

/// Locks a trusted publisher of an account.
pub async fn lock(tx: &Tx, account: AccountId, id: TrustedPublisherId) -> StoreResult<Option<TrustedPublisher>> {
    let select = trusted::Entity::find_by_id(Uuid::from(id)).filter(T::AccountId.eq(Uuid::from(account)));
    locked(select).one(tx.conn()).await?.map(trusted_of).transpose()
}

/// Whether a trusted publisher is still there. Holds it, so that nobody can delete it before the transaction ends.
pub async fn hold(tx: &Tx, id: TrustedPublisherId) -> StoreResult<bool> {
    Ok(shared_lock(trusted::Entity::find_by_id(Uuid::from(id))).one(tx.conn()).await?.is_some())
}

/// Deletes a trusted publisher. Subscriptions of its pipeline are woken, so that they notice it.
pub async fn delete(tx: &Tx, id: TrustedPublisherId) -> StoreResult<()> {
    tx.notify();
    trusted::Entity::delete_by_id(Uuid::from(id)).exec(tx.conn()).await?;
    Ok(())
}

/// Saves when trusted publishers were last used, unless a later use is saved already. The caller sorts by id, so that
/// two servers can't deadlock.
pub async fn save_last_used(db: &Db, uses: &[(TrustedPublisherId, Instant)]) -> StoreResult<()> {
    if uses.is_empty() {
        return Ok(());
    }
    let tx = db.begin().await?;
    for (id, at) in uses {
        let row = trusted::ActiveModel { last_used_at: Set(Some(*at)), ..Default::default() };
        let older = Condition::any().add(T::LastUsedAt.is_null()).add(T::LastUsedAt.lt(*at));
        trusted::Entity::update_many().set(row).filter(T::Id.eq(Uuid::from(*id))).filter(older).exec(tx.conn()).await?;
    }
    tx.commit().await?;
    Ok(())
}
