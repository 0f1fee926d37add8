//! Reads a caller's token and account again within the transaction that uses their permission.

use entity::{account, api_token};
use sea_orm::EntityTrait as _;
use uuid::Uuid;

use crate::domain::accounts::{Account, ApiToken};
use crate::domain::id::{AccountId, TokenId};
use crate::store::locks::shared_lock;
use crate::store::reader::Reads;
use crate::store::{StoreResult, Tx, convert};

/// Holds a token, so that nobody can revoke it before the transaction ends.
pub async fn token(tx: &Tx, id: TokenId) -> StoreResult<Option<ApiToken>> {
    shared_lock(api_token::Entity::find_by_id(Uuid::from(id))).one(tx.conn()).await?.map(convert::token).transpose()
}

/// An account as it is now. A transaction doesn't hold it, because a suspension may have to wait for locks of the
/// transaction, and holding could cause a deadlock.
pub(crate) async fn account(from: &impl Reads, id: AccountId) -> StoreResult<Option<Account>> {
    account::Entity::find_by_id(Uuid::from(id)).one(from.source()).await?.map(convert::account).transpose()
}
