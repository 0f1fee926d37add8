//! Assigns positions in the logs for many events and entries at once, and writes batches and records (R49, R51).

use entity::{installation, log_batch, log_record};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, EntityTrait as _, Statement};
use uuid::Uuid;

use crate::domain::log::{Class, IdRange, Record};
use crate::store::installations::{Members, Section};
use crate::store::log::record_rows;
use crate::store::log::record_rows::BatchPosition;
use crate::store::{StoreError, StoreResult, Tx};

/// The number of records in one statement of SQLite, which accepts 32,766 values.
const CHUNK: usize = 4_000;
/// The number of batches in one statement of SQLite.
const CHUNK_OF_BATCHES: usize = 1_000;

/// An event, an audit entry, or both, for each of many installations that change in the same way.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    pub class: Class,
    pub records: Vec<Record>,
    /// The installations of the records, if they are a section in the order of ids. They have no names of their own and
    /// the same version.
    pub section: Option<Section>,
    /// The random beginning of the ids of the batch's events and entries.
    pub id_base: Uuid,
    /// The random key that encrypts the positions within these ids. It is never shown.
    pub id_seal: Uuid,
}

/// A log whose rows get positions from a sequence of the database.
#[derive(Clone, Copy)]
pub(in crate::store) enum Log {
    Events,
    Entries,
}

impl Log {
    fn table(self) -> &'static str {
        match self {
            Self::Events => "event",
            Self::Entries => "audit_entry",
        }
    }
}

/// Reserves the next `count` positions of a log, and returns the first one. The caller holds the lock of the logs, so
/// that the positions are consecutive.
pub(in crate::store) async fn reserve_positions(tx: &Tx, log: Log, count: i64) -> StoreResult<i64> {
    let (conn, table) = (tx.conn(), log.table());
    let backend = conn.get_database_backend();
    let last = async |sql: String| -> StoreResult<Option<i64>> {
        let row = conn.query_one_raw(Statement::from_sql_and_values(backend, sql, [count.into()])).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
    };
    let taken = if tx.is_postgresql() {
        let sequence = format!("pg_get_serial_sequence('{table}', 'sequence')");
        last(format!("SELECT setval({sequence}, nextval({sequence}) + $1 - 1)")).await?
    } else {
        let more = format!("UPDATE sqlite_sequence SET seq = seq + $1 WHERE name = '{table}' RETURNING seq");
        match last(more).await? {
            Some(last) => Some(last),
            // The log never had a row.
            None => {
                last(format!("INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', $1) RETURNING seq")).await?
            }
        }
    };
    let last = taken.ok_or_else(|| StoreError::Fault(format!("the table {table} has no sequence")))?;
    Ok(last - count + 1)
}

/// A batch with its positions in both logs.
pub(in crate::store) struct PositionedBatch {
    pub(in crate::store) record_batch: RecordBatch,
    pub(in crate::store) first_sequence: i64,
    pub(in crate::store) first_entry: Option<i64>,
}

/// Writes batches and records. Many batches need as few statements as one, except for chunks.
pub(in crate::store) async fn insert(tx: &Tx, positioned: &[PositionedBatch]) -> StoreResult<()> {
    let batches = positioned.iter().map(batch_row).collect::<StoreResult<Vec<_>>>()?;
    for chunk in batches.chunks(CHUNK_OF_BATCHES) {
        log_batch::Entity::insert_many(chunk.to_vec()).exec_without_returning(tx.conn()).await?;
    }
    for one in positioned {
        if let Some(section) = one.record_batch.section {
            insert_section(tx, one, section).await?;
        }
    }
    if positioned.iter().all(|positioned| positioned.record_batch.section.is_some()) {
        return Ok(());
    }
    if tx.is_postgresql() {
        return insert_as_arrays(tx, positioned).await;
    }
    // Collected before the first write, because the iterator borrows the records and can't be held across an await.
    let rows: Vec<_> = records(positioned).map(record_row).collect();
    for chunk in rows.chunks(CHUNK) {
        log_record::Entity::insert_many(chunk.to_vec()).exec_without_returning(tx.conn()).await?;
    }
    Ok(())
}

fn record_row((batch, sequence, record): (i64, i64, &Record)) -> log_record::ActiveModel {
    log_record::ActiveModel {
        sequence: Set(sequence),
        batch: Set(batch),
        account_id: Set(record.account_id.into()),
        installation_id: Set(record.installation_id.map(Into::into)),
        version_before: Set(record.version_before),
        name: Set(record.name.clone()),
    }
}

