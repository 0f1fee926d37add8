//! Reads of events and entries that are stored as records, once for both logs (R49, R51).
//!
//! The records of a batch have consecutive positions in each log. A reader that may see all records of a batch finds it
//! by an index, and their positions are known before they are read. A reader that may see some of them finds the
//! records themselves, by account or installation.

use std::collections::BTreeMap;
use std::sync::Arc;

use entity::{event_log, log_batch, log_record};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait as _, Func, Order as Way, Query, SelectStatement};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryTrait as _};

use crate::domain::log::IdRange;
use crate::store::column::col;
use crate::store::log::record_lines::{BatchLine, Joined, RecordLine};
use crate::store::log::record_rows;
use crate::store::page::{COUNT_MAX, CursorForm, Key, KeyKind, Order, PageRequest, checked};
use crate::store::reader::{Reader, Reads};
use crate::store::{StoreResult, page};

use log_batch::Column as B;
use log_record::Column as R;

/// The log that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Log {
    Events,
    Entries,
}

/// The way in which batches and records are found.
pub(in crate::store) enum Found {
    /// Nothing can match.
    Nothing,
    /// All records of the batches that meet one of these conditions. Each condition is served by an index.
    Batches(Vec<Expr>),
    /// The records that meet this condition, which is served by an index.
    Records(Expr),
}

/// A query on a log's records.
pub(in crate::store) struct RecordQuery {
    pub(in crate::store) log: Log,
    pub(in crate::store) found: Found,
    /// A condition that is checked row by row.
    pub(in crate::store) check: Expr,
}

/// A range of positions in a log.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::store) struct PositionRange {
    /// Only positions after this one.
    pub(in crate::store) after: Option<i64>,
    /// Only positions before this one.
    pub(in crate::store) before: Option<i64>,
    /// Whether the range is read from its end.
    pub(in crate::store) from_end: bool,
    /// The number of records to read.
    pub(in crate::store) size: u32,
}

/// A position in a log with its record.
#[derive(Clone, Debug)]
pub(in crate::store) struct Located {
    /// The position in the log that was read.
    pub(in crate::store) position: i64,
    pub(in crate::store) batch: Arc<log_batch::Model>,
    /// The record's position in the event log.
    pub(in crate::store) sequence: i64,
    record: Option<log_record::Model>,
}

impl Located {
    /// The id of the event or entry.
    pub(in crate::store) fn id(&self) -> Uuid {
        let position = u32::try_from(self.sequence - self.batch.first_sequence).unwrap_or(u32::MAX);
        record_rows::id_range(&self.batch).id(position)
    }

    /// The record; `None` before [`fill`] has read it.
    pub(in crate::store) fn record(&self) -> Option<&log_record::Model> {
        self.record.as_ref()
    }
}

impl Log {
    /// The position of a batch's first record.
    fn first(self) -> Expr {
        match self {
            Self::Events => col(B::FirstSequence),
            Self::Entries => col(B::FirstEntry),
        }
    }

    /// The position of a batch's last record.
    fn last(self) -> Expr {
        match self {
            Self::Events => col(B::LastSequence),
            Self::Entries => col(B::FirstEntry).add(col(B::LastSequence).sub(col(B::FirstSequence))),
        }
    }

    fn first_of(self, batch: &log_batch::Model) -> i64 {
        match self {
            Self::Events => batch.first_sequence,
            Self::Entries => batch.first_entry.unwrap_or(0),
        }
    }

    /// The condition that a batch belongs to this log.
    fn is_logged(self) -> Expr {
        match self {
            Self::Events => col(B::Kind).is_not_null(),
            Self::Entries => col(B::FirstEntry).is_not_null(),
        }
    }
}

/// The position up to which the event log is pruned. A batch is pruned as a whole. Its records stay for the audit log.
pub(in crate::store) fn pruned_to() -> Expr {
    use event_log::Column::{Id, PrunedTo};
    subquery(Query::select().expr(col(PrunedTo)).from(event_log::Entity).and_where(col(Id).eq(1)).take())
}

fn subquery(select: SelectStatement) -> Expr {
    Expr::from(sea_orm::sea_query::SubQueryStatement::from(select))
}

impl RecordQuery {
    fn batches(&self, found_by: &Expr) -> SelectStatement {
        let mut select = log_batch::Entity::find().into_query();
        select.and_where(found_by.clone()).and_where(self.log.is_logged()).and_where(checked(self.check.clone()));
        select
    }

    /// The condition that a position of the event log isn't pruned; `None` for the audit log. With a start position,
    /// the index is searched from there, and this condition is only checked.
    fn is_kept(&self, position: Expr, after: Option<i64>) -> Option<Expr> {
        let is_kept = position.gt(pruned_to());
        match (self.log, after) {
            (Log::Entries, _) => None,
            (Log::Events, None) => Some(is_kept),
            (Log::Events, Some(_)) => Some(checked(is_kept)),
        }
    }

