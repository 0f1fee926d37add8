//! Removes old events and old client request ids. Audit entries are kept forever.

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

/// The most events that a batch removes.
const BATCH: u64 = 500;
/// The most batches per call, so that other due work doesn't wait for long.
const BATCHES: u32 = 20;
/// The most packs, and the most releases, whose counts one pass compacts.
const PACKS: u64 = 1_000;

/// Begins a pass: deletes expired client request ids, and compacts counts. Returns the time before which events are to
/// be removed.
pub(crate) async fn begin_pruning(cx: &Services) -> Result<Instant, Failure> {
    let tx = cx.db.begin().await?;
    let passes_by = retention::begin_pass(&tx, cx.clock.now()).await?;
    tx.commit().await?;
    requests::forget_old(&cx.db, passes_by).await?;
    compact_counts(cx).await?;
    Ok(passes_by - Duration::days(cx.settings.keep_events_days.into()))
}

/// Compacts the counts of packs and releases that have many rows: each installing and uninstalling adds one.
async fn compact_counts(cx: &Services) -> Result<(), Failure> {
    for pack in counts::to_compact(&cx.db.whole_server(), PACKS).await? {
        let tx = cx.db.begin().await?;
        if packs::lock_any(&tx, pack).await?.is_some() {
            counts::compact(&tx, pack, cx.now(&tx), ROWS_MAX).await?;
            tx.commit().await?;
        }
    }
    for (pack, release) in tallies::to_compact(&cx.db.whole_server(), PACKS).await? {
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

/// Removes the events before an instant, in batches of one transaction each. Returns false if there are more to remove.
pub(crate) async fn prune_events(cx: &Services, before: Instant) -> Result<bool, Failure> {
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
