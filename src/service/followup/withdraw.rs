//! Withdraws the offers of a canceled or superseded release, and moves its early installations back (R29, R30).

use std::collections::BTreeMap;

use crate::domain::Instant;
use crate::domain::id::{PackId, PackVersionId, ReleaseId};
use crate::domain::installations::{FailureCode, SkipReason, UpdateMethod, UpdateState, pause_after};
use crate::domain::packs::Pack;
use crate::domain::releases::{Release, ReleaseState};
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::followup::completion::pack_and_release;
use crate::service::followup::updates::{VersionNumbers, withdraw_row};
use crate::service::journal::Journal;
use crate::store::Tx;
use crate::store::installations::changes::{Change, Changes};
use crate::store::installations::classes::InstallationFacts;
use crate::store::installations::write_updates::UpdateRow;
use crate::store::installations::{classes, write as installations, write_updates as updates};
use crate::store::packs::write as packs;

use super::class_change::{ClassChange, Failed, move_each};
use super::{Batch, FollowUp, Next};

/// The longest pause before the next attempt to move an installation back, or to let it catch up.
pub(super) const BETWEEN_ATTEMPTS: chrono::Duration = chrono::Duration::minutes(5);

/// Withdraws the offers of a release that was canceled or superseded. After a cancel it moves the installations back
/// that were updated early (R29, R30). An installation whose account has lost the grant isn't moved (R45).
pub(super) struct Withdraw {
    pub pack: PackId,
    pub release: ReleaseId,
}

/// The canceled or superseded release whose updates one batch withdraws, with its pack.
struct Withdrawal<'a> {
    services: &'a Services,
    tx: &'a Tx,
    pack: &'a Pack,
    release: &'a Release,
    /// The version to which early installations move back; `None` if the release was superseded.
    back_to: Option<PackVersionId>,
}

/// How an update of the release ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    /// The offer ends. The account gets an event only if it has the grant (R45).
    OfferEnds { is_entitled: bool },
    /// The installation is moved back. Carries the method by which its update was applied.
    MovesBack(Option<UpdateMethod>),
    /// The installation stays, and its retries end.
    GivenUp,
}

impl FollowUp for Withdraw {
    async fn run_batch(self, batch: &mut Batch<'_>) -> Result<Next, Failure> {
        let (services, tx, task, size) = (batch.services, batch.tx, batch.task, batch.size);
        let ended = |state| matches!(state, ReleaseState::Canceled | ReleaseState::Superseded);
        let pack = packs::hold(tx, self.pack).await?;
        batch.journal.now = services.now(tx);
        let Some((pack, release)) = pack_and_release(tx, pack, self.release, ended).await? else {
            return Ok(Next::Done);
        };
        let back_to = release.previous_version_id.filter(|_| release.state == ReleaseState::Canceled);
        let withdrawal = Withdrawal { services, tx, pack: &pack, release: &release, back_to };
        let (found, last) = classes::lock_of_release(tx, release.id, task.resume_after, size).await?;
        if let Some(last) = last {
            let judged = classes::of_release(tx, &release, task.resume_after, last).await?;
            withdrawal.update_by_class(&mut batch.journal, &judged).await?;
        }
        if let Some(last) = batch.processed(found, last) {
            return Ok(Next::More(last));
        }
        let now = batch.journal.now;
        let again = updates::to_be_tried_again(tx, release.id, size).await?;
        let due: Vec<_> = again.iter().filter(|row| row.is_due(now)).map(|row| row.update.id.installation).collect();
        if !due.is_empty() {
            if let Some(last) = last {
                // This batch has locked installations that come later than these. A batch of their own locks them, so
                // that all who hold the pack lock installations in the order of ids.
                return Ok(Next::More(last));
            }
            installations::lock_live(tx, &due).await?;
            // Read again under the installations' locks: one may have been uninstalled meanwhile.
            let judged = classes::of_installations(tx, &release, &due).await?;
            withdrawal.update_by_class(&mut batch.journal, &judged).await?;
        }
        let left = updates::to_be_tried_again(tx, release.id, 1).await?;
        let next = left.first().and_then(|row| row.next_attempt_at);
        Ok(next.map_or(Next::Done, |at| Next::Again(at, last.or(task.resume_after))))
    }
}

