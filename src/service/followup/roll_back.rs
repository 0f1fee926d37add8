//! Moving installations back to the version before a release that is rolled back (R59).
//!
//! Nearly all installations of a batch are alike, so a batch decides and writes by classes, as a rollout does.

use std::collections::BTreeMap;

use crate::domain::id::{InstallationId, PackId, PackVersionId, ReleaseId};
use crate::domain::installations::{
    ReachedState, RollBackDecision, SkipReason, UpdateMethod, UpdateState, decide_roll_back, reason_to_skip,
};
use crate::domain::packs::Pack;
use crate::domain::releases::{Release, ReleaseState};
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::followup::completion::{announce_progress, complete_roll_back, pack_and_release};
use crate::service::followup::updates::{VersionNumbers, offered};
use crate::service::journal::Journal;
use crate::store::Tx;
use crate::store::installations::changes::{Change, Changes};
use crate::store::installations::classes::{Bounds, InstallationFacts};
use crate::store::installations::section::Section;
use crate::store::installations::{classes, write as installations, write_updates as updates};

use super::catch_up::catch_up;
use super::class_change::{ClassChange, Failed, move_each};
use super::judging::judge_all;
use super::ranges::{Kept, end, go_on, keep_pack};
use super::withdraw::not_back;
use super::{Batch, FollowUp, Next};

/// Moves installations back to the former version, whichever way they got the release's. The last batch completes the
/// roll back.
pub(super) struct RollBack {
    pub pack: PackId,
    pub release: ReleaseId,
}

/// The release that one batch rolls back, with its pack and the former version.
struct MovingBack<'a> {
    services: &'a Services,
    tx: &'a Tx,
    pack: &'a Pack,
    release: &'a Release,
    former: PackVersionId,
    /// Whether the pack is locked, and not only held together with others.
    is_locked: bool,
}

/// Installations that a roll back treats in the same way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    decision: RollBackDecision,
    update: Option<ReachedState>,
    version: PackVersionId,
    /// Whether an offer that ends was hidden from the account (R45).
    is_hidden: bool,
}

impl FollowUp for RollBack {
    async fn run_batch(self, batch: &mut Batch<'_>) -> Result<Next, Failure> {
        let (services, tx, task, size) = (batch.services, batch.tx, batch.task, batch.size);
        let rolling_back = |state| state == ReleaseState::RollingBack;
        // Locks the pack, because the last batch changes it. A range's batch never is the last one.
        let Kept { pack, is_locked } = keep_pack(batch, self.pack, self.release, false).await?;
        batch.journal.now = services.now(tx);
        let Some((pack, release)) = pack_and_release(tx, pack, self.release, rolling_back).await? else {
            return Ok(Next::Done);
        };
        let former = release.previous_version_id.ok_or_else(|| Failure::bug("a roll back without a former version"))?;
        let moving = MovingBack { services, tx, pack: &pack, release: &release, former, is_locked };
        let bounds = Bounds { after: task.resume_after, until: task.until, is_locked };
        let found = classes::first_of_pack(tx, pack.id, release.id, bounds, size).await?;
        moving.update_by_class(&mut batch.journal, &found.installations, found.section).await?;
        let last = found.installations.last().map(|installation| installation.id.0).or(task.resume_after);
        if let Some(last) = batch.processed(found.installations.len(), last) {
            // The first batch announces no progress, because it runs within the command's call.
            if task.resume_after.is_some() {
                announce_progress(tx, &mut batch.journal, &pack, &release, is_locked).await?;
            }
            return go_on(batch, pack.id, last).await;
        }
        if task.work.is_range() {
            return end(batch, release.id).await;
        }
        let now = batch.journal.now;
        let again = updates::to_be_tried_again(tx, release.id, size).await?;
        let due: Vec<_> = again.iter().filter(|row| row.is_due(now)).map(|row| row.update.id.installation).collect();
        if !due.is_empty() {
            installations::lock_live(tx, &due).await?;
            // Read again under the installations' locks: one may have been uninstalled meanwhile.
            let judged = classes::of_installations(tx, &release, &due).await?;
            moving.update_by_class(&mut batch.journal, &judged, None).await?;
        }
        let left = updates::to_be_tried_again(tx, release.id, 1).await?;
        if let Some(next) = left.first().and_then(|row| row.next_attempt_at) {
            return Ok(Next::Again(next, last));
        }
        complete_roll_back(tx, &mut batch.journal, pack, release).await?;
        Ok(Next::Done)
    }
}

