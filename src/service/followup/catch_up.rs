//! Moves installations that are behind to their packs' current versions, as soon as nothing prevents it (R45, R46). The
//! number of statements doesn't depend on the number of packs.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Instant;
use crate::domain::id::{AccountId, InstallationId, PackId, PackVersionId, ReleaseId};
use crate::domain::installations::{
    CatchUpDecision, Installation, LaterRelease, UpdateMethod, UpdateState, decide_catch_up, pause_after,
};
use crate::domain::packs::{Pack, PackStanding};
use crate::domain::releases::{Release, ReleaseState};
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::followup::updates::{VersionChange, VersionNumbers, offered, record_update};
use crate::service::followup::withdraw::attempt_back;
use crate::service::journal::Journal;
use crate::service::releases::size_of_batch;
use crate::store::Tx;
use crate::store::followup::tasks::{NextRun, Work};
use crate::store::followup::{task_sets, tasks};
use crate::store::installations::tallies::Ends;
use crate::store::installations::write_updates::UpdateRow;
use crate::store::installations::{write as installations, write_updates as updates};
use crate::store::packs::write as packs;
use crate::store::releases::write as releases;

use super::eligibility::Eligibility;
use super::judging::{Step, judge_all};
use super::withdraw::BETWEEN_ATTEMPTS;
use super::{Batch, FollowUp, Next};

/// Moves an account's installations that are behind, pack by pack.
pub(super) struct CatchUp {
    pub account: AccountId,
}

impl FollowUp for CatchUp {
    async fn run_batch(self, batch: &mut Batch<'_>) -> Result<Next, Failure> {
        let Batch { services, tx, journal, task, size, .. } = batch;
        let ids = installations::packs_of_account(tx, self.account, task.resume_after, *size).await?;
        let packs = packs::lock_all(tx, &ids).await?;
        journal.now = services.instant_of_batch(tx, &packs)?;
        let found = installations::of_accounts(tx, &ids, &[self.account]).await?;
        let found = found.into_iter().map(|(installation, _)| installation).collect();
        let step = catch_up(services, tx, journal, &packs, found).await?;
        judge_all(services, tx, journal, &packs, step).await?;
        Ok(Next::after(batch.processed(ids.len(), ids.last().map(|id| id.0))))
    }
}

/// The result of a catch-up.
pub(super) struct CaughtUp {
    /// All of the installations, with their new versions.
    pub(super) installations: Vec<Installation>,
    /// The releases whose updates the catch-up has applied.
    pub(super) applied_releases: BTreeSet<ReleaseId>,
}

/// The changes of one catch-up, before they are saved.
#[derive(Default)]
struct Changes {
    rows: Vec<UpdateRow>,
    moved: Vec<Installation>,
    /// Accounts with an installation that could not be moved, and when to try again.
    again: BTreeMap<AccountId, Instant>,
    /// Accounts with an installation that is left to the next catch-up.
    left: BTreeSet<AccountId>,
    /// When the releases in force have ended.
    ends: Ends,
}

impl Changes {
    /// Plans another attempt for an account, at this instant or earlier.
    fn come_again(&mut self, account: AccountId, at: Instant) {
        self.again.entry(account).and_modify(|first| *first = at.min(*first)).or_insert(at);
    }
}

/// The facts by which a catch-up decides.
struct Facts {
    /// The standings of the packs as of now.
    standings: BTreeMap<PackId, PackStanding>,
    /// The releases that made the packs' current versions, and the versions that the installations have.
    releases: BTreeMap<PackVersionId, Release>,
    /// The numbers of these versions; `None` if none of the releases was taken back.
    numbers: Option<VersionNumbers>,
}

/// The updates that a catch-up may apply.
type Rows = BTreeMap<(InstallationId, ReleaseId), UpdateRow>;

