//! Generates the installations of a pack, and their updates by each of its releases.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::directory::{Directory, GeneratedAccount, actor};
use super::history::{Course, GeneratedRelease, History};
use super::installation_log::InstallationLog;
use super::log::GeneratedEntry;
use super::picker::Picker;
use super::rng::{For, Rng};
use super::{Options, words};
use crate::domain::accounts::AccountStatus;
use crate::domain::id::{InstallationId, PackVersionId, ReleaseId, UpdateId};
use crate::domain::installations::{
    ATTEMPTS_MAX, Failure, FailureCode, Installation, InstallationUpdate, SkipReason, Tally, UpdateMethod, UpdateState,
    pause_after, reason_to_skip,
};
use crate::domain::packs::InstallationType;
use crate::domain::releases::{Command, ReleaseState, outcome, transition};
use crate::domain::{Instant, text};

/// The number of installations in a batch of a rollout.
const BATCH: usize = 250;
/// The duration of a batch.
const STEP: TimeDelta = TimeDelta::milliseconds(120);
/// The number of installations in a [`Part`].
const PART: usize = 5_000;
/// The number of failed updates in a release that has some.
const FAILING: usize = 2;

/// An installation, with the values that are kept on its row.
#[derive(Clone, Debug)]
pub struct GeneratedInstallation {
    pub installation: Installation,
    pub installation_type: InstallationType,
    pub name_key: String,
    pub account_name_key: String,
    pub frozen_at: Option<Instant>,
}

/// An update, and the number of failed attempts.
#[derive(Clone, Debug)]
pub struct GeneratedUpdate {
    pub update: InstallationUpdate,
    pub attempts: i32,
}

/// Some installations of a pack, with their updates.
#[derive(Debug, Default)]
pub struct Part {
    pub installations: Vec<GeneratedInstallation>,
    pub updates: Vec<GeneratedUpdate>,
    /// The audit entries about them.
    pub entries: Vec<GeneratedEntry>,
}

/// A compact form of an installation, so that all installations of a pack fit into memory to be sorted.
#[derive(Clone, Debug)]
pub(super) struct PlannedInstallation {
    pub(super) id: InstallationId,
    pub(super) installed_at: Instant,
    pub(super) account: usize,
    /// The installation's number among the account's installations of the pack, from 0.
    pub(super) number: usize,
    pub(super) frozen_at: Option<Instant>,
    pub(super) uninstalled_at: Option<Instant>,
    /// The index of the release that fails to move it.
    pub(super) fails: Option<usize>,
}

/// All installations of a pack. They are generated in parts.
#[derive(Debug)]
pub struct PackInstallations<'a> {
    directory: &'a Directory,
    rng: Rng,
    pack_key: String,
    all_planned: Vec<PlannedInstallation>,
    done: usize,
    /// For each release: how many offers were made, and how many installations its batches have reached.
    offered: Vec<usize>,
    reached: Vec<usize>,
    /// For each release: the percentage of accounts that apply early.
    eager: Vec<u64>,
    /// The tallies of the parts generated so far.
    pub tallies: BTreeMap<(ReleaseId, Instant), Tally>,
    installation_log: InstallationLog,
}

