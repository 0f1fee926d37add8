//! The lines of accounts that wait to write. An account has fewer transactions open at a time than there are
//! connections for writing. Its other calls wait in its own line without a connection, so that calls that all wait for
//! one lock leave a connection to the other accounts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::id::AccountId;

tokio::task_local! {
    static ACCOUNT: Option<AccountId>;
}

/// From this number of lines on, unused ones are removed.
const LINES: usize = 1_000;

/// Runs the work of a call. Its transactions wait in the line of the account that it is for.
pub fn on_behalf_of<W: Future>(account: Option<AccountId>, work: W) -> impl Future<Output = W::Output> + use<W> {
    ACCOUNT.scope(account, work)
}

/// A line for each account.
pub(super) struct Lines {
    /// How many transactions an account may have open at a time.
    most: usize,
    lines: Mutex<HashMap<AccountId, Weak<Semaphore>>>,
}

impl Lines {
    /// The lines for this number of connections for writing. An account may use all of them but one.
    pub(super) fn before(writers: usize) -> Self {
        Self { most: writers.saturating_sub(1).max(1), lines: Mutex::default() }
    }

    /// How many transactions an account may have open at a time.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Waits until it is the turn of a transaction of the account whose call this is. Work without an account, such as
    /// the scheduler's batches, has no line.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let account = ACCOUNT.try_with(|account| *account).ok()??;
        // The semaphore is never closed.
        self.line(account).acquire_owned().await.ok()
    }

    fn line(&self, account: AccountId) -> Arc<Semaphore> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(&account).and_then(Weak::upgrade) {
            return line;
        }
        if lines.len() >= LINES {
            // A line in use has a strong reference.
            lines.retain(|_, line| line.strong_count() > 0);
        }
        let line = Arc::new(Semaphore::new(self.most));
        lines.insert(account, Arc::downgrade(&line));
        line
    }
}
