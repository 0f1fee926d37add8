//! A pool of connections. A connection whose transaction didn't end regularly is never used again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::connection::{Command, Connection, Opener};
use super::error::{self, Damage};
use super::health::Health;
use super::session::{Begin, Session};
use super::{StatementObserver, StoreError, StoreResult};
use crate::metrics::{Metrics, PoolName};

/// The longest wait for a free connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// The time limit of opening a connection to a server that was available before.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);
/// The time limit of beginning a transaction on an idle connection to PostgreSQL. Beginning one never waits for locks.
const BEGIN_PATIENCE: Duration = Duration::from_secs(3);
/// The maximum age of a connection. Only new connections notice changes behind the address.
const AGE_MAX: Duration = Duration::from_secs(30 * 60);
/// The first pause between two attempts to reach a server that is starting.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The time limit of inactivity in a reading transaction in PostgreSQL. It is long, because readers don't block others.
const READER_STILLNESS: Duration = Duration::from_secs(60);
/// The interval at which PostgreSQL checks whether its client is still connected.
const LOOK_FOR_CLIENT: Duration = Duration::from_millis(500);

/// The time limits of transactions and statements.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    /// The limit of a statement.
    pub(super) statement: Option<Duration>,
    /// The limit of a wait for a lock.
    pub(super) lock: Option<Duration>,
    /// The limit of inactivity in a writing transaction.
    pub(super) stillness: Option<Duration>,
    /// Whether PostgreSQL can check for a disconnected client while it works.
    pub(super) looks_for_client: bool,
    /// Whether the limits are settings of the session, so that transactions need not set them.
    pub(super) are_of_session: bool,
}

impl Limits {
    /// The time limit of inactivity in a reading transaction in PostgreSQL.
    pub(super) fn reader_stillness(self) -> Option<Duration> {
        self.stillness.map(|_| READER_STILLNESS)
    }

    /// The PostgreSQL settings for these limits, in milliseconds.
    pub(super) fn settings(self, stillness: Option<Duration>) -> impl Iterator<Item = (&'static str, u128)> {
        let looks = (self.looks_for_client && self.statement.is_some()).then_some(LOOK_FOR_CLIENT);
        let settings = [
            ("statement_timeout", self.statement),
            ("lock_timeout", self.lock),
            ("idle_in_transaction_session_timeout", stillness),
            ("client_connection_check_interval", looks),
        ];
        settings.into_iter().filter_map(|(name, value)| Some((name, value?.as_millis().max(1))))
    }
}

/// The parts that the pools of a database share.
#[derive(Clone, Default)]
pub(super) struct PoolsShare {
    pub(super) observer: Option<StatementObserver>,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) generation: Arc<AtomicU64>,
}

/// A pool of connections for reads or for writes.
pub(super) struct Pool {
    opener: Opener,
    pub(super) limits: Limits,
    pub(super) observer: Option<StatementObserver>,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<Metrics>,
    name: PoolName,
    size: u32,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    /// Increases when all open connections become unusable. All pools of a database share it.
    generation: Arc<AtomicU64>,
}

impl Pool {
    pub(super) fn new(name: PoolName, opener: Opener, size: u32, limits: Limits, shared: &PoolsShare) -> Self {
        let permits = Arc::new(Semaphore::new(size as usize));
        let PoolsShare { observer, health, metrics, generation } = shared.clone();
        Self { opener, limits, observer, health, metrics, name, size, permits, idle: Mutex::default(), generation }
    }

    /// The numbers of connections in use and of idle ones.
    pub(super) fn connections(&self) -> (usize, usize) {
        let used = self.size().saturating_sub(self.permits.available_permits());
        (used, self.idle.lock().unwrap_or_else(PoisonError::into_inner).len())
    }

    pub(super) fn name(&self) -> PoolName {
        self.name
    }

