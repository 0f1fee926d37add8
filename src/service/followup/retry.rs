//! Retries the failed updates of a release, in batches.

use std::collections::BTreeMap;

use crate::domain::Instant;
use crate::domain::id::{PackId, ReleaseId};
use crate::domain::installations::{Failure as UpdateFailure, UpdateState, pause_in_round};
use crate::domain::packs::Pack;
use crate::domain::releases::{Release, ReleaseState};
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::followup::completion::{announce_progress, complete, pack_and_release};
use crate::service::followup::updates::{VersionNumbers, applied, given_up, record_update};
use crate::service::journal::Journal;
use crate::store::Tx;
use crate::store::followup::tasks::{LONGEST_PAUSE, Work};
use crate::store::installations::write_updates::UpdateRow;
use crate::store::installations::{write as installations, write_updates as updates};
use crate::store::packs::write as packs;

use super::eligibility::Eligibility;
use super::{Batch, FollowUp, Next};

/// Retries failed updates. The last batch completes the release.
pub(super) struct Retry {
    pub pack: PackId,
    pub release: ReleaseId,
}

impl FollowUp for Retry {
    async fn run_batch(self, batch: &mut Batch<'_>) -> Result<Next, Failure> {
        let Batch { services, tx, journal, task, size, .. } = batch;
        let (services, tx, task, size) = (*services, *tx, *task, *size);
        let running = |state| state == ReleaseState::InProgress;
        let pack = packs::lock_any(tx, self.pack).await?;
        journal.now = services.now(tx);
        let Some((pack, release)) = pack_and_release(tx, pack, self.release, running).await? else {
            return Ok(Next::Done);
        };
        if release.is_paused() {
            return Ok(Next::Again(journal.now + LONGEST_PAUSE, task.resume_after));
        }
        let failed = updates::failed_after(tx, release.id, task.resume_after, size).await?;
        let last = failed.last().map(|row| row.update.id.installation.into());
        let is_tried = try_failed(services, tx, journal, &pack, &release, &failed).await?;
        if let Some(last) = batch.processed(failed.len(), last) {
            // Accounts may have been suspended since the failed updates were read, so that nothing was tried.
            if is_tried {
                announce_progress(tx, &mut batch.journal, &pack, &release).await?;
            }
            return Ok(Next::More(last));
        }
        let journal = &mut batch.journal;
        let due = updates::to_be_tried_again(tx, release.id, size).await?;
        let due: Vec<_> = due.into_iter().filter(|row| row.is_due(journal.now)).collect();
        try_failed(services, tx, journal, &pack, &release, &due).await?;
        let left = updates::to_be_tried_again(tx, release.id, 1).await?;
        if let Some(next) = left.first().and_then(|row| row.next_attempt_at) {
            return Ok(Next::Again(next, last.or(task.resume_after)));
        }
        if release.resumed_at.is_some() {
            // While it was paused, an account may have installed the former version or become eligible.
            return Ok(Next::Then(Work::RollOut(pack.id, release.id)));
        }
        complete(tx, journal, pack, release, 0).await?;
        Ok(Next::Done)
    }
}

/// Returns whether an installation was tried. Those of accounts that lost their right meanwhile are given up.
async fn try_failed(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &Pack,
    release: &Release,
    rows: &[UpdateRow],
) -> Result<bool, Failure> {
    let ids: Vec<_> = rows.iter().map(|row| row.update.id.installation).collect();
    let live = installations::lock_live(tx, &ids).await?;
    // Read again under the installations' locks: one may have been uninstalled meanwhile.
    let rows = updates::of_release(tx, release.id, &ids).await?;
    let eligible = Eligibility::of(tx, &live.iter().collect::<Vec<_>>()).await?;
    let versions = live.iter().map(|i| i.version_id).chain(std::iter::once(release.version_id));
    let numbers = VersionNumbers::of(tx, versions).await?;
    let by_id: BTreeMap<_, _> = live.iter().map(|installation| (installation.id, installation)).collect();
    let (mut changed, mut moved, mut is_tried) = (Vec::new(), Vec::new(), false);
    for mut row in rows.into_values().filter(|row| row.update.state == UpdateState::Failed) {
        let installation = by_id.get(&row.update.id.installation);
        let entitled = installation.filter(|i| eligible.reason_to_skip(i).is_none());
        let Some(installation) = entitled else {
            changed.extend(given_up(row));
            continue;
        };
        is_tried = true;
        attempt_again(cx, &mut row, release, journal.now);
        if row.update.state == UpdateState::Applied {
            let before = Some(UpdateState::Failed);
            let version_change = numbers.change(installation.version_id, release.version_id);
            record_update(journal, pack, &row.update, before, version_change, "scheduler.applyUpdate");
            moved.push(row.update.id.installation);
        }
        changed.push(row);
    }
    installations::move_to(tx, &moved, release.version_id, journal.now).await?;
    updates::save(tx, &changed).await?;
    Ok(is_tried)
}

/// Tries once more to move an installation. When it fails again, the update stays FAILED.
fn attempt_again(cx: &Services, row: &mut UpdateRow, release: &Release, now: Instant) {
    match cx.mover.move_installation(row.update.id.installation, release.id) {
        Ok(()) => applied(row, release, now),
        Err(code) => {
            row.attempts = row.attempts.saturating_add(1);
            row.update.failure = Some(UpdateFailure { code, attempts: row.attempts });
            row.next_attempt_at = pause_in_round(row.attempts).map(|pause| now + pause);
        }
    }
}
