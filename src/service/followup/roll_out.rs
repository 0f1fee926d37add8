//! Moving installations to the version of a release that is in progress (R25, R27, R45, R46).
//!
//! Most installations of a batch are alike, so a batch decides and writes by classes. Installations that could not be
//! moved now or earlier have attempts of their own, so each is updated individually.

use std::collections::BTreeMap;
use std::ops::ControlFlow::{self, Break, Continue};

use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{InstallationId, PackId, PackVersionId, ReleaseId};
use crate::domain::installations::{
    Failure as UpdateFailure, FailureCode, Installation, ReachedState, RolloutDecision, SkipReason, UpdateMethod,
    UpdateState, decide_rollout, pause_after, reason_to_skip,
};
use crate::domain::packs::Pack;
use crate::domain::releases::{Release, ReleaseState};
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::followup::completion::{announce_progress, complete, complete_given_up, pack_and_release};
use crate::service::followup::updates::{
    VersionNumbers, applied, give_up, leave_to_later, offered, record_update, skip,
};
use crate::service::journal::Journal;
use crate::service::releases::size_of_batch;
use crate::store::Tx;
use crate::store::followup::tasks::{LONGEST_PAUSE, Task, Work};
use crate::store::installations::changes::{Change, Changes};
use crate::store::installations::classes::{Bounds, First, InstallationFacts};
use crate::store::installations::write_updates::UpdateRow;
use crate::store::installations::{classes, write as installations, write_updates as updates};

use super::catch_up::catch_up;
use super::class_change::{ClassChange, Failed, move_each};
use super::eligibility::Eligibility;
use super::judging::{Step, given_up, judged, try_again_first};
use super::ranges::{Kept, end, go_on, keep_pack};
use super::{Batch, FollowUp, Next};

/// How a rollout treats the installations that it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The rollout moves the installations.
    Move,
    /// The rollout was given up, so it marks their updates as failed.
    GiveUp,
    /// An early stage moves the installations. It leaves an installation that may not be moved to a later stage (R55).
    Stage,
}

/// Moves installations to a release, or gives them up. The last batch completes the release.
pub(super) struct RollOut {
    pub pack: PackId,
    pub release: ReleaseId,
    pub mode: Mode,
}

/// The release that one batch rolls out, with its pack and the mode.
pub(super) struct Rollout<'a> {
    pub services: &'a Services,
    pub tx: &'a Tx,
    pub pack: &'a Pack,
    pub release: &'a Release,
    pub mode: Mode,
}

/// Installations that a rollout treats in the same way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    update: Option<ReachedState>,
    version: PackVersionId,
    skip: Option<SkipReason>,
}

impl Class {
    fn of(installation: &InstallationFacts) -> Self {
        let skip = reason_to_skip(installation.is_entitled, installation.status);
        Self { update: installation.update, version: installation.version_id, skip }
    }
}

