//! The event log itself, whoever reads it: where it begins and ends, what came, and for whom it may be (R49).

use entity::{event, event_log, server_secret};
use sea_orm::sea_query::{Expr, Query, SubQueryStatement};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use uuid::Uuid;

use super::convert::Stored as _;
use super::legible::EventLine;
use super::{Db, StoreError, StoreResult};
use crate::domain::event::{Audience, EventKind, Position};
use crate::domain::id::{AccountId, EventId, InstallationId, PackId, ReleaseId};

/// What of the log is there: what comes after `begin`, up to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// What stood here or before was pruned; who has read up to here has missed nothing.
    pub begin: i64,
    pub end: i64,
    /// The event at the end; `None` when there is none any more.
    pub newest: Option<EventId>,
}

impl Extent {
    /// Where the log ends. Of a log that was pruned to its end, the event there is gone, and not named.
    #[must_use]
    pub fn head(&self) -> Position {
        Position { sequence: self.end, event: self.newest.unwrap_or(Position::ORIGIN.event) }
    }
}

/// What of the log is there.
///
/// # Errors
/// [`StoreError`].
pub async fn extent(db: &Db) -> StoreResult<Extent> {
    extent_for(db.reader()).await
}

/// One statement, so that pruning is seen whole or not at all.
pub(in crate::store) async fn extent_for(conn: &impl ConnectionTrait) -> StoreResult<Extent> {
    let newest = |column: event::Column| {
        let order = sea_orm::sea_query::Order::Desc;
        let select =
            Query::select().column(column).from(event::Entity).order_by(event::Column::Sequence, order).limit(1).take();
        Expr::from(SubQueryStatement::from(select))
    };
    let found: Option<(i64, Option<i64>, Option<Uuid>)> = event_log::Entity::find_by_id(1)
        .select_only()
        .column(event_log::Column::PrunedTo)
        .expr_as(newest(event::Column::Sequence), "newest")
        .expr_as(newest(event::Column::Id), "newest_id")
        .into_tuple()
        .one(conn)
        .await?;
    let (begin, newest, id) = found.ok_or_else(|| StoreError::Fault("the table event_log is empty".into()))?;
    // Pruned to its end, the log ends where it did.
    Ok(Extent { begin, end: std::cmp::max(newest.unwrap_or(begin), begin), newest: id.map(Into::into) })
}

/// The event that stands at a place, if one does.
///
/// # Errors
/// [`StoreError`].
pub async fn event_at(db: &Db, place: i64) -> StoreResult<Option<EventId>> {
    let found = event::Entity::find_by_id(place).select_only().column(event::Column::Id).into_tuple();
    let found: Option<Uuid> = found.one(db.reader()).await?;
    Ok(found.map(Into::into))
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
    pub installation_id: Option<InstallationId>,
}

/// A row of [`routes_after`], beside its place.
#[derive(FromQueryResult)]
struct RouteRow {
    kind: String,
    audience: String,
    publisher_id: Uuid,
    account_id: Option<Uuid>,
    pack_id: Uuid,
    release_id: Option<Uuid>,
    installation_id: Option<Uuid>,
}

impl RouteRow {
    /// `None` for what a newer program has appended.
    fn route(self, sequence: i64) -> Option<Route> {
        Some(Route {
            sequence,
            kind: EventKind::read(&self.kind).ok()?,
            audience: Audience::read(&self.audience).ok()?,
            publisher_id: self.publisher_id.into(),
            account_id: self.account_id.map(Into::into),
            pack_id: self.pack_id.into(),
            release_id: self.release_id.map(Into::into),
            installation_id: self.installation_id.map(Into::into),
        })
    }
}

/// The routes of the next events after a place of the log, oldest first, and how far that is. What a newer
/// program has appended is passed over, and so is a row that can't be read: this program can tell nobody of it.
///
/// # Errors
/// [`StoreError`].
pub async fn routes_after(db: &Db, place: i64, limit: u64) -> StoreResult<(Vec<Route>, Option<i64>)> {
    let found: Vec<EventLine<RouteRow>> = event::Entity::find()
        .select_only()
        .columns([
            event::Column::Sequence,
            event::Column::Kind,
            event::Column::Audience,
            event::Column::PublisherId,
            event::Column::AccountId,
            event::Column::PackId,
            event::Column::ReleaseId,
            event::Column::InstallationId,
        ])
        .filter(event::Column::Sequence.gt(place))
        .order_by_asc(event::Column::Sequence)
        .limit(limit)
        .into_model()
        .all(db.reader())
        .await?;
    let last = found.last().map(|line| line.sequence);
    Ok((found.into_iter().filter_map(|line| line.read?.route(line.sequence)).collect(), last))
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
