//! The only room that knows a database. Reads take a [scope](scope), so that what belongs to another
//! account can't be asked for; writes take a [`Tx`], that only `service` opens.

pub mod accounts;
pub mod adoption;
pub mod audit;
pub mod available;
mod cache;
pub mod component_versions;
pub mod components;
pub mod convert;
pub mod cursor;
pub mod drafts;
pub mod event_log;
pub mod events;
pub mod grants;
pub mod groups;
pub mod installations;
pub mod library;
pub mod pack_versions;
pub mod package_uses;
pub mod packs;
pub mod page;
pub mod releases;
pub mod scope;
pub mod tokens;
pub mod updates;
pub mod write;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr,
    RuntimeErr, SqlErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::watch;

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique constraint was in the way: a race that somebody else has won.
    #[error("a unique constraint was violated: {0}")]
    Conflict(String),
    /// The database can't be reached, or gave up a lock; the same call may pass later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A statement took longer than one may.
    #[error("a statement took too long: {0}")]
    Timeout(String),
    /// A fault of ours.
    #[error("the database refused: {0}")]
    Fault(String),
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match (&error, error.sql_err()) {
            (_, Some(SqlErr::UniqueConstraintViolation(which))) => Self::Conflict(which),
            (DbErr::Conn(_) | DbErr::ConnectionAcquire(_), _) => Self::Unavailable(error.to_string()),
            _ => {
                let text = error.to_string();
                match code(&error).as_deref() {
                    // PostgreSQL's query_canceled.
                    Some("57014") => Self::Timeout(text),
                    // Its deadlock_detected and serialization_failure, and SQLite's busy: another try may pass.
                    Some("40P01" | "40001") => Self::Unavailable(text),
                    Some(code) if is_sqlite_busy(code) => Self::Unavailable(text),
                    _ => Self::Fault(text),
                }
            }
        }
    }
}

/// What the database calls an error: a SQLSTATE, or one of SQLite's numbers. Its words may be in any language.
fn code(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error else {
        return None;
    };
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

/// `SQLITE_BUSY`, also with what it extends it by in its higher bits. A SQLSTATE has five characters, and these
/// numbers at most three.
fn is_sqlite_busy(code: &str) -> bool {
    code.len() < 5 && code.parse::<u32>().is_ok_and(|code| code & 0xff == 5)
}

impl StoreError {
    /// The same without the address of the database, that may hold a password.
    fn without(self, url: &str) -> Self {
        let hide = |text: String| text.replace(url, "(the address given)");
        match self {
            Self::Conflict(text) => Self::Conflict(hide(text)),
            Self::Unavailable(text) => Self::Unavailable(hide(text)),
            Self::Timeout(text) => Self::Timeout(hide(text)),
            Self::Fault(text) => Self::Fault(hide(text)),
        }
    }
}

/// What the store answers.
pub type StoreResult<T> = Result<T, StoreError>;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    Sqlite,
    Postgresql,
}

/// The key of the advisory lock under which PostgreSQL is migrated: any number, the same for all.
pub(in crate::store) const MIGRATION_LOCK: i64 = 0x6d69_6772_6174_6531;

/// Is told of each SQL statement that is run: for tests that count them.
pub type StatementObserver = Arc<dyn Fn(&str) + Send + Sync>;

/// How to reach a database.
#[derive(Clone, Default)]
pub struct DbOptions {
    /// The most connections at a time; 10 when 0.
    pub max_connections: u32,
    /// How long a statement may take in PostgreSQL; SQLite has no such bound.
    pub statement_timeout: Option<Duration>,
    pub observer: Option<StatementObserver>,
}

impl DbOptions {
    /// The same for a migration: it may take longer than a statement otherwise, and has its lock on a connection
    /// beside the one that it runs on.
    #[must_use]
    pub fn for_migration(self) -> Self {
        let max_connections = if self.max_connections == 1 { 2 } else { self.max_connections };
        Self { max_connections, statement_timeout: None, ..self }
    }
}

/// A database: cheap to clone.
#[derive(Clone)]
pub struct Db {
    read: DatabaseConnection,
    /// On SQLite a pool of one connection, so that writers queue up fairly and never find the file busy;
    /// on PostgreSQL the same pool as `read`.
    write: DatabaseConnection,
    kind: DatabaseKind,
    /// Goes up after each commit that wrote an event or a task.
    changed: Arc<watch::Sender<u64>>,
    cache: Arc<cache::Cache>,
}