impl<'a> PackInstallations<'a> {
    /// Plans up to `target` installations in the accounts with the indexes `granted`, fewer if there isn't room. Sets
    /// the end of each release in `history` to the time when its last installation is reached.
    pub(super) fn plan(
        options: &Options,
        directory: &'a Directory,
        history: &mut History,
        index: usize,
        granted: &BTreeSet<u32>,
        target: usize,
    ) -> Self {
        let mut rng = Rng::new(options.seed, For::Installations, index);
        let mut all_planned = match history.installable_from() {
            Some(from) => {
                let mut picker = Picker { options, directory, history, rng: &mut rng, from };
                picker.pick_installations(granted, target)
            }
            None => Vec::new(),
        };
        // Batches reach installations in the order of their ids, which is the order of creation.
        all_planned.sort_unstable_by_key(|planned| planned.id);
        let releases = history.issues.len();
        for (nth, issue) in history.issues.iter_mut().enumerate() {
            if issue.course.is_rolled_out() {
                let fails = index % 29 == 3 && nth + 1 == releases;
                end(issue, nth, &mut all_planned, directory, fails);
            }
        }
        let eager = (0..releases).map(|_| rng.below(35)).collect();
        let (offered, reached) = (vec![0; releases], vec![0; releases]);
        let pack_key = text::key(&history.pack.name);
        let (tallies, installation_log) = (BTreeMap::new(), InstallationLog::new(options, directory, index));
        Self { directory, rng, pack_key, all_planned, done: 0, offered, reached, eager, tallies, installation_log }
    }

    /// The number of installations, including the uninstalled ones.
    pub(super) fn len(&self) -> usize {
        self.all_planned.len()
    }

    /// The number of installations that aren't uninstalled.
    pub fn live(&self) -> usize {
        self.all_planned.iter().filter(|planned| planned.uninstalled_at.is_none()).count()
    }

    /// Generates the next part; `None` after the last.
    pub fn part(&mut self, history: &History) -> Option<Part> {
        let until = self.all_planned.len().min(self.done + PART);
        if self.done == until {
            return None;
        }
        let mut part = Part::default();
        for nth in self.done..until {
            let planned = self.all_planned[nth].clone();
            self.grow(history, &planned, &mut part);
        }
        self.done = until;
        part.entries = self.installation_log.take();
        Some(part)
    }

    fn grow(&mut self, history: &History, planned: &PlannedInstallation, part: &mut Part) {
        let generated_account = &self.directory.accounts[planned.account];
        let (mut version, _) = history.version_at(planned.installed_at);
        let mut moved_at = None;
        for nth in 1..history.issues.len() {
            let issue = &history.issues[nth];
            let gone = planned.uninstalled_at.is_some_and(|at| at <= issue.release.created_at);
            if issue.course == Course::First || planned.installed_at >= issue.release.created_at || gone {
                continue;
            }
            let Some(generated_update) = self.update_by(issue, nth, planned, generated_account, version) else {
                continue;
            };
            let (update, release) = (&generated_update.update, issue.release.id);
            let mut count = |at, tally| *self.tallies.entry((release, at)).or_default() += tally;
            count(update.offered_at, Tally::OFFER);
            let finished = update.settled_at.unwrap_or(update.offered_at);
            if let Some(early) = generated_update.early {
                count(early, Tally { applied_early: 1, ..Tally::default() });
            }
            let tally = Tally::of_change(None, (update.state, update.how));
            if !tally.is_empty() {
                count(finished, tally);
            }
            match update.state {
                UpdateState::Applied => (version, moved_at) = (issue.version.id, Some(finished)),
                UpdateState::Withdrawn if update.how.is_some() => moved_at = Some(finished),
                _ => {}
            }
            let generated_update =
                GeneratedUpdate { attempts: generated_update.attempts, update: generated_update.update };
            self.installation_log.update(history, issue, &generated_update, generated_account);
            part.updates.push(generated_update);
        }
        let generated = self.generated(history, planned, generated_account, version, moved_at);
        self.installation_log.installation(history, &generated, generated_account);
        part.installations.push(generated);
    }

