//! A transaction that may write.

use std::sync::Arc;

use sea_orm::DatabaseTransaction;
use tokio::sync::watch;

use super::{DatabaseKind, StoreError, StoreResult};

/// A transaction that may write.
pub struct Tx {
    inner: DatabaseTransaction,
    kind: DatabaseKind,
    changed: Arc<watch::Sender<u64>>,
    told: std::sync::atomic::AtomicBool,
}

impl Tx {
    pub(super) fn new(inner: DatabaseTransaction, kind: DatabaseKind, changed: Arc<watch::Sender<u64>>) -> Self {
        Self { inner, kind, changed, told: std::sync::atomic::AtomicBool::new(false) }
    }

    /// Makes all of it so, and then tells those who wait for events and tasks. Once begun this comes to its
    /// end, also when the caller is no longer there to hear of it: its time was up, or its client has gone.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is so then.
    pub async fn commit(self) -> StoreResult<()> {
        let Self { inner, changed, told, .. } = self;
        let committed = tokio::spawn(async move {
            inner.commit().await?;
            if told.into_inner() {
                changed.send_modify(|n| *n += 1);
            }
            Ok(())
        });
        committed.await.unwrap_or_else(|error| Err(StoreError::Fault(format!("the commit did not end: {error}"))))
    }

    pub(in crate::store) fn conn(&self) -> &DatabaseTransaction {
        &self.inner
    }

    pub(in crate::store) fn is_postgresql(&self) -> bool {
        self.kind == DatabaseKind::Postgresql
    }

    /// Remembers that somebody waits for what this transaction writes.
    pub(in crate::store) fn tell(&self) {
        self.told.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}
