//! Reads of the event log as its readers may see it (R49, R50).

use std::collections::HashMap;

use entity::{event, installation, pack_release, past_visibility};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement, SubQueryStatement};
use sea_orm::{EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _};

use crate::domain::accounts::ActorKind;
use crate::domain::id::{EventId, ReleaseId};
use crate::domain::installations::UpdateState;
use crate::domain::log::{Audience, Event, EventKind, Position};
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::log::installed::for_installed;
pub use crate::store::log::interest::Interest;
use crate::store::log::records::{Located, PositionRange};
use crate::store::log::{event_floor, event_log, event_records, installed, records};
use crate::store::page::{CursorForm, Key, KeyKind, Order, Page, PageRequest, checked};
use crate::store::scope::{ManagedScope, Scope};
use crate::store::tolerant::EventLine;
use crate::store::{Snapshot, StoreResult, convert, page, tolerant};

/// The condition that this program can read an event. A newer version may have written events with unknown values.
pub(in crate::store) fn readable() -> Expr {
    let update_state = || col(event::Column::UpdateState);
    col(event::Column::Kind)
        .is_in(EventKind::NAMES.iter().copied())
        .and(col(event::Column::ActorKind).is_in(ActorKind::NAMES.iter().copied()))
        .and(update_state().is_null().or(update_state().is_in(UpdateState::NAMES.iter().copied())))
}

/// The condition that a publisher may see an event: it concerns the publisher's packs, and this program knows its
/// audience, which isn't only a managed account.
fn of_publisher(scope: Scope) -> Expr {
    let audiences = [Audience::Publisher, Audience::PublisherAndAccount, Audience::PublisherAndInstalled];
    col(event::Column::PublisherId)
        .eq(scope.publisher_id().0)
        .and(col(event::Column::Audience).is_in(audiences.map(|audience| audience.stored())))
}

/// The condition that an event is addressed to this account.
fn of_account(scope: ManagedScope) -> Expr {
    let named = [Audience::Account, Audience::PublisherAndAccount].map(|audience| audience.stored());
    col(event::Column::AccountId).eq(scope.account_id().0).and(col(event::Column::Audience).is_in(named))
}

/// The condition that an event is addressed to all accounts that have the pack installed, and that this account had it
/// installed and granted when the event happened.
fn of_installed(scope: ManagedScope) -> Expr {
    col(event::Column::PublisherId).eq(scope.publisher_id().0).and(for_installed()).and(was_visible(scope))
}

/// The condition that an event lies in an interval in which the account had its pack installed and granted.
fn was_visible(scope: ManagedScope) -> Expr {
    use installation::Column as I;
    use past_visibility::Column as H;
    let sequence = || col(event::Column::Sequence);
    let now = Query::select()
        .expr(Expr::cust("1"))
        .from(installation::Entity)
        .and_where(col(I::AccountId).eq(scope.account_id().0))
        .and_where(col(I::PackId).eq(col(event::Column::PackId)))
        .and_where(sequence().gt(col(I::VisibleAfter)))
        .and_where(col(I::VisibleUntil).is_null().or(sequence().lte(col(I::VisibleUntil))))
        .take();
    let before = Query::select()
        .expr(Expr::cust("1"))
        .from(past_visibility::Entity)
        .and_where(col(H::AccountId).eq(scope.account_id().0))
        .and_where(col(H::PackId).eq(col(event::Column::PackId)))
        .and_where(sequence().gt(col(H::VisibleAfter)))
        .and_where(sequence().lte(col(H::VisibleUntil)))
        .take();
    Expr::exists(now).or(Expr::exists(before))
}

/// The condition that a reader may see an event.
fn visible(scope: Scope) -> Expr {
    match scope {
        Scope::Publisher(_) => of_publisher(scope),
        Scope::Managed(managed) => of_account(managed).or(of_installed(managed)),
    }
}

