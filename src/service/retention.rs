//! How long the event log is kept. The audit log is kept for good.

use chrono::Duration;

use super::Services;
use super::error::Failure;
use crate::domain::Instant;
use crate::store::write::retention::{oldest_event, prune_events};

/// How many events one batch removes.
const BATCH: u64 = 500;
/// How many batches one call does, so that nothing that is due waits for long.
const BATCHES: u32 = 20;
/// How much of the log one pass removes at most, counted from the oldest event: a clock that is years ahead for a
/// while must not empty the log.
const ONE_PASS: Duration = Duration::days(1);

impl Services {
    /// Up to where a pass that begins now removes events: those that are older than what is kept, but no more than
    /// what a day brought. `None` when nothing is that old.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn prune_until(&self) -> Result<Option<Instant>, Failure> {
        let now = self.clock.now();
        let kept_since = now - Duration::days(self.settings.keep_events_days.into());
        let oldest = oldest_event(&self.db, now).await?.filter(|oldest| *oldest < kept_since);
        Ok(oldest.map(|oldest| kept_since.min(oldest + ONE_PASS)))
    }

    /// Removes the events from before an instant, in batches that each are a transaction; gives whether all of them
    /// are gone, else there is more to be done.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn prune_events(&self, before: Instant) -> Result<bool, Failure> {
        for _ in 0..BATCHES {
            let tx = self.db.begin().await?;
            let gone = prune_events(&tx, self.clock.now(), before, BATCH).await?;
            tx.commit().await?;
            if gone < BATCH {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