    /// The batches with records in a stretch of the log.
    fn batches_in(&self, found_by: &Expr, range: PositionRange) -> SelectStatement {
        let (first, mut select) = (self.log.first(), self.batches(found_by));
        select.and_where_option(self.is_kept(first.clone(), range.after));
        if let Some(after) = range.after {
            // The start of the batch that the start position may lie in, found by the same index.
            let around = Query::select()
                .expr(first.clone().max())
                .from(log_batch::Entity)
                .and_where(found_by.clone())
                .and_where(first.clone().lte(after))
                .take();
            select
                .and_where(first.clone().gte(Func::coalesce([subquery(around), Expr::val(after)])))
                .and_where(checked(self.log.last().gt(after)));
        }
        select.and_where_option(range.before.map(|before| first.lt(before)));
        select
    }

    fn records(&self, found_by: &Expr) -> SelectStatement {
        let mut select = Query::select();
        select.column((log_record::Entity, Asterisk)).column((log_batch::Entity, Asterisk)).from(log_record::Entity);
        select
            .inner_join(log_batch::Entity, col(B::FirstSequence).eq(col(R::Batch)))
            .and_where(found_by.clone())
            .and_where(checked(self.log.is_logged().and(self.check.clone())));
        select
    }

    fn records_in(&self, found_by: &Expr, range: PositionRange) -> SelectStatement {
        let mut select = self.records(found_by);
        select.and_where_option(self.is_kept(col(R::Sequence), range.after));
        let position = match self.log {
            Log::Events => col(R::Sequence),
            Log::Entries => col(R::Sequence).sub(col(B::FirstSequence)).add(col(B::FirstEntry)),
        };
        if let Some(after) = range.after {
            let from = edge_of_entries(B::FirstSequence, col(B::FirstEntry).lte(after));
            if self.log == Log::Entries {
                select.and_where(col(R::Sequence).gte(from)).and_where(checked(position.clone().gt(after)));
            } else {
                select.and_where(position.clone().gt(after));
            }
        }
        if let Some(before) = range.before {
            let to = edge_of_entries(B::LastSequence, col(B::FirstEntry).lt(before));
            if self.log == Log::Entries {
                select.and_where(col(R::Sequence).lte(to)).and_where(checked(position.lt(before)));
            } else {
                select.and_where(position.lt(before));
            }
        }
        select
    }
}

/// The first or last event log position of the last batch whose audit log position meets the condition. Records have
/// the same order in both logs.
fn edge_of_entries(of: B, begins: Expr) -> Expr {
    let last = Query::select()
        .expr(col(of))
        .from(log_batch::Entity)
        .and_where(begins)
        .order_by_expr(col(B::FirstEntry), Way::Desc)
        .limit(1)
        .take();
    Func::coalesce([subquery(last), Expr::val(0_i64)]).into()
}

/// The order of the event log, for batches and records.
const IN_ORDER: CursorForm = CursorForm::new("record", &[KeyKind::Number]);

/// The records in a stretch of the log, at most one more than its size.
pub(in crate::store) async fn find(
    reader: &Reader,
    query: &RecordQuery,
    range: PositionRange,
) -> StoreResult<Vec<Located>> {
    let request = PageRequest { backward: range.from_end, ..PageRequest::first(range.size) };
    let limit = usize::try_from(range.size).unwrap_or(usize::MAX).saturating_add(1);
    match &query.found {
        Found::Nothing => Ok(Vec::new()),
        Found::Batches(found_by) => {
            let keys = match query.log {
                Log::Events => |BatchLine(row): &BatchLine| vec![Key::Number(row.first_sequence)],
                Log::Entries => |BatchLine(row): &BatchLine| vec![Key::Number(row.first_entry.unwrap_or(0))],
            };
            let order = Order::new(IN_ORDER, vec![query.log.first()], keys);
            let parts = found_by.iter().map(|found_by| query.batches_in(found_by, range)).collect();
            let mut batches = page::rows_of_parts(reader, parts, order, &request).await?;
            batches.sort_by_key(|BatchLine(batch)| batch.first_sequence);
            if range.from_end {
                batches.reverse();
            }
            let all_located =
                batches.into_iter().flat_map(|BatchLine(batch)| positions_of(query.log, Arc::new(batch), range, limit));
            Ok(all_located.take(limit).collect())
        }
        Found::Records(found_by) => {
            let order =
                Order::new(IN_ORDER, vec![col(R::Sequence)], |row: &Joined| vec![Key::Number(row.record.sequence)]);
            let parts = vec![query.records_in(found_by, range)];
            let records = page::rows_of_parts(reader, parts, order, &request).await?;
            let all_located = records.into_iter().map(|Joined { batch, record }| {
                let sequence = record.sequence;
                let position = query.log.first_of(&batch) + sequence - batch.first_sequence;
                Located { position, batch, sequence, record: record.read }
            });
            Ok(all_located.collect())
        }
    }
}

