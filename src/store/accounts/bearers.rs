//! Authenticates tokens. These reads take no scope, because a scope is made from their result.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entity::{account, api_token};
use quick_cache::sync::Cache;
use sea_orm::sea_query::{ExprTrait as _, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait as _, IdenStatic as _, Iterable, QueryResult};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::accounts::{Account, AccountStatus, ApiToken};
use crate::domain::id::{AccountId, TokenId};
use crate::store::any_of::VALUES_MAX;
use crate::store::column::col;
use crate::store::combined_reads::CombinedReads;
use crate::store::convert::Stored as _;
use crate::store::numbers::Lookups;
use crate::store::{StoreError, StoreResult, WholeServer, convert, tolerant};

/// An API token and its account.
pub type Bearer = (ApiToken, Account);
/// A [`Bearer`] that the cache and the requests share.
pub type SharedBearer = (Arc<ApiToken>, Arc<Account>);

/// How long a token is cached after it was read. A transaction that revokes or weakens a token or an account returns
/// this much later than its commit ([`Tx::changes_token`](crate::store::Tx)), so no server uses the old state after the
/// caller got its answer.
pub(in crate::store) const CACHED_FOR: Duration = Duration::from_millis(100);

/// The most tokens in the cache.
const CACHED_MAX: usize = 10_000;

/// The cached tokens and the requests that wait for a read, each by the hash of the token's secret.
pub(in crate::store) struct Bearers {
    cached: Cache<Vec<u8>, Cached>,
    /// The cached tokens by id, for subscriptions, of which many can have the same token.
    cached_by_id: Cache<TokenId, Cached>,
    reads: Arc<CombinedReads<Vec<u8>, StoreResult<SharedBearer>>>,
    /// The application clock's time at the last request that needed a read.
    last_request_at: Mutex<Instant>,
}

#[derive(Clone)]
struct Cached {
    bearer: SharedBearer,
    /// The times before the read by two clocks: the process's monotonic clock, which stops while the machine sleeps,
    /// and the application clock, which doesn't.
    since: std::time::Instant,
    at: Instant,
}

impl Cached {
    fn if_recent(self, now: Instant) -> Option<SharedBearer> {
        let age = (now - self.at).abs().to_std();
        let is_recent = self.since.elapsed() < CACHED_FOR && age.is_ok_and(|age| age < CACHED_FOR);
        is_recent.then_some(self.bearer)
    }
}

/// Whether a token may be cached: only one that works, so that a reactivated account is accepted at once.
fn works((token, account): &SharedBearer) -> bool {
    token.revoked_at.is_none() && account.status == AccountStatus::Active
}

fn shared((token, account): Bearer) -> SharedBearer {
    (Arc::new(token), Arc::new(account))
}

impl Default for Bearers {
    fn default() -> Self {
        Self {
            cached: Cache::new(CACHED_MAX),
            cached_by_id: Cache::new(CACHED_MAX),
            reads: Arc::default(),
            last_request_at: Mutex::default(),
        }
    }
}

impl Bearers {
    fn cached(&self, hash: &[u8], now: Instant) -> Option<SharedBearer> {
        self.cached.get(hash)?.if_recent(now)
    }

    fn last_request_at(&self) -> MutexGuard<'_, Instant> {
        self.last_request_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The look-ups in the cache.
    pub(in crate::store) fn lookups(&self) -> Lookups {
        Lookups { hits: self.cached.hits(), misses: self.cached.misses() }
    }

    /// Clears the cache, so that the next requests read the database.
    pub(in crate::store) fn forget(&self) {
        self.cached.clear();
        self.cached_by_id.clear();
    }
}

/// The prefixes of the token's and the account's columns in a joined row.
const OF_TOKEN: &str = "t_";
pub(in crate::store::accounts) const OF_ACCOUNT: &str = "a_";
/// The column of the token's id in a joined row.
const ID: &str = "t_id";
/// The column of the token's hash in a joined row.
const HASH: &str = "t_secret_hash";

/// The token with this hash, and its account. The result includes every change that was confirmed to a client before
/// the call. Concurrent requests share one statement.
pub async fn by_hash(server: &WholeServer, hash: Vec<u8>, now: Instant) -> StoreResult<Option<SharedBearer>> {
    if let Some(cached) = server.bearers().cached(&hash, now) {
        return Ok(Some(cached));
    }
    *server.bearers().last_request_at() = now;
    let from = server.clone();
    server.bearers().reads.request(hash, move |hashes| by_hashes(from.clone(), hashes)).await?.transpose()
}

/// Each bearer has its own result, so that a row that can't be read fails only requests with its token.
async fn by_hashes(
    server: WholeServer,
    hashes: Vec<Vec<u8>>,
) -> StoreResult<HashMap<Vec<u8>, StoreResult<SharedBearer>>> {
    let (since, at) = (std::time::Instant::now(), *server.bearers().last_request_at());
    let mut select = tokens_and_accounts();
    select.and_where(server.reader().any_of_bytes(col(api_token::Column::SecretHash), hashes));
    let rows = server.conn().query_all(&select).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let Ok(hash) = row.try_get::<Vec<u8>>("", HASH) else { continue };
        let bearer = read(row).map(shared);
        if let Ok(bearer) = &bearer
            && works(bearer)
        {
            let cached = Cached { bearer: bearer.clone(), since, at };
            server.bearers().cached.insert(hash.clone(), cached);
        }
        found.insert(hash, bearer);
    }
    Ok(found)
}

