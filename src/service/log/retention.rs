//! How long the event log and what calls made are kept. The audit log is kept for good.

use chrono::Duration;

use crate::domain::Instant;
use crate::service::Services;
use crate::service::error::Failure;
use crate::store::installations::write_counts::ROWS_MAX;
use crate::store::installations::{tallies, write_counts as counts};
use crate::store::log::retention;
use crate::store::packs::write as packs;
use crate::store::releases::write as releases;
use crate::store::requests;

/// How many events one batch removes.
const BATCH: u64 = 500;
/// How many batches one call does, so that nothing that is due waits for long.
const BATCHES: u32 = 20;
/// The counts of how many packs, and of how many releases, one pass shortens.
const PACKS: u64 = 1_000;

/// Begins a pass: forgets calls that are no longer remembered, and gives up to where events are to be removed.
///
/// # Errors
/// [`Failure`].
pub async fn tidy_up(cx: &Services) -> Result<Instant, Failure> {
    let tx = cx.db.begin().await?;
    let passes_by = retention::begin_pass(&tx, cx.clock.now()).await?;
    tx.commit().await?;
    requests::forget_old(&cx.db, passes_by).await?;
    compact_counts(cx).await?;
    Ok(passes_by - Duration::days(cx.settings.keep_events_days.into()))
}

/// Shortens what has to be added up of packs that have much of it: by their installing and uninstalling, each a row.
async fn compact_counts(cx: &Services) -> Result<(), Failure> {
    for pack in counts::long(&cx.db, PACKS).await? {
        let tx = cx.db.begin().await?;
        if packs::lock_any(&tx, pack).await?.is_some() {
            counts::compact(&tx, pack, cx.now(&tx), ROWS_MAX).await?;
            tx.commit().await?;
        }
    }
    for (pack, release) in tallies::long(&cx.db, PACKS).await? {
        let tx = cx.db.begin().await?;
        if packs::lock_any(&tx, pack).await?.is_none() {
            continue;
        }
        if let Some(release) = releases::get(&tx, pack, release).await? {
            tallies::compact(&tx, &release, cx.now(&tx), ROWS_MAX).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// Removes the events from before an instant, in batches that each are a transaction; gives whether all of them
/// are gone, else there is more to be done.
///
/// # Errors
/// [`Failure`].
pub async fn prune_events(cx: &Services, before: Instant) -> Result<bool, Failure> {
    for _ in 0..BATCHES {
        let tx = cx.db.begin().await?;
        let gone = retention::prune_events(&tx, cx.clock.now(), before, BATCH).await?;
        tx.commit().await?;
        if gone < BATCH {
            return Ok(true);
        }
    }
    Ok(false)
}
