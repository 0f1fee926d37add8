//! Reads of the event log for all readers: its extent, its events by position, and their routes (R49).

use entity::{event, event_log, log_batch, log_record, server_secret};
use sea_orm::sea_query::{Expr, ExprTrait as _, Order as Way, Query, SelectStatement, SubQueryStatement};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use uuid::Uuid;

use crate::domain::id::{AccountId, EventId, InstallationId, PackId, ReleaseId};
use crate::domain::log::event::{Audience, EventKind, Position};
use crate::domain::log::record::IdRange;
use crate::store::convert::Stored as _;
use crate::store::log::records;
use crate::store::page::checked;
use crate::store::reader::Reads;
use crate::store::sharing::grants::col;
use crate::store::tolerant::EventLine;
use crate::store::{StoreError, StoreResult, WholeServer};

/// The stored part of the log: the events after `begin`, up to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Events up to this position are pruned. A reader that has read up to here has missed nothing.
    pub begin: i64,
    pub end: i64,
    /// The event at the end; `None` if all events were pruned.
    pub newest: Option<EventId>,
}

impl Extent {
    /// The position at the end of the log. If all events were pruned, it has the event id of [`Position::ORIGIN`].
    #[must_use]
    pub fn head(&self) -> Position {
        Position { sequence: self.end, event: self.newest.unwrap_or(Position::ORIGIN.event) }
    }
}

/// A row of [`extent`]: `pruned_to`; the newest event's sequence and id; the newest batch's first and last
/// sequence, id base and id seal.
type ExtentRow = (i64, Option<i64>, Option<Uuid>, Option<i64>, Option<i64>, Option<Uuid>, Option<Uuid>);

/// The stored part of the log. Uses one statement, so that a concurrent pruning is seen completely or not at all.
pub(crate) async fn extent(from: &impl Reads) -> StoreResult<Extent> {
    use log_batch::Column as B;
    let last = |mut select: SelectStatement, column: Expr, by: Expr| {
        let select = select.expr(column).order_by_expr(by, Way::Desc).limit(1).take();
        Expr::from(SubQueryStatement::from(select))
    };
    let row = |column: event::Column| {
        last(Query::select().from(event::Entity).take(), col(column), col(event::Column::Sequence))
    };
    let batch = |column: B| {
        let batches = Query::select().from(log_batch::Entity).and_where(col(B::Kind).is_not_null()).take();
        last(batches, col(column), col(B::FirstSequence))
    };
    let found: Option<ExtentRow> = event_log::Entity::find_by_id(1)
        .select_only()
        .column(event_log::Column::PrunedTo)
        .expr_as(row(event::Column::Sequence), "newest")
        .expr_as(row(event::Column::Id), "newest_id")
        .expr_as(batch(B::FirstSequence), "first_of_batch")
        .expr_as(batch(B::LastSequence), "last_of_batch")
        .expr_as(batch(B::IdBase), "base_of_batch")
        .expr_as(batch(B::IdSeal), "seal_of_batch")
        .into_tuple()
        .one(from.source())
        .await?;
    let found = found.ok_or_else(|| StoreError::Fault("the table event_log is empty".into()))?;
    let (begin, sequence, id, first, last, base, seal) = found;
    let recorded = match (first, last, base, seal) {
        (Some(first), Some(last), Some(base), Some(seal)) => {
            let position = u32::try_from(last - first).unwrap_or(u32::MAX);
            Some((last, IdRange::new(base, seal).id(position)))
        }
        _ => None,
    };
    // A pruned batch is still stored for the audit log.
    let recorded = recorded.filter(|(sequence, _)| *sequence > begin);
    let newest = std::cmp::max(sequence.zip(id), recorded);
    // If all events were pruned, the log ends at `pruned_to`.
    let end = newest.map_or(begin, |(sequence, _)| std::cmp::max(sequence, begin));
    Ok(Extent { begin, end, newest: newest.map(|(_, id)| id.into()) })
}

/// The event at a position of the log, if one is stored there.
pub(crate) async fn event_at(from: &impl Reads, position: i64) -> StoreResult<Option<EventId>> {
    let found = event::Entity::find_by_id(position).select_only().column(event::Column::Id).into_tuple();
    let found: Option<Uuid> = found.one(from.source()).await?;
    let found = match found {
        Some(id) => Some(id),
        None => records::at(from, position).await?.map(|located| located.id()),
    };
    Ok(found.map(Into::into))
}

/// The properties of an event by which a server decides whether it can concern a reader, without loading the event.
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

/// A row of [`routes_after`], without its position.
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
    /// `None` if a newer version of the program has written the event.
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

/// The routes of the next events after a position, oldest first, and the position of the last of them. Events of a
/// newer version of the program, and rows that can't be read, are left out, because this program can't show them.
pub async fn routes_after(server: &WholeServer, position: i64, limit: u64) -> StoreResult<(Vec<Route>, Option<i64>)> {
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
        .filter(event::Column::Sequence.gt(position))
        .order_by_asc(event::Column::Sequence)
        .limit(limit)
        .into_model()
        .all(server.conn())
        .await?;
    let mut found: Vec<_> = found.into_iter().chain(recorded_routes(server, position, limit).await?).collect();
    found.sort_by_key(|line| line.sequence);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let last = found.last().map(|line| line.sequence);
    Ok((found.into_iter().filter_map(|line| line.read?.route(line.sequence)).collect(), last))
}

/// The routes of events that are stored as records.
async fn recorded_routes(server: &WholeServer, position: i64, limit: u64) -> StoreResult<Vec<EventLine<RouteRow>>> {
    use {log_batch::Column as B, log_record::Column as R};
    let mut select = Query::select();
    for (column, name) in [
        (col(R::Sequence), "sequence"),
        (col(B::Kind), "kind"),
        (col(B::Audience), "audience"),
        (col(B::PublisherId), "publisher_id"),
        (col(R::AccountId), "account_id"),
        (col(B::PackId), "pack_id"),
        (col(B::ReleaseId), "release_id"),
        (col(R::InstallationId), "installation_id"),
    ] {
        select.expr_as(column, name);
    }
    select
        .from(log_record::Entity)
        .inner_join(log_batch::Entity, col(B::FirstSequence).eq(col(R::Batch)))
        .and_where(col(R::Sequence).gt(position))
        .and_where(checked(col(R::Sequence).gt(records::pruned_to()).and(col(B::Kind).is_not_null())))
        .order_by_expr(col(R::Sequence), Way::Asc)
        .limit(limit);
    let found = server.conn().query_all(&select).await?;
    Ok(found.iter().map(|row| EventLine::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// The 32 bytes with which event cursors are sealed. The first migration creates them.
pub async fn cursor_secret(server: &WholeServer) -> StoreResult<[u8; 32]> {
    let row = server_secret::Entity::find_by_id(1).one(server.conn()).await?;
    row.and_then(|row| row.secret.try_into().ok())
        .ok_or_else(|| StoreError::Fault("the table server_secret holds no secret of 32 bytes".into()))
}
