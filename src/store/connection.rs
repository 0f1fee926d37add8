//! A single connection to the database: runs its statements, and stops a statement whose caller has gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::{PgConnectOptions, PgQueryResult};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{
    self, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, Postgres, Sqlite,
    SqliteConnection,
};
use sea_orm::{ExecResult, QueryResult, Statement, Values};
use sea_query_sqlx::SqlxValues;

/// The number of steps of SQLite's virtual machine between two checks of the [`Interrupt`]. They take well below a
/// millisecond.
const STEPS: i32 = 10_000;

/// The options with which connections are opened.
#[derive(Clone)]
pub(super) enum Opener {
    Sqlite(Box<SqliteConnectOptions>),
    Postgresql {
        options: Box<PgConnectOptions>,
        /// Whether prepared statements stay on the connection. Not with a pooler, because the next transaction may run
        /// on another connection.
        keeps_statements: bool,
        /// Whether a pooler chooses a connection for each transaction.
        is_pooled: bool,
        /// A script that runs on each new connection.
        first: Option<String>,
    },
}

impl Opener {
    /// Whether connections lead to PostgreSQL without a pooler, as far as the program can find out.
    pub(super) fn is_direct(&self) -> bool {
        matches!(self, Self::Postgresql { is_pooled: false, .. })
    }

    /// The options for a connection that uses LISTEN; `None` where that doesn't work.
    pub(super) fn for_listening(&self) -> Option<&PgConnectOptions> {
        match self {
            Self::Postgresql { options, is_pooled: false, .. } => Some(options),
            _ => None,
        }
    }

    /// The options with a cache of this size for each connection, on SQLite.
    pub(super) fn with_cache(self, cache_kib: u32) -> Self {
        match self {
            Self::Sqlite(options) => Self::Sqlite(Box::new(options.pragma("cache_size", format!("-{cache_kib}")))),
            other @ Self::Postgresql { .. } => other,
        }
    }

