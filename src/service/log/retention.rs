//! Removes old events, old client request ids, and old audit entries if the operator doesn't keep them for good.

use chrono::Duration;

use crate::domain::Instant;
use crate::service::Services;
use crate::service::error::Failure;
use crate::store::installations::write_counts::ROWS_MAX;
use crate::store::installations::{tallies, write_counts as counts};
use crate::store::log::{audit_retention, retention};
use crate::store::packs::write as packs;
use crate::store::releases::write as releases;
use crate::store::webhooks::{servers, write_attempts};
use crate::store::{readable, requests};

/// The most events that a batch removes.
const BATCH: u64 = 500;
/// The most batches per call, so that other due work doesn't wait for long.
const BATCHES: u32 = 20;
/// The most packs, and the most releases, whose counts one pass compacts.
const PACKS: u64 = 1_000;

/// The times before which the logs are to be pruned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cutoffs {
    pub(crate) events: Instant,
    /// `None` if audit entries are kept for good.
    pub(crate) entries: Option<Instant>,
}

/// Begins a pass: deletes expired client request ids, old webhook attempts and the rows of dead servers, and compacts
/// counts. Returns the times before which the caller must prune the logs.
pub(crate) async fn begin_pruning(cx: &Services) -> Result<Cutoffs, Failure> {
    let tx = cx.db.begin().await?;
    let cutoff_time = retention::begin_pass(&tx, cx.clock.now()).await?;
    tx.commit().await?;
    requests::forget_old(&cx.db, cutoff_time).await?;
    write_attempts::forget_old(&cx.db, cutoff_time).await?;
    servers::forget_dead(&cx.db).await?;
    compact_counts(cx).await?;
    let before = |days: u16| cutoff_time - Duration::days(days.into());
    Ok(Cutoffs { events: before(cx.settings.keep_events_days), entries: cx.settings.keep_audit_days.map(before) })
}

/// Compacts the counts of packs and releases that have many rows: each installing and uninstalling adds one. Those that
/// can't be read are left alone.
async fn compact_counts(cx: &Services) -> Result<(), Failure> {
    for pack in counts::to_compact(&cx.db.whole_server(), PACKS).await? {
        let tx = cx.db.begin().await?;
        if readable("integration_pack", pack, packs::lock_any(&tx, pack).await)?.flatten().is_some() {
            counts::compact(&tx, pack, cx.now(&tx), ROWS_MAX).await?;
            tx.commit().await?;
        }
    }
    for (pack, release) in tallies::to_compact(&cx.db.whole_server(), PACKS).await? {
        let tx = cx.db.begin().await?;
        if readable("integration_pack", pack, packs::lock_any(&tx, pack).await)?.flatten().is_none() {
            continue;
        }
        let found = readable("pack_release", release, releases::get(&tx, pack, release).await)?;
        if let Some(release) = found.flatten() {
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

/// Cuts old audit entries off, with their seals, in transactions of one publisher each. Returns false if there is more
/// to cut.
pub(crate) async fn cut_audit(cx: &Services, before: Instant) -> Result<bool, Failure> {
    let mut cuts = 0;
    for publisher in audit_retention::with_old_seals(&cx.db.whole_server(), before).await? {
        loop {
            if cuts == BATCHES {
                return Ok(false);
            }
            let tx = cx.db.begin().await?;
            if audit_retention::cut(&tx, publisher, before).await? == 0 {
                break;
            }
            tx.commit().await?;
            cuts += 1;
        }
    }
    Ok(true)
}
