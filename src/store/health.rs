//! Whether the database takes writes, as far as is known.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx;

use super::connection::Command;
use super::error;
use super::pool::Pool;
use super::session::Begin;
use super::{StoreError, StoreResult};

use std::sync::Arc;

/// For how long a commit shows that the next write will be taken.
const PROOF: Duration = Duration::from_secs(2);
/// For how long what a look has found is told again: looking costs a write.
const REMEMBERED: Duration = Duration::from_secs(1);
/// For how long a disk counts as full that was.
const FULL: Duration = Duration::from_secs(10);

/// A write that changes nothing.
const WRITE: &str = "UPDATE event_log SET id = id WHERE id = 1";

/// What was seen of writes.
#[derive(Default)]
pub(super) struct Health {
    seen: Mutex<Seen>,
    looked: tokio::sync::Mutex<Option<(Instant, StoreResult<()>)>>,
}

#[derive(Default)]
struct Seen {
    committed: Option<Instant>,
    refused: Option<Instant>,
    /// When a disk was full.
    full: Option<Instant>,
}

impl Health {
    pub(super) fn committed(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen { committed: Some(Instant::now()), ..Seen::default() };
    }

    pub(super) fn failed(&self, error: &sqlx::Error) {
        if error::stops_writes(error) {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.refused = Some(Instant::now());
            if error::is_of_full_disk(error) {
                seen.full = seen.refused;
            }
        }
    }

    /// Whether a write is taken now: known by the last one, or found by one that changes nothing.
    ///
    /// # Errors
    /// Why none is taken.
    pub(super) async fn takes_writes(&self, pool: &Arc<Pool>) -> StoreResult<()> {
        if let Some(known) = self.known(pool.is_of_postgresql()) {
            return known;
        }
        // One look at a time, however many ask.
        let mut looked = self.looked.lock().await;
        if let Some((at, found)) = &*looked
            && at.elapsed() < REMEMBERED
        {
            return found.clone();
        }
        let found = look(pool).await;
        *looked = Some((Instant::now(), found.clone()));
        found
    }

    fn known(&self, is_postgresql: bool) -> Option<StoreResult<()>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.committed.is_some_and(|at| at.elapsed() < PROOF) && seen.refused.is_none() {
            return Some(Ok(()));
        }
        // PostgreSQL needs no room for a write that changes nothing.
        let is_full = is_postgresql && seen.full.is_some_and(|at| at.elapsed() < FULL);
        is_full.then(|| Err(StoreError::Unavailable("the database's disk was full a moment ago".into())))
    }
}

/// Writes what is there already. SQLite writes to the file when it commits; PostgreSQL before.
async fn look(pool: &Arc<Pool>) -> StoreResult<()> {
    let mut session = pool.begin(Begin::Write).await?;
    session.run(Command::Script(WRITE)).await?;
    if pool.is_of_postgresql() { Ok(()) } else { session.commit().await }
}