/// The reader's filtered events, as parts that are each served by an index in the order of the log. Without the events
/// that are [`by_installations`].
fn parts(scope: Scope, interest: &Interest) -> Vec<SelectStatement> {
    use event::Column as E;
    let part = |found_by: Expr, may_see: Expr| {
        let mut select = event::Entity::find().filter(found_by).filter(checked(may_see)).into_query();
        interest.check(&mut select);
        select
    };
    let by_kind = |column: Expr, kinds: &mut dyn Iterator<Item = EventKind>, may_see: Expr| -> Vec<_> {
        kinds.map(|kind| part(column.clone().and(col(E::Kind).eq(kind.stored())), may_see.clone())).collect()
    };
    if let Some(id) = interest.installation_id {
        return vec![part(col(E::InstallationId).eq(id.0), visible(scope))];
    }
    match (scope, interest.release_id) {
        (Scope::Publisher(_), Some(id)) => return vec![part(col(E::ReleaseId).eq(id.0), of_publisher(scope))],
        // Not by the release, because a release has the events of all other accounts' updates too.
        (Scope::Managed(by), Some(id)) => {
            let of_own = part(col(E::AccountId).eq(by.account_id().0), of_account(by));
            let of_pack = col(E::PackId).eq(pack_of(id)).and(for_installed());
            return vec![of_own, part(of_pack, of_installed(by))];
        }
        (_, None) => {}
    }
    if let Some(id) = interest.account_id {
        return vec![part(col(E::AccountId).eq(id.0), visible(scope))];
    }
    let mut kinds = interest.kinds().iter().copied();
    match (scope, interest.pack_id) {
        (Scope::Publisher(_), Some(id)) => by_kind(col(E::PackId).eq(id.0), &mut kinds, of_publisher(scope)),
        (Scope::Publisher(by), None) if interest.kinds.is_some() => {
            by_kind(col(E::PublisherId).eq(by.publisher_id().0), &mut kinds, of_publisher(scope))
        }
        (Scope::Publisher(by), None) => vec![part(col(E::PublisherId).eq(by.publisher_id().0), of_publisher(scope))],
        (Scope::Managed(by), pack) => {
            let mut parts = vec![part(col(E::AccountId).eq(by.account_id().0), of_account(by))];
            if let Some(id) = pack {
                let mut of_releases = kinds.filter(|kind| kind.is_of_release());
                parts.extend(by_kind(col(E::PackId).eq(id.0), &mut of_releases, of_installed(by)));
            }
            parts
        }
    }
}

fn pack_of(release: ReleaseId) -> Expr {
    use pack_release::Column as R;
    let pack =
        Query::select().expr(col(R::PackId)).from(pack_release::Entity).and_where(col(R::Id).eq(release.0)).take();
    Expr::from(SubQueryStatement::from(pack))
}

/// The account whose installations decide on events of packs that the filter doesn't name.
fn by_installations(scope: Scope, interest: &Interest) -> Option<ManagedScope> {
    let Interest { kinds: _, pack_id, release_id, installation_id, account_id } = interest;
    let names_any = pack_id.is_some() || release_id.is_some() || installation_id.is_some() || account_id.is_some();
    match scope {
        Scope::Managed(by) if interest.wants(true) && !names_any => Some(by),
        _ => None,
    }
}

/// The number of rows that are read at a time to fill a page after rows that can't be read.
const REFILL: u32 = 100;

/// The form of cursors into lists of [`page()`]. The API seals them.
pub const IN_ORDER: CursorForm = CursorForm::new("event", &[KeyKind::Number]);

/// A row of the event log, which this program perhaps can't read.
pub(in crate::store) type Line = EventLine<event::Model>;

/// An event; `None`, and a log line, if this program can't read its columns.
pub(in crate::store) fn read(line: Line) -> Option<Event> {
    let sequence = line.sequence;
    convert::event(line.read?).map_err(|why| tolerant::skip("event", sequence, &why)).ok()
}

fn in_order() -> Order<Line> {
    Order::new(IN_ORDER, vec![col(event::Column::Sequence)], |line: &Line| vec![Key::Number(line.sequence)])
}

