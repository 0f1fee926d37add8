//! The audit log as its readers may see it: what bears the reader's id (R51). Nothing here changes it.

use std::collections::HashMap;

use entity::audit_entry as entry;
use sea_orm::sea_query::{Expr, ExprTrait as _, SelectStatement};
use sea_orm::{EntityTrait as _, QueryFilter as _, QueryTrait as _};

use super::convert::{self, Stored as _};
use super::grants::col;
use super::page::{self, CursorForm, Key, KeyKind, Order, Page, PageRequest, checked};
use super::scope::Scope;
use super::{Db, StoreResult};
use crate::domain::Instant;
use crate::domain::account::ActorKind;
use crate::domain::audit::{AuditEntry, SubjectKey};
use crate::domain::id::{AuditEntryId, TokenId};

/// Which entries a reader wants of those that it may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub actor_kind: Option<ActorKind>,
    pub token: Option<TokenId>,
    /// As the reader knows it.
    pub subject: Option<SubjectKey>,
    /// All actions when `None`, nothing when empty.
    pub actions: Option<Vec<String>>,
    pub from: Option<Instant>,
    pub to: Option<Instant>,
}

impl AuditFilter {
    fn kinds(&self) -> Vec<ActorKind> {
        let all = [ActorKind::ApiToken, ActorKind::Scheduler, ActorKind::CommandLine];
        self.actor_kind.map_or_else(|| all.to_vec(), |kind| vec![kind])
    }

    /// What it asks of an entry beside what the entry is found by.
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

/// The reader's log: the rows that bear its id.
fn of_reader(scope: Scope) -> Expr {
    match scope {
        Scope::Publisher(scope) => col(entry::Column::PublisherId).eq(scope.publisher_id().0),
        Scope::Managed(scope) => col(entry::Column::AccountId).eq(scope.account_id().0),
    }
}

/// Entries about a subject, in parts: what the reader knows by the publisher's id, and by one of its own.
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

/// What a reader may see and wants, in parts, each of which an index has in the order of the log: by the
/// subject, the token, the actions or the kinds of actors, the first that the filter names. The rest is
/// checked row by row.
fn parts(scope: Scope, filter: &AuditFilter) -> Vec<SelectStatement> {
    use entry::Column as E;
    let part = |found_by: Expr| {
        let mut select = entry::Entity::find().filter(found_by).into_query();
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

/// The cursors of these pages.
pub const NEWEST: CursorForm = CursorForm::new("audit", &[KeyKind::Instant, KeyKind::Id]).reversed(true);

/// A page of what a reader may see and wants, newest first.
///
/// # Errors
/// [`StoreError`](super::StoreError).
pub async fn page(db: &Db, scope: Scope, filter: &AuditFilter, request: PageRequest) -> StoreResult<Page<AuditEntry>> {
    let order =
        Order::new(NEWEST, vec![col(entry::Column::OccurredAt), col(entry::Column::Id)], |row: &entry::Model| {
            vec![Key::Instant(row.occurred_at), Key::Id(row.id)]
        });
    let page = page::page_of_parts(db, parts(scope, filter), order, request).await?;
    page.try_map(|row| Ok(convert::audit_entry(row)?.seen_by(scope.account_id())))
}

/// Whether there is any entry that a reader may see about a subject.
///
/// # Errors
/// [`StoreError`](super::StoreError).
pub async fn any_about(db: &Db, scope: Scope, subject: &SubjectKey) -> StoreResult<bool> {
    let filter = AuditFilter { subject: Some(subject.clone()), ..AuditFilter::default() };
    Ok(!page(db, scope, &filter, PageRequest::first(1)).await?.items.is_empty())
}

/// The entries with these ids, as far as the reader may see them.
///
/// # Errors
/// [`StoreError`](super::StoreError).
pub async fn by_ids(db: &Db, scope: Scope, ids: &[AuditEntryId]) -> StoreResult<HashMap<AuditEntryId, AuditEntry>> {
    let found = entry::Entity::find()
        .filter(col(entry::Column::Id).is_in(ids.iter().map(|id| id.0)))
        .filter(checked(of_reader(scope)))
        .all(db.reader())
        .await?;
    found
        .into_iter()
        .map(|row| convert::audit_entry(row).map(|entry| (entry.id, entry.seen_by(scope.account_id()))))
        .collect()
}
