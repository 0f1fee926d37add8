//! Reads of API tokens, for the account that they belong to. Authentication is in [`bearers`](super::bearers).

use std::collections::HashMap;

use entity::api_token as token;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{EntityTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _};

use crate::domain::accounts::{ApiToken, Role};
use crate::domain::id::TokenId;
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest};
use crate::store::{Snapshot, StoreResult, convert, page};

/// The tokens among `ids` that belong to the reader's account.
pub async fn by_ids(snapshot: &Snapshot, ids: &[TokenId]) -> StoreResult<HashMap<TokenId, ApiToken>> {
    let rows = token::Entity::find()
        .filter(snapshot.any_of(col(token::Column::Id), ids.iter().map(|id| id.0)))
        .filter(col(token::Column::AccountId).eq(snapshot.scope().account_id().0))
        .all(snapshot.conn())
        .await?;
    rows.into_iter().map(|row| convert::token(row).map(|token| (token.id, token))).collect()
}

/// At most two tokens that keep the account accessible: administrator tokens that are neither revoked nor going to
/// expire. If there is only one, it can't be revoked (R1).
pub async fn that_keep_the_account_open(snapshot: &Snapshot) -> StoreResult<Vec<TokenId>> {
    let ids: Vec<sea_orm::prelude::Uuid> = token::Entity::find()
        .select_only()
        .column(token::Column::Id)
        .filter(col(token::Column::AccountId).eq(snapshot.scope().account_id().0))
        .filter(col(token::Column::Role).eq(Role::Administrator.stored()))
        .filter(col(token::Column::ExpiresAt).is_null())
        .filter(col(token::Column::RevokedAt).is_null())
        .limit(2)
        .into_tuple()
        .all(snapshot.conn())
        .await?;
    Ok(ids.into_iter().map(TokenId).collect())
}

/// The form of cursors into lists of [`pages`].
pub const NEWEST: CursorForm = CursorForm::new("token", &[KeyKind::Instant, KeyKind::Id]).reversed(true);

/// Pages of the tokens of the reader's account, newest first.
pub async fn pages(snapshot: &Snapshot, keys: &[PageRequest]) -> StoreResult<HashMap<PageRequest, Page<ApiToken>>> {
    let queries = keys.iter().map(|request| {
        let select = token::Entity::find()
            .filter(col(token::Column::AccountId).eq(snapshot.scope().account_id().0))
            .into_query();
        (request.clone(), ListQuery { select, order: newest(), request: request.clone() })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    pages.into_iter().map(|(key, page)| Ok((key, page.try_map(convert::token)?))).collect()
}

fn newest() -> Order<token::Model> {
    Order::new(NEWEST, vec![col(token::Column::CreatedAt), col(token::Column::Id)], |row| {
        vec![Key::Instant(row.created_at), Key::Id(row.id)]
    })
}