/// A page of the reader's filtered events, oldest first. Rows that can't be read are left out and replaced by further
/// ones.
pub async fn page(snapshot: &Snapshot, interest: &Interest, request: PageRequest) -> StoreResult<Page<Event>> {
    let PageRequest { size, backward, .. } = request;
    let full = usize::try_from(size).unwrap_or(usize::MAX);
    let (is_after, is_before) = (request.after.is_some(), request.before.is_some());
    // One row more than the page has: only a readable event makes a further page.
    let mut next = PageRequest { size: size.saturating_add(1), ..request };
    let (mut found, mut total) = (Vec::new(), None);
    let more = loop {
        let requested = usize::try_from(next.size).unwrap_or(usize::MAX);
        let page = page_of_all(snapshot, interest, next.clone()).await?;
        total = total.or(page.total);
        let is_last = page.items.len() < requested;
        let end = if backward { page.items.first() } else { page.items.last() };
        let end = end.map(|(_, logged)| vec![Key::Number(logged.sequence())]);
        let read = page.items.into_iter().filter_map(|(cursor, logged)| Some((cursor, logged.read()?)));
        if backward {
            found = read.chain(std::mem::take(&mut found)).collect();
        } else {
            found.extend(read);
        }
        if is_last || found.len() > full {
            break found.len() > full;
        }
        next = PageRequest { size: std::cmp::max(REFILL, next.size), count: false, ..next };
        *(if backward { &mut next.before } else { &mut next.after }) = end;
    };
    if backward {
        found.drain(..found.len().saturating_sub(full));
    } else {
        found.truncate(full);
    }
    let (has_previous, has_next) = if backward { (more || is_after, is_before) } else { (is_after, more || is_before) };
    Ok(Page { items: found, has_next, has_previous, total })
}

/// An event of the log: a row of its own, or a record of a batch.
enum LoggedEvent {
    Row(Box<Line>),
    Record(Located),
}

impl LoggedEvent {
    fn sequence(&self) -> i64 {
        match self {
            Self::Row(line) => line.sequence,
            Self::Record(located) => located.sequence,
        }
    }

    fn read(self) -> Option<Event> {
        match self {
            Self::Row(line) => read(*line),
            Self::Record(located) => event_records::read(&located),
        }
    }
}

/// A page of rows and records, including unreadable ones.
async fn page_of_all(snapshot: &Snapshot, interest: &Interest, request: PageRequest) -> StoreResult<Page<LoggedEvent>> {
    let (scope, range) = (snapshot.scope(), event_records::range(&request));
    let (mut parts, mut total) = (parts(scope, interest), 0);
    let by_installations = by_installations(scope, interest);
    if request.count {
        let all = by_installations.map(|by| installed::all(by, interest));
        total += page::count_of_parts(snapshot.reader(), parts.iter().cloned().chain(all)).await?;
    }
    if let Some(by) = by_installations {
        parts.extend(installed::of_page(snapshot.reader(), by, interest, range).await?);
    }
    let rows = page::rows_of_parts(snapshot.reader(), parts, in_order(), &request).await?;
    let query = event_records::query(scope, interest);
    let all_located = records::find(snapshot.reader(), &query, range).await?;
    if request.count {
        total += records::count(snapshot.reader(), &query, PositionRange::default()).await?;
    }
    let logged = rows
        .into_iter()
        .map(|row| LoggedEvent::Row(Box::new(row)))
        .chain(all_located.into_iter().map(LoggedEvent::Record));
    let by_sequence = vec![col(event::Column::Sequence)];
    let order = Order::new(IN_ORDER, by_sequence, |logged: &LoggedEvent| vec![Key::Number(logged.sequence())]);
    let mut page = page::joined(order, request, logged.collect(), total);
    let all_located = page.items.iter_mut().filter_map(|(_, logged)| match logged {
        LoggedEvent::Row(_) => None,
        LoggedEvent::Record(located) => Some(located),
    });
    records::fill(snapshot.reader(), all_located.collect()).await?;
    Ok(page)
}

