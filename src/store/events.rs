//! The event log as its readers may see it (R49, R50).

use std::collections::HashMap;

use entity::{event, heard_before, installation};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{EntityTrait as _, QueryFilter as _, QueryTrait as _};

use super::convert::{self, Stored as _};
use super::event_log::Route;
use super::grants::col;
use super::page::{self, CursorForm, Key, KeyKind, Order, Page, PageRequest, checked};
use super::scope::{ManagedScope, Scope};
use super::{Db, StoreResult};
use crate::domain::event::{Audience, Event, EventKind};
use crate::domain::id::{EventId, InstallationId, PackId, ReleaseId};

/// Which events a reader wants of those that it may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// All kinds when `None`, nothing when empty.
    pub kinds: Option<Vec<EventKind>>,
    pub pack_id: Option<PackId>,
    pub release_id: Option<ReleaseId>,
    pub installation_id: Option<InstallationId>,
}

impl Interest {
    /// Whether an event of this route may be for the reader. Says yes when only the database can tell.
    #[must_use]
    pub fn may_concern(&self, scope: Scope, route: &Route) -> bool {
        let wanted = self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&route.kind))
            && self.pack_id.is_none_or(|pack| pack == route.pack_id)
            && self.release_id.is_none_or(|release| route.release_id == Some(release))
            && self.installation_id.is_none_or(|installation| route.installation_id == Some(installation));
        wanted
            && match scope {
                Scope::Publisher(scope) => {
                    route.audience != Audience::Account && route.publisher_id == scope.publisher_id()
                }
                Scope::Managed(scope) => match route.audience {
                    Audience::Publisher => false,
                    Audience::Account | Audience::PublisherAndAccount => route.account_id == Some(scope.account_id()),
                    Audience::PublisherAndInstalled => route.publisher_id == scope.publisher_id(),
                },
            }
    }

    fn kinds(&self) -> &[EventKind] {
        self.kinds.as_deref().unwrap_or(&EventKind::ALL)
    }

    /// What it asks of an event, to be checked row by row.
    fn check(&self, select: &mut SelectStatement) {
        let kinds = self.kinds.as_ref().map(|kinds| kinds.iter().map(|kind| kind.stored()));
        select
            .and_where_option(kinds.map(|kinds| checked(col(event::Column::Kind).is_in(kinds))))
            .and_where_option(self.pack_id.map(|id| checked(col(event::Column::PackId).eq(id.0))))
            .and_where_option(self.release_id.map(|id| checked(col(event::Column::ReleaseId).eq(id.0))))
            .and_where_option(self.installation_id.map(|id| checked(col(event::Column::InstallationId).eq(id.0))));
    }
}

/// What a publisher may see: all of its packs but what is for one account alone.
fn of_publisher(scope: Scope) -> Expr {
    col(event::Column::PublisherId)
        .eq(scope.publisher_id().0)
        .and(col(event::Column::Audience).ne(Audience::Account.stored()))
}

/// What is for this account by name.
fn of_account(scope: ManagedScope) -> Expr {
    let named = [Audience::Account, Audience::PublisherAndAccount].map(|audience| audience.stored());
    col(event::Column::AccountId).eq(scope.account_id().0).and(col(event::Column::Audience).is_in(named))
}

/// What is for every account that has the pack installed, as far as this one heard of it then.
fn of_installed(scope: ManagedScope) -> Expr {
    col(event::Column::PublisherId).eq(scope.publisher_id().0).and(for_installed()).and(hears(scope))
}

/// Spelt as in the index `event_for_installed`, that is of these alone.
fn for_installed() -> Expr {
    col(event::Column::Audience).eq(Expr::cust("'PUBLISHER_AND_INSTALLED'"))
}

