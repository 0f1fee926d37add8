//! The event log as its readers may see it (R49, R50).

use entity::{event, installation, server_secret};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use super::convert::{self, Stored as _};
use super::scope::{ManagedScope, Scope};
use super::{Db, StoreError, StoreResult};
use crate::domain::event::{Audience, Event, EventKind};
use crate::domain::id::{AccountId, EventId, PackId, ReleaseId};

/// Which events a reader wants of those that it may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// All kinds when empty.
    pub kinds: Vec<EventKind>,
    pub pack_id: Option<PackId>,
    pub release_id: Option<ReleaseId>,
}

/// What tells whether an event can concern a reader, without reading it.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub sequence: i64,
    pub kind: EventKind,
    pub audience: Audience,
    pub publisher_id: AccountId,
    pub account_id: Option<AccountId>,
    pub pack_id: PackId,
    pub release_id: Option<ReleaseId>,
}

impl Interest {
    /// Whether an event of this route may be for the reader. Says yes when only the database can tell.
    #[must_use]
    pub fn may_concern(&self, scope: Scope, route: &Route) -> bool {
        let wanted = (self.kinds.is_empty() || self.kinds.contains(&route.kind))
            && self.pack_id.is_none_or(|pack| pack == route.pack_id)
            && self.release_id.is_none_or(|release| route.release_id == Some(release));
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
}

/// What a reader may see of the log.
fn visible(scope: Scope) -> Condition {
    match scope {
        Scope::Publisher(scope) => Condition::all()
            .add(event::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
            .add(event::Column::Audience.ne(Audience::Account.stored())),
        Scope::Managed(scope) => Condition::any()
            .add(Condition::all().add(event::Column::AccountId.eq(Uuid::from(scope.account_id()))).add(
                event::Column::Audience.is_in([Audience::Account.stored(), Audience::PublisherAndAccount.stored()]),
            ))
            .add(
                Condition::all()
                    .add(event::Column::PublisherId.eq(Uuid::from(scope.publisher_id())))
                    .add(event::Column::Audience.eq(Audience::PublisherAndInstalled.stored()))
                    .add(Expr::exists(hears(scope))),
            ),
    }
}

/// An installation of the account's that was there when the event at hand happened.
fn hears(scope: ManagedScope) -> sea_orm::sea_query::SelectStatement {
    let row = installation::Entity;
    let sequence = || Expr::col((event::Entity, event::Column::Sequence));
    Query::select()
        .expr(Expr::val(1))
        .from(row)
        .and_where(Expr::col((row, installation::Column::AccountId)).eq(Uuid::from(scope.account_id())))
        .and_where(Expr::col((row, installation::Column::PackId)).equals((event::Entity, event::Column::PackId)))
        .and_where(sequence().gt(Expr::col((row, installation::Column::HeardFrom))))
        .cond_where(
            Condition::any()
                .add(Expr::col((row, installation::Column::HeardUntil)).is_null())
                .add(sequence().lte(Expr::col((row, installation::Column::HeardUntil)))),
        )
        .to_owned()
}

/// The next events after a place of the log, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn after(db: &Db, scope: Scope, place: i64, interest: &Interest, limit: u64) -> StoreResult<Vec<Event>> {
    let mut select = event::Entity::find().filter(visible(scope)).filter(event::Column::Sequence.gt(place));
    if !interest.kinds.is_empty() {
        select = select.filter(event::Column::Kind.is_in(interest.kinds.iter().map(|kind| kind.stored())));
    }
    if let Some(pack) = interest.pack_id {
        select = select.filter(event::Column::PackId.eq(Uuid::from(pack)));
    }
    if let Some(release) = interest.release_id {
        select = select.filter(event::Column::ReleaseId.eq(Uuid::from(release)));
    }
    let found = select.order_by_asc(event::Column::Sequence).limit(limit).all(db.reader()).await?;
    found.into_iter().map(convert::event).collect()
}

/// One event, if the reader may see it.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &Db, scope: Scope, id: EventId) -> StoreResult<Option<Event>> {
    let found = event::Entity::find().filter(visible(scope)).filter(event::Column::Id.eq(Uuid::from(id)));
    found.one(db.reader()).await?.map(convert::event).transpose()
}

/// Where the log ends.
///
/// # Errors
/// [`StoreError`].
pub async fn head(db: &Db) -> StoreResult<i64> {
    let last: Option<i64> = event::Entity::find()
        .select_only()
        .column(event::Column::Sequence)
        .order_by_desc(event::Column::Sequence)
        .limit(1)
        .into_tuple()
        .one(db.reader())
        .await?;
    Ok(last.unwrap_or(0))
}

/// A row of [`routes_after`].
type RouteRow = (i64, String, String, Uuid, Option<Uuid>, Uuid, Option<Uuid>);

/// The routes of the next events after a place of the log, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn routes_after(db: &Db, place: i64, limit: u64) -> StoreResult<Vec<Route>> {
    let found: Vec<RouteRow> = event::Entity::find()
        .select_only()
        .columns([
            event::Column::Sequence,
            event::Column::Kind,
            event::Column::Audience,
            event::Column::PublisherId,
            event::Column::AccountId,
            event::Column::PackId,
            event::Column::ReleaseId,
        ])
        .filter(event::Column::Sequence.gt(place))
        .order_by_asc(event::Column::Sequence)
        .limit(limit)
        .into_tuple()
        .all(db.reader())
        .await?;
    let route = |(sequence, kind, audience, publisher, account, pack, release): RouteRow| {
        Ok(Route {
            sequence,
            kind: EventKind::read(&kind)?,
            audience: Audience::read(&audience)?,
            publisher_id: publisher.into(),
            account_id: account.map(Into::into),
            pack_id: pack.into(),
            release_id: release.map(Into::into),
        })
    };
    found.into_iter().map(route).collect()
}

/// The 32 bytes that seal event cursors, made by the first migration.
///
/// # Errors
/// [`StoreError`].
pub async fn cursor_secret(db: &Db) -> StoreResult<[u8; 32]> {
    let row = server_secret::Entity::find_by_id(1).one(db.reader()).await?;
    row.and_then(|row| row.secret.try_into().ok())
        .ok_or_else(|| StoreError::Fault("the table server_secret holds no secret of 32 bytes".into()))
}
