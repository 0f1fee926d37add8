//! Loads a whole data set into an empty database. All rows are written in one transaction, many per statement, and
//! indexes and foreign keys are created at the end. A load that is killed leaves the database empty.

mod copy;
mod entries;
mod indexes;
mod kept;
mod rows;

use sea_orm::{ActiveModelTrait, ConnectionTrait as _, EntityName as _, EntityTrait};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::store::seed::rows::Rows;
use crate::store::{Db, MIGRATION_LOCK, StoreError, StoreResult, Tx};

pub use crate::store::seed::rows::{SeededComponent, SeededInstallation, SeededPack, SeededRelease};

/// SQLite's limit of values in one statement.
const VALUES_MAX: usize = 32_766;
/// The number of rows that are gathered before they are written: on SQLite of all tables together, because a row must
/// come after the rows that it refers to, and on PostgreSQL of one table. Over TCP a COPY takes 40 ms even for a single
/// row: the driver sends its end as a packet of its own, which TCP holds back until the rows are acknowledged, and
/// PostgreSQL's side delays that acknowledgement.
const ROWS_MAX: usize = 20_000;
/// The size of SQLite's cache during the load.
const CACHE_KIBIBYTES: u32 = 512 * 1024;
/// PostgreSQL's memory limit for one sort.
const SORTING: &str = "256MB";
/// The usual size of SQLite's cache, as [`Db`] sets it on connecting.
const USUAL_CACHE_KIBIBYTES: u32 = 64 * 1024;

/// A running load. A separate task writes gathered rows while the caller generates more.
pub struct Load {
    writer: JoinHandle<StoreResult<Tx>>,
    to_writer: mpsc::Sender<Rows>,
    /// The statements that create the dropped indexes and foreign keys again.
    indexes: Vec<String>,
    rows: Rows,
    is_postgresql: bool,
}

impl Load {
    /// Begins a load; `None` if the database has an account already.
    pub async fn begin(db: &Db) -> StoreResult<Option<Self>> {
        let tx = db.begin().await?;
        if tx.is_postgresql() {
            // Prevents a second load and a migration meanwhile.
            tx.conn().execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
        }
        if entity::account::Entity::find().one(tx.conn()).await?.is_some() {
            return Ok(None);
        }
        set_cache(&tx, CACHE_KIBIBYTES).await?;
        if tx.is_postgresql() {
            // Only for this transaction, because it sorts entries and builds indexes over many rows.
            let sql = format!("SET LOCAL work_mem = '{SORTING}'; SET LOCAL maintenance_work_mem = '{SORTING}'");
            tx.conn().execute_unprepared(&sql).await?;
        }
        let indexes = crate::store::seed::indexes::drop(&tx).await?;
        crate::store::seed::entries::begin(&tx).await?;
        let is_postgresql = tx.is_postgresql();
        let (to_writer, gathered) = mpsc::channel(1);
        let writer = tokio::spawn(write(tx, gathered));
        Ok(Some(Self { writer, to_writer, indexes, rows: Rows::default(), is_postgresql }))
    }

    /// The rows that the next flush writes, to add to.
    pub fn rows(&mut self) -> &mut Rows {
        &mut self.rows
    }

    /// Sends the gathered rows to the writer if they are many.
    pub async fn flush_if_much(&mut self) -> StoreResult<()> {
        if self.rows.count() < ROWS_MAX {
            return Ok(());
        }
        // PostgreSQL has no foreign keys during the load, so the other tables' rows can wait.
        let rows = self.rows.take_tables(if self.is_postgresql { ROWS_MAX } else { 1 });
        self.send(rows).await
    }

    async fn send(&mut self, rows: Rows) -> StoreResult<()> {
        if rows.count() == 0 {
            return Ok(());
        }
        if self.to_writer.send(rows).await.is_ok() {
            return Ok(());
        }
        // The writer ends early only if it failed.
        written(&mut self.writer).await.map(|_| ())
    }

    /// Writes the remaining rows, creates the indexes, fills the tallies, and commits. After an error nothing is saved.
    pub async fn finish(mut self) -> StoreResult<()> {
        let rest = std::mem::take(&mut self.rows);
        self.send(rest).await?;
        let Self { mut writer, to_writer, indexes, .. } = self;
        drop(to_writer);
        let tx = written(&mut writer).await?;
        crate::store::seed::entries::finish(&tx).await?;
        for index in &indexes {
            tx.conn().execute_unprepared(index).await?;
        }
        crate::store::seed::kept::count(&tx).await?;
        set_cache(&tx, USUAL_CACHE_KIBIBYTES).await?;
        if tx.is_postgresql() {
            // Without it the first queries are planned for an empty database.
            tx.conn().execute_unprepared("ANALYZE").await?;
        }
        tx.commit().await
    }
}

/// Writes rows until the channel is closed, and returns the transaction.
async fn write(tx: Tx, mut gathered: mpsc::Receiver<Rows>) -> StoreResult<Tx> {
    while let Some(rows) = gathered.recv().await {
        rows.insert(&tx).await?;
    }
    Ok(tx)
}

async fn written(writer: &mut JoinHandle<StoreResult<Tx>>) -> StoreResult<Tx> {
    writer.await.unwrap_or_else(|error| Err(StoreError::Fault(format!("the writer of a load did not end: {error}"))))
}

async fn set_cache(tx: &Tx, kibibytes: u32) -> StoreResult<()> {
    if !tx.is_postgresql() {
        tx.conn().execute_unprepared(&format!("PRAGMA cache_size = -{kibibytes}")).await?;
    }
    Ok(())
}

/// Inserts rows of one table, with as many rows per statement as the database accepts.
async fn insert<A>(tx: &Tx, rows: Vec<A>) -> StoreResult<()>
where
    A: ActiveModelTrait + Send,
{
    use sea_orm::Iterable as _;
    if tx.is_postgresql() {
        return crate::store::seed::copy::insert(tx, A::Entity::default().table_name(), &rows).await;
    }
    let columns = <A::Entity as EntityTrait>::Column::iter().count();
    let chunk = (VALUES_MAX / columns.max(1)).min(1_000);
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        A::Entity::insert_many(rows.by_ref().take(chunk)).exec_without_returning(tx.conn()).await?;
    }
    Ok(())
}