/// Moves locked installations of locked packs to their packs' current versions, unless they may not be moved or a
/// running rollout will still reach them. Applies their skipped updates. Of a release with a halt rule it applies no more
/// than a batch may have; a further catch-up of the account follows.
pub(super) async fn catch_up(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    packs: &[Pack],
    mut found: Vec<Installation>,
) -> Result<Step<CaughtUp>, Failure> {
    let standings: BTreeMap<_, _> = packs.iter().map(|pack| (pack.id, pack.standing.at(journal.now))).collect();
    let current = |pack: PackId| standings.get(&pack).and_then(|standing| standing.current_version);
    let is_behind = |i: &&Installation| current(i.pack_id).is_some_and(|current| current != i.version_id);
    let behind: Vec<_> = found.iter().filter(is_behind).cloned().collect();
    if behind.is_empty() {
        return Ok(Step::of(CaughtUp { installations: found, applied_releases: BTreeSet::new() }));
    }
    let versions: Vec<_> = behind.iter().flat_map(|i| [Some(i.version_id), current(i.pack_id)]).flatten().collect();
    let releases = releases::of_versions(tx, &versions).await?;
    let release_ids: Vec<_> = releases.values().map(|release| release.id).collect();
    let ids: Vec<_> = behind.iter().map(|i| i.id).collect();
    let mut rows = updates::of_releases(tx, &release_ids, &ids).await?;
    let may = Eligibility::of(tx, &behind.iter().collect::<Vec<_>>()).await?;
    let numbers = numbers_of_taken_back(tx, &releases).await?;
    let ended = |release: &Release| release.ended_at.map(|ended| (release.id, ended));
    let mut changes = Changes { ends: releases.values().filter_map(ended).collect(), ..Changes::default() };
    let facts = Facts { standings, releases, numbers };
    let mut skipped: BTreeMap<ReleaseId, Vec<(Installation, UpdateRow)>> = BTreeMap::new();
    for installation in behind.into_iter().filter(|i| may.reason_to_skip(i).is_none()) {
        let Some(in_force) = facts.in_force(&installation) else { continue };
        let row = rows.remove(&(installation.id, in_force.id));
        let state = row.as_ref().map(|row| row.update.state);
        match (facts.decide(&installation, in_force, state), row) {
            (CatchUpDecision::Settle, Some(row)) => {
                skipped.entry(in_force.id).or_default().push((installation, row));
            }
            (CatchUpDecision::MoveBack, _) => {
                let release = facts.releases.get(&installation.version_id);
                move_back(cx, &mut changes, &mut rows, release, installation, journal.now);
            }
            _ => {}
        }
    }
    for in_force in facts.releases.values() {
        if let Some(skipped) = skipped.remove(&in_force.id) {
            apply_all_skipped(cx, tx, &mut changes, in_force, skipped, journal.now).await?;
        }
    }
    save_changes(cx, tx, journal, packs, &changes).await?;
    let moved: BTreeMap<_, _> = changes.moved.iter().map(|i| (i.id, facts.current(i.pack_id))).collect();
    for installation in &mut found {
        if let Some(Some(current)) = moved.get(&installation.id) {
            installation.version_id = *current;
        }
    }
    let is_applied = |row: &&UpdateRow| row.update.state == UpdateState::Applied;
    let applied_releases = changes.rows.iter().filter(is_applied).map(|row| row.update.id.release).collect();
    Ok(Step::of(CaughtUp { installations: found, applied_releases }))
}

impl Facts {
    fn current(&self, pack: PackId) -> Option<PackVersionId> {
        self.standings.get(&pack)?.current_version
    }

    /// The release that made the current version of an installation's pack; `None` if the installation must wait.
    fn in_force(&self, installation: &Installation) -> Option<&Release> {
        let standing = self.standings.get(&installation.pack_id)?;
        // No installation is moved to the version of a paused release. The rollout does it after the resume (R56).
        let is_paused = standing.is_paused && standing.running_release.is_some();
        self.releases.get(&standing.current_version?).filter(|_| !is_paused)
    }

    /// Decides for an installation that is behind, whose update by the release in force has this state.
    fn decide(&self, installation: &Installation, in_force: &Release, update: Option<UpdateState>) -> CatchUpDecision {
        let running = self.standings.get(&installation.pack_id).and_then(|standing| standing.running_release);
        let number = |version: PackVersionId| self.numbers.as_ref().map(|numbers| numbers.get(version));
        let later = match self.releases.get(&installation.version_id).map(|release| release.state) {
            // With a window that is due, its version would be the current one.
            Some(ReleaseState::Scheduled) => Some(LaterRelease::Pending),
            Some(state) => (state.is_taken_back() && number(installation.version_id) > number(in_force.version_id))
                .then_some(LaterRelease::TakenBack),
            None => None,
        };
        decide_catch_up(update, running == Some(in_force.id), later)
    }
}