fn batch_row(positioned: &PositionedBatch) -> StoreResult<log_batch::ActiveModel> {
    let PositionedBatch { record_batch, first_sequence, first_entry } = positioned;
    let count = i64::try_from(record_batch.records.len()).unwrap_or(i64::MAX);
    let position = BatchPosition {
        first_sequence: *first_sequence,
        last_sequence: first_sequence + count - 1,
        first_entry: *first_entry,
        ids: (IdRange::new(record_batch.id_base, record_batch.id_seal), record_batch.id_seal),
    };
    record_rows::batch(&record_batch.class, &position)
}

/// Adds the records of a section by a statement that reads their columns from the installations, so that no rows need
/// be sent. The rows are in the order of the records.
async fn insert_section(tx: &Tx, positioned: &PositionedBatch, section: Section) -> StoreResult<()> {
    use installation::Column as I;
    use log_record::Column as R;
    let version_before = positioned.record_batch.records.first().and_then(|record| record.version_before);
    let position = Expr::cust(r#"ROW_NUMBER() OVER (ORDER BY "installation"."id") - 1"#);
    let select = Query::select()
        .expr(Expr::val(positioned.first_sequence).add(position))
        .expr(Expr::val(positioned.first_sequence))
        .columns([I::AccountId, I::Id].map(|column| (installation::Entity, column)))
        .expr(Expr::val(version_before))
        .from(installation::Entity)
        .and_where(section.holds())
        .take();
    let insert = Query::insert()
        .into_table(log_record::Entity)
        .columns([R::Sequence, R::Batch, R::AccountId, R::InstallationId, R::VersionBefore])
        .select_from(select)
        .map_err(|e| StoreError::Fault(e.to_string()))?
        .take();
    let done = tx.conn().execute(&insert).await?;
    Members::All(section).are_all(done.rows_affected())
}

/// Each listed record with the first position of its batch and with its own.
fn records(positioned: &[PositionedBatch]) -> impl Iterator<Item = (i64, i64, &Record)> {
    positioned.iter().filter(|positioned| positioned.record_batch.section.is_none()).flat_map(
        |PositionedBatch { record_batch, first_sequence, .. }| {
            (*first_sequence..).zip(&record_batch.records).map(|(sequence, record)| (*first_sequence, sequence, record))
        },
    )
}

/// Uses one statement with six arrays, because PostgreSQL would spend more time on parsing a parameter for each value
/// than on writing the rows.
async fn insert_as_arrays(tx: &Tx, positioned: &[PositionedBatch]) -> StoreResult<()> {
    let sql = "INSERT INTO log_record (sequence, batch, account_id, installation_id, version_before, name)
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::uuid[], $5::integer[], $6::text[])";
    let conn = tx.conn();
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, arrays(positioned));
    conn.execute_raw(statement).await?;
    Ok(())
}

fn arrays(positioned: &[PositionedBatch]) -> [sea_orm::Value; 6] {
    [
        array(positioned, |(_, sequence, _), text| text.push_str(&sequence.to_string())).into(),
        array(positioned, |(batch, ..), text| text.push_str(&batch.to_string())).into(),
        array(positioned, |(.., record), text| write_id(text, Some(record.account_id.0))).into(),
        array(positioned, |(.., record), text| write_id(text, record.installation_id.map(Into::into))).into(),
        array(positioned, |(.., record), text| match record.version_before {
            Some(number) => text.push_str(&number.to_string()),
            None => text.push_str(NULL),
        })
        .into(),
        array(positioned, |(.., record), text| match &record.name {
            Some(name) => text.push_str(&quoted(name)),
            None => text.push_str(NULL),
        })
        .into(),
    ]
}

/// NULL in the text of an array.
const NULL: &str = "NULL";

/// An array in PostgreSQL's text format.
fn array(positioned: &[PositionedBatch], write: impl Fn((i64, i64, &Record), &mut String)) -> String {
    let mut text = String::from("{");
    for (index, record) in records(positioned).enumerate() {
        if index > 0 {
            text.push(',');
        }
        write(record, &mut text);
    }
    text.push('}');
    text
}

fn write_id(text: &mut String, id: Option<Uuid>) {
    match id {
        Some(id) => text.push_str(id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer())),
        None => text.push_str(NULL),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', r"\\").replace('"', "\\\""))
}
