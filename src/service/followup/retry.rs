//! Retries the failed updates of a release, in batches.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow::{Break, Continue};

use crate::domain::Instant;
use crate::domain::id::{InstallationId, PackId, PackVersionId, ReleaseId};
use crate::domain::installations::{
    Failure as UpdateFailure, ReachedState, UpdateState, pause_in_round, reason_to_skip,
};
use crate::domain::packs::Pack;
use crate::domain::releases::{Release, ReleaseState};
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::followup::completion::{announce_progress, complete, pack_and_release};
use crate::service::followup::updates::VersionNumbers;
use crate::service::journal::Journal;
use crate::service::releases::{size_of_batch, waits_for_attempts};
use crate::store::Tx;
use crate::store::followup::tasks::{LONGEST_PAUSE, Work};
use crate::store::installations::changes::{Change, Changes};
use crate::store::installations::classes::InstallationFacts;
use crate::store::installations::write_updates::UpdateRow;
use crate::store::installations::{classes, write as installations, write_updates as updates};
use crate::store::packs::write as packs;

use super::class_change::{ClassChange, Failed, move_each};
use super::judging::{Step, judged};
use super::roll_out::walks_again;
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
        let Some((mut pack, mut release)) = pack_and_release(tx, pack, self.release, running).await? else {
            return Ok(Next::Done);
        };
        if release.is_paused() {
            return Ok(Next::Again(journal.now + LONGEST_PAUSE, task.resume_after));
        }
        let size = size_of_batch(tx, &release, size).await?;
        batch.size = size;
        // While the next attempts of updates that have failed again could halt the release, no other update is tried.
        let waits = waits_for_attempts(tx, &release, journal.now).await?;
        let failed =
            if waits { Vec::new() } else { updates::failed_after(tx, release.id, task.resume_after, size).await? };
        let last = failed.last().map(|row| row.update.id.installation.into());
        let step = try_failed(services, tx, &mut batch.journal, &pack, &release, &failed).await?;
        let full = batch.processed(failed.len(), last);
        let resume_after = last.or(task.resume_after);
        let is_tried = match judged(batch, (&mut pack, &mut release), step, resume_after).await? {
            Continue(is_tried) => is_tried,
            Break(next) => return Ok(next),
        };
        if let Some(last) = full {
            // Accounts may have been suspended since the failed updates were read, so that nothing was tried.
            if is_tried {
                announce_progress(tx, &mut batch.journal, &pack, &release, true).await?;
            }
            return Ok(Next::More(last));
        }
        let journal = &mut batch.journal;
        let due = updates::to_be_tried_again(tx, release.id, size).await?;
        let due: Vec<_> = due.into_iter().filter(|row| row.is_due(journal.now)).collect();
        let step = try_failed(services, tx, journal, &pack, &release, &due).await?;
        if let Break(next) = judged(batch, (&mut pack, &mut release), step, resume_after).await? {
            return Ok(next);
        }
        let journal = &mut batch.journal;
        let left = updates::to_be_tried_again(tx, release.id, 1).await?;
        let next = left.first().and_then(|row| row.next_attempt_at);
        if let Some(next) = next.or(waits.then_some(journal.now)) {
            return Ok(Next::Again(next, resume_after));
        }
        if walks_again(task, &release) {
            // While it was paused, an account may have installed the former version or become eligible.
            return Ok(Next::Then(Work::RollOut(pack.id, release.id)));
        }
        complete(tx, journal, pack, release, 0).await?;
        Ok(Next::Done)
    }
}

/// Tries failed updates again, by classes. Gives up an update if its installation may no longer be moved. Returns
/// whether an installation was tried.
async fn try_failed(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &Pack,
    release: &Release,
    rows: &[UpdateRow],
) -> Result<Step<bool>, Failure> {
    if rows.is_empty() {
        return Ok(Step::of(false));
    }
    let ids: Vec<_> = rows.iter().map(|row| row.update.id.installation).collect();
    installations::lock_live(tx, &ids).await?;
    // Read again under the installations' locks: one may have been uninstalled meanwhile.
    let judged = classes::of_installations(tx, release, &ids).await?;
    let FailedUpdates { classes, given_up } = FailedUpdates::of(&judged);
    let is_tried = !classes.is_empty();
    let versions = classes.keys().map(|(_, version)| *version).chain([release.version_id]);
    let numbers = VersionNumbers::of(tx, versions).await?;
    let mut changes = Changes::new(tx, release, journal.now);
    changes.give_up(&given_up).await?;
    // The halt rule doesn't count updates that failed before the release was resumed. It counts them from now on (R58).
    let old: BTreeSet<_> = rows
        .iter()
        .filter(|row| !release.counts(row.update.settled_at))
        .map(|row| row.update.id.installation)
        .collect();
    let mut failed = Failed::new();
    for ((before, version), mut members) in classes {
        move_each(cx, release, &mut members, &mut failed);
        journal.active.extend(members.iter().map(|installation| installation.account_id));
        let change = Change { how: Some(release.method()), ..Change::to(UpdateState::Applied) };
        changes.count_anew(members.iter().filter(|installation| old.contains(&installation.id)).count());
        let class_change = ClassChange {
            tx,
            pack,
            release,
            numbers: &numbers,
            change,
            before: Some(before),
            from: version,
            to: release.version_id,
            action: "scheduler.applyUpdate",
            section: None,
        };
        class_change.write(journal, &mut changes, &members).await?;
    }
    if !failed.is_empty() {
        changes.count_anew(plan_next(tx, release, &failed, journal.now).await?);
    }
    changes.end().await?;
    Ok(Step::of(is_tried))
}

/// The failed updates of installations.
struct FailedUpdates<'a> {
    /// The installations that may be moved, by the state of their update and their version.
    classes: BTreeMap<(ReachedState, PackVersionId), Vec<&'a InstallationFacts>>,
    /// The installations that may no longer be moved.
    given_up: Vec<InstallationId>,
}

impl<'a> FailedUpdates<'a> {
    fn of(judged: &'a [InstallationFacts]) -> Self {
        let mut found = Self { classes: BTreeMap::new(), given_up: Vec::new() };
        for installation in judged {
            let Some(before) = installation.update.filter(|(state, _)| *state == UpdateState::Failed) else { continue };
            if installation.is_live && reason_to_skip(installation.is_entitled, installation.status).is_none() {
                found.classes.entry((before, installation.version_id)).or_default().push(installation);
            } else if installation.is_tried_again {
                found.given_up.push(installation.id);
            }
        }
        found
    }
}

/// Plans the next attempts of updates that have failed again. They stay FAILED. Returns the number of updates that have
/// failed for good again, for the first time since the release was resumed: they count from now on (R58).
async fn plan_next(tx: &Tx, release: &Release, failed: &Failed, now: Instant) -> Result<usize, Failure> {
    let ids: Vec<_> = failed.keys().copied().collect();
    let mut rows: Vec<_> = updates::of_release(tx, release.id, &ids).await?.into_values().collect();
    let mut again = 0;
    for row in &mut rows {
        let Some(code) = failed.get(&row.update.id.installation) else { continue };
        row.attempts = row.attempts.saturating_add(1);
        row.update.failure = Some(UpdateFailure { code: *code, attempts: row.attempts });
        row.next_attempt_at = pause_in_round(row.attempts).map(|pause| now + pause);
        if row.next_attempt_at.is_none() && !release.counts(row.update.settled_at) {
            row.update.settled_at = Some(release.settles_at(now));
            again += 1;
        }
    }
    updates::save(tx, &rows, now).await?;
    Ok(again)
}
