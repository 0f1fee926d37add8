//! Reads of webhook endpoints, for the account that they belong to.

use std::collections::HashMap;

use entity::webhook_endpoint as endpoint;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{EntityTrait as _, QueryFilter as _, QueryTrait as _};

use crate::domain::id::WebhookId;
use crate::domain::log::{EventKind, Position};
use crate::domain::webhooks::{Endpoint, EndpointFilter};
use crate::store::column::col;
use crate::store::convert::{Stored as _, actor, from_json, read, read_some};
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest};
use crate::store::{Snapshot, StoreResult, page};

use endpoint::Column as E;

pub(in crate::store) fn endpoint_of(m: endpoint::Model) -> StoreResult<Endpoint> {
    let kinds: Option<Vec<String>> = m.kinds.as_deref().map(from_json).transpose()?;
    let kinds = kinds.map(|names| names.iter().map(|name| EventKind::read(name)).collect()).transpose()?;
    let delivered = m.delivered.zip(m.delivered_event);
    Ok(Endpoint {
        id: m.id.into(),
        account_id: m.account_id.into(),
        name: m.name,
        url: m.url,
        filter: EndpointFilter {
            kinds,
            pack_id: m.pack_id.map(Into::into),
            installation_id: m.installation_id.map(Into::into),
            release_id: m.release_id.map(Into::into),
            about_account_id: m.about_account_id.map(Into::into),
        },
        document: m.document,
        state: read(&m.state)?,
        disabled_reason: read_some(m.disabled_reason.as_deref())?,
        place: Position { sequence: m.place, event: m.place_event.into() },
        delivered: delivered.map(|(sequence, event)| Position { sequence, event: event.into() }),
        failed_attempts: m.failed_attempts.try_into().unwrap_or(0),
        failing_since: m.failing_since,
        next_attempt_at: m.next_attempt_at,
        former_secret_until: m.former_secret_until,
        created_at: m.created_at,
        created_by: actor(&m.actor_kind, m.actor_name, m.actor_token_id, m.actor_account_id)?,
        revision: m.revision,
        place_revision: m.place_revision,
    })
}

/// The endpoints among `ids` that belong to the reader's account.
pub async fn by_ids(snapshot: &Snapshot, ids: &[WebhookId]) -> StoreResult<HashMap<WebhookId, Endpoint>> {
    let rows = endpoint::Entity::find()
        .filter(snapshot.any_of(col(E::Id), ids.iter().map(|id| id.0)))
        .filter(col(E::AccountId).eq(snapshot.scope().account_id().0))
        .all(snapshot.conn())
        .await?;
    rows.into_iter().map(|row| endpoint_of(row).map(|endpoint| (endpoint.id, endpoint))).collect()
}

/// The form of cursors into lists of [`pages`].
pub const BY_NAME: CursorForm = CursorForm::new("webhook", &[KeyKind::Text, KeyKind::Id]);

/// Pages of the endpoints of the reader's account, by name.
pub async fn pages(snapshot: &Snapshot, keys: &[PageRequest]) -> StoreResult<HashMap<PageRequest, Page<Endpoint>>> {
    let order = || {
        Order::new(BY_NAME, vec![col(E::NameKey), col(E::Id)], |row: &endpoint::Model| {
            vec![Key::Text(row.name_key.clone()), Key::Id(row.id)]
        })
    };
    let queries = keys.iter().map(|request| {
        let select =
            endpoint::Entity::find().filter(col(E::AccountId).eq(snapshot.scope().account_id().0)).into_query();
        (request.clone(), ListQuery { select, order: order(), request: request.clone() })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    pages.into_iter().map(|(key, page)| Ok((key, page.try_map(endpoint_of)?))).collect()
}