    /// The database's name in traces.
    pub(super) fn system(&self) -> &'static str {
        if self.is_of_postgresql() { "postgresql" } else { "sqlite" }
    }

    pub(super) fn is_of_postgresql(&self) -> bool {
        matches!(self.opener, Opener::Postgresql { .. })
    }

    pub(super) fn opener(&self) -> &Opener {
        &self.opener
    }

    /// The most connections.
    pub(super) fn size(&self) -> usize {
        self.size as usize
    }

    /// Opens the first connection. Waits for a server that is starting.
    pub(super) async fn open_first(&self) -> StoreResult<()> {
        let connection = open_with_retries(&self.opener).await?;
        self.put_back(connection);
        Ok(())
    }

    /// A connection with a transaction begun, or without one if a single statement needs none.
    pub(super) async fn begin(self: &Arc<Self>, begin: Begin) -> StoreResult<Session> {
        loop {
            let permit = self.permit().await?;
            let (connection, is_new) = match self.take_idle() {
                Some(connection) => (connection, false),
                None => {
                    let generation = self.generation.load(Ordering::Acquire);
                    let opened = timeout(OPEN_PATIENCE, self.opener.open()).await;
                    let opened = opened.unwrap_or_else(|_| Err(timed_out("the server did not answer")));
                    let mut connection = opened.map_err(|error| {
                        self.health.failed(&error);
                        error::of(error)
                    })?;
                    connection.generation = generation;
                    (connection, true)
                }
            };
            let begun = Session::begin(self.clone(), connection, permit, begin);
            let begun = if is_new || !self.opener.is_direct() {
                begun.await
            } else if let Ok(begun) = timeout(BEGIN_PATIENCE, begun).await {
                begun
            } else {
                // The network is broken without an error, probably for all idle connections.
                self.generation.fetch_add(1, Ordering::AcqRel);
                continue;
            };
            match begun {
                Ok(session) => return Ok(session),
                // An idle connection can break unnoticed. Nothing was done on it yet, so another one is tried.
                Err(error) if !is_new && self.is_of_postgresql() && error::damage(&error) > Damage::None => {}
                Err(error) => return Err(error::of(error)),
            }
        }
    }

    /// Waits for the turn to use a connection.
    async fn permit(&self) -> StoreResult<OwnedSemaphorePermit> {
        let began = Instant::now();
        let pending = self.metrics.pool_pending.enter(self.name);
        let permit = timeout(PATIENCE, self.permits.clone().acquire_owned()).await;
        drop(pending);
        self.metrics.pool_waits.took(self.name, began.elapsed());
        permit
            .map_err(|_| {
                self.metrics.pool_timeouts.add(self.name, 1);
                StoreError::Unavailable("no connection to the database became free in time".into())
            })?
            .map_err(|_| StoreError::Unavailable("the connections to the database are closed".into()))
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.generation.load(Ordering::Acquire);
        idle.retain(|connection| connection.generation == generation && connection.age() < AGE_MAX);
        idle.pop()
    }

    /// Returns a connection that has no transaction.
    pub(super) fn put_back(&self, connection: Connection) {
        if !self.permits.is_closed() && connection.generation == self.generation.load(Ordering::Acquire) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }

    /// Records the consequences of an error for all connections.
    pub(super) fn record_error(&self, error: &sqlx::Error) {
        self.health.failed(error);
        if error::damage(error) == Damage::Server {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Closes all connections. Waits a limited time for connections in use.
    pub(super) async fn close(&self) {
        let all = timeout(PATIENCE, self.permits.acquire_many(self.size)).await;
        self.permits.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in idle {
            // Errors don't matter, because dropping the connection closes it too.
            let _ = timeout(PATIENCE, connection.close()).await;
        }
    }
}

/// Opens a connection. Retries for a limited time if the server can't be reached or is starting.
pub(super) async fn open_with_retries(opener: &Opener) -> StoreResult<Connection> {
    let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        let error = match timeout(PATIENCE, opener.open()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => timed_out("the server did not answer"),
        };
        let starts = match &error {
            sqlx::Error::Io(io) => io.kind() == std::io::ErrorKind::ConnectionRefused,
            sqlx::Error::Database(error) => error.is_transient_in_connect_phase(),
            _ => false,
        };
        if !starts || began.elapsed() + pause > PATIENCE {
            return Err(error::of(error));
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// Whether PostgreSQL can check for a disconnected client while it works. Older versions and some operating systems
/// can't.
pub(super) async fn can_look_for_client(connection: &mut Connection) -> Result<bool, sqlx::Error> {
    let set = "BEGIN; SET LOCAL client_connection_check_interval = 1000";
    let can = match connection.run(Command::Script(set), None).await {
        Ok(_) => true,
        Err(error) if error::damage(&error) == Damage::None => false,
        Err(error) => return Err(error),
    };
    connection.run(Command::Script("ROLLBACK"), None).await?;
    Ok(can)
}

/// The error for a wait that took too long. `what` says which.
pub(super) fn timed_out(what: &'static str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, what))
}
