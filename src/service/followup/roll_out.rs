//! Moving installations to the version of a release that is in progress (R25, R27, R45, R46).

use std::collections::BTreeMap;

use crate::domain::id::{InstallationId, PackId, ReleaseId};
use crate::domain::installation::{
    Failure as UpdateFailure, Installation, RolloutStep, UpdateState, pause_after, rollout_step,
};
use crate::domain::pack::Pack;
use crate::domain::release::{Release, ReleaseState};
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::journal::Journal;
use crate::service::updates::{Numbers, applied, give_up, offered, skip, tell_update};
use crate::store::Tx;
use crate::store::write::tasks::Task;
use crate::store::write::updates::{self, UpdateRow};
use crate::store::write::{installations, packs};

use super::eligibility::Eligibility;
use super::{Batch, Reach};

impl Services {
    /// Moves installations to a release that is in progress (R25, R27), or gives them up; the last batch ends it.
    pub(super) async fn roll_out(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        task: &Task,
        pack: PackId,
        release: ReleaseId,
        reach: Reach,
    ) -> Result<Batch, Failure> {
        let running = |state| state == ReleaseState::InProgress;
        // Locked and not only held: the last batch changes it.
        let pack = packs::lock_any(tx, pack).await?;
        journal.now = self.now(tx);
        let Some((pack, release)) = self.pack_and_release(tx, pack, release, running).await? else {
            return Ok(Batch::Done);
        };
        let found = installations::batch(tx, pack.id, task.done_to, self.settings.batch_size).await?;
        let ids: Vec<_> = found.iter().map(|i| i.id).collect();
        let known = updates::of_release(tx, release.id, &ids).await?;
        self.settle(tx, journal, (&pack, &release), &found, known, reach).await?;
        let last = found.last().map(|i| i.id.into()).or(task.done_to);
        if let Some(last) = self.after_batch(found.len(), last) {
            // Not by the first batch, which is done in a call: the first announcement counts all installations.
            if task.done_to.is_some() {
                self.announce_progress(tx, journal, &pack, &release, task).await?;
            }
            return Ok(Batch::More(last));
        }
        if let Some(next) = self.try_again(tx, journal, &pack, &release, reach).await? {
            return Ok(Batch::Again(next, last));
        }
        self.complete(tx, journal, pack, release, 0).await?;
        Ok(Batch::Done)
    }

    /// Tries those again whose pause is over, or gives all of them up; gives when the next is to be tried, if one
    /// is left.
    async fn try_again(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        pack: &Pack,
        release: &Release,
        reach: Reach,
    ) -> Result<Option<crate::domain::Instant>, Failure> {
        let given_up = reach == Reach::GiveUp;
        let waiting = updates::to_be_tried_again(tx, release.id, self.settings.batch_size).await?;
        let due = waiting.into_iter().filter(|row| given_up || row.is_due(journal.now));
        let due: Vec<_> = due.map(|row| row.update.id.installation).collect();
        let live = installations::lock_live(tx, &due).await?;
        // Read again under the installations' locks: one may have been uninstalled meanwhile.
        let due = updates::of_release(tx, release.id, &due).await?;
        self.settle(tx, journal, (pack, release), &live, due, reach).await?;
        let left = updates::to_be_tried_again(tx, release.id, 1).await?;
        Ok(left.first().and_then(|row| row.next_attempt_at).map(|at| if given_up { journal.now } else { at }))
    }

    /// Moves, gives up, skips or leaves alone each of some locked installations.
    async fn settle(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        (pack, release): (&Pack, &Release),
        found: &[Installation],
        mut known: BTreeMap<InstallationId, UpdateRow>,
        reach: Reach,
    ) -> Result<(), Failure> {
        let eligible = Eligibility::of(tx, &found.iter().collect::<Vec<_>>()).await?;
        let versions = found.iter().map(|i| i.version_id).chain(std::iter::once(release.version_id));
        let numbers = Numbers::of(tx, versions).await?;
        let (mut rows, mut moved) = (Vec::new(), Vec::new());
        for installation in found {
            let row = known.remove(&installation.id);
            let before = row.as_ref().map(|row| row.update.state);
            let has_version = installation.version_id == release.version_id;
            let step = rollout_step(before, has_version, eligible.reason_to_skip(installation));
            if step == RolloutStep::LeaveAlone {
                continue;
            }
            let mut row = row.unwrap_or_else(|| offered(installation, release, journal.now));
            match step {
                RolloutStep::Skip(reason) => skip(&mut row, reason, journal.now),
                _ if reach == Reach::GiveUp => give_up(&mut row, journal.now),
                _ => self.attempt(&mut row, release, journal.now),
            }
            let version = if row.update.state == UpdateState::Applied {
                moved.push(installation.id);
                release.version_id
            } else {
                installation.version_id
            };
            if row.update.state != UpdateState::Offered {
                let step = numbers.step(installation.version_id, version);
                tell_update(journal, pack, &row.update, before, step, "scheduler.applyUpdate");
            }
            rows.push(row);
        }
        installations::move_to(tx, &moved, release.version_id, journal.now).await?;
        Ok(updates::save(tx, &rows).await?)
    }

    /// One attempt to move one installation. What fails is tried again after a growing pause, at most
    /// five times within ten minutes; then its update is FAILED.
    fn attempt(&self, row: &mut UpdateRow, release: &Release, now: crate::domain::Instant) {
        let update = &mut row.update;
        match self.mover.move_installation(update.id.installation, release.id) {
            Ok(()) => applied(row, release, now),
            Err(code) => {
                row.attempts = row.attempts.saturating_add(1);
                update.failure = Some(UpdateFailure { code, attempts: row.attempts });
                row.next_attempt_at = pause_after(row.attempts).map(|pause| now + pause);
                if row.next_attempt_at.is_none() {
                    update.state = UpdateState::Failed;
                    update.settled_at = Some(now);
                    tracing::error!(installation = %update.id.installation.0, release = %release.id.0, ?code, "an update failed for good");
                }
            }
        }
    }
}
