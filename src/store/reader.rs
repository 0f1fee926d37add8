//! Sources of reads: single reads of the present state, and snapshots.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sea_orm::prelude::async_trait;
use sea_orm::{ConnectionTrait, DbErr};
use tokio::sync::{Mutex, Notify};

use super::cache::Cache;
use super::connection::{Command, Reply};
use super::error::not_read;
use super::pool::Pool;
use super::session::{Begin, Line, RunsStatements, Session, SharedSession, unavailable};
use super::{DatabaseKind, Db, Tx};

/// A source of reads: each read sees the present state, or all see the state of one snapshot.
#[derive(Clone)]
pub(crate) struct ReadFrom {
    pool: Arc<Pool>,
    state: Option<Arc<OneState>>,
}

/// One state of the database: the state at the first read.
#[derive(Default)]
struct OneState {
    session: Mutex<Option<Session>>,
    has_ended: AtomicBool,
    /// How many reads have begun.
    reads: AtomicU32,
    /// Whether there will probably be a single read, which needs no transaction.
    expects_one_read: AtomicBool,
    wants_more: Notify,
    /// Whether nothing may be read.
    is_closed: AtomicBool,
}

impl ReadFrom {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, state: None }
    }

    /// A source whose reads see one state. The state is the one at the first read.
    pub(super) fn one_state(&self) -> Self {
        Self { pool: self.pool.clone(), state: Some(Arc::default()) }
    }

    /// Reads without a transaction, because a single read is expected. A second read never ends, and
    /// [`ReadFrom::wants_more`] reports it; the caller must then read everything again from another source.
    pub(super) fn expect_one_read(&self) {
        if let Some(state) = &self.state {
            state.expects_one_read.store(true, Ordering::Release);
        }
    }

    /// Returns when a source that expects one read is asked for a second one.
    pub(super) async fn wants_more(&self) {
        match &self.state {
            Some(state) => state.wants_more.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Refuses each later read. [`ReadFrom::reads`] counts the refusals.
    pub(super) fn close(&self) {
        if let Some(state) = &self.state {
            state.is_closed.store(true, Ordering::Release);
        }
    }

    /// How many reads have begun.
    pub(super) fn reads(&self) -> u32 {
        self.state.as_ref().map_or(0, |state| state.reads.load(Ordering::Acquire))
    }

    /// Returns the snapshot's connection to the pool, after a running statement. Later reads see the present state.
    pub(super) fn end(&self) {
        if let Some(state) = &self.state {
            state.has_ended.store(true, Ordering::Release);
            if let Ok(mut session) = state.session.try_lock() {
                session.take();
            }
        }
    }
}

#[async_trait::async_trait]
impl RunsStatements for ReadFrom {
    fn is_of_postgresql(&self) -> bool {
        self.pool.is_of_postgresql()
    }

    async fn run(&self, command: Command<'_>) -> Result<Reply, DbErr> {
        match &self.state {
            Some(state) if state.is_closed.load(Ordering::Acquire) => {
                state.reads.fetch_add(1, Ordering::AcqRel);
                Err(not_read())
            }
            Some(state) if !state.has_ended.load(Ordering::Acquire) => {
                let mut session = state.session.lock().await;
                let earlier = state.reads.fetch_add(1, Ordering::AcqRel);
                if state.expects_one_read.load(Ordering::Acquire) {
                    if earlier > 0 {
                        state.wants_more.notify_one();
                        return std::future::pending().await;
                    }
                    // The lock is held during the read, so that another read begins only after it has ended.
                    return self.read_alone(command).await;
                }
                let open = match &mut *session {
                    Some(open) => open,
                    none => none.insert(self.pool.begin(Begin::Snapshot).await.map_err(unavailable)?),
                };
                let ran = open.run(command).await;
                if state.has_ended.load(Ordering::Acquire) {
                    session.take();
                }
                ran
            }
            _ => self.read_alone(command).await,
        }
    }
}

impl ReadFrom {
    /// Reads the present state.
    async fn read_alone(&self, command: Command<'_>) -> Result<Reply, DbErr> {
        let mut broken = 0;
        loop {
            let mut session = self.pool.begin(Begin::Statement).await.map_err(unavailable)?;
            let ran = session.run(command).await;
            // After as many failures, all connections that were idle have been replaced.
            if ran.is_ok() || !session.was_broken() || broken == self.pool.size() {
                return ran;
            }
            broken += 1;
        }
    }
}

/// A source of reads, and the database that it reads: the part of a [`Snapshot`](super::Snapshot) that knows no scope.
/// It runs statements that a read has composed for its scope.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(super) db: Db,
    pub(super) line: Line<ReadFrom>,
}

impl Reader {
    pub(in crate::store) fn conn(&self) -> &Line<ReadFrom> {
        &self.line
    }

    pub(in crate::store) fn kind(&self) -> DatabaseKind {
        self.db.kind()
    }

    /// The cache of immutable rows.
    pub(in crate::store) fn cache(&self) -> &Cache {
        self.db.cache()
    }
}

/// A source of reads of any kind, for functions that read in a transaction that may write, too.
pub(crate) trait Reads: Send + Sync {
    type Conn: ConnectionTrait;

    /// The connection that runs the statements.
    fn source(&self) -> &Self::Conn;
}

impl Reads for Tx {
    type Conn = Line<SharedSession>;

    fn source(&self) -> &Self::Conn {
        self.conn()
    }
}
