//! Batches that offer, move and take back (R25–R27, R29, R30, R45, R46).

use std::collections::BTreeMap;

use crate::domain::id::{InstallationId, PackId, ReleaseId};
use crate::domain::installation::{
    Failure as UpdateFailure, Installation, RolloutStep, UpdateMethod, UpdateState, pause_after, rollout_step,
};
use crate::domain::pack::Pack;
use crate::domain::release::{Release, ReleaseState};
use crate::store::Tx;
use crate::store::write::tasks::Task;
use crate::store::write::updates::{self, UpdateRow};
use crate::store::write::{installations, packs};

use super::Services;
use super::eligibility::Eligibility;
use super::error::Failure;
use super::journal::Journal;
use super::rollout::{Batch, Reach};
use super::updates::{Numbers, Step, applied, give_up, given_up, hide, offered, skip, tell_update, withdraw_row};

/// The longest pause before an installation is tried to be moved back, or to catch up, again.
pub(super) const LONGEST_PAUSE: chrono::Duration = chrono::Duration::minutes(5);

impl Services {
    /// Offers a scheduled release to installations, entitled ones alone (R26).
    pub(super) async fn offer(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        task: &Task,
        pack: PackId,
        release: ReleaseId,
    ) -> Result<Batch, Failure> {
        let scheduled = |state| state == ReleaseState::Scheduled;
        let pack = packs::hold(tx, pack).await?;
        journal.now = self.instant(tx, &pack)?;
        let Some((pack, release)) = self.pack_and_release(tx, pack, release, scheduled).await? else {
            return Ok(Batch::Done);
        };
        let found = installations::batch(tx, pack.id, task.done_to, self.settings.batch_size).await?;
        let ids: Vec<_> = found.iter().map(|i| i.id).collect();
        let known = updates::of_release(tx, release.id, &ids).await?;
        let eligible = Eligibility::of(tx, &found.iter().collect::<Vec<_>>()).await?;
        let numbers = Numbers::of(tx, found.iter().map(|i| i.version_id)).await?;
        let mut rows = Vec::new();
        for installation in found.iter().filter(|i| !known.contains_key(&i.id) && eligible.is_entitled(i)) {
            let row = offered(installation, &release, journal.now);
            tell_update(
                journal,
                &pack,
                &row.update,
                None,
                Step::stays(numbers.get(installation.version_id)),
                "scheduler.offerUpdate",
            );
            rows.push(row);
        }
        updates::save(tx, &rows).await?;
        Ok(self.after_batch(found.len(), found.last().map(|i| i.id.into())).map_or(Batch::Done, Batch::More))
    }

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

    /// One attempt to move one installation back. What fails is tried again after a growing pause, for as
    /// long as it takes: a canceled version must not stay in the field.
    pub(super) fn attempt_back(&self, row: &mut UpdateRow, release: &Release, now: crate::domain::Instant) -> bool {
        match self.mover.move_installation(row.update.id.installation, release.id) {
            Ok(()) => {
                withdraw_row(row, Some(UpdateMethod::CanceledBack), now);
                true
            }
            Err(code) => {
                row.attempts = row.attempts.saturating_add(1);
                row.next_attempt_at = Some(now + pause_after(row.attempts).unwrap_or(LONGEST_PAUSE));
                tracing::warn!(installation = %row.update.id.installation.0, release = %release.id.0, ?code, "an installation could not be moved back; it is tried again");
                false
            }
        }
    }

    /// Takes back the offers of a release that was canceled or superseded, and after a cancel moves those
    /// back who applied early (R29, R30). Who has lost the grant is not moved (R45).
    pub(super) async fn withdraw(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        task: &Task,
        pack: PackId,
        release: ReleaseId,
    ) -> Result<Batch, Failure> {
        let ended = |state| matches!(state, ReleaseState::Canceled | ReleaseState::Superseded);
        let pack = packs::hold(tx, pack).await?;
        journal.now = self.now(tx);
        let Some((pack, release)) = self.pack_and_release(tx, pack, release, ended).await? else {
            return Ok(Batch::Done);
        };
        let rows = updates::after(tx, release.id, task.done_to, self.settings.batch_size).await?;
        let (found, last) = (rows.len(), rows.last().map(|row| row.update.id.installation.into()));
        self.take_back(tx, journal, &pack, &release, rows).await?;
        if let Some(last) = self.after_batch(found, last) {
            return Ok(Batch::More(last));
        }
        let again: Vec<_> = updates::to_be_tried_again(tx, release.id, self.settings.batch_size).await?;
        let due: Vec<_> = again.into_iter().filter(|row| row.is_due(journal.now)).collect();
        self.take_back(tx, journal, &pack, &release, due).await?;
        let left = updates::to_be_tried_again(tx, release.id, 1).await?;
        let next = left.first().and_then(|row| row.next_attempt_at);
        Ok(next.map_or(Batch::Done, |at| Batch::Again(at, last.or(task.done_to))))
    }

    async fn take_back(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        pack: &Pack,
        release: &Release,
        rows: Vec<UpdateRow>,
    ) -> Result<(), Failure> {
        let ids: Vec<_> = rows.iter().map(|row| row.update.id.installation).collect();
        let live: BTreeMap<_, _> = installations::lock_live(tx, &ids).await?.into_iter().map(|i| (i.id, i)).collect();
        // Read again under the installations' locks: an account may have applied or uninstalled meanwhile.
        let rows: Vec<_> = updates::of_release(tx, release.id, &ids).await?.into_values().collect();
        let eligible = Eligibility::of(tx, &live.values().collect::<Vec<_>>()).await?;
        let back_to = release.previous_version_id.filter(|_| release.state == ReleaseState::Canceled);
        let versions = live.values().map(|i| i.version_id).chain(back_to);
        let numbers = Numbers::of(tx, versions).await?;
        let (mut changed, mut moved) = (Vec::new(), Vec::new());
        for mut row in rows {
            let before = row.update.state;
            let Some(installation) = live.get(&row.update.id.installation) else {
                changed.extend(given_up(row));
                continue;
            };
            let returns = back_to.filter(|_| {
                before == UpdateState::Applied
                    && installation.version_id == release.version_id
                    && eligible.is_entitled(installation)
            });
            let version = match (before, returns) {
                (UpdateState::Offered, _) => {
                    withdraw_row(&mut row, None, journal.now);
                    if !eligible.is_entitled(installation) {
                        hide(&mut row);
                    }
                    installation.version_id
                }
                (_, Some(version)) => {
                    if self.attempt_back(&mut row, release, journal.now) {
                        moved.push(installation.id);
                        version
                    } else {
                        installation.version_id
                    }
                }
                (_, None) => {
                    changed.extend(given_up(row));
                    continue;
                }
            };
            if row.update.state != before {
                let step = numbers.step(installation.version_id, version);
                tell_update(journal, pack, &row.update, Some(before), step, "scheduler.withdrawUpdate");
            }
            changed.push(row);
        }
        if let Some(version) = back_to {
            installations::move_to(tx, &moved, version, journal.now).await?;
        }
        Ok(updates::save(tx, &changed).await?)
    }
}
