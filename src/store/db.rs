//! The connections to the database, and their settings.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use tokio::sync::watch;

use super::address::Address;
use super::connection::Opener;
use super::health::Health;
use super::pool::{self, Limits, Pool};
use super::probe::{Unusable, probe};
use super::reader::ReadFrom;
use super::session::{Begin, Line};
use super::{StoreResult, Tx, cache};
use crate::store::accounts::bearers::Bearers;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    Sqlite,
    Postgresql,
}

/// The key of the advisory lock under which PostgreSQL is migrated: any number, the same for all.
pub(in crate::store) const MIGRATION_LOCK: i64 = 0x6d69_6772_6174_6531;

/// Is told of each SQL statement that is run: for tests that count them.
pub type StatementObserver = Arc<dyn Fn(&sea_orm::Statement) + Send + Sync>;

/// How to reach a database.
#[derive(Clone, Default)]
pub struct DbOptions {
    /// The most connections at a time, at least 2; 10 when 0.
    pub max_connections: u32,
    /// How long a statement may take.
    pub statement_timeout: Option<Duration>,
    /// How long a statement may wait for a lock in PostgreSQL.
    pub lock_timeout: Option<Duration>,
    /// How long a transaction that writes may do nothing in PostgreSQL, which then undoes it.
    pub stillness_timeout: Option<Duration>,
    pub observer: Option<StatementObserver>,
}

impl DbOptions {
    /// With the bounds of a server: a process that stands still keeps the locks of its transaction for a second and
    /// a half, and a statement waits for a lock longer than that.
    #[must_use]
    pub fn of_server(connections: u32, statement_timeout: Duration) -> Self {
        Self {
            max_connections: connections,
            statement_timeout: Some(statement_timeout),
            lock_timeout: Some(Duration::from_secs(5)),
            stillness_timeout: Some(Duration::from_millis(1_500)),
            observer: None,
        }
    }

    /// The same for a migration: it may take longer than a statement otherwise.
    #[must_use]
    pub fn for_migration(self) -> Self {
        Self { statement_timeout: None, lock_timeout: None, stillness_timeout: None, ..self }
    }

    /// How many connections read and how many write.
    fn sizes(&self, kind: DatabaseKind) -> (u32, u32) {
        let all = if self.max_connections == 0 { 10 } else { self.max_connections.max(2) };
        let writers = match kind {
            // SQLite has one writer at a time.
            DatabaseKind::Sqlite => 1,
            DatabaseKind::Postgresql => (all * 2 / 5).max(1),
        };
        (all - writers, writers)
    }
}

/// The most memory that SQLite's connections keep pages in, all together.
const SQLITE_CACHE_KIB: u32 = 64 * 1024;

/// A database: cheap to clone.
#[derive(Clone)]
pub struct Db {
    shared: Arc<Shared>,
    reader: Line<ReadFrom>,
}