impl FollowUp for RollOut {
    async fn run_batch(self, batch: &mut Batch<'_>) -> Result<Next, Failure> {
        let (services, tx, task, size) = (batch.services, batch.tx, batch.task, batch.size);
        let running = |state| state == ReleaseState::InProgress;
        // Locks the pack, because the last batch changes it, and the batch's decisions depend on it. A range's batch
        // never is the last one, and what it decides by doesn't change while it holds the pack.
        let Kept { pack, is_locked } = keep_pack(batch, self.pack, self.release, true).await?;
        batch.journal.now = services.now(tx);
        let Some((mut pack, mut release)) = pack_and_release(tx, pack, self.release, running).await? else {
            return Ok(Next::Done);
        };
        if self.mode == Mode::Move && release.is_paused() {
            return Ok(Next::Again(batch.journal.now + LONGEST_PAUSE, task.resume_after));
        }
        if release.halt.is_some() && !is_locked {
            return Err(Failure::Overtaken);
        }
        let limit = size_of_batch(tx, &release, size).await?;
        if self.mode == Mode::Move
            && let Some(next) = try_again_first(batch, &mut pack, &mut release, self.mode, limit).await?
        {
            return Ok(next);
        }
        let bounds = Bounds { after: task.resume_after, until: task.until, is_locked };
        let mut found = classes::first_of_pack(tx, pack.id, release.id, bounds, size).await?;
        let is_cut = found.keep(limit, |installation| moves(installation, &release));
        let last = found.installations.last().map(|installation| installation.id.0).or(task.resume_after);
        let full = batch.processed(found.installations.len(), last).or(last.filter(|_| is_cut));
        let rollout = Rollout { services, tx, pack: &pack, release: &release, mode: self.mode };
        let step = rollout.update_by_class(&mut batch.journal, &found).await?;
        let astray = match self.judged(batch, (&mut pack, &mut release), step, last).await? {
            Continue(astray) => astray,
            Break(next) => return Ok(next),
        };
        if !astray.is_empty() && self.mode == Mode::Move {
            if !is_locked {
                // Catching up adds tasks and changes updates of other releases, which needs the pack alone.
                return Err(Failure::Overtaken);
            }
            let live = installations::lock_live(tx, &astray).await?;
            let step = catch_up(services, tx, &mut batch.journal, std::slice::from_ref(&pack), live).await?;
            if let Break(next) = self.judged(batch, (&mut pack, &mut release), step, last).await? {
                return Ok(next);
            }
        }
        if let Some(last) = full {
            // The first batch announces no progress, because it runs within the command's call.
            if task.resume_after.is_some() {
                announce_progress(tx, &mut batch.journal, &pack, &release, is_locked).await?;
            }
            // A release with a halt rule is judged batch by batch.
            return if release.halt.is_some() { Ok(Next::More(last)) } else { go_on(batch, pack.id, last).await };
        }
        if task.work.is_range() {
            return end(batch, release.id).await;
        }
        self.finish(batch, pack, release, limit, last).await
    }
}

/// Whether a batch would move an installation. The halt rule limits the number of such installations in a batch.
fn moves(installation: &InstallationFacts, release: &Release) -> bool {
    let skip = reason_to_skip(installation.is_entitled, installation.status);
    let state = installation.update.map(|(state, _)| state);
    let has_version = installation.version_id == release.version_id;
    match decide_rollout(state, has_version, skip) {
        RolloutDecision::Move => true,
        RolloutDecision::LeaveAlone => is_astray(release, installation.version_id, state, skip),
        RolloutDecision::Skip(_) => false,
    }
}

/// Whether an installation that a rollout leaves unchanged should catch up: it doesn't have the release's version, and
/// may be moved now. An earlier batch skipped it, or a later release left it at its version when that release was
/// rolled back (R45, R46, R59). A failed update waits for a retry.
fn is_astray(release: &Release, version: PackVersionId, state: Option<UpdateState>, skip: Option<SkipReason>) -> bool {
    let waits_for_retry = state == Some(UpdateState::Failed) && release.previous_version_id == Some(version);
    skip.is_none() && version != release.version_id && !waits_for_retry
}

/// Whether a task must go through all installations once more. That is so if the release was paused and resumed since
/// the task was created: meanwhile an account may have installed the former version, or have become eligible, and the
/// task has passed its installation already. The resume has marked such a task by its own instant.
pub(super) fn walks_again(task: &Task, release: &Release) -> bool {
    release.resumed_at == Some(task.created_at)
}

impl RollOut {
    /// The end of a task that has reached all installations: tries those again that could not be moved, and completes
    /// the release once none of them is left.
    async fn finish(
        self,
        batch: &mut Batch<'_>,
        mut pack: Pack,
        mut release: Release,
        limit: u64,
        last: Option<Uuid>,
    ) -> Result<Next, Failure> {
        let (services, tx, task) = (batch.services, batch.tx, batch.task);
        let rollout = Rollout { services, tx, pack: &pack, release: &release, mode: self.mode };
        let step = rollout.try_again(&mut batch.journal, limit).await?;
        let next = match self.judged(batch, (&mut pack, &mut release), step, last).await? {
            Continue(next) => next,
            Break(next) => return Ok(next),
        };
        if let Some(next) = next {
            return Ok(Next::Again(next, last));
        }
        if self.mode == Mode::Move && task.resume_after.is_some() && walks_again(task, &release) {
            return Ok(Next::Then(Work::RollOut(pack.id, release.id)));
        }
        if self.mode == Mode::GiveUp {
            complete_given_up(services, tx, &mut batch.journal, (pack, release), 0).await?;
        } else {
            complete(tx, &mut batch.journal, pack, release, 0).await?;
        }
        Ok(Next::Done)
    }