    /// Adds session settings to each new connection. They are set by a statement, because poolers refuse settings in
    /// the startup message.
    pub(super) fn with_settings(self, settings: impl Iterator<Item = (&'static str, u128)>) -> Self {
        match self {
            Self::Postgresql { options, keeps_statements, is_pooled, .. } => {
                let sets: Vec<String> = settings.map(|(name, value)| format!("SET {name} = {value}")).collect();
                Self::Postgresql { options, keeps_statements, is_pooled, first: Some(sets.join("; ")) }
            }
            Self::Sqlite(options) => Self::Sqlite(options),
        }
    }

    /// Opens a connection with the pool's settings.
    pub(super) async fn open(&self) -> Result<Connection, sqlx::Error> {
        let interrupt = Arc::new(Interrupt::new());
        let wire = match self {
            Self::Sqlite(options) => {
                let mut wire = options.connect().await?;
                let stopped = interrupt.clone();
                wire.lock_handle().await?.set_progress_handler(STEPS, move || !stopped.must_stop());
                Wire::Sqlite(Box::new(wire))
            }
            Self::Postgresql { options, first, .. } => {
                let mut wire = options.connect().await?;
                if let Some(first) = first.as_ref().filter(|first| !first.is_empty()) {
                    wire.execute(AssertSqlSafe(first.clone())).await?;
                }
                Wire::Postgresql(Box::new(wire))
            }
        };
        let keeps_statements = !matches!(self, Self::Postgresql { keeps_statements: false, .. });
        let interrupt = Guarded(interrupt);
        let now = Instant::now();
        Ok(Connection {
            wire,
            interrupt,
            keeps_statements,
            opened: now,
            answered: now,
            generation: 0,
            is_running: false,
        })
    }
}

/// The driver's connection.
enum Wire {
    Sqlite(Box<SqliteConnection>),
    Postgresql(Box<PgConnection>),
}

/// A command to the database.
#[derive(Clone, Copy)]
pub(super) enum Command<'a> {
    /// A statement whose number of affected rows is needed.
    Execute(&'a Statement),
    /// A statement whose first row is needed.
    One(&'a Statement),
    /// A statement whose rows are all needed.
    All(&'a Statement),
    /// Statements without parameters.
    Script(&'a str),
    /// PostgreSQL's COPY with its rows.
    Copy(&'a str, &'a [u8]),
}

impl Command<'_> {
    /// The statement's text.
    pub(super) fn sql(&self) -> &str {
        match self {
            Self::Execute(statement) | Self::One(statement) | Self::All(statement) => &statement.sql,
            Self::Script(sql) | Self::Copy(sql, _) => sql,
        }
    }
}

/// The result of a [`Command`].
pub(super) enum Reply {
    Done(ExecResult),
    Rows(Vec<QueryResult>),
}

/// A connection. Dropping it closes it, and stops a running statement.
pub(super) struct Connection {
    wire: Wire,
    interrupt: Guarded,
    keeps_statements: bool,
    opened: Instant,
    /// The time of the last answer, or of opening.
    answered: Instant,
    /// The generation of the pool in which it was opened.
    pub(super) generation: u64,
    /// Stays true when a caller is dropped before its statement has ended.
    is_running: bool,
}

impl Connection {
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// The time since the last answer.
    pub(super) fn silence(&self) -> Duration {
        self.answered.elapsed()
    }

    /// Whether the caller of the last statement was dropped before the statement ended. The statement may still run.
    pub(super) fn is_left_running(&self) -> bool {
        self.is_running
    }

    /// Finds out whether an idle connection still works. The database counts no statement for it.
    pub(super) async fn ping(&mut self) -> Result<(), sqlx::Error> {
        // If the caller is dropped meanwhile, the connection is closed.
        self.is_running = true;
        self.recover().await
    }

    /// Waits for the end of a statement whose caller was dropped.
    pub(super) async fn recover(&mut self) -> Result<(), sqlx::Error> {
        match &mut self.wire {
            // SQLite's thread runs one command after the other.
            Wire::Sqlite(wire) => wire.ping().await?,
            Wire::Postgresql(wire) => wire.ping().await?,
        }
        self.interrupt.0.release();
        self.is_running = false;
        self.answered = Instant::now();
        Ok(())
    }

    /// Runs a command. `limit` is for SQLite, which has no setting for a time limit.
    pub(super) async fn run(&mut self, command: Command<'_>, limit: Option<Duration>) -> Result<Reply, sqlx::Error> {
        let Self { wire, interrupt, keeps_statements, is_running, answered, .. } = self;
        *is_running = true;
        let guard = InterruptOnDrop(&interrupt.0);
        interrupt.0.set(limit);
        let began = tracing::enabled!(target: "packwright::sql", tracing::Level::DEBUG).then(Instant::now);
        let result = match wire {
            Wire::Sqlite(wire) => run_on_sqlite(wire, command).await,
            Wire::Postgresql(wire) => run_on_postgresql(wire, command, *keeps_statements).await,
        };
        if let Some(began) = began {
            log_statement(command, &result, began.elapsed());
        }
        interrupt.0.release();
        std::mem::forget(guard);
        *is_running = false;
        *answered = Instant::now();
        result
    }

    /// Closes the connection in an orderly way.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        match self.wire {
            Wire::Sqlite(wire) => wire.close().await,
            Wire::Postgresql(wire) => wire.close().await,
        }
    }
}

/// Logs a statement with `--log info,packwright::sql=debug`. Parameter values are left out, because they include
/// secrets.
fn log_statement(command: Command<'_>, result: &Result<Reply, sqlx::Error>, took: Duration) {
    let sql = match command {
        Command::Execute(statement) | Command::One(statement) | Command::All(statement) => &statement.sql,
        Command::Script(sql) | Command::Copy(sql, _) => sql,
    };
    let rows = match result {
        Ok(Reply::Rows(rows)) => u64::try_from(rows.len()).ok(),
        Ok(Reply::Done(done)) => Some(done.rows_affected()),
        Err(_) => None,
    };
    tracing::debug!(target: "packwright::sql", rows, took_us = u64::try_from(took.as_micros()).ok(), "{sql}");
}

/// Triggers the interrupt when the connection is dropped. SQLite's thread stops the running statement before it closes
/// the file. PostgreSQL notices the closed socket and stops the statement on its own.
struct Guarded(Arc<Interrupt>);

impl Drop for Guarded {
    fn drop(&mut self) {
        self.0.trigger();
    }
}

/// Runs a command on either driver's connection. The drivers have different types with methods of the same names.
macro_rules! run_on {
    ($wire:expr, $command:expr, |$statement:ident| $query:expr) => {
        Ok(match $command {
            Command::Execute($statement) => Reply::Done($query.execute($wire).await?.into()),
            Command::One($statement) => {
                Reply::Rows($query.fetch_optional($wire).await?.map(Into::into).into_iter().collect())
            }
            Command::All($statement) => {
                Reply::Rows($query.fetch_all($wire).await?.into_iter().map(Into::into).collect())
            }
            Command::Script(sql) => Reply::Done($wire.execute(AssertSqlSafe(sql.to_owned())).await?.into()),
            // PostgreSQL's COPY is handled before this macro.
            Command::Copy(..) => return Err(sqlx::Error::Protocol("SQLite has no COPY".into())),
        })
    };
}

async fn run_on_sqlite(wire: &mut SqliteConnection, command: Command<'_>) -> Result<Reply, sqlx::Error> {
    run_on!(wire, command, |statement| bound::<Sqlite>(statement))
}

async fn run_on_postgresql(
    wire: &mut PgConnection,
    command: Command<'_>,
    keeps_statements: bool,
) -> Result<Reply, sqlx::Error> {
    if let Command::Copy(sql, rows) = command {
        let mut copy = wire.copy_in_raw(sql).await?;
        copy.send(rows).await?;
        copy.finish().await?;
        return Ok(Reply::Done(PgQueryResult::default().into()));
    }
    run_on!(wire, command, |statement| bound::<Postgres>(statement).persistent(keeps_statements))
}

fn bound<DB: sqlx::Database>(statement: &Statement) -> Query<'_, DB, SqlxValues>
where
    SqlxValues: sqlx::IntoArguments<DB>,
{
    let values = statement.values.clone().unwrap_or_else(|| Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

/// A signal that SQLite checks while it works: whether to stop the running statement.
struct Interrupt {
    epoch: Instant,
    is_triggered: AtomicBool,
    /// Milliseconds after `epoch`; 0 for no deadline.
    deadline: AtomicU64,
}

impl Interrupt {
    fn new() -> Self {
        Self { epoch: Instant::now(), is_triggered: AtomicBool::new(false), deadline: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn set(&self, limit: Option<Duration>) {
        let deadline = limit
            .map_or(0, |limit| self.now().saturating_add(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)).max(1));
        self.deadline.store(deadline, Ordering::Relaxed);
    }

    fn trigger(&self) {
        self.is_triggered.store(true, Ordering::Relaxed);
    }

    fn release(&self) {
        self.is_triggered.store(false, Ordering::Relaxed);
        self.deadline.store(0, Ordering::Relaxed);
    }

    fn must_stop(&self) -> bool {
        let deadline = self.deadline.load(Ordering::Relaxed);
        self.is_triggered.load(Ordering::Relaxed) || (deadline != 0 && self.now() >= deadline)
    }
}

/// Triggers the interrupt when a caller is dropped before its statement has ended.
struct InterruptOnDrop<'a>(&'a Interrupt);

impl Drop for InterruptOnDrop<'_> {
    fn drop(&mut self) {
        self.0.trigger();
    }
}

/// Whether a pooler chooses a connection to PostgreSQL for each transaction. The test: while the second connection has
/// a transaction, a new one on the first connection must be served by the same process as before.
pub(super) async fn is_pooled(one: &mut Connection, other: &mut Connection) -> Result<bool, sqlx::Error> {
    /// The wait for a pooler that has only one connection, which the other transaction uses.
    const PATIENCE: Duration = Duration::from_secs(2);
    let (Wire::Postgresql(one), Wire::Postgresql(other)) = (&mut one.wire, &mut other.wire) else { return Ok(false) };
    let first = begin_and_ask(one).await?;
    one.execute("ROLLBACK").await?;
    begin_and_ask(other).await?;
    let second = tokio::time::timeout(PATIENCE, begin_and_ask(one)).await;
    other.execute("ROLLBACK").await?;
    let Ok(second) = second else { return Ok(true) };
    one.execute("ROLLBACK").await?;
    Ok(first != second?)
}

/// Begins a transaction, and returns the id of the PostgreSQL process that serves it.
async fn begin_and_ask(wire: &mut PgConnection) -> Result<i32, sqlx::Error> {
    use sea_orm::sqlx::Row as _;
    wire.execute("BEGIN").await?;
    sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(wire).await?.try_get(0)
}