    fn generated(
        &self,
        history: &History,
        planned: &PlannedInstallation,
        generated_account: &GeneratedAccount,
        version_id: PackVersionId,
        moved_at: Option<Instant>,
    ) -> GeneratedInstallation {
        let multi = history.pack.installation_type == InstallationType::Multi;
        let override_name = multi.then(|| words::installation(&history.pack.name, planned.number));
        GeneratedInstallation {
            name_key: override_name.as_deref().map_or_else(|| self.pack_key.clone(), text::key),
            account_name_key: generated_account.name_key.clone(),
            frozen_at: planned.frozen_at,
            installation_type: history.pack.installation_type,
            installation: Installation {
                id: planned.id,
                pack_id: history.pack.id,
                account_id: generated_account.account.id,
                publisher_id: history.pack.publisher_id,
                override_name,
                version_id,
                installed_at: planned.installed_at,
                moved_at,
                uninstalled_at: planned.uninstalled_at,
                key: None,
            },
        }
    }

    /// The update of one installation by one release; `None` when the release doesn't concern it.
    fn update_by(
        &mut self,
        issue: &GeneratedRelease,
        nth: usize,
        planned: &PlannedInstallation,
        generated_account: &GeneratedAccount,
        version: PackVersionId,
    ) -> Option<UnfinishedUpdate> {
        let release = &issue.release;
        let entitled = planned.frozen_at.is_none_or(|at| at > release.created_at);
        let offers = issue.course != Course::Immediate && entitled;
        let offered_at = offers.then(|| batch(release.created_at, &mut self.offered[nth]));
        let rolled_out = issue.course.is_rolled_out();
        let batch_at = release.started_at.filter(|_| rolled_out).map(|at| batch(at, &mut self.reached[nth]));
        let unfinished = UnfinishedUpdate::new(issue, planned, generated_account, version, offered_at.or(batch_at)?);
        let fails = planned.fails == Some(nth);
        if let Some(offered_at) = offered_at
            && !fails
            && self.rng.below(100) < self.eager[nth]
        {
            let until = batch_at.and(release.started_at).or(release.ended_at).unwrap_or(self.directory.now);
            let at = self.rng.between(offered_at + TimeDelta::seconds(1), until);
            let active = generated_account.account.suspended_at.is_none_or(|suspended| suspended > at);
            if active && at > offered_at && at < until {
                return Some(self.early(issue, nth, unfinished, generated_account, at));
            }
        }
        match (batch_at, issue.course) {
            (Some(at), course) => {
                let suspended = generated_account.account.suspended_at.is_some_and(|suspended| suspended <= at);
                let status = if suspended { AccountStatus::Suspended } else { AccountStatus::Active };
                let how = if course == Course::Dated { UpdateMethod::Automatic } else { UpdateMethod::Immediate };
                Some(match reason_to_skip(entitled, status) {
                    Some(reason) => unfinished.skipped(reason, at),
                    None if fails => unfinished.failed(at),
                    None => unfinished.applied(how, at),
                })
            }
            (None, Course::Canceled) => {
                let at = batch(release.ended_at?, &mut self.reached[nth]);
                Some(unfinished.withdrawn(None, at))
            }
            (None, _) => Some(unfinished),
        }
    }

    /// Applies an update early, and moves the installation back if the release was canceled.
    fn early(
        &mut self,
        issue: &GeneratedRelease,
        nth: usize,
        unfinished: UnfinishedUpdate,
        generated_account: &GeneratedAccount,
        at: Instant,
    ) -> UnfinishedUpdate {
        let mut unfinished = unfinished.applied(UpdateMethod::Early, at);
        unfinished.update.applied_by = Some(actor(&generated_account.token));
        match issue.release.ended_at.filter(|_| issue.course == Course::Canceled) {
            Some(canceled) => {
                let back = batch(canceled, &mut self.reached[nth]);
                UnfinishedUpdate { early: Some(at), ..unfinished.withdrawn(Some(UpdateMethod::CanceledBack), back) }
            }
            None => unfinished,
        }
    }
}

/// The time at which a series of batches, begun at `begin`, reaches its next object. `before` counts the objects.
pub(super) fn batch(begin: Instant, before: &mut usize) -> Instant {
    let number = i32::try_from(*before / BATCH).unwrap_or(i32::MAX) + 1;
    *before += 1;
    begin + STEP * number
}