impl Db {
    /// Opens the database at `url`: `sqlite://path?mode=rwc` or `postgres://…`.
    ///
    /// # Errors
    /// [`StoreError`] when it can't be reached.
    pub async fn connect(url: &str, options: DbOptions) -> StoreResult<Self> {
        if !["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme)) {
            let how = "give its address as sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE";
            return Err(StoreError::Unavailable(how.into()));
        }
        Self::open(url, options).await.map_err(|error| error.without(url))
    }

    async fn open(url: &str, options: DbOptions) -> StoreResult<Self> {
        let max = if options.max_connections == 0 { 10 } else { options.max_connections };
        let open = async |max: u32| -> StoreResult<DatabaseConnection> {
            let mut connect = ConnectOptions::new(url);
            connect.max_connections(max).sqlx_logging(false).acquire_timeout(Duration::from_secs(10));
            if let Some(most) = options.statement_timeout {
                let most = most.as_millis().to_string();
                connect.map_sqlx_postgres_opts(move |postgres| postgres.options([("statement_timeout", &most)]));
            }
            connect.map_sqlx_sqlite_opts(|sqlite| {
                use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
                sqlite
                    .journal_mode(SqliteJournalMode::Wal)
                    // A commit is on the disk before its events are announced.
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(Duration::from_secs(10))
                    .pragma("cache_size", "-65536")
            });
            let mut connection = Database::connect(connect).await?;
            if let Some(observer) = options.observer.clone() {
                connection.set_metric_callback(move |info| observer(&info.statement.sql));
            }
            Ok(connection)
        };
        let write = open(if url.starts_with("sqlite:") { 1 } else { max }).await?;
        let kind = match write.get_database_backend() {
            DatabaseBackend::Postgres => DatabaseKind::Postgresql,
            _ => DatabaseKind::Sqlite,
        };
        let read = match kind {
            DatabaseKind::Sqlite => open(max).await?,
            DatabaseKind::Postgresql => write.clone(),
        };
        Ok(Self { read, write, kind, changed: Arc::new(watch::channel(0).0), cache: Arc::default() })
    }

    /// Which database it is.
    #[must_use]
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// The connection that migrations run on.
    #[must_use]
    pub fn for_migration(&self) -> &DatabaseConnection {
        &self.write
    }

    /// Keeps other servers from migrating the same database until the transaction is dropped. On SQLite,
    /// where a migration has the one connection that writes, there is nothing to keep.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn hold_migrations(&self) -> StoreResult<Option<Tx>> {
        if self.kind == DatabaseKind::Sqlite {
            return Ok(None);
        }
        let tx = self.begin().await?;
        tx.conn().execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
        Ok(Some(tx))
    }

    /// Is told after each commit that wrote an event or a task. A hint: the tables are the truth.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Begins a transaction that may write. Dropped without [`Tx::commit`] it leaves nothing behind.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no connection can be had.
    pub async fn begin(&self) -> StoreResult<Tx> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let inner = self.write.begin_with_options(options).await?;
        Ok(Tx {
            inner,
            kind: self.kind,
            changed: self.changed.clone(),
            told: std::sync::atomic::AtomicBool::new(false),
        })
    }

    /// Closes all connections, so that nothing is left open behind a server that ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn close(self) -> StoreResult<()> {
        self.read.close().await?;
        Ok(self.write.close().await?)
    }

    pub(in crate::store) fn reader(&self) -> &DatabaseConnection {
        &self.read
    }

    /// What never changes.
    pub(in crate::store) fn cache(&self) -> &cache::Cache {
        &self.cache
    }
}

/// A transaction that may write.
pub struct Tx {
    inner: DatabaseTransaction,
    kind: DatabaseKind,
    changed: Arc<watch::Sender<u64>>,
    told: std::sync::atomic::AtomicBool,
}

impl Tx {
    /// Makes all of it so, and then tells those who wait for events and tasks. Once begun this comes to its
    /// end, also when the caller is no longer there to hear of it: its time was up, or its client has gone.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is so then.
    pub async fn commit(self) -> StoreResult<()> {
        let Self { inner, changed, told, .. } = self;
        let committed = tokio::spawn(async move {
            inner.commit().await?;
            if told.into_inner() {
                changed.send_modify(|n| *n += 1);
            }
            Ok(())
        });
        committed.await.unwrap_or_else(|error| Err(StoreError::Fault(format!("the commit did not end: {error}"))))
    }

    pub(in crate::store) fn conn(&self) -> &DatabaseTransaction {
        &self.inner
    }

    pub(in crate::store) fn is_postgresql(&self) -> bool {
        self.kind == DatabaseKind::Postgresql
    }

    /// Remembers that somebody waits for what this transaction writes.
    pub(in crate::store) fn tell(&self) {
        self.told.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}
