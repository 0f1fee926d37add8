//! Reads of trusted publishers (R70): for the account that they belong to, and for the authentication of JWTs, which
//! takes no scope, because a scope is made from its result.

use std::collections::{BTreeMap, HashMap};

use entity::{account, trusted_publisher as trusted};
use sea_orm::sea_query::{ExprTrait as _, Query, SelectStatement};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryTrait as _};
use uuid::Uuid;

use crate::domain::accounts::{Account, AccountStatus, TrustedPublisher, lookup_key};
use crate::domain::id::{AccountId, TrustedPublisherId};
use crate::store::accounts::bearers::{OF_ACCOUNT, add_statuses, with_account};
use crate::store::any_of::VALUES_MAX;
use crate::store::column::col;
use crate::store::convert::{self, from_json, read};
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest};
use crate::store::{Snapshot, StoreResult, WholeServer, page, readable, tolerant};

use trusted::Column as T;

/// The prefix of a trusted publisher's columns in a joined row.
const OF_TRUSTED: &str = "t_";
/// The column of its id there.
const ID: &str = "t_id";
/// The most rows that are read for a JWT. An account has at most 20.
const READ_MAX: u64 = 1_000;

/// The trusted publisher of a row.
pub(in crate::store) fn trusted_of(m: trusted::Model) -> StoreResult<TrustedPublisher> {
    Ok(TrustedPublisher {
        id: m.id.into(),
        account_id: m.account_id.into(),
        name: m.name,
        issuer: m.issuer,
        claims: from_json(&m.claims)?,
        role: read(&m.role)?,
        created_at: m.created_at,
        created_by: convert::actor(&m.actor_kind, m.actor_name, m.actor_token_id, m.actor_account_id)?,
        last_used_at: m.last_used_at,
    })
}

/// The trusted publishers among `ids` that belong to the reader's account.
pub async fn by_ids(
    snapshot: &Snapshot,
    ids: &[TrustedPublisherId],
) -> StoreResult<HashMap<TrustedPublisherId, TrustedPublisher>> {
    let rows = trusted::Entity::find()
        .filter(snapshot.any_of(col(T::Id), ids.iter().map(|id| id.0)))
        .filter(col(T::AccountId).eq(snapshot.scope().account_id().0))
        .all(snapshot.conn())
        .await?;
    rows.into_iter().map(|row| trusted_of(row).map(|trusted| (trusted.id, trusted))).collect()
}

/// The form of cursors into lists of [`pages`].
pub const BY_NAME: CursorForm = CursorForm::new("trusted", &[KeyKind::Text, KeyKind::Id]);

/// Pages of the trusted publishers of the reader's account, by name.
pub async fn pages(
    snapshot: &Snapshot,
    keys: &[PageRequest],
) -> StoreResult<HashMap<PageRequest, Page<TrustedPublisher>>> {
    let order = || {
        Order::new(BY_NAME, vec![col(T::NameKey), col(T::Id)], |row: &trusted::Model| {
            vec![Key::Text(row.name_key.clone()), Key::Id(row.id)]
        })
    };
    let queries = keys.iter().map(|request| {
        let select = trusted::Entity::find().filter(col(T::AccountId).eq(snapshot.scope().account_id().0)).into_query();
        (request.clone(), ListQuery { select, order: order(), request: request.clone() })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    pages.into_iter().map(|(key, page)| Ok((key, page.try_map(trusted_of)?))).collect()
}

/// The trusted publishers that a JWT of `issuer` with these claims matches, and their accounts; with `named`, of this
/// account only. A row that can't be read is logged and skipped, because it may be another account's. `None` if more
/// than 1,000 rows share one of the claims, so that such rows can't exhaust the server's memory.
///
/// # Errors
/// Also if the JWT matches no other account than one that can't be read.
pub async fn matching(
    server: &WholeServer,
    issuer: &str,
    claims: &BTreeMap<String, String>,
    named: Option<AccountId>,
) -> StoreResult<Option<Vec<(TrustedPublisher, Account)>>> {
    let keys: Vec<_> = claims.iter().map(|(name, value)| lookup_key(issuer, name, value)).take(VALUES_MAX).collect();
    let mut select = trusted_and_accounts();
    select.and_where(server.reader().any_of_bytes(col(T::LookupKey), keys));
    select.and_where_option(named.map(|account| col(T::AccountId).eq(account.0)));
    let rows = server.conn().query_all(select.limit(READ_MAX + 1)).await?;
    if u64::try_from(rows.len()).is_ok_and(|count| count > READ_MAX) {
        return Ok(None);
    }
    let (mut found, mut unreadable) = (Vec::new(), None);
    for row in rows {
        let id: Uuid = row.try_get("", ID)?;
        let read = tolerant::row(&row, OF_TRUSTED).and_then(trusted_of);
        let Some(trusted) = readable("trusted_publisher", id, read)?.filter(|of| of.matches(issuer, claims)) else {
            continue;
        };
        let account = tolerant::row(&row, OF_ACCOUNT).and_then(convert::account);
        unreadable = account.as_ref().err().cloned().or(unreadable);
        let account = readable("account", trusted.account_id.0, account)?;
        found.extend(account.map(|account| (trusted, account)));
    }
    match unreadable {
        // The JWT is of the account that can't be read, and of no other.
        Some(why) if found.is_empty() => Err(why),
        _ => Ok(Some(found)),
    }
}

/// The statuses of the accounts to which these trusted publishers belong. A deleted trusted publisher is absent. A
/// status that can't be read has its own error.
pub async fn statuses(
    server: &WholeServer,
    ids: &[TrustedPublisherId],
) -> StoreResult<HashMap<TrustedPublisherId, StoreResult<AccountStatus>>> {
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(VALUES_MAX) {
        let select = Query::select()
            .expr(col(T::Id))
            .expr(col(account::Column::Status))
            .from(trusted::Entity)
            .inner_join(account::Entity, col(account::Column::Id).eq(col(T::AccountId)))
            .and_where(server.reader().any_of(col(T::Id), ids.iter().map(|id| id.0)))
            .take();
        add_statuses(server, &select, &mut found).await?;
    }
    Ok(found)
}

fn trusted_and_accounts() -> SelectStatement {
    with_account::<T>(OF_TRUSTED)
        .from(trusted::Entity)
        .inner_join(account::Entity, col(account::Column::Id).eq(col(T::AccountId)))
        .take()
}
