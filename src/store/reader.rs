//! Sources of reads: single reads of the present state, and snapshots.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::DbErr;
use sea_orm::prelude::async_trait;
use tokio::sync::Mutex;

use super::connection::{Command, Reply};
use super::pool::Pool;
use super::session::{Begin, RunsStatements, Session, unavailable};

/// A source of reads: each read sees the present state, or all see the state of one snapshot.
#[derive(Clone)]
pub(in crate::store) struct ReadFrom {
    pool: Arc<Pool>,
    snapshot: Option<Arc<Snapshot>>,
}

/// One state of the database: the state at the first read.
struct Snapshot {
    session: Mutex<Option<Session>>,
    has_ended: AtomicBool,
}

impl ReadFrom {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, snapshot: None }
    }

    /// A source whose reads see one state. The snapshot begins with the first read.
    pub(super) fn snapshot(&self) -> Self {
        let snapshot = Snapshot { session: Mutex::default(), has_ended: AtomicBool::new(false) };
        Self { pool: self.pool.clone(), snapshot: Some(Arc::new(snapshot)) }
    }

    /// Whether reads see one state, and the snapshot hasn't ended.
    pub(super) fn is_snapshot(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| !snapshot.has_ended.load(Ordering::Acquire))
    }

    /// Returns the snapshot's connection to the pool, after a running statement. Later reads see the present state.
    pub(super) fn end_snapshot(&self) {
        if let Some(snapshot) = &self.snapshot {
            snapshot.has_ended.store(true, Ordering::Release);
            if let Ok(mut session) = snapshot.session.try_lock() {
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
        match &self.snapshot {
            Some(snapshot) if !snapshot.has_ended.load(Ordering::Acquire) => {
                let mut session = snapshot.session.lock().await;
                let open = match &mut *session {
                    Some(open) => open,
                    none => none.insert(self.pool.begin(Begin::Snapshot).await.map_err(unavailable)?),
                };
                let ran = open.run(command).await;
                if snapshot.has_ended.load(Ordering::Acquire) {
                    session.take();
                }
                ran
            }
            _ => {
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
    }
}