/// The token with this id, and its account. The result is cached for a moment, as by [`by_hash`], because many
/// subscriptions can have the same token and check it every few seconds.
pub async fn by_token(server: &WholeServer, id: TokenId, now: Instant) -> StoreResult<Option<SharedBearer>> {
    if let Some(cached) = server.bearers().cached_by_id.get(&id).and_then(|cached| cached.if_recent(now)) {
        return Ok(Some(cached));
    }
    let since = std::time::Instant::now();
    let mut select = tokens_and_accounts();
    select.and_where(col(api_token::Column::Id).eq(Uuid::from(id)));
    let row = server.conn().query_one(&select).await?;
    let bearer = row.map(|row| read(&row).map(shared)).transpose()?;
    if let Some(bearer) = bearer.as_ref().filter(|bearer| works(bearer)) {
        server.bearers().cached_by_id.insert(id, Cached { bearer: bearer.clone(), since, at: now });
    }
    Ok(bearer)
}

/// How many of these tokens are neither revoked nor expired, and belong to an active account.
pub async fn count_valid(server: &WholeServer, ids: &[TokenId], now: Instant) -> StoreResult<usize> {
    use {account::Column as A, api_token::Column as T};
    let mut valid = 0;
    for ids in ids.chunks(VALUES_MAX) {
        let select = Query::select()
            .expr(col(T::Id).count())
            .from(api_token::Entity)
            .inner_join(account::Entity, col(A::Id).eq(col(T::AccountId)))
            .and_where(server.reader().any_of(col(T::Id), ids.iter().map(|id| id.0)))
            .and_where(col(T::RevokedAt).is_null())
            .and_where(col(T::ExpiresAt).is_null().or(col(T::ExpiresAt).gt(now)))
            .and_where(col(A::Status).eq(AccountStatus::Active.stored()))
            .take();
        let row = server.conn().query_one(&select).await?;
        let count: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or(0);
        valid += usize::try_from(count).unwrap_or(0);
    }
    Ok(valid)
}

/// The tokens with these ids, and their accounts. A row that can't be read has its own error.
pub async fn by_tokens(server: &WholeServer, ids: &[TokenId]) -> StoreResult<HashMap<TokenId, StoreResult<Bearer>>> {
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(VALUES_MAX) {
        let mut select = tokens_and_accounts();
        select.and_where(server.reader().any_of(col(api_token::Column::Id), ids.iter().map(|id| id.0)));
        for row in &server.conn().query_all(&select).await? {
            let id: Uuid = row.try_get("", ID)?;
            found.insert(id.into(), read(row));
        }
    }
    Ok(found)
}

/// The statuses of accounts. A status that can't be read has its own error.
pub async fn statuses(
    server: &WholeServer,
    ids: Vec<AccountId>,
) -> StoreResult<HashMap<AccountId, StoreResult<AccountStatus>>> {
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(VALUES_MAX) {
        let select = Query::select()
            .expr(col(account::Column::Id))
            .expr(col(account::Column::Status))
            .from(account::Entity)
            .and_where(server.reader().any_of(col(account::Column::Id), ids.iter().map(|id| id.0)))
            .take();
        add_statuses(server, &select, &mut found).await?;
    }
    Ok(found)
}

/// Runs a query that selects ids and statuses, and adds its rows to `found`.
pub(in crate::store::accounts) async fn add_statuses<I: From<Uuid> + Eq + Hash>(
    server: &WholeServer,
    select: &SelectStatement,
    found: &mut HashMap<I, StoreResult<AccountStatus>>,
) -> StoreResult<()> {
    for row in server.conn().query_all(select).await? {
        let id: Uuid = row.try_get_by_index(0)?;
        let status = row.try_get_by_index::<String>(1).map_err(StoreError::from);
        found.insert(id.into(), status.and_then(|status| AccountStatus::read(&status)));
    }
    Ok(())
}

/// Selects the columns of a table and those of accounts, each with its prefix.
pub(in crate::store::accounts) fn with_account<C: ColumnTrait + Iterable>(prefix: &str) -> SelectStatement {
    let mut select = Query::select();
    for column in C::iter() {
        select.expr_as(col(column), format!("{prefix}{}", column.as_str()));
    }
    for column in account::Column::iter() {
        select.expr_as(col(column), format!("{OF_ACCOUNT}{}", column.as_str()));
    }
    select
}

fn tokens_and_accounts() -> SelectStatement {
    with_account::<api_token::Column>(OF_TOKEN)
        .from(api_token::Entity)
        .inner_join(account::Entity, col(account::Column::Id).eq(col(api_token::Column::AccountId)))
        .take()
}

fn read(row: &QueryResult) -> StoreResult<Bearer> {
    let token: api_token::Model = tolerant::row(row, OF_TOKEN)?;
    let account: account::Model = tolerant::row(row, OF_ACCOUNT)?;
    Ok((convert::token(token)?, convert::account(account)?))
}