/// Whether the event at hand stands in an interval in which the account had its pack installed and granted.
fn hears(scope: ManagedScope) -> Expr {
    use heard_before::Column as H;
    use installation::Column as I;
    let sequence = || col(event::Column::Sequence);
    let now = Query::select()
        .expr(Expr::cust("1"))
        .from(installation::Entity)
        .and_where(col(I::AccountId).eq(scope.account_id().0))
        .and_where(col(I::PackId).eq(col(event::Column::PackId)))
        .and_where(sequence().gt(col(I::HeardFrom)))
        .and_where(col(I::HeardUntil).is_null().or(sequence().lte(col(I::HeardUntil))))
        .take();
    let before = Query::select()
        .expr(Expr::cust("1"))
        .from(heard_before::Entity)
        .and_where(col(H::AccountId).eq(scope.account_id().0))
        .and_where(col(H::PackId).eq(col(event::Column::PackId)))
        .and_where(sequence().gt(col(H::HeardFrom)))
        .and_where(sequence().lte(col(H::HeardUntil)))
        .take();
    Expr::exists(now).or(Expr::exists(before))
}

/// What a reader may see of the log.
fn visible(scope: Scope) -> Expr {
    match scope {
        Scope::Publisher(_) => of_publisher(scope),
        Scope::Managed(managed) => of_account(managed).or(of_installed(managed)),
    }
}

/// What a reader may see and wants, in parts, each of which an index has in the order of the log.
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
    if let Some(id) = interest.release_id {
        return vec![part(col(E::ReleaseId).eq(id.0), visible(scope))];
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
            let mut of_releases = kinds.filter(|kind| kind.is_of_release()).peekable();
            match (of_releases.peek(), pack) {
                (None, _) => {}
                (_, Some(id)) => parts.extend(by_kind(col(E::PackId).eq(id.0), &mut of_releases, of_installed(by))),
                (_, None) => {
                    let found_by = col(E::PublisherId).eq(by.publisher_id().0).and(for_installed());
                    parts.push(part(found_by, of_installed(by)));
                }
            }
            parts
        }
    }
}

/// The keys of these pages; their cursors are sealed before they are shown.
pub const IN_ORDER: CursorForm = CursorForm::new("event", &[KeyKind::Number]);

/// A page of what a reader may see and wants, oldest first.
///
/// # Errors
/// [`StoreError`](super::StoreError).
pub async fn page(db: &Db, scope: Scope, interest: &Interest, request: PageRequest) -> StoreResult<Page<Event>> {
    let order =
        Order::new(IN_ORDER, vec![col(event::Column::Sequence)], |row: &event::Model| vec![Key::Number(row.sequence)]);
    page::page_of_parts(db, parts(scope, interest), order, request).await?.try_map(convert::event)
}

/// The next events after a place of the log, oldest first, and whether there are more.
///
/// # Errors
/// [`StoreError`](super::StoreError).
pub async fn after(
    db: &Db,
    scope: Scope,
    place: i64,
    interest: &Interest,
    size: u32,
) -> StoreResult<(Vec<Event>, bool)> {
    let request = PageRequest { after: Some(vec![Key::Number(place)]), ..PageRequest::first(size) };
    let page = page(db, scope, interest, request).await?;
    Ok((page.items.into_iter().map(|(_, event)| event).collect(), page.has_next))
}

/// Whether there is any that a reader may see and wants.
///
/// # Errors
/// [`StoreError`](super::StoreError).
pub async fn any(db: &Db, scope: Scope, interest: &Interest) -> StoreResult<bool> {
    Ok(!page(db, scope, interest, PageRequest::first(1)).await?.items.is_empty())
}

/// The events with these ids, as far as the reader may see them.
///
/// # Errors
/// [`StoreError`](super::StoreError).
pub async fn by_ids(db: &Db, scope: Scope, ids: &[EventId]) -> StoreResult<HashMap<EventId, Event>> {
    let found = event::Entity::find()
        .filter(db.among(col(event::Column::Id), ids.iter().map(|id| id.0)))
        .filter(checked(visible(scope)))
        .all(db.reader())
        .await?;
    found.into_iter().map(|row| convert::event(row).map(|event| (event.event.id, event))).collect()
}
