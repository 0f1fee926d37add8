//! The entries of the audit log as links of the chain: their positions and the hashes of their contents (R51). A row
//! that can't be read is a link, too, so that sealing doesn't skip it, and a check finds the damage at its position.

use std::collections::BTreeMap;

use entity::{audit_entry, log_batch, log_record};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query, SubQueryStatement};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbErr, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryResult,
    QuerySelect as _, Statement,
};

use crate::domain::Instant;
use crate::domain::id::AccountId;
use crate::domain::log::{Canonical, Hash, Link};
use crate::store::column::col;
use crate::store::log::record_lines::{BatchLine, RecordLine};
use crate::store::page::checked;
use crate::store::reader::Reader;
use crate::store::{StoreResult, tolerant};

use audit_entry::Column as E;
use log_batch::Column as B;
use log_record::Column as R;

/// How many positions of the log are read at a time.
const WINDOW: i64 = 2_000;
/// How many positions of the event log are searched for stray records at a time.
const STRETCH: i64 = 50_000;
/// The most records of one statement. SQLite accepts 32,766 values.
const CHUNK: usize = 4_000;
/// The most positions between two batches whose records are read together.
const GAP_MAX: i64 = 64;

/// Positions of the audit log, with both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Span {
    pub(in crate::store) first: i64,
    pub(in crate::store) last: i64,
}

impl Span {
    /// The positions of a batch; `None` if it has no entries, or positions that no batch can have.
    fn of_batch(batch: &log_batch::Model) -> Option<Self> {
        let (first, more) = (batch.first_entry?, batch.last_sequence.checked_sub(batch.first_sequence)?);
        let last = first.checked_add(more)?;
        (first <= last).then_some(Self { first, last })
    }

    fn has(self, position: i64) -> bool {
        (self.first..=self.last).contains(&position)
    }

    /// The batches that may have entries in this range: the batches that begin in it, and the last batch before it.
    fn batches(self, publisher: Option<AccountId>) -> Expr {
        let around = Query::select()
            .expr(col(B::FirstEntry).max())
            .from(log_batch::Entity)
            .and_where(col(B::FirstEntry).lte(self.first))
            .and_where_option(publisher.map(|publisher| col(B::PublisherId).eq(publisher.0)))
            .take();
        let from = Func::coalesce([Expr::from(SubQueryStatement::from(around)), Expr::val(self.first)]);
        col(B::FirstEntry).gte(from).and(col(B::FirstEntry).lte(self.last))
    }
}

fn any(conditions: impl IntoIterator<Item = Expr>) -> Expr {
    conditions.into_iter().reduce(|any, one| any.or(one)).unwrap_or_else(|| Expr::val(1).eq(0))
}

/// The links at these positions, in order: of all publishers, or of one.
pub(in crate::store) async fn in_spans(
    reader: &Reader,
    publisher: Option<AccountId>,
    spans: &[Span],
) -> StoreResult<Vec<Link>> {
    if spans.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = audit_entry::Entity::find()
        .filter(any(spans.iter().map(|span| col(E::Sequence).between(span.first, span.last))));
    let mut batches = log_batch::Entity::find().filter(any(spans.iter().map(|span| span.batches(publisher))));
    if let Some(publisher) = publisher {
        rows = rows.filter(checked(col(E::PublisherId).eq(publisher.0)));
        batches = batches.filter(col(B::PublisherId).eq(publisher.0));
    }
    let rows: Vec<EntryLine> = rows.into_model().all(reader.conn()).await?;
    let batches: Vec<BatchLine> = batches.into_model().all(reader.conn()).await?;
    let mut links: Vec<_> = rows.into_iter().map(|EntryLine(link)| link).collect();
    links.extend(recorded(reader, batches, spans).await?);
    links.sort_unstable_by_key(|link| link.position);
    Ok(links)
}

/// The records at these positions of the event log, and perhaps some between them. `None` for a row that can't be read.
///
/// Reads a range of positions, as sealing needs it in a rollout, because both databases find the rows of a range faster
/// than rows that are named one by one. Scattered records are named all the same.
async fn records_of(
    reader: &Reader,
    mut stretches: Vec<Span>,
) -> StoreResult<BTreeMap<i64, Option<log_record::Model>>> {
    stretches.sort_unstable_by_key(|span| span.first);
    let mut ranges: Vec<Span> = Vec::new();
    for span in &stretches {
        match ranges.last_mut() {
            // Events without records lie between two batches.
            Some(range) if span.first.saturating_sub(range.last) <= GAP_MAX => {
                range.last = Ord::max(range.last, span.last)
            }
            _ => ranges.push(*span),
        }
    }
    let conditions: Vec<Expr> = if let [range] = ranges.as_slice() {
        vec![col(R::Sequence).between(range.first, range.last)]
    } else {
        let sequences: Vec<i64> = stretches.iter().flat_map(|span| span.first..=span.last).collect();
        sequences.chunks(CHUNK).map(|chunk| reader.any_of_numbers(col(R::Sequence), chunk.iter().copied())).collect()
    };
    let mut records = BTreeMap::new();
    for condition in conditions {
        let found: Vec<RecordLine> =
            log_record::Entity::find().filter(condition).into_model().all(reader.conn()).await?;
        records.extend(found.into_iter().map(|line| (line.sequence, line.read)));
    }
    Ok(records)
}

