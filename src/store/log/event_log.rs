//! Reads of the event log for all readers: its extent, and its events by position (R49).

use entity::{event, event_log, log_batch, server_secret};
use sea_orm::sea_query::{Expr, ExprTrait as _, Order as Way, Query, SelectStatement, SubQueryStatement};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QuerySelect as _, Statement};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::EventId;
use crate::domain::log::{IdRange, Position};
use crate::store::column::col;
use crate::store::log::records;
use crate::store::reader::Reads;
use crate::store::{StoreError, StoreResult, WholeServer};

/// No batch has more events.
const BATCH_MAX: u32 = 10_000;

/// The stored part of the log: the events after `begin`, up to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Events up to this position are pruned. A reader that has read up to here has missed nothing.
    pub begin: i64,
    pub end: i64,
    /// The event at the end; `None` if all events were pruned.
    pub newest: Option<EventId>,
    /// The position of the last event that is stored as a record.
    pub recorded_to: i64,
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
    let recorded_to = recorded.map_or(0, |(sequence, _)| sequence);
    Ok(Extent { begin, end, newest: newest.map(|(_, id)| id.into()), recorded_to })
}

/// When the oldest event that is kept occurred; `None` if the log is empty.
pub async fn oldest(server: &WholeServer) -> StoreResult<Option<Instant>> {
    // A batch that is pruned is kept for the audit log, so the search begins near the first one that isn't.
    let select = format!(
        "SELECT (SELECT occurred_at FROM event WHERE sequence > pruned_to ORDER BY sequence LIMIT 1) AS of_event, \
         (SELECT occurred_at FROM log_batch WHERE kind IS NOT NULL AND first_sequence > pruned_to - {BATCH_MAX} \
         AND last_sequence > pruned_to ORDER BY first_sequence LIMIT 1) AS of_batch FROM event_log WHERE id = 1"
    );
    let select = Statement::from_string(server.conn().get_database_backend(), select);
    let Some(row) = server.conn().query_one_raw(select).await? else { return Ok(None) };
    let of: [Option<Instant>; 2] = [row.try_get("", "of_event")?, row.try_get("", "of_batch")?];
    Ok(of.into_iter().flatten().min())
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

/// The 32 bytes with which event cursors are sealed. The first migration creates them.
pub async fn cursor_secret(server: &WholeServer) -> StoreResult<[u8; 32]> {
    let row = server_secret::Entity::find_by_id(1).one(server.conn()).await?;
    row.and_then(|row| row.secret.try_into().ok())
        .ok_or_else(|| StoreError::Fault("the table server_secret holds no secret of 32 bytes".into()))
}
