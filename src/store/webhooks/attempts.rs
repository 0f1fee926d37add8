//! Attempts to deliver events. A row holds about fifty attempts. Only an endpoint's newest rows are kept, so that the
//! table doesn't grow without bound (R65).

use std::collections::HashMap;

use entity::webhook_attempts as attempts;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{EntityTrait as _, QueryFilter as _, QueryTrait as _};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::WebhookId;
use crate::domain::log::EventKind;
use crate::domain::webhooks::{DELIVERIES_KEPT, Delivery, WebhookFailure};
use crate::store::column::col;
use crate::store::convert::{Stored as _, from_json, read_some};
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest};
use crate::store::{Snapshot, StoreResult, page};

use attempts::Column as A;

/// The most attempts of a row.
pub(super) const PER_ROW: i64 = 50;
/// The most rows of an endpoint.
const ROWS_MAX: u32 = 200;

/// An attempt as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Packed {
    e: Uuid,
    k: String,
    n: u32,
    pub(super) at: Instant,
    ms: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    f: Option<String>,
}

impl From<&Delivery> for Packed {
    fn from(of: &Delivery) -> Self {
        Self {
            e: of.event.into(),
            k: of.kind.stored().into(),
            n: of.attempt,
            at: of.at,
            ms: of.milliseconds,
            s: of.status,
            f: of.failure.map(|failure| failure.stored().into()),
        }
    }
}

impl Packed {
    fn read(self) -> StoreResult<Delivery> {
        Ok(Delivery {
            event: self.e.into(),
            kind: EventKind::read(&self.k)?,
            attempt: self.n,
            at: self.at,
            milliseconds: self.ms,
            status: self.s,
            failure: read_some::<WebhookFailure>(self.f.as_deref())?,
        })
    }
}

/// The form of cursors into lists of [`pages`].
pub const NEWEST: CursorForm = CursorForm::new("attempt", &[KeyKind::Number]).reversed(true);

type Wanted = (WebhookId, PageRequest);

/// Pages of the attempts of endpoints, newest first. The caller may see the endpoints.
pub async fn pages(snapshot: &Snapshot, keys: &[Wanted]) -> StoreResult<HashMap<Wanted, Page<Delivery>>> {
    let since = snapshot.now() - DELIVERIES_KEPT;
    let queries = keys.iter().map(|key| {
        let select = attempts::Entity::find()
            .filter(col(A::EndpointId).eq(key.0.0))
            .filter(col(A::NewestAt).gte(since))
            .into_query();
        (key.clone(), ListQuery { select, order: of_rows(), request: request_of_rows(&key.1) })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    pages
        .into_iter()
        .map(|(key, rows)| {
            let page = unpacked(rows, &key.1, since)?;
            Ok((key, page))
        })
        .collect()
}

fn of_rows() -> Order<attempts::Model> {
    Order::new(NEWEST, vec![col(A::FirstNumber)], |row| vec![Key::Number(row.first_number)])
}

fn number(keys: Option<&Vec<Key>>) -> Option<i64> {
    match keys?.first()? {
        Key::Number(number) => Some(*number),
        _ => None,
    }
}

/// The request for the rows that hold a page's attempts. All rows but the newest one are full.
fn request_of_rows(request: &PageRequest) -> PageRequest {
    let key = |number: i64| Some(vec![Key::Number(number)]);
    let size = if request.count { ROWS_MAX } else { request.size / u32::try_from(PER_ROW).unwrap_or(1) + 3 };
    PageRequest {
        size,
        backward: request.backward,
        after: request.after.as_ref().filter(|_| !request.count).and_then(|after| key(number(Some(after))?)),
        before: request
            .before
            .as_ref()
            .filter(|_| !request.count)
            .and_then(|before| key(Ord::max(number(Some(before))? - PER_ROW, -1))),
        count: false,
    }
}

/// The page of attempts within its rows.
fn unpacked(rows: Page<attempts::Model>, request: &PageRequest, since: Instant) -> StoreResult<Page<Delivery>> {
    let mut all: Vec<(i64, Packed)> = Vec::new();
    for (_, row) in rows.items {
        let packed: Vec<Packed> = from_json(&row.attempts)?;
        all.extend((row.first_number..).zip(packed).filter(|(_, attempt)| attempt.at >= since));
    }
    all.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let total = request.count.then(|| i64::try_from(all.len()).unwrap_or(i64::MAX));
    let (after, before) = (number(request.after.as_ref()), number(request.before.as_ref()));
    all.retain(|(number, _)| after.is_none_or(|after| *number < after) && before.is_none_or(|before| *number > before));
    let size = usize::try_from(request.size).unwrap_or(usize::MAX);
    let more = all.len() > size;
    if request.backward {
        all.drain(..all.len().saturating_sub(size));
    } else {
        all.truncate(size);
    }
    let (has_previous, has_next) = if request.backward {
        (more || after.is_some(), before.is_some())
    } else {
        (after.is_some(), more || before.is_some())
    };
    let items = all.into_iter().map(|(number, attempt)| Ok((NEWEST.encode(&[Key::Number(number)]), attempt.read()?)));
    Ok(Page { items: items.collect::<StoreResult<_>>()?, has_next, has_previous, total })
}
