//! Taking back what a canceled or superseded release offered or moved (R29, R30).

use std::collections::BTreeMap;

use crate::domain::Instant;
use crate::domain::id::{PackId, ReleaseId};
use crate::domain::installation::{UpdateMethod, UpdateState, pause_after};
use crate::domain::pack::Pack;
use crate::domain::release::{Release, ReleaseState};
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::journal::Journal;
use crate::service::updates::{Numbers, given_up, hide, tell_update, withdraw_row};
use crate::store::Tx;
use crate::store::write::tasks::Task;
use crate::store::write::updates::{self, UpdateRow};
use crate::store::write::{installations, packs};

use super::Batch;
use super::eligibility::Eligibility;

/// The longest pause before an installation is tried to be moved back, or to catch up, again.
pub(super) const LONGEST_PAUSE: chrono::Duration = chrono::Duration::minutes(5);

impl Services {
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

    /// One attempt to move one installation back. What fails is tried again after a growing pause, for as
    /// long as it takes: a canceled version must not stay in the field.
    pub(super) fn attempt_back(&self, row: &mut UpdateRow, release: &Release, now: Instant) -> bool {
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
}
