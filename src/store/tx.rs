//! A transaction that may write.

use std::sync::Arc;

use tokio::sync::watch;

use super::session::{Line, Session, SharedSession};
use super::{DatabaseKind, StoreError, StoreResult};

/// A transaction that may write. Dropped without [`Tx::commit`] it leaves nothing behind.
pub struct Tx {
    line: Line<SharedSession>,
    kind: DatabaseKind,
    changed: Arc<watch::Sender<u64>>,
    told: std::sync::atomic::AtomicBool,
}

impl Tx {
    pub(super) fn new(session: Session, kind: DatabaseKind, changed: Arc<watch::Sender<u64>>) -> Self {
        let line = Line(SharedSession::new(session));
        Self { line, kind, changed, told: std::sync::atomic::AtomicBool::new(false) }
    }

    /// Makes all of it so, and then tells those who wait for events and tasks. Once begun this comes to its
    /// end, also when the caller is no longer there to hear of it: its time was up, or its client has gone.
    ///
    /// # Errors
    /// [`StoreError::Unsettled`] when it isn't known whether all of it is so; nothing is with any other error.
    pub async fn commit(self) -> StoreResult<()> {
        let Self { line, changed, told, .. } = self;
        let committed = tokio::spawn(async move {
            line.0.into_session().commit().await?;
            if told.into_inner() {
                changed.send_modify(|n| *n += 1);
            }
            Ok(())
        });
        committed.await.unwrap_or_else(|error| Err(StoreError::Unsettled(format!("the commit did not end: {error}"))))
    }

    pub(in crate::store) fn conn(&self) -> &Line<SharedSession> {
        &self.line
    }

    pub(in crate::store) fn is_postgresql(&self) -> bool {
        self.kind == DatabaseKind::Postgresql
    }

    /// Remembers that somebody waits for what this transaction writes.
    pub(in crate::store) fn tell(&self) {
        self.told.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}
