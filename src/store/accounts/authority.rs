//! What a caller's right rests on, read again in the transaction that it changes something in.

use entity::{account, api_token};
use sea_orm::EntityTrait as _;
use uuid::Uuid;

use crate::domain::accounts::{Account, ApiToken};
use crate::domain::id::{AccountId, TokenId};
use crate::store::locks::held;
use crate::store::{StoreResult, Tx, convert};

/// A token, that nobody revokes until the transaction ends.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn token(tx: &Tx, id: TokenId) -> StoreResult<Option<ApiToken>> {
    held(api_token::Entity::find_by_id(Uuid::from(id))).one(tx.conn()).await?.map(convert::token).transpose()
}

/// An account as it is now. It isn't held: who suspends it may wait for what this transaction holds.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn account(tx: &Tx, id: AccountId) -> StoreResult<Option<Account>> {
    account::Entity::find_by_id(Uuid::from(id)).one(tx.conn()).await?.map(convert::account).transpose()
}
