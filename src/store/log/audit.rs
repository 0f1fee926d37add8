//! Reads of the audit log. A reader sees the entries that carry its account's id (R51).

use std::collections::HashMap;

use entity::{audit_entry as entry, audit_hour};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, SelectStatement};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _};

use crate::domain::Instant;
use crate::domain::accounts::ActorKind;
use crate::domain::id::{AuditEntryId, TokenId};
use crate::domain::log::{AuditEntry, Recorded, SubjectKey};
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::log::journal::hour_of;
use crate::store::log::records::{Located, Log};
use crate::store::log::{audit_records, records};
use crate::store::page::{CursorForm, Key, KeyKind, Order, Page, PageRequest, checked};
use crate::store::scope::Scope;
use crate::store::{Snapshot, StoreError, StoreResult, convert, page};

/// A filter on audit entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub actor_kind: Option<ActorKind>,
    pub token: Option<TokenId>,
    /// The subject's key as the reader sees it.
    pub subject: Option<SubjectKey>,
    /// `None` for all actions; empty for no entries.
    pub actions: Option<Vec<String>>,
    pub from: Option<Instant>,
    pub to: Option<Instant>,
}

impl AuditFilter {
    fn kinds(&self) -> Vec<ActorKind> {
        let all = [ActorKind::ApiToken, ActorKind::Scheduler, ActorKind::CommandLine];
        self.actor_kind.map_or_else(|| all.to_vec(), |kind| vec![kind])
    }

    /// Adds the filter's conditions. The conditions that [`parts`] doesn't use to find rows are checked row by row.
    fn check(&self, select: &mut SelectStatement) {
        use entry::Column as E;
        select
            .and_where_option(self.from.map(|from| col(E::OccurredAt).gte(from)))
            .and_where_option(self.to.map(|to| col(E::OccurredAt).lt(to)))
            .and_where_option(self.actor_kind.map(|kind| checked(col(E::ActorKind).eq(kind.stored()))))
            .and_where_option(self.token.map(|token| checked(col(E::ActorTokenId).eq(token.0))))
            .and_where_option(self.actions.as_ref().map(|actions| checked(col(E::Action).is_in(actions))));
    }
}

/// The condition that an entry belongs to the reader's log: it carries the reader's id.
pub(in crate::store) fn of_reader(scope: Scope) -> Expr {
    match scope {
        Scope::Publisher(scope) => col(entry::Column::PublisherId).eq(scope.publisher_id().0),
        Scope::Managed(scope) => col(entry::Column::AccountId).eq(scope.account_id().0),
    }
}

/// Conditions for entries about a subject, each served by an index. For a managed account there are two: entries whose
/// only subject it is, and entries that name it as the account's own subject.
fn about(scope: Scope, subject: &SubjectKey) -> Vec<Expr> {
    use entry::Column as E;
    let shared = col(E::SubjectId).eq(subject.id.clone()).and(checked(col(E::SubjectType).eq(&subject.type_name)));
    match scope {
        Scope::Publisher(_) => vec![shared],
        Scope::Managed(_) => vec![
            shared.and(checked(col(E::OwnSubjectId).is_null())),
            col(E::OwnSubjectId).eq(subject.id.clone()).and(checked(col(E::OwnSubjectType).eq(&subject.type_name))),
        ],
    }
}

/// The filtered entries of the reader's log, as parts that are each served by an index in the order of the log. The
/// parts use the first of these that the filter has: subject, token, actions, kinds of actors. All other conditions are
/// checked row by row.
fn parts(scope: Scope, filter: &AuditFilter, between: Option<(i64, i64)>) -> Vec<SelectStatement> {
    use entry::Column as E;
    let part = |found_by: Expr| {
        let mut select = entry::Entity::find().filter(found_by).into_query();
        select.and_where_option(between.map(|(first, last)| col(E::Sequence).between(first, last)));
        filter.check(&mut select);
        select
    };
    if let Some(subject) = &filter.subject {
        return about(scope, subject).into_iter().map(|by| part(by.and(checked(of_reader(scope))))).collect();
    }
    if let Some(token) = filter.token {
        return vec![part(col(E::ActorTokenId).eq(token.0).and(checked(of_reader(scope))))];
    }
    let by = |column: E, value: &str| part(of_reader(scope).and(col(column).eq(value)));
    match &filter.actions {
        Some(actions) => actions.iter().map(|action| by(E::Action, action)).collect(),
        None => filter.kinds().into_iter().map(|kind| by(E::ActorKind, kind.stored())).collect(),
    }
}

