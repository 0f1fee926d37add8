//! The connections to the database, and their settings.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use tokio::sync::watch;
use tokio::time::timeout;

use super::address::Address;
use super::connection::Opener;
use super::health::Health;
use super::hints::Hints;
use super::lines::Lines;
use super::pool::{self, Limits, PATIENCE, Pool, PoolsShare};
use super::probe::{Unusable, probe};
use super::reader::ReadFrom;
use super::session::{Begin, Line};
use super::tx::CommitCounts;
use super::{StoreError, StoreResult, Tx, cache};
use crate::metrics::{Metrics, PoolName};
use crate::store::accounts::Bearers;

/// The kind of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    Sqlite,
    Postgresql,
}

/// The key of the advisory lock for migrations of PostgreSQL. The number is arbitrary, but the same for all processes.
pub(in crate::store) const MIGRATION_LOCK: i64 = 0x6d69_6772_6174_6531;

/// A callback after each SQL statement, after the beginning of each transaction, and before each commit. Tests count
/// statements with it, and act between them.
pub type StatementObserver = Arc<dyn Fn(&sea_orm::Statement) + Send + Sync>;

/// The options of a database's connections.
#[derive(Clone, Default)]
pub struct DbOptions {
    /// The most connections at a time, at least 2; 0 means 10.
    pub max_connections: u32,
    /// The time limit of a statement.
    pub statement_timeout: Option<Duration>,
    /// The time limit of waiting for a lock in PostgreSQL.
    pub lock_timeout: Option<Duration>,
    /// The time limit of inactivity in a writing transaction in PostgreSQL, which then rolls it back.
    pub stillness_timeout: Option<Duration>,
    pub observer: Option<StatementObserver>,
    /// Where statements and waits are counted.
    pub metrics: Arc<Metrics>,
}

impl DbOptions {
    /// Options with the limits of a server. The lock timeout is longer than the stillness timeout, so that a waiting
    /// statement outlives a process that is suspended while it holds locks.
    #[must_use]
    pub fn of_server(connections: u32, statement_timeout: Duration) -> Self {
        Self {
            max_connections: connections,
            statement_timeout: Some(statement_timeout),
            lock_timeout: Some(Duration::from_secs(5)),
            stillness_timeout: Some(Duration::from_millis(1_500)),
            ..Self::default()
        }
    }

    /// Options without time limits, because migrations may take longer.
    #[must_use]
    pub fn for_migration(self) -> Self {
        Self { statement_timeout: None, lock_timeout: None, stillness_timeout: None, ..self }
    }

    /// The numbers of reading and of writing connections.
    fn sizes(&self, kind: DatabaseKind) -> (u32, u32) {
        let all = if self.max_connections == 0 { 10 } else { self.max_connections.max(2) };
        let writers = match kind {
            // SQLite has one writer at a time.
            DatabaseKind::Sqlite => 1,
            DatabaseKind::Postgresql => all / 2,
        };
        (all - writers, writers)
    }
}

/// The memory limit of all SQLite connections' caches together.
const SQLITE_CACHE_KIB: u32 = 64 * 1024;
/// The part of it for the connection that writes. A batch changes up to 1,500 pages of 4 KiB. With a smaller cache
/// SQLite would write pages before the commit, and read them again.
const SQLITE_WRITER_CACHE_KIB: u32 = 16 * 1024;

/// A database. It reads nothing on its own: reads take a [`Snapshot`](super::Snapshot) or the
/// [`WholeServer`](super::WholeServer). Cloning it is cheap.
#[derive(Clone)]
pub struct Db {
    shared: Arc<Shared>,
    present: Line<ReadFrom>,
    /// Like `present`, on a connection of its own.
    apart: Line<ReadFrom>,
}

struct Shared {
    read: Arc<Pool>,
    /// On SQLite it has one connection, so that writers queue fairly and never find the file busy. Separate from `read`
    /// on both databases, so that writers that wait for each other don't delay readers.
    write: Arc<Pool>,
    /// One connection, which is opened at the first use, for reads that must not wait for other reads.
    apart: Arc<Pool>,
    /// Transactions wait here before they take a connection of `write`.
    lines: Lines,
    health: Arc<Health>,
    kind: DatabaseKind,
    /// Connects only when a migration runs.
    migration: DatabaseConnection,
    /// The address without passwords.
    shown: String,
    /// The SQLite file.
    file: Option<PathBuf>,
    commits: Arc<CommitCounts>,
    cache: cache::Cache,
    bearers: Bearers,
}

impl Db {
    /// Opens the database at `url`: `sqlite://path?mode=rwc` or `postgres://…`.
    ///
    /// # Errors
    /// [`Unusable`] if the address is wrong, or the database can't be reached or used.
    pub async fn connect(url: &str, options: DbOptions) -> Result<Self, Unusable> {
        let address = Address::parse(url)?;
        probe(&address).await?;
        let url = address.reveal();
        Self::open(&url, &address, options).await.map_err(|error| {
            let why = error.without(&url);
            Unusable::new(format!("The database {address} can't be opened: {why}."))
        })
    }

