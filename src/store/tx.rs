//! A transaction that may write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::connection::Command;
use super::session::{Line, RunsStatements as _, Session, SharedSession};
use super::{DatabaseKind, StoreError, StoreResult};
use crate::store::accounts::bearers::KNOWN_FOR;

tokio::task_local! {
    static BEGUN: Arc<AtomicBool>;
}

/// Whether a commit was begun by some work. Whoever sets the work a time may give it a little longer then: what it has
/// done stays done, and only its answer would be missing.
#[derive(Clone, Debug, Default)]
pub struct Commits(Arc<AtomicBool>);

impl Commits {
    /// The work, watched.
    pub fn watch<W: Future>(&self, work: W) -> impl Future<Output = W::Output> + use<W> {
        BEGUN.scope(self.0.clone(), work)
    }

    /// Whether one was begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A transaction that may write. Dropped without [`Tx::commit`] it leaves nothing behind.
pub struct Tx {
    line: Line<SharedSession>,
    kind: DatabaseKind,
    changed: Arc<watch::Sender<u64>>,
    told: AtomicBool,
    dismisses: AtomicBool,
}

impl Tx {
    pub(super) fn new(session: Session, kind: DatabaseKind, changed: Arc<watch::Sender<u64>>) -> Self {
        let line = Line(SharedSession::new(session));
        Self { line, kind, changed, told: AtomicBool::new(false), dismisses: AtomicBool::new(false) }
    }

    /// Makes all of it so, and then tells those who wait for events and tasks. Once begun this comes to its
    /// end, also when the caller is no longer there to hear of it: its time was up, or its client has gone.
    ///
    /// Returns once it is so for every server: one that knows a token doesn't ask for it anew for a moment.
    ///
    /// # Errors
    /// [`StoreError::Unsettled`] when it isn't known whether all of it is so; nothing is with any other error.
    pub async fn commit(self) -> StoreResult<()> {
        let Self { line, changed, told, dismisses, .. } = self;
        // Nobody watches the work of the scheduler.
        let _ = BEGUN.try_with(|begun| begun.store(true, Ordering::Release));
        let committed = tokio::spawn(async move {
            line.0.into_session().commit().await?;
            if told.into_inner() {
                changed.send_modify(|n| *n += 1);
            }
            Ok(())
        });
        let committed = committed.await;
        committed.unwrap_or_else(|error| Err(StoreError::Unsettled(format!("the commit did not end: {error}"))))?;
        if dismisses.into_inner() {
            tokio::time::sleep(KNOWN_FOR).await;
        }
        Ok(())
    }

    /// Undoes the transaction, and returns once what it found committed holds for every server that knows a token: before
    /// somebody is told that a token is revoked already, or an account suspended.
    pub async fn leave_once_known(self) {
        drop(self);
        tokio::time::sleep(KNOWN_FOR).await;
    }

    pub(in crate::store) fn conn(&self) -> &Line<SharedSession> {
        &self.line
    }

    /// Writes rows by PostgreSQL's COPY.
    pub(in crate::store) async fn copy(&self, sql: &str, rows: &[u8]) -> StoreResult<()> {
        self.line.0.run(Command::Copy(sql, rows)).await?;
        Ok(())
    }

    pub(in crate::store) fn is_postgresql(&self) -> bool {
        self.kind == DatabaseKind::Postgresql
    }

    /// Remembers that somebody waits for what this transaction writes.
    pub(in crate::store) fn tell(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Remembers that what this transaction writes of a token or its account must hold wherever they are known.
    pub(in crate::store) fn dismisses(&self) {
        self.dismisses.store(true, Ordering::Relaxed);
    }
}