impl MovingBack<'_> {
    /// Moves installations of a locked or held pack back, ends their offers or their attempts, or leaves them unchanged.
    async fn update_by_class(
        &self,
        journal: &mut Journal<'_>,
        found: &[InstallationFacts],
        section: Option<Section>,
    ) -> Result<(), Failure> {
        let astray = self.astray(found);
        if !astray.is_empty() && !self.is_locked {
            // Catching up may apply updates of a release that is judged by a halt rule, which needs the pack alone.
            return Err(Failure::Overtaken);
        }
        let mut classes: BTreeMap<Class, Vec<&InstallationFacts>> = BTreeMap::new();
        for installation in found {
            classes.entry(self.class(installation)).or_default().push(installation);
        }
        let versions = classes.keys().map(|class| class.version).chain([self.former]);
        let numbers = VersionNumbers::of(self.tx, versions).await?;
        let mut changes = Changes::new(self.tx, self.release, journal.now);
        let mut failed = Failed::new();
        for (class, mut members) in classes {
            let mut after = class.version;
            let mut change = Change::to(UpdateState::Withdrawn);
            match class.decision {
                RollBackDecision::LeaveAlone => continue,
                RollBackDecision::GiveUp => {
                    changes.give_up(&members.iter().map(|i| i.id).collect::<Vec<_>>()).await?;
                    continue;
                }
                RollBackDecision::EndOffer => {
                    change.skip_reason = class.is_hidden.then_some(SkipReason::NotEntitled);
                }
                RollBackDecision::MoveBack => {
                    move_each(self.services, self.release, &mut members, &mut failed);
                    journal.active.extend(members.iter().map(|installation| installation.account_id));
                    changes.take_back(members.iter().filter_map(|installation| installation.outcome));
                    change.how = Some(UpdateMethod::RolledBack);
                    after = self.former;
                }
            }
            let class_change = ClassChange {
                tx: self.tx,
                pack: self.pack,
                release: self.release,
                numbers: &numbers,
                change,
                before: class.update,
                from: class.version,
                to: after,
                action: "scheduler.withdrawUpdate",
                // In most batches all installations are in one class, so they are written as a section.
                section: section.filter(|_| members.len() == found.len()),
            };
            class_change.write(journal, &mut changes, &members).await?;
        }
        changes.end().await?;
        self.plan_again(journal, &failed).await?;
        self.catch_up(journal, &astray).await
    }

    /// The installations that have neither the release's version nor the former one, and may be moved. Some have the
    /// version of a release that this one superseded, because they could not be moved. Others are behind, because their
    /// account became eligible while the release was in progress, and the rollout didn't reach them.
    fn astray(&self, found: &[InstallationFacts]) -> Vec<InstallationId> {
        let is_astray = |installation: &&InstallationFacts| {
            installation.version_id != self.release.version_id
                && installation.version_id != self.former
                && reason_to_skip(installation.is_entitled, installation.status).is_none()
        };
        found.iter().filter(is_astray).map(|installation| installation.id).collect()
    }

    /// Lets [astray](Self::astray) installations of a locked pack catch up.
    async fn catch_up(&self, journal: &mut Journal<'_>, astray: &[InstallationId]) -> Result<(), Failure> {
        if astray.is_empty() {
            return Ok(());
        }
        let live = installations::lock_live(self.tx, astray).await?;
        let packs = std::slice::from_ref(self.pack);
        let step = catch_up(self.services, self.tx, journal, packs, live).await?;
        judge_all(self.services, self.tx, journal, packs, step).await?;
        Ok(())
    }

    fn class(&self, installation: &InstallationFacts) -> Class {
        let has_version = installation.version_id == self.release.version_id;
        let decision = if installation.is_live {
            let skip = reason_to_skip(installation.is_entitled, installation.status);
            let state = installation.update.map(|(state, _)| state);
            decide_roll_back(state, has_version, skip, installation.is_tried_again)
        } else {
            RollBackDecision::GiveUp
        };
        let is_hidden = decision == RollBackDecision::EndOffer && !installation.is_entitled;
        Class { decision, update: installation.update, version: installation.version_id, is_hidden }
    }

    /// Plans the next attempts of installations that could not be moved. An installation that was made with the
    /// release's version has no update that could keep the plan, so it gets one. Readers see its offer as withdrawn.
    async fn plan_again(&self, journal: &Journal<'_>, failed: &Failed) -> Result<(), Failure> {
        if failed.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = failed.keys().copied().collect();
        let live = installations::lock_live(self.tx, &ids).await?;
        let mut stored = updates::of_release(self.tx, self.release.id, &ids).await?;
        let mut rows = Vec::with_capacity(live.len());
        for installation in &live {
            let row = stored.remove(&installation.id);
            let mut row = row.unwrap_or_else(|| offered(installation, self.release, journal.now));
            if let Some(code) = failed.get(&installation.id) {
                not_back(&mut row, self.release, *code, journal.now);
            }
            rows.push(row);
        }
        Ok(updates::save(self.tx, &rows, journal.now).await?)
    }
}
