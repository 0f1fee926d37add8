//! The connections to the database, and their settings.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnectOptions, Database, DatabaseBackend, DatabaseConnection, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};
use tokio::sync::watch;

use super::address::Address;
use super::probe::{Unusable, probe};
use super::{StoreResult, Tx, cache};

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
    /// The same for a migration: it may take longer than a statement otherwise.
    #[must_use]
    pub fn for_migration(self) -> Self {
        Self { statement_timeout: None, ..self }
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
    /// Where it is, without passwords.
    shown: Arc<str>,
    /// Goes up after each commit that wrote an event or a task.
    changed: Arc<watch::Sender<u64>>,
    cache: Arc<cache::Cache>,
}

impl Db {
    /// Opens the database at `url`: `sqlite://path?mode=rwc` or `postgres://…`.
    ///
    /// # Errors
    /// [`Unusable`] when its address is wrong, it can't be reached, or it isn't fit to be used.
    pub async fn connect(url: &str, options: DbOptions) -> Result<Self, Unusable> {
        let address = Address::parse(url)?;
        probe(&address).await?;
        let url = address.reveal();
        Self::open(&url, address.to_string().into(), options).await.map_err(|error| {
            let why = error.without(&url);
            Unusable::new(format!("The database {address} can't be opened: {why}."))
        })
    }

    async fn open(url: &str, shown: Arc<str>, options: DbOptions) -> StoreResult<Self> {
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
        Ok(Self { read, write, kind, shown, changed: Arc::new(watch::channel(0).0), cache: Arc::default() })
    }

    /// Which database it is.
    #[must_use]
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// The connection that writes: for what is no use case.
    #[must_use]
    pub fn for_migration(&self) -> &DatabaseConnection {
        &self.write
    }

    /// Where it is, without passwords: for messages.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
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
        Ok(Tx::new(inner, self.kind, self.changed.clone()))
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