    async fn open(url: &str, address: &Address, options: DbOptions) -> StoreResult<Self> {
        let is_sqlite = url.starts_with("sqlite:");
        let kind = if is_sqlite { DatabaseKind::Sqlite } else { DatabaseKind::Postgresql };
        let (readers, writers) = options.sizes(kind);
        let (opener, looks_for_client) = match kind {
            DatabaseKind::Sqlite => {
                (sqlite_opener(url, (SQLITE_CACHE_KIB - SQLITE_WRITER_CACHE_KIB) / readers)?, false)
            }
            DatabaseKind::Postgresql => postgresql_opener(url).await?,
        };
        let limits = Limits {
            statement: options.statement_timeout,
            lock: options.lock_timeout,
            stillness: options.stillness_timeout,
            looks_for_client,
            are_of_session: false,
        };
        let health = Arc::<Health>::default();
        let share = PoolsShare {
            observer: options.observer.clone(),
            health: health.clone(),
            metrics: options.metrics.clone(),
            ..PoolsShare::default()
        };
        let open = async |name: PoolName, size: u32, opener: Opener, limits: Limits| -> StoreResult<Arc<Pool>> {
            let pool = Arc::new(Pool::new(name, opener, size, limits, &share));
            pool.open_first().await?;
            Ok(pool)
        };
        let write = open(PoolName::Write, writers, opener.clone().with_cache(SQLITE_WRITER_CACHE_KIB), limits).await?;
        // Direct sessions keep their settings, so that a single read needs no transaction.
        let of_session = Limits { are_of_session: opener.is_direct(), ..limits };
        let settings = limits.settings(limits.reader_stillness());
        let opener = if opener.is_direct() { opener.with_settings(settings) } else { opener };
        let apart = Arc::new(Pool::new(PoolName::Apart, opener.clone(), 1, of_session, &share));
        let read = open(PoolName::Read, readers, opener, of_session).await?;
        let migration = for_migration(url, kind).await?;
        let shared = Shared {
            read: read.clone(),
            apart: apart.clone(),
            lines: Lines::before(write.size()),
            write,
            health,
            kind,
            migration,
            shown: address.to_string(),
            file: address.file().map(Path::to_owned),
            commits: Arc::default(),
            cache: cache::Cache::default(),
            bearers: Bearers::default(),
        };
        let (present, apart) = (Line(ReadFrom::new(read)), Line(ReadFrom::new(apart)));
        Ok(Self { shared: Arc::new(shared), present, apart })
    }

    #[must_use]
    pub fn kind(&self) -> DatabaseKind {
        self.shared.kind
    }

    /// The number of transactions that can write at a time.
    #[must_use]
    pub fn writers(&self) -> usize {
        self.shared.write.size()
    }

    /// The number of transactions that can write at a time for one account.
    #[must_use]
    pub fn writers_of_account(&self) -> usize {
        self.shared.lines.most()
    }

    /// The connections for migrations. Use cases don't use them.
    #[must_use]
    pub fn for_migration(&self) -> &DatabaseConnection {
        &self.shared.migration
    }