    /// Judges a step. Returns its result, or how the task continues if the release was halted.
    async fn judged<T>(
        &self,
        batch: &mut Batch<'_>,
        of: (&mut Pack, &mut Release),
        step: Step<T>,
        last: Option<Uuid>,
    ) -> Result<ControlFlow<Next, T>, Failure> {
        if self.mode == Mode::GiveUp { given_up(batch, of, step).await } else { judged(batch, of, step, last).await }
    }
}

impl Rollout<'_> {
    /// How the updates are applied.
    fn how(&self) -> UpdateMethod {
        if self.mode == Mode::Stage { UpdateMethod::Staged } else { self.release.method() }
    }

    /// Decides for the installations of a locked pack, by classes: moves them, gives them up, skips them, or leaves
    /// them unchanged. Returns the unchanged installations that should catch up (R45, R46, R56).
    pub(super) async fn update_by_class(
        &self,
        journal: &mut Journal<'_>,
        found: &First,
    ) -> Result<Step<Vec<InstallationId>>, Failure> {
        let mut classes: BTreeMap<Class, Vec<&InstallationFacts>> = BTreeMap::new();
        for installation in &found.installations {
            classes.entry(Class::of(installation)).or_default().push(installation);
        }
        let versions = classes.keys().map(|class| class.version).chain([self.release.version_id]);
        let numbers = VersionNumbers::of(self.tx, versions).await?;
        let mut changes = Changes::new(self.tx, self.release, journal.now);
        let (mut failed, mut catching_up) = (Failed::new(), Vec::new());
        for (class, mut members) in classes {
            let state = class.update.map(|(state, _)| state);
            let decision = decide_rollout(state, class.version == self.release.version_id, class.skip);
            let is_left = decision == RolloutDecision::LeaveAlone;
            if is_left && is_astray(self.release, class.version, state, class.skip) {
                catching_up.extend(members.iter().map(|installation| installation.id));
            }
            let mut version = class.version;
            let change = match decision {
                RolloutDecision::LeaveAlone => continue,
                RolloutDecision::Skip(_) if self.mode == Mode::Stage => continue,
                RolloutDecision::Skip(reason) => {
                    Change { skip_reason: Some(reason), ..Change::to(UpdateState::Skipped) }
                }
                RolloutDecision::Move if self.mode == Mode::GiveUp => {
                    Change { failure: Some(FailureCode::Internal), ..Change::to(UpdateState::Failed) }
                }
                RolloutDecision::Move => {
                    move_each(self.services, self.release, &mut members, &mut failed);
                    journal.active.extend(members.iter().map(|installation| installation.account_id));
                    version = self.release.version_id;
                    Change { how: Some(self.how()), ..Change::to(UpdateState::Applied) }
                }
            };
            let class_change = ClassChange {
                tx: self.tx,
                pack: self.pack,
                release: self.release,
                numbers: &numbers,
                change,
                before: class.update,
                from: class.version,
                to: version,
                action: "scheduler.applyUpdate",
                // In most batches all installations are in one class, so they are written as a section.
                section: found.section.filter(|_| members.len() == found.installations.len()),
            };
            class_change.write(journal, &mut changes, &members).await?;
        }
        self.end(journal, changes, &failed).await?;
        Ok(Step::of(catching_up))
    }

    /// Writes the sums of a batch's changes, and the updates of the installations that could not be moved.
    async fn end(&self, journal: &mut Journal<'_>, changes: Changes<'_>, failed: &Failed) -> Result<(), Failure> {
        if failed.is_empty() {
            return Ok(changes.end().await?);
        }
        let ids: Vec<_> = failed.keys().copied().collect();
        let live = installations::lock_live(self.tx, &ids).await?;
        let stored = updates::of_release(self.tx, self.release.id, &ids).await?;
        let rows = self.update_each(journal, &live, stored, failed).await?;
        Ok(changes.end_with(&rows).await?)
    }

    /// Retries the installations whose pause is over, or gives all of them up. Returns when the next one is due, if any
    /// is left.
    pub(super) async fn try_again(
        &self,
        journal: &mut Journal<'_>,
        size: u64,
    ) -> Result<Step<Option<Instant>>, Failure> {
        let given_up = self.mode == Mode::GiveUp;
        let waiting = updates::to_be_tried_again(self.tx, self.release.id, size).await?;
        let due = waiting.into_iter().filter(|row| given_up || row.is_due(journal.now));
        let due: Vec<_> = due.map(|row| row.update.id.installation).collect();
        let live = installations::lock_live(self.tx, &due).await?;
        // Read again under the installations' locks: one may have been uninstalled meanwhile.
        let stored = updates::of_release(self.tx, self.release.id, &due).await?;
        let rows = self.update_each(journal, &live, stored, &Failed::new()).await?;
        updates::save(self.tx, &rows, journal.now).await?;
        let left = updates::to_be_tried_again(self.tx, self.release.id, 1).await?;
        let next = left.first().and_then(|row| row.next_attempt_at);
        Ok(Step::of(next.map(|at| if given_up { journal.now } else { at })))
    }

    /// Moves, skips or gives up locked installations one by one. Returns their updates, which the caller must save. The
    /// moves in `failed` aren't tried again.
    async fn update_each(
        &self,
        journal: &mut Journal<'_>,
        found: &[Installation],
        mut stored: BTreeMap<InstallationId, UpdateRow>,
        failed: &Failed,
    ) -> Result<Vec<UpdateRow>, Failure> {
        let (tx, release) = (self.tx, self.release);
        let eligible = Eligibility::of(tx, &found.iter().collect::<Vec<_>>()).await?;
        let versions = found.iter().map(|i| i.version_id).chain([release.version_id]);
        let numbers = VersionNumbers::of(tx, versions).await?;
        let (mut rows, mut moved) = (Vec::new(), Vec::new());
        for installation in found {
            let row = stored.remove(&installation.id);
            let before = row.as_ref().map(|row| row.update.state);
            let has_version = installation.version_id == release.version_id;
            let decision = decide_rollout(before, has_version, eligible.reason_to_skip(installation));
            if decision == RolloutDecision::LeaveAlone {
                continue;
            }
            let mut row = row.unwrap_or_else(|| offered(installation, release, journal.now));
            match decision {
                RolloutDecision::Skip(_) if self.mode == Mode::Stage => leave_to_later(&mut row),
                RolloutDecision::Skip(reason) => skip(&mut row, reason, journal.now),
                _ if self.mode == Mode::GiveUp => give_up(&mut row, release.settles_at(journal.now)),
                _ => self.attempt(&mut row, failed.get(&installation.id).copied(), journal.now),
            }
            let version = if row.update.state == UpdateState::Applied {
                moved.push(installation.id);
                journal.active.insert(installation.account_id);
                release.version_id
            } else {
                installation.version_id
            };
            if row.update.state != UpdateState::Offered {
                let version_change = numbers.change(installation.version_id, version);
                record_update(journal, self.pack, &row.update, before, version_change, "scheduler.applyUpdate");
            }
            rows.push(row);
        }
        installations::move_to(tx, &moved, release.version_id, journal.now).await?;
        Ok(rows)
    }

    /// Tries to move one installation; `failed` is the result of an attempt that this batch has already made. After a
    /// failure it is tried again with growing pauses, at most five times within ten minutes. Then the update is FAILED.
    fn attempt(&self, row: &mut UpdateRow, failed: Option<FailureCode>, now: Instant) {
        let (update, release) = (&mut row.update, self.release);
        let moved =
            failed.map_or_else(|| self.services.mover.move_installation(update.id.installation, release.id), Err);
        match moved {
            Ok(()) => applied(row, self.how(), release.settles_at(now)),
            Err(code) => {
                row.attempts = row.attempts.saturating_add(1);
                update.failure = Some(UpdateFailure { code, attempts: row.attempts });
                row.next_attempt_at = pause_after(row.attempts).map(|pause| now + pause);
                if row.next_attempt_at.is_none() {
                    update.state = UpdateState::Failed;
                    update.settled_at = Some(release.settles_at(now));
                    tracing::error!(installation = %update.id.installation, release = %release.id, ?code, "an update failed for good");
                }
            }
        }
    }
}
