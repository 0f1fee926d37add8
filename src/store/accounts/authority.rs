//! Reads a caller's token and account again within the transaction that uses their permission.

use entity::{account, api_token};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};
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

/// Whether one of these accounts is suspended now. Call it after the transaction has appended to the logs: only one
/// transaction at a time appends, so a suspension either has committed before, or comes later in the logs. On SQLite
/// nothing has changed since the transaction began, because it is the only writer.
pub(crate) async fn any_suspended(tx: &Tx, ids: impl ExactSizeIterator<Item = AccountId>) -> StoreResult<bool> {
    if !tx.is_postgresql() || ids.len() == 0 {
        return Ok(false);
    }
    let found: Option<Uuid> = account::Entity::find()
        .select_only()
        .column(account::Column::Id)
        // A literal, so that PostgreSQL sees that the index of accounts that aren't active matches.
        .filter(Expr::cust("\"account\".\"status\" <> 'ACTIVE'"))
        .filter(tx.any_of(account::Column::Id.into_expr(), ids.map(Uuid::from)))
        .limit(1)
        .into_tuple()
        .one(tx.conn())
        .await?;
    Ok(found.is_some())
}

/// An account as it is now, without a lock. A suspension may wait for other locks of the transaction, so a lock on the
/// account could cause a deadlock.
pub(crate) async fn account(from: &impl Reads, id: AccountId) -> StoreResult<Option<Account>> {
    account::Entity::find_by_id(Uuid::from(id)).one(from.source()).await?.map(convert::account).transpose()
}