struct Shared {
    read: Arc<Pool>,
    /// On SQLite a pool of one connection, so that writers queue up fairly and never find the file busy. Apart
    /// from `read` on both databases: writers that wait for each other keep no reader waiting.
    write: Arc<Pool>,
    health: Arc<Health>,
    kind: DatabaseKind,
    /// Opened when a migration runs.
    migration: DatabaseConnection,
    /// Where it is, without passwords.
    shown: String,
    /// Goes up after each commit that wrote an event or a task.
    changed: Arc<watch::Sender<u64>>,
    cache: cache::Cache,
    bearers: Bearers,
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
        Self::open(&url, address.to_string(), options).await.map_err(|error| {
            let why = error.without(&url);
            Unusable::new(format!("The database {address} can't be opened: {why}."))
        })
    }

    async fn open(url: &str, shown: String, options: DbOptions) -> StoreResult<Self> {
        let is_sqlite = url.starts_with("sqlite:");
        let kind = if is_sqlite { DatabaseKind::Sqlite } else { DatabaseKind::Postgresql };
        let (readers, writers) = options.sizes(kind);
        let mut limits = Limits {
            statement: options.statement_timeout,
            lock: options.lock_timeout,
            stillness: options.stillness_timeout,
            looks_for_client: false,
            are_of_session: false,
        };
        let opener = match kind {
            DatabaseKind::Sqlite => {
                let cache_kib = SQLITE_CACHE_KIB / (readers + writers);
                let parsed: SqliteConnectOptions = url.parse().map_err(super::error::of)?;
                Opener::Sqlite(Box::new(sqlite_options(parsed, cache_kib).disable_statement_logging()))
            }
            DatabaseKind::Postgresql => {
                let parsed: PgConnectOptions = url.parse().map_err(super::error::of)?;
                // A setting that poolers refuse, and that nothing here needs: no fraction is read as a text.
                let options = Box::new(parsed.extra_float_digits(None).disable_statement_logging());
                let opener = Opener::Postgresql {
                    options: options.clone(),
                    keeps_statements: true,
                    is_pooled: false,
                    first: None,
                };
                let mut one = pool::open_patiently(&opener).await?;
                let mut other = pool::open_patiently(&opener).await?;
                limits.looks_for_client = pool::can_look_for_client(&mut one).await.map_err(super::error::of)?;
                let is_pooled = super::connection::is_pooled(&mut one, &mut other).await.map_err(super::error::of)?;
                // Whoever names a capacity knows a pooler that keeps prepared statements apart.
                let keeps_statements = !is_pooled || keeps_statements_as_told(url);
                Opener::Postgresql { options, keeps_statements, is_pooled, first: None }
            }
        };
        let (health, generation) = (Arc::<Health>::default(), Arc::default());
        let open = async |size: u32, opener: Opener, limits: Limits| -> StoreResult<Arc<Pool>> {
            let (observer, health) = (options.observer.clone(), health.clone());
            let pool = Pool::new(opener, size, limits, observer, health, Arc::clone(&generation));
            pool.open_first().await?;
            Ok(Arc::new(pool))
        };
        let write = open(writers, opener.clone(), limits).await?;
        // Sessions of our own keep what they are told, so that a read needs no transaction around it.
        let of_session = Limits { are_of_session: opener.is_direct(), ..limits };
        let settings = limits.settings(limits.reader_stillness());
        let opener = if opener.is_direct() { opener.with_settings(settings) } else { opener };
        let read = open(readers, opener, of_session).await?;
        let migration = for_migration(url, kind).await?;
        let shared = Shared {
            read: read.clone(),
            write,
            health,
            kind,
            migration,
            shown,
            changed: Arc::new(watch::channel(0).0),
            cache: cache::Cache::default(),
            bearers: Bearers::default(),
        };
        Ok(Self { shared: Arc::new(shared), reader: Line(ReadFrom::new(read)) })
    }

    /// Which database it is.
    #[must_use]
    pub fn kind(&self) -> DatabaseKind {
        self.shared.kind
    }

    /// How many transactions can write at a time.
    #[must_use]
    pub fn writers(&self) -> usize {
        self.shared.write.size()
    }

    /// The connections of migrations: for what is no use case.
    #[must_use]
    pub fn for_migration(&self) -> &DatabaseConnection {
        &self.shared.migration
    }

    /// Where it is, without passwords: for messages.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shared.shown
    }

    /// Is told after each commit that wrote an event or a task. A hint: the tables are the truth.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// Begins a transaction that may write. Dropped without [`Tx::commit`] it leaves nothing behind.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no connection can be had.
    pub async fn begin(&self) -> StoreResult<Tx> {
        let session = self.shared.write.begin(Begin::Write).await?;
        Ok(Tx::new(session, self.shared.kind, self.shared.changed.clone()))
    }

    /// The same database for reads that all see one state: the one at the first of them. It holds a connection from
    /// then on, until [`Db::end_snapshot`], or until the last clone of it is dropped.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { shared: self.shared.clone(), reader: Line(self.reader.0.snapshot()) }
    }

    /// The same database for the reads of one function that must see one state: this snapshot, or one that ends when
    /// the function drops it.
    pub(in crate::store) fn one_state(&self) -> Self {
        if self.reader.0.is_snapshot() { self.clone() } else { self.snapshot() }
    }

    /// Gives the connection of a snapshot back. Later reads stand for themselves.
    pub fn end_snapshot(&self) {
        self.reader.0.end_snapshot();
    }

    /// Whether the database takes a write now. Changes nothing.
    ///
    /// # Errors
    /// Why it takes none.
    pub async fn takes_writes(&self) -> StoreResult<()> {
        self.shared.health.takes_writes(&self.shared.write).await
    }

    /// Closes all connections, so that nothing is left open behind a server that ends.
    pub async fn close(self) -> StoreResult<()> {
        self.reader.0.end_snapshot();
        tokio::join!(self.shared.read.close(), self.shared.write.close());
        Ok(self.shared.migration.close_by_ref().await?)
    }

    pub(in crate::store) fn reader(&self) -> &Line<ReadFrom> {
        &self.reader
    }

    /// The tokens that requests came with last.
    pub(in crate::store) fn bearers(&self) -> &Bearers {
        &self.shared.bearers
    }

    /// What never changes.
    pub(in crate::store) fn cache(&self) -> &cache::Cache {
        &self.shared.cache
    }
}

/// How an SQLite file is opened.
fn sqlite_options(parsed: SqliteConnectOptions, cache_kib: u32) -> SqliteConnectOptions {
    parsed
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is on the disk before its events are announced.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .pragma("cache_size", format!("-{cache_kib}"))
}

/// The connections of migrations: they have none of a server's bounds. None is opened before it is used.
async fn for_migration(url: &str, kind: DatabaseKind) -> StoreResult<DatabaseConnection> {
    let most = if kind == DatabaseKind::Sqlite { 1 } else { 4 };
    let mut connect = ConnectOptions::new(url);
    connect.max_connections(most).sqlx_logging(false).acquire_timeout(Duration::from_secs(10)).connect_lazy(true);
    connect.map_sqlx_sqlite_opts(|parsed| sqlite_options(parsed, SQLITE_CACHE_KIB));
    connect.map_sqlx_postgres_opts(|parsed| parsed.extra_float_digits(None));
    Ok(Database::connect(connect).await?)
}

/// Whether the address says that prepared statements are kept, with the parameter that its driver knows.
fn keeps_statements_as_told(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let told = query.split('&').find_map(|pair| pair.strip_prefix("statement-cache-capacity="));
    told.is_some_and(|capacity| capacity.parse::<u32>().is_ok_and(|capacity| capacity > 0))
}
