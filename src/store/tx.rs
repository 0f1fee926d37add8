//! Transactions that may write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::connection::Command;
use super::session::{Line, RunsStatements as _, Session, SharedSession};
use super::{DatabaseKind, StoreError, StoreResult};
use crate::store::accounts::CACHED_FOR;

tokio::task_local! {
    static COMMIT_BEGUN: Arc<AtomicBool>;
}

/// Whether some work has begun a commit. A caller with a time limit may then wait a little longer, because the commit
/// takes effect anyway and only the answer would be lost.
#[derive(Clone, Debug, Default)]
pub struct Commits(Arc<AtomicBool>);

impl Commits {
    /// Runs the work, and watches it for commits.
    pub fn watch<W: Future>(&self, work: W) -> impl Future<Output = W::Output> + use<W> {
        COMMIT_BEGUN.scope(self.0.clone(), work)
    }

    /// Whether the work has begun a commit.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Counts the commits of this process, for the tasks of the process that wait for them.
#[derive(Default)]
pub(super) struct CommitCounts {
    /// Commits of an event or a follow-up task.
    pub(super) work: watch::Sender<u64>,
    /// Commits of audit entries.
    pub(super) entries: watch::Sender<u64>,
}

/// A transaction that may write. Dropping it without [`Tx::commit`] rolls it back.
pub struct Tx {
    line: Line<SharedSession>,
    kind: DatabaseKind,
    commits: Arc<CommitCounts>,
    notifies: AtomicBool,
    announces: AtomicBool,
    appends_entries: AtomicBool,
    changes_token: AtomicBool,
}

impl Tx {
    pub(super) fn new(session: Session, kind: DatabaseKind, commits: Arc<CommitCounts>) -> Self {
        let line = Line(SharedSession::new(session));
        Self {
            line,
            kind,
            commits,
            notifies: AtomicBool::new(false),
            announces: AtomicBool::new(false),
            appends_entries: AtomicBool::new(false),
            changes_token: AtomicBool::new(false),
        }
    }

    /// Commits, and then wakes the tasks that wait for events, follow-up tasks or audit entries. A commit that has begun is completed
    /// even if the caller is dropped after a timeout or a disconnect.
    ///
    /// If the transaction called `Tx::changes_token`, returns only after all servers' cached tokens have expired.
    ///
    /// # Errors
    /// [`StoreError::OutcomeUnknown`] if the outcome is unknown. After any other error the transaction is rolled back.
    pub async fn commit(self) -> StoreResult<()> {
        let Self { line, commits, notifies, announces, appends_entries, changes_token, .. } = self;
        // This fails for a transaction outside a watched call, as in the scheduler. Then no caller needs the flag.
        let _ = COMMIT_BEGUN.try_with(|begun| begun.store(true, Ordering::Release));
        let committed = tokio::spawn(async move {
            line.0.into_session().commit(announces.into_inner()).await?;
            for (is_told, count) in [(notifies, &commits.work), (appends_entries, &commits.entries)] {
                if is_told.into_inner() {
                    count.send_modify(|n| *n += 1);
                }
            }
            Ok(())
        });
        let committed = committed.await;
        committed
            .unwrap_or_else(|error| Err(StoreError::OutcomeUnknown(format!("the commit did not end: {error}"))))?;
        if changes_token.into_inner() {
            tokio::time::sleep(CACHED_FOR).await;
        }
        Ok(())
    }

    /// Rolls the transaction back, and returns only after all servers' cached tokens have expired. Used before a caller
    /// is shown that a token is already revoked or an account suspended.
    pub async fn roll_back_after_cache_expiry(self) {
        drop(self);
        tokio::time::sleep(CACHED_FOR).await;
    }

    pub(in crate::store) fn conn(&self) -> &Line<SharedSession> {
        &self.line
    }

    /// Writes rows with PostgreSQL's COPY.
    pub(in crate::store) async fn copy(&self, sql: &str, rows: &[u8]) -> StoreResult<()> {
        self.line.0.run(Command::Copy(sql, rows)).await?;
        Ok(())
    }

    pub(in crate::store) fn is_postgresql(&self) -> bool {
        self.kind == DatabaseKind::Postgresql
    }

    /// Marks that the commit must wake subscriptions and the scheduler.
    pub(in crate::store) fn notify(&self) {
        self.notifies.store(true, Ordering::Relaxed);
    }

    /// Marks that the transaction has appended events, so that its commit gives other servers a hint.
    pub(in crate::store) fn announces(&self) {
        self.notify();
        self.announces.store(true, Ordering::Relaxed);
    }

    /// Marks that the transaction has appended audit entries, so that its commit wakes the task that seals them.
    pub(in crate::store) fn appends_entries(&self) {
        self.appends_entries.store(true, Ordering::Relaxed);
    }

    /// Marks that the transaction changes a token or its account, so that the commit waits for cached tokens to expire.
    pub(in crate::store) fn changes_token(&self) {
        self.changes_token.store(true, Ordering::Relaxed);
    }
}