/// Applies the skipped updates of a release in force, as far as a catch-up may before the release is judged.
async fn apply_all_skipped(
    cx: &Services,
    tx: &Tx,
    changes: &mut Changes,
    in_force: &Release,
    mut skipped: Vec<(Installation, UpdateRow)>,
    now: Instant,
) -> Result<(), Failure> {
    let mut room = most_at_once(tx, in_force, skipped.len(), now).await?;
    // What has failed already must not keep the others waiting.
    skipped.sort_by_key(|(_, row)| row.attempts);
    for (installation, row) in skipped {
        if room == 0 {
            changes.left.insert(installation.account_id);
        } else if apply_skipped(cx, changes, in_force, installation, row, now) {
            room -= 1;
        }
    }
    Ok(())
}

/// How many of `skipped` updates of a release a catch-up may apply before the release is judged: no more than a batch of
/// its rollout may have, if its halt rule can still decide (R58). The others come with the next catch-up.
async fn most_at_once(tx: &Tx, release: &Release, skipped: usize, now: Instant) -> Result<usize, Failure> {
    // A batch may always have so many, so a small catch-up needs no statement.
    let is_small = |at_least: i32| usize::try_from(at_least).is_ok_and(|few| skipped <= few);
    match release.judged_by(now) {
        Some(rule) if !is_small(rule.at_least) => {
            let most = size_of_batch(tx, release, u64::MAX).await?;
            Ok(usize::try_from(most).unwrap_or(usize::MAX).min(skipped))
        }
        _ => Ok(skipped),
    }
}

/// Applies a skipped update. Returns whether the installation was moved.
fn apply_skipped(
    cx: &Services,
    changes: &mut Changes,
    release: &Release,
    installation: Installation,
    mut row: UpdateRow,
    now: Instant,
) -> bool {
    match cx.mover.move_installation(installation.id, row.update.id.release) {
        Ok(()) => {
            row.update.state = UpdateState::Applied;
            row.update.how = Some(UpdateMethod::CatchUp);
            row.update.skip_reason = None;
            row.update.settled_at = Some(release.settles_at(now));
            changes.moved.push(installation);
        }
        Err(code) => {
            row.attempts = row.attempts.saturating_add(1);
            let at = now + pause_after(row.attempts).unwrap_or(BETWEEN_ATTEMPTS);
            tracing::warn!(installation = %installation.id, ?code, "an installation could not catch up; it is tried again");
            changes.come_again(installation.account_id, at);
        }
    }
    let is_moved = row.update.state == UpdateState::Applied;
    changes.rows.push(row);
    is_moved
}

/// The numbers of the versions of these releases, if one of the releases was taken back.
async fn numbers_of_taken_back(
    tx: &Tx,
    releases: &BTreeMap<PackVersionId, Release>,
) -> Result<Option<VersionNumbers>, Failure> {
    if !releases.values().any(|release| release.state.is_taken_back()) {
        return Ok(None);
    }
    Ok(Some(VersionNumbers::of(tx, releases.keys().copied()).await?))
}

/// Moves an installation back if it has the version of `releasing`, and this release was taken back: canceled, rolled
/// back, or superseded by a release that was rolled back later. The installation could not be moved back until now.
fn move_back(
    cx: &Services,
    changes: &mut Changes,
    rows: &mut Rows,
    releasing: Option<&Release>,
    installation: Installation,
    now: Instant,
) {
    let Some(release) = releasing else { return };
    let is_canceled = release.state == ReleaseState::Canceled;
    if !release.state.is_taken_back() {
        return;
    }
    let mut row = match rows.remove(&(installation.id, release.id)) {
        Some(row) if is_canceled && row.update.state == UpdateState::Applied => row,
        // The installation has the release's version whatever the state of its update: the update may have been skipped
        // or have failed before another release brought the version, or an attempt of the roll back may have failed.
        Some(row) if !is_canceled => row,
        // The installation was made with the release's version.
        None if !is_canceled => offered(&installation, release, now),
        _ => return,
    };
    // The account is entitled and active now, so it may see the move.
    row.update.skip_reason = None;
    if attempt_back(cx, &mut row, release, now) {
        changes.moved.push(installation);
    } else if let Some(at) = row.next_attempt_at {
        changes.come_again(installation.account_id, at);
    }
    changes.rows.push(row);
}