    /// The address without passwords, for messages.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shared.shown
    }

    /// Notifies after each commit of an event or a task. It is only a hint: receivers must read the tables.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.commits.work.subscribe()
    }

    /// Notifies after each commit of audit entries by this process. It is only a hint: other processes append entries
    /// too.
    #[must_use]
    pub fn new_entries(&self) -> watch::Receiver<u64> {
        self.shared.commits.entries.subscribe()
    }

    /// Listens to hints of other servers that the event log has grown.
    #[must_use]
    pub fn hints(&self) -> Hints {
        static WARNED: Once = Once::new();
        match self.shared.read.opener().for_listening() {
            Some(options) => Hints::listen(options.clone()),
            None => {
                if self.kind() == DatabaseKind::Postgresql {
                    let log = || {
                        tracing::info!(
                            "LISTEN doesn't work through a pooler: events of other servers are found by polling, within a second"
                        )
                    };
                    WARNED.call_once(log);
                }
                Hints::none()
            }
        }
    }

    /// Begins a transaction that may write. Dropping it without [`Tx::commit`] rolls it back.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if no connection is available, or the account's other calls don't end.
    pub async fn begin(&self) -> StoreResult<Tx> {
        let turn = timeout(PATIENCE, self.shared.lines.turn()).await;
        let turn = turn.map_err(|_| StoreError::Unavailable("the account's other calls did not end in time".into()))?;
        let session = self.shared.write.begin(Begin::Write).await?.in_turn(turn);
        Ok(Tx::new(session, self.shared.kind, self.shared.commits.clone()))
    }

    /// Begins a transaction that doesn't wait behind the calls' transactions: on PostgreSQL it has the connection of
    /// [`Db::whole_server_apart`]. SQLite has one writer, whose turn it waits for.
    pub(in crate::store) async fn begin_apart(&self) -> StoreResult<Tx> {
        let pool = match self.shared.kind {
            DatabaseKind::Sqlite => &self.shared.write,
            DatabaseKind::Postgresql => &self.shared.apart,
        };
        Ok(Tx::new(pool.begin(Begin::Write).await?, self.shared.kind, self.shared.commits.clone()))
    }

    /// The pools of connections.
    pub(super) fn pools(&self) -> [&Pool; 3] {
        [&self.shared.read, &self.shared.write, &self.shared.apart]
    }

    /// The SQLite file.
    pub(super) fn file(&self) -> Option<&Path> {
        self.shared.file.as_deref()
    }

    /// Whether the database accepts a write now. Changes nothing. The error says why it doesn't.
    pub async fn takes_writes(&self) -> StoreResult<()> {
        self.shared.health.takes_writes(&self.shared.write).await
    }

    /// Closes all connections, for a server that ends.
    pub async fn close(self) -> StoreResult<()> {
        tokio::join!(self.shared.read.close(), self.shared.apart.close(), self.shared.write.close());
        Ok(self.shared.migration.close_by_ref().await?)
    }

    /// Reads of the present state, each on its own.
    pub(super) fn present(&self) -> &Line<ReadFrom> {
        &self.present
    }

    /// Like [`Db::present`], on a connection of its own.
    pub(super) fn apart(&self) -> &Line<ReadFrom> {
        &self.apart
    }

    /// The cache of tokens.
    pub(in crate::store) fn bearers(&self) -> &Bearers {
        &self.shared.bearers
    }

    /// The cache of immutable rows.
    pub(in crate::store) fn cache(&self) -> &cache::Cache {
        &self.shared.cache
    }
}

/// The options with which an SQLite file is opened.
fn sqlite_options(parsed: SqliteConnectOptions, cache_kib: u32) -> SqliteConnectOptions {
    parsed
        .journal_mode(SqliteJournalMode::Wal)
        // A commit must be on the disk before its events are announced.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .pragma("cache_size", format!("-{cache_kib}"))
}

/// Opens connections to an SQLite file.
fn sqlite_opener(url: &str, cache_kib: u32) -> StoreResult<Opener> {
    let parsed: SqliteConnectOptions = url.parse().map_err(super::error::of)?;
    Ok(Opener::Sqlite(Box::new(sqlite_options(parsed, cache_kib).disable_statement_logging())))
}

/// Opens connections to PostgreSQL, directly or through a pooler. Returns also whether a session can look for its
/// client during a statement.
async fn postgresql_opener(url: &str) -> StoreResult<(Opener, bool)> {
    let parsed: PgConnectOptions = url.parse().map_err(super::error::of)?;
    // Poolers refuse the setting `extra_float_digits`. It isn't needed, because no fraction is read as text.
    let options = Box::new(parsed.extra_float_digits(None).disable_statement_logging());
    let opener = Opener::Postgresql { options: options.clone(), keeps_statements: true, is_pooled: false, first: None };
    let mut one = pool::open_with_retries(&opener).await?;
    let mut other = pool::open_with_retries(&opener).await?;
    let looks_for_client = pool::can_look_for_client(&mut one).await.map_err(super::error::of)?;
    let is_pooled = super::connection::is_pooled(&mut one, &mut other).await.map_err(super::error::of)?;
    // An address with a statement capacity is for a pooler that handles prepared statements.
    let keeps_statements = !is_pooled || keeps_statements_by_address(url);
    Ok((Opener::Postgresql { options, keeps_statements, is_pooled, first: None }, looks_for_client))
}

/// The connections for migrations, without a server's time limits. They connect only when they are used.
async fn for_migration(url: &str, kind: DatabaseKind) -> StoreResult<DatabaseConnection> {
    let most = if kind == DatabaseKind::Sqlite { 1 } else { 4 };
    let mut connect = ConnectOptions::new(url);
    connect.max_connections(most).sqlx_logging(false).acquire_timeout(Duration::from_secs(10)).connect_lazy(true);
    connect.map_sqlx_sqlite_opts(|parsed| sqlite_options(parsed, SQLITE_CACHE_KIB));
    connect.map_sqlx_postgres_opts(|parsed| parsed.extra_float_digits(None));
    Ok(Database::connect(connect).await?)
}

/// Whether the address has a statement capacity above zero.
fn keeps_statements_by_address(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let setting = query.split('&').find_map(|pair| pair.strip_prefix("statement-cache-capacity="));
    setting.is_some_and(|capacity| capacity.parse::<u32>().is_ok_and(|capacity| capacity > 0))
}
