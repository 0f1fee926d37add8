//! Who a secret stands for. These reads have no scope: they are what a scope is made from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entity::{account, api_token};
use quick_cache::sync::Cache;
use sea_orm::sea_query::{ExprTrait as _, Query, SelectStatement};
use sea_orm::{ConnectionTrait as _, FromQueryResult as _, IdenStatic as _, Iterable as _, QueryResult};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::accounts::{Account, AccountStatus, ApiToken};
use crate::domain::id::TokenId;
use crate::store::gathered::Gathered;
use crate::store::sharing::grants::col;
use crate::store::{Db, StoreResult, convert};

/// An API token and its account.
pub type Bearer = (ApiToken, Account);

/// For how long a token that opens the door is known without asking the database. Whatever takes something from a
/// token or its account is answered so much later than it was committed ([`Tx::dismisses`](crate::store::Tx)): by then
/// no server knows it as it was before.
pub(in crate::store) const KNOWN_FOR: Duration = Duration::from_millis(100);

/// The most tokens that are known.
const KNOWN_MAX: usize = 10_000;

/// The tokens that were asked for last, and the requests that ask for one now, each by the hash of its secret.
pub(in crate::store) struct Bearers {
    known: Cache<Vec<u8>, Known>,
    asked: Arc<Gathered<Vec<u8>, StoreResult<Bearer>>>,
    /// What the rules' clock read when somebody asked last.
    asked_at: Mutex<Instant>,
}

#[derive(Clone)]
struct Known {
    bearer: Arc<Bearer>,
    /// Before it was read: by the process's clock, and by the rules' one, that goes on while the machine sleeps.
    since: std::time::Instant,
    at: Instant,
}

impl Default for Bearers {
    fn default() -> Self {
        Self { known: Cache::new(KNOWN_MAX), asked: Arc::default(), asked_at: Mutex::default() }
    }
}

impl Bearers {
    fn known(&self, hash: &[u8], now: Instant) -> Option<Bearer> {
        let Known { bearer, since, at } = self.known.get(hash)?;
        let is_recent = since.elapsed() < KNOWN_FOR && (now - at).abs().to_std().is_ok_and(|age| age < KNOWN_FOR);
        is_recent.then(|| Bearer::clone(&bearer))
    }

    fn asked_at(&self) -> MutexGuard<'_, Instant> {
        self.asked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is written next is read again.
    pub(in crate::store) fn forget(&self) {
        self.known.clear();
    }
}

/// What the columns of a token, and those of its account, are called in one row.
const OF_TOKEN: &str = "t_";
const OF_ACCOUNT: &str = "a_";
/// A token's hash there.
const HASH: &str = "t_secret_hash";

/// The token with the hash, and its account. What somebody was told to be so before this is called, is so here. Requests
/// that come at the same time are answered by one statement.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn by_hash(db: &Db, hash: Vec<u8>, now: Instant) -> StoreResult<Option<Bearer>> {
    if let Some(known) = db.bearers().known(&hash, now) {
        return Ok(Some(known));
    }
    *db.bearers().asked_at() = now;
    let reader = db.clone();
    db.bearers().asked.ask(hash, move |hashes| by_hashes(reader.clone(), hashes)).await?.transpose()
}

/// Each for itself: a row that can't be read fails nobody but whoever came with its token.
async fn by_hashes(db: Db, hashes: Vec<Vec<u8>>) -> StoreResult<HashMap<Vec<u8>, StoreResult<Bearer>>> {
    let (since, at) = (std::time::Instant::now(), *db.bearers().asked_at());
    let mut select = tokens_and_accounts();
    select.and_where(db.among_bytes(col(api_token::Column::SecretHash), hashes));
    let rows = db.reader().query_all(&select).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let Ok(hash) = row.try_get::<Vec<u8>>("", HASH) else { continue };
        let bearer = read(row);
        // Whoever is let in again is let in at once.
        if let Ok(bearer) = &bearer
            && bearer.0.revoked_at.is_none()
            && bearer.1.status == AccountStatus::Active
        {
            let known = Known { bearer: Arc::new(bearer.clone()), since, at };
            db.bearers().known.insert(hash.clone(), known);
        }
        found.insert(hash, bearer);
    }
    Ok(found)
}

/// A token by id, and its account.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn by_token(db: &Db, id: TokenId) -> StoreResult<Option<Bearer>> {
    let mut select = tokens_and_accounts();
    select.and_where(col(api_token::Column::Id).eq(Uuid::from(id)));
    let row = db.reader().query_one(&select).await?;
    row.map(|row| read(&row)).transpose()
}

fn tokens_and_accounts() -> SelectStatement {
    let mut select = Query::select();
    for column in api_token::Column::iter() {
        select.expr_as(col(column), format!("{OF_TOKEN}{}", column.as_str()));
    }
    for column in account::Column::iter() {
        select.expr_as(col(column), format!("{OF_ACCOUNT}{}", column.as_str()));
    }
    select
        .from(api_token::Entity)
        .inner_join(account::Entity, col(account::Column::Id).eq(col(api_token::Column::AccountId)))
        .take()
}

fn read(row: &QueryResult) -> StoreResult<Bearer> {
    let token = api_token::Model::from_query_result(row, OF_TOKEN)?;
    let account = account::Model::from_query_result(row, OF_ACCOUNT)?;
    Ok((convert::token(token)?, convert::account(account)?))
}