/// The next events after a position of the log, oldest first.
pub struct Next {
    pub events: Vec<Event>,
    /// The position of the last event if more events may follow it; `None` if these were all.
    pub more_after: Option<i64>,
}

/// The next events after a position of the log.
pub async fn after(snapshot: &Snapshot, after_sequence: i64, interest: &Interest, size: u32) -> StoreResult<Next> {
    let request = PageRequest { after: Some(vec![Key::Number(after_sequence)]), ..PageRequest::first(size) };
    // Rows and records are read by separate statements, which must see the same state. Otherwise a row could be
    // committed unseen before records that are seen; the reader would continue after it and never get it.
    let page = page_of_all(snapshot, interest, request).await?;
    let last = page.items.last().map(|(_, logged)| logged.sequence());
    let events = page.items.into_iter().filter_map(|(_, logged)| logged.read()).collect();
    Ok(Next { events, more_after: last.filter(|_| page.has_next) })
}

/// The newest event that the reader can see, or its floor if there is none. It doesn't change by events that the reader
/// can't see.
pub async fn position(snapshot: &Snapshot) -> StoreResult<Position> {
    let scope = snapshot.scope();
    use event::Column as E;
    // The statements see one state. Otherwise the position could lie after an event that was committed between them.
    let floor = event_floor::floor(snapshot).await?;
    let newest = |found_by: Expr, may_see: Expr| {
        let select = event::Entity::find().filter(found_by).filter(checked(may_see.and(readable())));
        select
            .select_only()
            .columns([E::Sequence, E::Id])
            .order_by_desc(E::Sequence)
            .limit(1)
            .into_tuple::<(i64, Uuid)>()
    };
    let mut found: Vec<(i64, Uuid)> = Vec::new();
    match scope {
        Scope::Publisher(by) => {
            let select = newest(col(E::PublisherId).eq(by.publisher_id().0), of_publisher(scope));
            found.extend(select.one(snapshot.conn()).await?);
        }
        Scope::Managed(by) => {
            let select = newest(col(E::AccountId).eq(by.account_id().0), of_account(by));
            found.extend(select.one(snapshot.conn()).await?);
            if let Some(sequence) = installed::newest(snapshot, by).await? {
                found.extend(event_log::event_at(snapshot, sequence).await?.map(|id| (sequence, id.0)));
            }
        }
    }
    let last = PositionRange { from_end: true, ..PositionRange::default() };
    let recorded = records::find(snapshot.reader(), &event_records::query(scope, &Interest::default()), last).await?;
    found.extend(recorded.first().map(|located| (located.sequence, located.id())));
    let found = found.into_iter().max().map(|(sequence, id)| Position { sequence, event: id.into() });
    Ok(found.filter(|found| found.sequence > floor.sequence).unwrap_or(floor))
}

/// Whether the reader has an event that matches the filter.
pub async fn any(snapshot: &Snapshot, interest: &Interest) -> StoreResult<bool> {
    Ok(!page(snapshot, interest, PageRequest::first(1)).await?.items.is_empty())
}

/// The events among `ids` that the reader may see.
pub async fn by_ids(snapshot: &Snapshot, ids: &[EventId]) -> StoreResult<HashMap<EventId, Event>> {
    let scope = snapshot.scope();
    let found = event::Entity::find()
        .filter(snapshot.any_of(col(event::Column::Id), ids.iter().map(|id| id.0)))
        .filter(checked(visible(scope)))
        .filter(checked(readable()))
        .into_model::<Line>()
        .all(snapshot.conn())
        .await?;
    let recorded = records::by_ids(snapshot.reader(), records::Log::Events, ids.iter().map(|id| id.0)).await?;
    let recorded = recorded.iter().filter_map(|(_, located)| event_records::read(located));
    let recorded = recorded.filter(|event| event_records::may_see(scope, event));
    Ok(found.into_iter().filter_map(read).chain(recorded).map(|event| (event.event.id, event)).collect())
}
