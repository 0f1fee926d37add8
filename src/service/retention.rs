//! How long the event log is kept. The audit log is kept for good.

use chrono::Duration;

use super::Services;
use super::error::Failure;
use crate::store::write::retention::prune_events;

/// How many events one batch removes.
const BATCH: u64 = 500;
/// How many batches one call does, so that nothing that is due waits for long.
const BATCHES: u32 = 20;

impl Services {
    /// Removes events that are older than what is kept, in batches that each are a transaction; gives
    /// whether all of them are gone, else there is more to be done.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn prune_events(&self) -> Result<bool, Failure> {
        let before = self.clock.now() - Duration::days(self.settings.keep_events_days.into());
        for _ in 0..BATCHES {
            let tx = self.db.begin().await?;
            let gone = prune_events(&tx, before, BATCH).await?;
            tx.commit().await?;
            if gone < BATCH {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
