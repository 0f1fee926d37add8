//! Knows whether the database accepts writes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx;

use super::connection::Command;
use super::pool::Pool;
use super::session::Begin;
use super::{StoreError, StoreResult, error};

use std::sync::Arc;

/// The time for which a commit proves that the database accepts writes.
const PROOF: Duration = Duration::from_secs(2);
/// The time for which the result of a test write is reused, because a test costs a write.
const REMEMBERED: Duration = Duration::from_secs(1);
/// The time after an error for which a disk counts as full.
const FULL: Duration = Duration::from_secs(10);

/// A write that changes nothing.
const WRITE: &str = "UPDATE event_log SET id = id WHERE id = 1";

/// Observations of writes.
#[derive(Default)]
pub(super) struct Health {
    observed: Mutex<Observations>,
    looked: tokio::sync::Mutex<Option<(Instant, StoreResult<()>)>>,
}

#[derive(Default)]
struct Observations {
    committed: Option<Instant>,
    refused: Option<Instant>,
    /// The last error that the disk was full.
    full: Option<Instant>,
}

impl Health {
    /// Records that a writing transaction was committed.
    pub(super) fn committed(&self) {
        let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        *observed = Observations { committed: Some(Instant::now()), ..Observations::default() };
    }

    /// Records an error, if it means that the database accepts no writes.
    pub(super) fn failed(&self, error: &sqlx::Error) {
        if error::stops_writes(error) {
            let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
            observed.refused = Some(Instant::now());
            if error::is_of_full_disk(error) {
                observed.full = observed.refused;
            }
        }
    }

    /// Whether the database accepts a write now, from recent commits and errors, or from a test write that changes
    /// nothing. The error says why it doesn't.
    pub(super) async fn takes_writes(&self, pool: &Arc<Pool>) -> StoreResult<()> {
        if let Some(observed_state) = self.observed_state(pool.is_of_postgresql()) {
            return observed_state;
        }
        // One test at a time, however many callers there are.
        let mut looked = self.looked.lock().await;
        if let Some((at, found)) = &*looked
            && at.elapsed() < REMEMBERED
        {
            return found.clone();
        }
        let found = try_write(pool).await;
        *looked = Some((Instant::now(), found.clone()));
        found
    }

    fn observed_state(&self, is_postgresql: bool) -> Option<StoreResult<()>> {
        let observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        if observed.committed.is_some_and(|at| at.elapsed() < PROOF) && observed.refused.is_none() {
            return Some(Ok(()));
        }
        // PostgreSQL may accept a test write on a full disk, because the write needs no space.
        let is_full = is_postgresql && observed.full.is_some_and(|at| at.elapsed() < FULL);
        is_full.then(|| Err(StoreError::Unavailable("the database's disk was full a moment ago".into())))
    }
}

/// Runs a test write. SQLite writes to the file only on commit. PostgreSQL writes before, so its transaction isn't
/// committed.
async fn try_write(pool: &Arc<Pool>) -> StoreResult<()> {
    let mut session = pool.begin(Begin::Write).await?;
    session.run(Command::Script(WRITE)).await?;
    if pool.is_of_postgresql() { Ok(()) } else { session.commit(false).await }
}