/// The positions of a batch in a stretch of the log, at most `limit`, from the stretch's end if it is read from there.
fn positions_of(log: Log, batch: Arc<log_batch::Model>, range: PositionRange, limit: usize) -> Vec<Located> {
    let first = log.first_of(&batch);
    let last = first + batch.last_sequence - batch.first_sequence;
    let from = range.after.map_or(first, |after| std::cmp::max(first, after + 1));
    let to = range.before.map_or(last, |before| std::cmp::min(last, before - 1));
    let located = |position: i64| {
        let sequence = batch.first_sequence + position - first;
        Located { position, batch: batch.clone(), sequence, record: None }
    };
    if range.from_end {
        (from..=to).rev().take(limit).map(located).collect()
    } else {
        (from..=to).take(limit).map(located).collect()
    }
}

/// Loads located records that [`find`] returned without them.
pub(in crate::store) async fn fill(reader: &Reader, all_located: Vec<&mut Located>) -> StoreResult<()> {
    let unread: Vec<_> =
        all_located.iter().filter(|located| located.record.is_none()).map(|located| located.sequence).collect();
    if unread.is_empty() {
        return Ok(());
    }
    let found: Vec<RecordLine> = log_record::Entity::find()
        .filter(reader.any_of_numbers(col(R::Sequence), unread))
        .into_model()
        .all(reader.conn())
        .await?;
    let mut found: BTreeMap<_, _> = found.into_iter().filter_map(|line| Some((line.sequence, line.read?))).collect();
    for located in all_located {
        located.record = located.record.take().or_else(|| found.remove(&located.sequence));
    }
    Ok(())
}

/// The number of matching records in a stretch of the log.
pub(in crate::store) async fn count(reader: &Reader, query: &RecordQuery, range: PositionRange) -> StoreResult<i64> {
    let (selects, size): (Vec<_>, _) = match &query.found {
        Found::Nothing => return Ok(0),
        Found::Batches(found_by) => {
            let all = found_by.iter().map(|found_by| query.batches_in(found_by, range)).collect();
            (all, col(B::LastSequence).sub(col(B::FirstSequence)).add(1))
        }
        Found::Records(found_by) => (vec![query.records_in(found_by, range)], Expr::val(1_i64)),
    };
    let counts = selects.into_iter().map(|mut select| {
        select.clear_selects().expr_as(size.clone(), "size").limit(COUNT_MAX + 1);
        let total = Expr::cust("CAST(COALESCE(SUM(size), 0) AS bigint)");
        SelectStatement::new().expr_as(total, "total").from_subquery(select, "counted").take()
    });
    page::sum(reader, counts.collect()).await
}

/// The records of a log with these ids, each with its id.
pub(in crate::store) async fn by_ids(
    reader: &Reader,
    log: Log,
    ids: impl IntoIterator<Item = Uuid>,
) -> StoreResult<Vec<(Uuid, Located)>> {
    // Only ids of this version can belong to records.
    let ids: Vec<_> = ids.into_iter().filter(|id| id.get_version_num() == 4).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let bases = ids.iter().map(|id| IdRange::base_of(*id));
    let mut select =
        log_batch::Entity::find().filter(reader.any_of(col(B::IdBase), bases)).filter(checked(log.is_logged()));
    if log == Log::Events {
        select = select.filter(checked(col(B::FirstSequence).gt(pruned_to())));
    }
    let batches: Vec<BatchLine> = select.into_model().all(reader.conn()).await?;
    let batches: BTreeMap<_, _> =
        batches.into_iter().map(|BatchLine(batch)| (batch.id_base, Arc::new(batch))).collect();
    let mut all_located: Vec<(Uuid, Located)> = Vec::new();
    for id in ids {
        let Some(batch) = batches.get(&IdRange::base_of(id)) else { continue };
        let sequence = batch.first_sequence + i64::from(record_rows::id_range(batch).index_of(id));
        if sequence <= batch.last_sequence {
            let position = log.first_of(batch) + sequence - batch.first_sequence;
            all_located.push((id, Located { position, batch: batch.clone(), sequence, record: None }));
        }
    }
    fill(reader, all_located.iter_mut().map(|(_, located)| located).collect()).await?;
    Ok(all_located)
}

/// The located record at a position in the event log, if a batch's event is stored there.
pub(in crate::store) async fn at(from: &impl Reads, position: i64) -> StoreResult<Option<Located>> {
    use sea_orm::{QueryOrder as _, QuerySelect as _};
    let found = log_batch::Entity::find()
        .filter(B::FirstSequence.lte(position))
        .filter(checked(col(B::FirstSequence).gt(pruned_to())))
        .order_by_desc(B::FirstSequence)
        .limit(1)
        .into_model()
        .one(from.source())
        .await?;
    let batch =
        found.map(|BatchLine(batch)| batch).filter(|batch| position <= batch.last_sequence && batch.kind.is_some());
    Ok(batch.map(|batch| Located { position, batch: Arc::new(batch), sequence: position, record: None }))
}
