//! Trying the failed updates of a release again.

use crate::domain::Instant;
use crate::domain::account::Privilege;
use crate::domain::event::EventKind;
use crate::domain::id::{PackId, ReleaseId};
use crate::domain::installation::{Failure as UpdateFailure, UpdateState, pause_in_round};
use crate::domain::pack::Pack;
use crate::domain::refusal::ReleaseRefusal;
use crate::domain::release::{Release, ReleaseState, RetryFacts, decide_retry};
use crate::store::Tx;
use crate::store::convert::Stored as _;
use crate::store::write::tasks::{self, Task, Work};
use crate::store::write::updates::{self, UpdateRow};
use crate::store::write::{installations, packs, releases};

use super::Services;
use super::access::Publisher;
use super::eligibility::Eligibility;
use super::error::{Failure, Outcome};
use super::journal::{Entry, Happening, Journal, Subject};
use super::moment::Touched;
use super::release_log::ReleaseLog;
use super::rollout::Batch;
use super::updates::{Numbers, applied, given_up, tell_update};

impl Services {
    /// Tries the failed updates of the newest started release again, now, and again with growing pauses;
    /// gives how many those are. Who is frozen or suspended is not among them (R45, R46).
    ///
    /// # Errors
    /// Those of [`decide_retry`]; not found.
    pub async fn retry_failed_updates(&self, caller: &Publisher, release: ReleaseId) -> Outcome<u64, ReleaseRefusal> {
        caller.viewer.require(Privilege::IntegrationPack)?;
        let pack = releases::pack_of(&self.db, &caller.scope, release).await?.ok_or(Failure::NotFound)?;
        let touched = Touched::Pack(caller.id(), pack);
        self.once_opened(touched, || self.try_retry_failed_updates(caller, pack, release)).await
    }

    async fn try_retry_failed_updates(
        &self,
        caller: &Publisher,
        pack: PackId,
        release: ReleaseId,
    ) -> Outcome<u64, ReleaseRefusal> {
        let tx = self.db.begin().await?;
        let mut pack = packs::lock(&tx, &caller.scope, pack).await?.ok_or(Failure::NotFound)?;
        let mut release = releases::lock(&tx, pack.id, release).await?.ok_or(Failure::NotFound)?;
        let mut journal = Journal::of(self, caller, self.instant(&tx, [&pack])?);
        let (before, failed) = (release.state, updates::count_failed(&tx, release.id).await?);
        let facts = RetryFacts {
            release: release.id,
            state: release.state_at(journal.now),
            newest: pack.standing.current_version == Some(release.version_id),
            pending: pack.standing.pending.map(|pending| pending.release_id),
            moving: tasks::moving(&tx, pack.id).await?,
            failed,
        };
        release.state = decide_retry(&facts)?;
        release.ended_at = None;
        releases::save(&tx, &release).await?;
        pack.standing.running_release = Some(release.id);
        packs::save_standing(&tx, pack.id, &pack.standing).await?;
        let task = self.add_task(&tx, &pack, Work::Retry(pack.id, release.id), true, journal.now).await?;
        journal.note(Entry::of("retryFailedUpdates", Subject::Release(release.id), pack.name.clone()).change(
            "state",
            Some(before.stored().into()),
            Some(release.state.stored().into()),
        ));
        journal.tell(Happening::release(EventKind::ReleaseStarted, &pack, release.id));
        let log = ReleaseLog::of(&journal);
        journal.write(&tx).await?;
        tx.commit().await?;
        log.write();
        self.run_first_batch(task).await;
        Ok(failed)
    }

    /// Tries failed updates again; the last batch ends the release.
    pub(super) async fn retry(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        task: &Task,
        pack: PackId,
        release: ReleaseId,
    ) -> Result<Batch, Failure> {
        let running = |state| state == ReleaseState::InProgress;
        let pack = packs::lock_any(tx, pack).await?;
        journal.now = self.now(tx);
        let Some((pack, release)) = self.pack_and_release(tx, pack, release, running).await? else {
            return Ok(Batch::Done);
        };
        let failed = updates::failed_after(tx, release.id, task.done_to, self.settings.batch_size).await?;
        let last = failed.last().map(|row| row.update.id.installation.into());
        self.try_failed(tx, journal, &pack, &release, &failed).await?;
        if let Some(last) = self.after_batch(failed.len(), last) {
            self.announce_progress(tx, journal, &pack, &release, task).await?;
            return Ok(Batch::More(last));
        }
        let due = updates::to_be_tried_again(tx, release.id, self.settings.batch_size).await?;
        let due: Vec<_> = due.into_iter().filter(|row| row.is_due(journal.now)).collect();
        self.try_failed(tx, journal, &pack, &release, &due).await?;
        let left = updates::to_be_tried_again(tx, release.id, 1).await?;
        if let Some(next) = left.first().and_then(|row| row.next_attempt_at) {
            return Ok(Batch::Again(next, last.or(task.done_to)));
        }
        self.complete(tx, journal, pack, release, 0).await?;
        Ok(Batch::Done)
    }

    async fn try_failed(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        pack: &Pack,
        release: &Release,
        rows: &[UpdateRow],
    ) -> Result<(), Failure> {
        let ids: Vec<_> = rows.iter().map(|row| row.update.id.installation).collect();
        let live = installations::lock_live(tx, &ids).await?;
        // Read again under the installations' locks: one may have been uninstalled meanwhile.
        let rows = updates::of_release(tx, release.id, &ids).await?;
        let eligible = Eligibility::of(tx, &live.iter().collect::<Vec<_>>()).await?;
        let versions = live.iter().map(|i| i.version_id).chain(std::iter::once(release.version_id));
        let numbers = Numbers::of(tx, versions).await?;
        let (mut changed, mut moved) = (Vec::new(), Vec::new());
        for mut row in rows.into_values().filter(|row| row.update.state == UpdateState::Failed) {
            let installation = live.iter().find(|i| i.id == row.update.id.installation);
            let entitled = installation.filter(|i| eligible.reason_to_skip(i).is_none());
            let Some(installation) = entitled else {
                changed.extend(given_up(row));
                continue;
            };
            self.attempt_again(&mut row, release, journal.now);
            if row.update.state == UpdateState::Applied {
                let before = Some(UpdateState::Failed);
                let step = numbers.step(installation.version_id, release.version_id);
                tell_update(journal, pack, &row.update, before, step, "scheduler.applyUpdate");
                moved.push(row.update.id.installation);
            }
            changed.push(row);
        }
        installations::move_to(tx, &moved, release.version_id, journal.now).await?;
        Ok(updates::save(tx, &changed).await?)
    }

    /// One more attempt to move one installation; what fails again stays FAILED.
    fn attempt_again(&self, row: &mut UpdateRow, release: &Release, now: Instant) {
        match self.mover.move_installation(row.update.id.installation, release.id) {
            Ok(()) => applied(row, release, now),
            Err(code) => {
                row.attempts = row.attempts.saturating_add(1);
                row.update.failure = Some(UpdateFailure { code, attempts: row.attempts });
                row.next_attempt_at = pause_in_round(row.attempts).map(|pause| now + pause);
            }
        }
    }
}