async fn save_changes(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    packs: &[Pack],
    changes: &Changes,
) -> Result<(), Failure> {
    let (packs, now): (BTreeMap<_, _>, _) = (packs.iter().map(|pack| (pack.id, pack)).collect(), journal.now);
    let current = |pack: PackId| packs.get(&pack)?.standing.at(now).current_version;
    let moved: Vec<(InstallationId, PackVersionId)> =
        changes.moved.iter().filter_map(|i| Some((i.id, current(i.pack_id)?))).collect();
    journal.active.extend(changes.moved.iter().map(|i| i.account_id));
    let left: BTreeMap<_, _> = changes.moved.iter().map(|i| (i.id, i.version_id)).collect();
    let of_rows = changes.rows.iter().filter_map(|row| current(row.update.pack_id));
    let versions: Vec<_> = left.values().copied().chain(of_rows).collect();
    let numbers = VersionNumbers::of(tx, versions.into_iter()).await?;
    for row in &changes.rows {
        let (Some(pack), Some(current)) = (packs.get(&row.update.pack_id), current(row.update.pack_id)) else {
            continue;
        };
        let before = left.get(&row.update.id.installation).copied().unwrap_or(current);
        let version_change = numbers.change(before, current);
        match row.update.state {
            UpdateState::Applied if row.update.how == Some(UpdateMethod::CatchUp) => {
                let before = Some(UpdateState::Skipped);
                record_update(journal, pack, &row.update, before, version_change, "scheduler.applyUpdate");
            }
            UpdateState::Withdrawn => {
                let before = row.stored.map(|(state, _)| state);
                record_update(journal, pack, &row.update, before, version_change, "scheduler.withdrawUpdate");
            }
            // The installation could not be moved, so there is nothing to record.
            _ => {}
        }
    }
    installations::move_each(tx, &moved, now).await?;
    updates::save_of_ended(tx, &changes.rows, &changes.ends, now).await?;
    let Some(publisher) = packs.values().next().map(|pack| pack.publisher_id) else { return Ok(()) };
    if !changes.left.is_empty() {
        let tasks: Vec<_> = changes.left.iter().map(|account| (cx.ids.next(), Work::CatchUp(*account))).collect();
        task_sets::add_beside(tx, journal.task, publisher, &tasks, now).await?;
    }
    for (account, at) in &changes.again {
        let (id, work) = (cx.ids.next(), Work::CatchUp(*account));
        tasks::add_beside(tx, journal.task, id, publisher, work, false, NextRun::After(*at)).await?;
    }
    Ok(())
}

/// Offers the pending releases of `packs` (locked or held) to the installations in `found`, which must be entitled,
/// unless they have an update of the release already (R26, R31).
pub(in crate::service) async fn offer_to(
    tx: &Tx,
    journal: &mut Journal<'_>,
    packs: &[Pack],
    found: &[Installation],
    action: &'static str,
) -> Result<(), Failure> {
    let pending: Vec<_> = packs.iter().filter_map(|p| Some(p.standing.at(journal.now).pending?.release_id)).collect();
    if pending.is_empty() || found.is_empty() {
        return Ok(());
    }
    let releases = releases::get_all(tx, &pending).await?;
    let by_pack: BTreeMap<_, _> = releases.iter().map(|release| (release.pack_id, release)).collect();
    let packs: BTreeMap<_, _> = packs.iter().map(|pack| (pack.id, pack)).collect();
    let ids: Vec<_> = found.iter().map(|i| i.id).collect();
    let stored = updates::of_releases(tx, &pending, &ids).await?;
    let numbers = VersionNumbers::of(tx, found.iter().map(|i| i.version_id)).await?;
    let mut rows = Vec::new();
    for installation in found {
        let (Some(pack), Some(release)) = (packs.get(&installation.pack_id), by_pack.get(&installation.pack_id)) else {
            continue;
        };
        if stored.contains_key(&(installation.id, release.id)) {
            continue;
        }
        let row = offered(installation, release, journal.now);
        let number = numbers.get(installation.version_id);
        record_update(journal, pack, &row.update, None, VersionChange::stays(number), action);
        rows.push(row);
    }
    Ok(updates::save(tx, &rows, journal.now).await?)
}
