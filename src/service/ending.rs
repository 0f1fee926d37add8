//! The end of a use case.

use uuid::Uuid;

use super::Services;
use super::error::Failure;
use super::followup::run_first_batch;
use super::journal::Journal;
use super::releases::ReleaseLog;
use crate::store::Tx;

/// Writes the journal, commits, and logs the releases that the use case has changed.
pub(in crate::service) async fn commit(tx: Tx, journal: Journal<'_>) -> Result<(), Failure> {
    let log = ReleaseLog::of(&journal);
    journal.write(&tx).await?;
    tx.commit().await?;
    log.write();
    Ok(())
}

/// Commits like [`commit`], and runs the first batch of each task that the use case has added.
pub(in crate::service) async fn commit_and_begin(
    cx: &Services,
    tx: Tx,
    journal: Journal<'_>,
    tasks: impl IntoIterator<Item = Uuid>,
) -> Result<(), Failure> {
    commit(tx, journal).await?;
    for task in tasks {
        run_first_batch(cx, task).await;
    }
    Ok(())
}
