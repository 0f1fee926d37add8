//! Loading a whole world into an empty database: many rows a statement, all in one transaction, the
//! indexes and foreign keys made at the end. Whoever is killed on the way leaves the database as empty as it was.

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

/// How many values a statement takes: SQLite's limit.
const VALUES_MAX: usize = 32_766;
/// How many rows are gathered before they are written.
const ROWS_MAX: usize = 20_000;
/// What SQLite may keep in memory meanwhile.
const CACHE_KIBIBYTES: u32 = 512 * 1024;
/// What PostgreSQL may keep in memory for one sorting.
const SORTING: &str = "256MB";
/// What SQLite keeps otherwise, as [`Db`] says when it connects.
const USUAL_CACHE_KIBIBYTES: u32 = 64 * 1024;

/// A world that is being loaded. A task of its own writes what was gathered, while more is thought up.
pub struct Load {
    writer: JoinHandle<StoreResult<Tx>>,
    to_writer: mpsc::Sender<Rows>,
    /// How the indexes and foreign keys that were dropped are made again.
    indexes: Vec<String>,
    rows: Rows,
}

impl Load {
    /// Begins; `None` when there is an account already.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError).
    pub async fn begin(db: &Db) -> StoreResult<Option<Self>> {
        let tx = db.begin().await?;
        if tx.is_postgresql() {
            // One load at a time, and no migration meanwhile.
            tx.conn().execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
        }
        if entity::account::Entity::find().one(tx.conn()).await?.is_some() {
            return Ok(None);
        }
        set_cache(&tx, CACHE_KIBIBYTES).await?;
        if tx.is_postgresql() {
            // For this transaction alone: entries are sorted and indexes made of many rows at once.
            let sql = format!("SET LOCAL work_mem = '{SORTING}'; SET LOCAL maintenance_work_mem = '{SORTING}'");
            tx.conn().execute_unprepared(&sql).await?;
        }
        let indexes = crate::store::seed::indexes::drop(&tx).await?;
        crate::store::seed::entries::begin(&tx).await?;
        let (to_writer, gathered) = mpsc::channel(1);
        let writer = tokio::spawn(write(tx, gathered));
        Ok(Some(Self { writer, to_writer, indexes, rows: Rows::default() }))
    }

    /// What is to be written next. Whatever is added is written sooner or later by [`Load::flush`].
    pub fn rows(&mut self) -> &mut Rows {
        &mut self.rows
    }

    /// Writes what was gathered, if it is much; in the order in which rows point to each other.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError).
    pub async fn flush_if_much(&mut self) -> StoreResult<()> {
        if self.rows.count() < ROWS_MAX { Ok(()) } else { self.flush().await }
    }

    async fn flush(&mut self) -> StoreResult<()> {
        let rows = std::mem::take(&mut self.rows);
        if self.to_writer.send(rows).await.is_ok() {
            return Ok(());
        }
        // The writer goes before it is told to when it has failed.
        written(&mut self.writer).await.map(|_| ())
    }

    /// Writes the rest, makes the indexes, and makes all of it so.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError); nothing is so then.
    pub async fn finish(mut self) -> StoreResult<()> {
        self.flush().await?;
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

/// Writes what comes, until nothing more does; gives the transaction back.
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

/// Inserts rows of one table, as many a statement as it takes.
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