/// The links of batches at these positions.
async fn recorded(reader: &Reader, batches: Vec<BatchLine>, spans: &[Span]) -> StoreResult<Vec<Link>> {
    let mut stretches = Vec::new();
    for BatchLine(batch) in &batches {
        let Some(of_batch) = Span::of_batch(batch) else { continue };
        for span in spans {
            let (first, last) = (Ord::max(span.first, of_batch.first), Ord::min(span.last, of_batch.last));
            let sequence = |position: i64| batch.first_sequence + position - of_batch.first;
            stretches.extend((first <= last).then(|| Span { first: sequence(first), last: sequence(last) }));
        }
    }
    let records = records_of(reader, stretches).await?;
    let mut links = Vec::with_capacity(records.len());
    for BatchLine(batch) in &batches {
        let Some(of_batch) = Span::of_batch(batch) else { continue };
        let common = content_of_batch(batch);
        for (sequence, record) in records.range(batch.first_sequence..=batch.last_sequence) {
            let position = of_batch.first + sequence - batch.first_sequence;
            if spans.iter().any(|span| span.has(position)) {
                links.push(Link {
                    position,
                    publisher_id: batch.publisher_id.into(),
                    occurred_at: Some(batch.occurred_at),
                    content: content_of_record(common, *sequence, record.as_ref()),
                });
            }
        }
    }
    Ok(links)
}

/// The links of the next stretch of the log after a position, and the stretch's last position; `None` at the end of the
/// log. The stretch has no links only if its rows can't be read.
pub(in crate::store) async fn after(reader: &Reader, position: i64) -> StoreResult<Option<(Vec<Link>, i64)>> {
    let Some(first) = first_after(reader, position).await? else { return Ok(None) };
    let span = Span { first, last: first.saturating_add(WINDOW - 1) };
    Ok(Some((in_spans(reader, None, &[span]).await?, span.last)))
}

/// The first position after another one that has an entry. Positions have gaps where transactions were rolled back.
async fn first_after(reader: &Reader, position: i64) -> StoreResult<Option<i64>> {
    let sql = "SELECT (SELECT MIN(sequence) FROM audit_entry WHERE sequence > $1) AS row_position,
        (SELECT MIN(first_entry) FROM log_batch WHERE first_entry > $2) AS batch_position,
        (SELECT first_entry + last_sequence - first_sequence FROM log_batch WHERE first_entry <= $3
            ORDER BY first_entry DESC LIMIT 1) AS batch_end";
    let backend = reader.conn().get_database_backend();
    let values: [sea_orm::Value; 3] = [position.into(), position.into(), position.into()];
    let found = reader.conn().query_one_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    let Some(found) = found else { return Ok(None) };
    let number = |column| found.try_get::<Option<i64>>("", column);
    let within = match number("batch_end")? {
        Some(end) if end > position => first_within(reader, position).await?,
        _ => None,
    };
    Ok(number("row_position")?.into_iter().chain(number("batch_position")?).chain(within).min())
}

/// The first position after another one in the last batch that begins at or before it.
async fn first_within(reader: &Reader, position: i64) -> StoreResult<Option<i64>> {
    let sql = "SELECT (SELECT MIN(sequence) FROM log_record WHERE sequence > b.first_sequence + $1 - b.first_entry
            AND sequence <= b.last_sequence) + b.first_entry - b.first_sequence AS position
        FROM log_batch b WHERE b.first_entry <= $2 ORDER BY b.first_entry DESC LIMIT 1";
    let backend = reader.conn().get_database_backend();
    let values: [sea_orm::Value; 2] = [position.into(), position.into()];
    let found = reader.conn().query_one_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    Ok(found.map(|found| found.try_get("", "position")).transpose()?.flatten())
}

/// Records that lie outside the positions of their batch, among the next [`STRETCH`] positions of the event log: each
/// publisher and position in the audit log. The record's account would read it as an entry. `None` at the end of the
/// log.
pub(in crate::store) async fn strays(reader: &Reader, after: i64) -> StoreResult<Option<(Vec<(Uuid, i64)>, i64)>> {
    let first: Option<Option<i64>> = log_record::Entity::find()
        .select_only()
        .column_as(R::Sequence.min(), "first")
        .filter(R::Sequence.gt(after))
        .into_tuple()
        .one(reader.conn())
        .await?;
    let Some(first) = first.flatten() else { return Ok(None) };
    let last = first.saturating_add(STRETCH - 1);
    let mut select = Query::select();
    select
        .column(B::PublisherId)
        .expr(col(B::FirstEntry).add(col(R::Sequence)).sub(col(B::FirstSequence)))
        .from(log_record::Entity)
        .inner_join(log_batch::Entity, col(B::FirstSequence).eq(col(R::Batch)))
        .and_where(col(R::Sequence).between(first, last))
        .and_where(col(B::FirstEntry).is_not_null())
        .and_where(col(R::Sequence).lt(col(B::FirstSequence)).or(col(R::Sequence).gt(col(B::LastSequence))));
    let rows = reader.conn().query_all(&select).await?;
    let strays = rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)));
    Ok(Some((strays.collect::<StoreResult<_>>()?, last)))
}