/// The form of cursors into lists of [`page()`]. A cursor has an entry's id and not its position, because positions
/// would reveal how much other readers' logs grow.
pub const NEWEST: CursorForm = CursorForm::new("audit", &[KeyKind::Id]).reversed(true);

/// The form of cursors by position, for use within this module.
const BY_POSITION: CursorForm = CursorForm::new("audit", &[KeyKind::Number]).reversed(true);

/// A page of the reader's filtered log, newest first in the order of commits. `None` if a cursor has an id that isn't
/// an entry of the reader's log.
pub async fn page(
    snapshot: &Snapshot,
    filter: &AuditFilter,
    request: PageRequest,
) -> StoreResult<Option<Page<AuditEntry>>> {
    let scope = snapshot.scope();
    let Some(request) = by_position(snapshot, request).await? else { return Ok(None) };
    let between = match (filter.from, filter.to) {
        (None, None) => None,
        (from, to) => match positions_of(snapshot, from, to).await? {
            Some(positions) => Some(positions),
            None => return Ok(Some(Page::empty(request.count))),
        },
    };
    let by_position = || vec![col(entry::Column::Sequence)];
    let order = Order::new(BY_POSITION, by_position(), |row: &entry::Model| vec![Key::Number(row.sequence)]);
    let parts = parts(scope, filter, between);
    let mut total = if request.count { page::count_of_parts(snapshot.reader(), parts.clone()).await? } else { 0 };
    let rows = page::rows_of_parts(snapshot.reader(), parts, order, &request).await?;
    let query = audit_records::query(scope, filter);
    let all_located = records::find(snapshot.reader(), &query, audit_records::range(&request, between)).await?;
    if request.count {
        let all = PageRequest { after: None, before: None, ..request.clone() };
        total += records::count(snapshot.reader(), &query, audit_records::range(&all, between)).await?;
    }
    let logged = rows
        .into_iter()
        .map(|row| LoggedEntry::Row(Box::new(row)))
        .chain(all_located.into_iter().map(LoggedEntry::Record));
    let order = Order::new(BY_POSITION, by_position(), |logged: &LoggedEntry| vec![Key::Number(logged.position())]);
    let mut page = page::joined(order, request, logged.collect(), total);
    let all_located = page.items.iter_mut().filter_map(|(_, logged)| match logged {
        LoggedEntry::Row(_) => None,
        LoggedEntry::Record(located) => Some(located),
    });
    records::fill(snapshot.reader(), all_located.collect()).await?;
    let page = page.renamed(|logged| NEWEST.encode(&[Key::Id(logged.id())]));
    Ok(Some(page.try_map(|logged| Ok::<_, StoreError>(logged.read()?.seen_by(scope.account_id())))?))
}

/// An entry of the log: a row of its own, or a record of a batch.
enum LoggedEntry {
    Row(Box<entry::Model>),
    Record(Located),
}

impl LoggedEntry {
    fn position(&self) -> i64 {
        match self {
            Self::Row(row) => row.sequence,
            Self::Record(located) => located.position,
        }
    }

    fn id(&self) -> Uuid {
        match self {
            Self::Row(row) => row.id,
            Self::Record(located) => located.id(),
        }
    }

    fn read(self) -> StoreResult<Recorded> {
        match self {
            Self::Row(row) => convert::audit_entry(*row),
            Self::Record(located) => audit_records::read(&located),
        }
    }
}