impl Withdrawal<'_> {
    /// Ends the updates of installations of a held pack, by classes.
    async fn update_by_class(&self, journal: &mut Journal<'_>, found: &[InstallationFacts]) -> Result<(), Failure> {
        let mut classes: BTreeMap<(Ending, PackVersionId), Vec<&InstallationFacts>> = BTreeMap::new();
        for installation in found {
            if let Some(ending) = self.ending(installation) {
                classes.entry((ending, installation.version_id)).or_default().push(installation);
            }
        }
        let versions = classes.keys().map(|(_, version)| *version).chain(self.back_to);
        let numbers = VersionNumbers::of(self.tx, versions).await?;
        let mut changes = Changes::new(self.tx, self.release, journal.now);
        let mut failed = Failed::new();
        for ((ending, version), mut members) in classes {
            let mut change = Change::to(UpdateState::Withdrawn);
            let mut after = version;
            let before = match ending {
                Ending::OfferEnds { is_entitled } => {
                    change.skip_reason = (!is_entitled).then_some(SkipReason::NotEntitled);
                    (UpdateState::Offered, None)
                }
                Ending::MovesBack(how) => {
                    change.how = Some(UpdateMethod::CanceledBack);
                    after = self.back_to.unwrap_or(version);
                    move_each(self.services, self.release, &mut members, &mut failed);
                    (UpdateState::Applied, how)
                }
                Ending::GivenUp => {
                    changes.give_up(&members.iter().map(|i| i.id).collect::<Vec<_>>()).await?;
                    continue;
                }
            };
            changes.take_back(members.iter().filter_map(|installation| installation.outcome));
            let class_change = ClassChange {
                tx: self.tx,
                pack: self.pack,
                release: self.release,
                numbers: &numbers,
                change,
                before: Some(before),
                from: version,
                to: after,
                action: "scheduler.withdrawUpdate",
                section: None,
            };
            class_change.write(journal, &mut changes, &members).await?;
        }
        changes.end().await?;
        self.plan_again(journal, &failed).await
    }

    /// How the update of an installation ends; `None` if the installation is left unchanged.
    fn ending(&self, installation: &InstallationFacts) -> Option<Ending> {
        let state = installation.update.map(|(state, _)| state);
        let returns = self.back_to.is_some()
            && state == Some(UpdateState::Applied)
            && installation.version_id == self.release.version_id
            && installation.is_entitled;
        match state {
            Some(UpdateState::Offered) if installation.is_live => {
                Some(Ending::OfferEnds { is_entitled: installation.is_entitled })
            }
            _ if installation.is_live && returns => {
                Some(Ending::MovesBack(installation.update.and_then(|(_, how)| how)))
            }
            _ if installation.is_tried_again => Some(Ending::GivenUp),
            _ => None,
        }
    }

    /// Plans the next attempts of installations that could not be moved back.
    async fn plan_again(&self, journal: &Journal<'_>, failed: &Failed) -> Result<(), Failure> {
        if failed.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = failed.keys().copied().collect();
        let mut rows: Vec<_> = updates::of_release(self.tx, self.release.id, &ids).await?.into_values().collect();
        for row in &mut rows {
            if let Some(code) = failed.get(&row.update.id.installation) {
                not_back(row, self.release, *code, journal.now);
            }
        }
        Ok(updates::save(self.tx, &rows, journal.now).await?)
    }
}

/// Tries to move one installation back, after its release was canceled or rolled back. After a failure it is tried
/// again with growing pauses and without limit, because a version that was taken back must not stay installed. Returns
/// whether it was moved.
pub(super) fn attempt_back(cx: &Services, row: &mut UpdateRow, release: &Release, now: Instant) -> bool {
    match cx.mover.move_installation(row.update.id.installation, release.id) {
        Ok(()) => {
            let how = match release.state {
                ReleaseState::Canceled => UpdateMethod::CanceledBack,
                _ => UpdateMethod::RolledBack,
            };
            withdraw_row(row, Some(how), now);
            true
        }
        Err(code) => {
            not_back(row, release, code, now);
            false
        }
    }
}

/// Plans the next attempt to move an installation back.
pub(super) fn not_back(row: &mut UpdateRow, release: &Release, code: FailureCode, now: Instant) {
    row.attempts = row.attempts.saturating_add(1);
    row.next_attempt_at = Some(now + pause_after(row.attempts).unwrap_or(BETWEEN_ATTEMPTS));
    tracing::warn!(installation = %row.update.id.installation, release = %release.id, ?code, "an installation could not be moved back; it is tried again");
}