/// Whether there are entries after the last seal. Uses a single statement, because each server runs it all the time.
pub(in crate::store) async fn has_unsealed(reader: &Reader) -> StoreResult<bool> {
    let sql = "SELECT (SELECT MAX(sequence) FROM audit_entry) AS row_end,
        (SELECT first_entry + last_sequence - first_sequence FROM log_batch WHERE first_entry IS NOT NULL
            ORDER BY first_entry DESC LIMIT 1) AS batch_end,
        (SELECT MAX(end_position) FROM audit_chain) AS sealed_to";
    let backend = reader.conn().get_database_backend();
    let found = reader.conn().query_one_raw(Statement::from_string(backend, sql)).await?;
    let Some(found) = found else { return Ok(false) };
    let number = |column| found.try_get::<Option<i64>>("", column);
    let end = number("row_end")?.into_iter().chain(number("batch_end")?).max();
    Ok(end > number("sealed_to")?)
}

/// A row of `audit_entry` as a link.
struct EntryLine(Link);

impl FromQueryResult for EntryLine {
    fn from_query_result(row: &QueryResult, pre: &str) -> Result<Self, DbErr> {
        let position = row.try_get(pre, "sequence")?;
        let link = |publisher_id: Uuid, occurred_at: Option<Instant>, content: Hash| {
            Self(Link { position, publisher_id: publisher_id.into(), occurred_at, content })
        };
        match tolerant::row::<audit_entry::Model>(row, pre) {
            Ok(entry) => Ok(link(entry.publisher_id, Some(entry.occurred_at), content_of_row(&entry))),
            Err(why) => {
                tolerant::skip("audit_entry", position, &why);
                let publisher = row.try_get(pre, "publisher_id").unwrap_or_default();
                Ok(link(publisher, None, unreadable(position)))
            }
        }
    }
}

/// The hash of all columns of a row. If the table gets another column, the form needs another name.
fn content_of_row(row: &audit_entry::Model) -> Hash {
    Canonical::new("row 1")
        .number(Some(row.sequence))
        .id(Some(row.id))
        .id(Some(row.publisher_id))
        .id(row.account_id)
        .instant(row.occurred_at)
        .text(Some(&row.actor_kind))
        .text(Some(&row.actor_name))
        .id(row.actor_token_id)
        .id(row.actor_account_id)
        .text(row.actor_account_name.as_deref())
        .text(Some(&row.action))
        .text(Some(&row.subject_type))
        .text(Some(&row.subject_id))
        .text(row.subject_name.as_deref())
        .text(row.own_subject_type.as_deref())
        .text(row.own_subject_id.as_deref())
        .text(row.own_subject_name.as_deref())
        .text(Some(&row.changes))
        .text(row.request_id.as_deref())
        .hash()
}

/// The hash of all columns of a batch, which is a part of the hashes of its records.
fn content_of_batch(batch: &log_batch::Model) -> Hash {
    Canonical::new("batch 1")
        .number(Some(batch.first_sequence))
        .number(Some(batch.last_sequence))
        .number(batch.first_entry)
        .id(Some(batch.id_base))
        .id(Some(batch.id_seal))
        .id(Some(batch.publisher_id))
        .instant(batch.occurred_at)
        .id(Some(batch.pack_id))
        .text(Some(&batch.pack_name))
        .id(batch.release_id)
        .text(batch.kind.as_deref())
        .text(batch.audience.as_deref())
        .text(batch.update_state.as_deref())
        .text(batch.action.as_deref())
        .number(Some(batch.for_account.into()))
        .text(Some(&batch.changes))
        .number(batch.version_after.map(Into::into))
        .number(Some(batch.version_is_gone.into()))
        .hash()
}

/// The hash of all columns of a record, and of its batch.
fn content_of_record(batch: Hash, sequence: i64, record: Option<&log_record::Model>) -> Hash {
    let Some(record) = record else { return unreadable(sequence) };
    Canonical::new("record 1")
        .bytes(Some(&batch.bytes()))
        .number(Some(record.sequence))
        .number(Some(record.batch))
        .id(Some(record.account_id))
        .id(record.installation_id)
        .number(record.version_before.map(Into::into))
        .text(record.name.as_deref())
        .hash()
}

/// The hash that is used for a row that can't be read.
fn unreadable(position: i64) -> Hash {
    Canonical::new("unreadable").number(Some(position)).hash()
}
