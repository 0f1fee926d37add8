//! Bringing installations to the version in force, when nothing is in their way any more (R45, R46).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::domain::Instant;
use crate::domain::id::{AccountId, PackVersionId};
use crate::domain::installation::{CatchUpStep, Installation, UpdateMethod, UpdateState, catch_up_step, pause_after};
use crate::domain::pack::Pack;
use crate::domain::release::{Release, ReleaseState};
use crate::store::Tx;
use crate::store::write::tasks::{self, Task, Work};
use crate::store::write::updates::{self, UpdateRow};
use crate::store::write::{installations, packs, releases};

use super::Services;
use super::error::Failure;
use super::journal::Journal;
use super::moves::{LONGEST_PAUSE, Standing};
use super::rollout::Batch;
use super::updates::{Numbers, Step, offered, tell_update};

/// What catching up has changed so far.
#[derive(Default)]
struct Caught {
    rows: Vec<UpdateRow>,
    moved: Vec<Installation>,
    /// Accounts with an installation that could not be moved, and when to try again.
    again: BTreeMap<AccountId, Instant>,
}

/// The releases of a pack by the version that they made, as far as they were asked for.
#[derive(Default)]
struct Makers(BTreeMap<PackVersionId, Option<Release>>);

impl Makers {
    async fn of(&mut self, tx: &Tx, version: PackVersionId) -> Result<Option<&Release>, Failure> {
        let known = match self.0.entry(version) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(slot) => slot.insert(releases::of_version(tx, version).await?),
        };
        Ok(known.as_ref())
    }
}

impl Services {
    /// Lets the installations of an account catch up, pack by pack.
    pub(super) async fn account_catches_up(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        task: &Task,
        account: AccountId,
    ) -> Result<Batch, Failure> {
        let ids = installations::packs_of_account(tx, account, task.done_to, self.settings.batch_size).await?;
        for pack in packs::lock_all(tx, &ids).await? {
            let found = installations::of_accounts(tx, pack.id, &[account]).await?;
            self.catch_up(tx, journal, &pack, found.into_iter().map(|(installation, _)| installation).collect())
                .await?;
        }
        Ok(self.after_batch(ids.len(), ids.last().map(|id| id.0)).map_or(Batch::Done, Batch::More))
    }

    /// Brings locked installations of a locked pack to its current version, those that may be moved and
    /// that no rollout is still coming to; settles the update that they were skipped by. Gives all of them
    /// with the version that they have then.
    pub(super) async fn catch_up(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        pack: &Pack,
        mut found: Vec<Installation>,
    ) -> Result<Vec<Installation>, Failure> {
        let standing = pack.standing.at(journal.now);
        let Some(current) = standing.current_version else { return Ok(found) };
        let behind: Vec<_> = found.iter().filter(|i| i.version_id != current).cloned().collect();
        let mut makers = Makers::default();
        let Some(in_force) = makers.of(tx, current).await?.filter(|_| !behind.is_empty()).cloned() else {
            return Ok(found);
        };
        let running = standing.running_release == Some(in_force.id);
        let ids: Vec<_> = behind.iter().map(|i| i.id).collect();
        let mut known = updates::of_release(tx, in_force.id, &ids).await?;
        let may = Standing::of(tx, pack.id, behind.iter().map(|i| i.account_id)).await?;
        let mut caught = Caught::default();
        for installation in behind.into_iter().filter(|i| may.reason_to_skip(i.account_id).is_none()) {
            let row = known.remove(&installation.id);
            match (catch_up_step(row.as_ref().map(|row| row.update.state), running), row) {
                (CatchUpStep::Settle, Some(row)) => self.settle_skipped(&mut caught, installation, row, journal.now),
                (CatchUpStep::MoveBack, _) => {
                    self.settle_canceled(tx, &mut caught, &mut makers, installation, journal.now).await?;
                }
                _ => {}
            }
        }
        self.save_caught(tx, journal, pack, current, &caught).await?;
        for installation in found.iter_mut().filter(|i| caught.moved.iter().any(|moved| moved.id == i.id)) {
            installation.version_id = current;
        }
        Ok(found)
    }