/// Replaces the ids in a request's cursors by positions. `None` if an id isn't an entry of the reader's log.
async fn by_position(snapshot: &Snapshot, request: PageRequest) -> StoreResult<Option<PageRequest>> {
    let scope = snapshot.scope();
    let named = |keys: &Option<Vec<Key>>| match keys.as_deref() {
        Some([Key::Id(id)]) => Some(*id),
        _ => None,
    };
    let (after, before) = (named(&request.after), named(&request.before));
    if after.is_none() && before.is_none() {
        return Ok(Some(request));
    }
    let positions: Vec<(Uuid, i64)> = entry::Entity::find()
        .select_only()
        .columns([entry::Column::Id, entry::Column::Sequence])
        .filter(snapshot.any_of(col(entry::Column::Id), after.into_iter().chain(before)))
        .filter(checked(of_reader(scope)))
        .into_tuple()
        .all(snapshot.conn())
        .await?;
    let recorded = records::by_ids(snapshot.reader(), Log::Entries, after.into_iter().chain(before)).await?;
    let recorded = recorded.into_iter().filter(|(_, located)| audit_records::may_see(scope, located));
    let positions: Vec<_> = positions.into_iter().chain(recorded.map(|(id, located)| (id, located.position))).collect();
    let position =
        |id: Option<Uuid>| positions.iter().find(|(known, _)| Some(*known) == id).map(|(_, position)| *position);
    let keys = |id| position(id).map(|position| vec![Key::Number(position)]);
    let request = PageRequest { after: keys(after), before: keys(before), ..request };
    let all_known = request.after.is_some() == after.is_some() && request.before.is_some() == before.is_some();
    Ok(all_known.then_some(request))
}

/// The first and the last position in the hours of a time span; `None` if these hours have no entries. Entries between
/// them may lie outside the span.
async fn positions_of(
    snapshot: &Snapshot,
    from: Option<Instant>,
    to: Option<Instant>,
) -> StoreResult<Option<(i64, i64)>> {
    use audit_hour::Column;
    let mut select = audit_hour::Entity::find()
        .select_only()
        .column_as(Column::FirstSequence.min(), "first")
        .column_as(Column::LastSequence.max(), "last");
    if let Some(from) = from {
        select = select.filter(Column::Hour.gte(hour_of(from)));
    }
    if let Some(to) = to {
        select = select.filter(Column::Hour.lte(hour_of(to)));
    }
    let found: Option<(Option<i64>, Option<i64>)> = select.into_tuple().one(snapshot.conn()).await?;
    Ok(found.and_then(|(first, last)| Some((first?, last?))))
}

/// Whether the reader's log has an entry about the subject.
pub async fn any_about(snapshot: &Snapshot, subject: &SubjectKey) -> StoreResult<bool> {
    let filter = AuditFilter { subject: Some(subject.clone()), ..AuditFilter::default() };
    let page = page(snapshot, &filter, PageRequest::first(1)).await?;
    Ok(page.is_some_and(|page| !page.items.is_empty()))
}

/// The entries among `ids` that belong to the reader's log.
pub async fn by_ids(snapshot: &Snapshot, ids: &[AuditEntryId]) -> StoreResult<HashMap<AuditEntryId, AuditEntry>> {
    let scope = snapshot.scope();
    let found = entry::Entity::find()
        .filter(snapshot.any_of(col(entry::Column::Id), ids.iter().map(|id| id.0)))
        .filter(checked(of_reader(scope)))
        .all(snapshot.conn())
        .await?;
    let recorded = records::by_ids(snapshot.reader(), Log::Entries, ids.iter().map(|id| id.0)).await?;
    let recorded = recorded.iter().filter(|(_, located)| audit_records::may_see(scope, located));
    let logged =
        found.into_iter().map(convert::audit_entry).chain(recorded.map(|(_, located)| audit_records::read(located)));
    logged.map(|logged| logged.map(|entry| (entry.id, entry.seen_by(scope.account_id())))).collect()
}
