//! Reads a caller's token and account again within the transaction that uses their permission.

use entity::{account, api_token};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select};
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

/// So many suspended accounts are compared with a batch's accounts in this process. Usually there are fewer, and then
/// the database needn't look for each account of the batch.
const FEW: usize = 100;

/// Whether one of these accounts is suspended now. Call it after the transaction has appended to the logs: only one
/// transaction at a time appends, so a suspension either has committed before, or comes later in the logs. On SQLite
/// nothing has changed since the transaction began, because it is the only writer.
pub(crate) async fn any_suspended(tx: &Tx, mut ids: impl ExactSizeIterator<Item = AccountId>) -> StoreResult<bool> {
    if !tx.is_postgresql() || ids.len() == 0 {
        return Ok(false);
    }
    let few = u64::try_from(FEW).unwrap_or(u64::MAX).saturating_add(1);
    // In the order of the index of accounts that aren't active, so that PostgreSQL reads this index alone, whatever it
    // expects of the accounts.
    let suspended: Vec<Uuid> =
        not_active().order_by_asc(account::Column::Id).limit(few).into_tuple().all(tx.conn()).await?;
    if suspended.len() <= FEW {
        return Ok(ids.any(|id| suspended.binary_search(&id.0).is_ok()));
    }
    let any_of = tx.any_of(account::Column::Id.into_expr(), ids.map(Uuid::from));
    let found: Option<Uuid> = not_active().filter(any_of).limit(1).into_tuple().one(tx.conn()).await?;
    Ok(found.is_some())
}

/// The ids of accounts that aren't active. The status is a literal, so that PostgreSQL sees that the index of these
/// accounts matches.
fn not_active() -> Select<account::Entity> {
    account::Entity::find()
        .select_only()
        .column(account::Column::Id)
        .filter(Expr::cust("\"account\".\"status\" <> 'ACTIVE'"))
}

/// An account as it is now, without a lock. A suspension may wait for other locks of the transaction, so a lock on the
/// account could cause a deadlock.
pub(crate) async fn account(from: &impl Reads, id: AccountId) -> StoreResult<Option<Account>> {
    account::Entity::find_by_id(Uuid::from(id)).one(from.source()).await?.map(convert::account).transpose()
}