    fn settle_skipped(&self, caught: &mut Caught, installation: Installation, mut row: UpdateRow, now: Instant) {
        match self.mover.move_installation(installation.id, row.update.id.release) {
            Ok(()) => {
                row.update.state = UpdateState::Applied;
                row.update.how = Some(UpdateMethod::CatchUp);
                row.update.skip_reason = None;
                row.update.settled_at = Some(now);
                caught.moved.push(installation);
            }
            Err(code) => {
                row.attempts = row.attempts.saturating_add(1);
                let at = now + pause_after(row.attempts).unwrap_or(LONGEST_PAUSE);
                tracing::warn!(installation = %installation.id.0, ?code, "an installation could not catch up; it is tried again");
                caught.again.entry(installation.account_id).and_modify(|first| *first = at.min(*first)).or_insert(at);
            }
        }
        caught.rows.push(row);
    }

    /// An early applier of a release that was canceled while nothing could be moved back.
    async fn settle_canceled(
        &self,
        tx: &Tx,
        caught: &mut Caught,
        makers: &mut Makers,
        installation: Installation,
        now: Instant,
    ) -> Result<(), Failure> {
        let maker = makers.of(tx, installation.version_id).await?;
        let Some(release) = maker.filter(|release| release.state == ReleaseState::Canceled) else { return Ok(()) };
        let row = updates::of_release(tx, release.id, &[installation.id]).await?.remove(&installation.id);
        let Some(mut row) = row.filter(|row| row.update.state == UpdateState::Applied) else { return Ok(()) };
        if self.attempt_back(&mut row, release, now) {
            caught.moved.push(installation);
        } else if let Some(at) = row.next_attempt_at {
            caught.again.entry(installation.account_id).or_insert(at);
        }
        caught.rows.push(row);
        Ok(())
    }

    async fn save_caught(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        pack: &Pack,
        current: PackVersionId,
        caught: &Caught,
    ) -> Result<(), Failure> {
        let left = caught.moved.iter().map(|installation| installation.version_id);
        let numbers = Numbers::of(tx, left.chain(std::iter::once(current))).await?;
        for row in &caught.rows {
            let installation = caught.moved.iter().find(|i| i.id == row.update.id.installation);
            let step = numbers.step(installation.map_or(current, |i| i.version_id), current);
            match row.update.state {
                UpdateState::Applied if row.update.how == Some(UpdateMethod::CatchUp) => {
                    let before = Some(UpdateState::Skipped);
                    tell_update(journal, pack, &row.update, before, step, "scheduler.applyUpdate");
                }
                UpdateState::Withdrawn => {
                    let before = Some(UpdateState::Applied);
                    tell_update(journal, pack, &row.update, before, step, "scheduler.withdrawUpdate");
                }
                // It could not be moved, and is where it was.
                _ => {}
            }
        }
        let moved: Vec<_> = caught.moved.iter().map(|installation| installation.id).collect();
        installations::move_to(tx, &moved, current, journal.now).await?;
        updates::save(tx, &caught.rows).await?;
        for (account, at) in &caught.again {
            tasks::add(tx, self.ids.next(), pack.publisher_id, Work::CatchUp(*account), false, *at).await?;
        }
        Ok(())
    }

    /// Offers the pending release of a locked or held pack to those of its entitled installations that
    /// have no update of it (R26, R31).
    pub(super) async fn offer_to(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        pack: &Pack,
        found: &[Installation],
        action: &'static str,
    ) -> Result<(), Failure> {
        let Some(pending) = pack.standing.at(journal.now).pending.filter(|_| !found.is_empty()) else { return Ok(()) };
        let Some(release) = releases::get(tx, pack.id, pending.release_id).await? else { return Ok(()) };
        let ids: Vec<_> = found.iter().map(|i| i.id).collect();
        let known = updates::of_release(tx, release.id, &ids).await?;
        let numbers = Numbers::of(tx, found.iter().map(|i| i.version_id)).await?;
        let mut rows = Vec::new();
        for installation in found.iter().filter(|i| !known.contains_key(&i.id)) {
            let row = offered(installation, &release, journal.now);
            let number = numbers.get(installation.version_id);
            tell_update(journal, pack, &row.update, None, Step::stays(number), action);
            rows.push(row);
        }
        Ok(updates::save(tx, &rows).await?)
    }
}