/// Ends a rollout when it reaches its last installation. With `fails`, some updates fail.
fn end(
    issue: &mut GeneratedRelease,
    nth: usize,
    all_planned: &mut [PlannedInstallation],
    directory: &Directory,
    fails: bool,
) {
    let release = &mut issue.release;
    let (created, Some(started)) = (release.created_at, release.started_at) else { return };
    let there = |planned: &PlannedInstallation| {
        planned.installed_at < created && planned.uninstalled_at.is_none_or(|at| at > created)
    };
    let concerned = all_planned.iter().filter(|planned| there(planned)).count();
    let mut last = concerned.saturating_sub(1);
    let mut ended = batch(started, &mut last);
    let can_fail = |planned: &&mut PlannedInstallation| {
        let status = directory.accounts[planned.account].account.status;
        there(planned) && planned.frozen_at.is_none() && status == AccountStatus::Active
    };
    let mut failed = 0;
    if fails && concerned > FAILING {
        for planned in all_planned.iter_mut().filter(can_fail).take(FAILING) {
            planned.fails = Some(nth);
            failed += 1;
        }
    }
    if failed > 0 {
        ended += tried_for();
    }
    // Failed updates are fewer than the concerned ones, so something was always applied. The state follows from the
    // ordinary rule.
    let command = outcome(failed, i64::try_from(concerned).unwrap_or(i64::MAX) - failed);
    release.state = transition(ReleaseState::InProgress, command).unwrap_or(ReleaseState::Succeeded);
    debug_assert!(command != Command::CompleteAllFailed);
    release.ended_at = Some(ended);
    issue.progressed_at = (concerned > BATCH).then_some(started + STEP);
}

/// How long an update is tried before it fails.
fn tried_for() -> TimeDelta {
    (1..ATTEMPTS_MAX).filter_map(pause_after).fold(TimeDelta::zero(), |sum, pause| sum + pause)
}

/// An update while it is generated.
struct UnfinishedUpdate {
    update: InstallationUpdate,
    attempts: i32,
    /// When the update was applied early, if a cancel undid that.
    early: Option<Instant>,
}

impl UnfinishedUpdate {
    fn new(
        issue: &GeneratedRelease,
        planned: &PlannedInstallation,
        generated_account: &GeneratedAccount,
        version: PackVersionId,
        offered_at: Instant,
    ) -> Self {
        let update = InstallationUpdate {
            id: UpdateId { installation: planned.id, release: issue.release.id },
            account_id: generated_account.account.id,
            publisher_id: issue.release.publisher_id,
            pack_id: issue.release.pack_id,
            state: UpdateState::Offered,
            how: None,
            skip_reason: None,
            failure: None,
            from_version_id: version,
            to_version_id: issue.version.id,
            offered_at,
            settled_at: None,
            applied_by: None,
        };
        Self { update, attempts: 0, early: None }
    }

    fn finished(mut self, state: UpdateState, how: Option<UpdateMethod>, at: Instant) -> Self {
        self.update.state = state;
        self.update.how = how;
        self.update.settled_at = Some(at);
        self
    }

    fn applied(self, how: UpdateMethod, at: Instant) -> Self {
        self.finished(UpdateState::Applied, Some(how), at)
    }

    fn withdrawn(self, how: Option<UpdateMethod>, at: Instant) -> Self {
        self.finished(UpdateState::Withdrawn, how, at)
    }

    fn skipped(mut self, reason: SkipReason, at: Instant) -> Self {
        self.update.skip_reason = Some(reason);
        self.finished(UpdateState::Skipped, None, at)
    }

    fn failed(mut self, first_try: Instant) -> Self {
        self.attempts = ATTEMPTS_MAX;
        self.update.failure = Some(Failure { code: FailureCode::Internal, attempts: ATTEMPTS_MAX });
        self.finished(UpdateState::Failed, None, first_try + tried_for())
    }
}
