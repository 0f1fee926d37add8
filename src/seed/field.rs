//! Generates the installations of a pack, and their updates by each of its releases.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::diary::Diary;
use super::dice::{Dice, For};
use super::life::{Fate, Issue, Life};
use super::log::Noted;
use super::people::{People, Person, actor};
use super::sower::Sower;
use super::{Options, words};
use crate::domain::accounts::AccountStatus;
use crate::domain::id::{InstallationId, PackVersionId, ReleaseId, UpdateId};
use crate::domain::installations::adoption::Tally;
use crate::domain::installations::{
    ATTEMPTS_MAX, Failure, FailureCode, Installation, InstallationUpdate, SkipReason, UpdateMethod, UpdateState,
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
pub struct Planted {
    pub installation: Installation,
    pub installation_type: InstallationType,
    pub name_key: String,
    pub account_name_key: String,
    pub frozen_at: Option<Instant>,
}

/// An update, and the number of failed attempts.
#[derive(Clone, Debug)]
pub struct Came {
    pub update: InstallationUpdate,
    pub attempts: i32,
}

/// Some installations of a pack, with their updates.
#[derive(Debug, Default)]
pub struct Part {
    pub installations: Vec<Planted>,
    pub updates: Vec<Came>,
    /// The audit entries about them.
    pub entries: Vec<Noted>,
}

/// A compact form of an installation, so that all installations of a pack fit into memory to be sorted.
#[derive(Clone, Debug)]
pub(super) struct Seedling {
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
pub struct Field<'a> {
    people: &'a People,
    dice: Dice,
    pack_key: String,
    seedlings: Vec<Seedling>,
    done: usize,
    /// For each release: how many offers were made, and how many installations its batches have reached.
    offered: Vec<usize>,
    reached: Vec<usize>,
    /// For each release: the percentage of accounts that apply early.
    eager: Vec<u64>,
    /// The tallies of the parts generated so far.
    pub tallies: BTreeMap<(ReleaseId, Instant), Tally>,
    diary: Diary,
}

impl<'a> Field<'a> {
    /// Plans up to `wanted` installations in the accounts with the indexes `granted`, fewer if there isn't room. Sets
    /// the end of each release in `life` to the time when its last installation is reached.
    pub(super) fn plant(
        options: &Options,
        people: &'a People,
        life: &mut Life,
        index: usize,
        granted: &BTreeSet<u32>,
        wanted: usize,
    ) -> Self {
        let mut dice = Dice::new(options.seed, For::Field, index);
        let mut seedlings = match life.installable_from() {
            Some(from) => {
                let mut sower = Sower { options, people, life, dice: &mut dice, from };
                sower.sow(granted, wanted)
            }
            None => Vec::new(),
        };
        // Batches reach installations in the order of their ids, which is the order of creation.
        seedlings.sort_unstable_by_key(|seedling| seedling.id);
        let releases = life.issues.len();
        for (place, issue) in life.issues.iter_mut().enumerate() {
            if issue.fate.is_rolled_out() {
                let fails = index % 29 == 3 && place + 1 == releases;
                end(issue, place, &mut seedlings, people, fails);
            }
        }
        let eager = (0..releases).map(|_| dice.below(35)).collect();
        let (offered, reached) = (vec![0; releases], vec![0; releases]);
        let pack_key = text::key(&life.pack.name);
        let (tallies, diary) = (BTreeMap::new(), Diary::new(options, people, index));
        Self { people, dice, pack_key, seedlings, done: 0, offered, reached, eager, tallies, diary }
    }

    /// The number of installations, including the uninstalled ones.
    pub(super) fn len(&self) -> usize {
        self.seedlings.len()
    }

    /// The number of installations that aren't uninstalled.
    pub fn live(&self) -> usize {
        self.seedlings.iter().filter(|seedling| seedling.uninstalled_at.is_none()).count()
    }

    /// Generates the next part; `None` after the last.
    pub fn part(&mut self, life: &Life) -> Option<Part> {
        let until = self.seedlings.len().min(self.done + PART);
        if self.done == until {
            return None;
        }
        let mut part = Part::default();
        for place in self.done..until {
            let seedling = self.seedlings[place].clone();
            self.grow(life, &seedling, &mut part);
        }
        self.done = until;
        part.entries = self.diary.take();
        Some(part)
    }

    fn grow(&mut self, life: &Life, seedling: &Seedling, part: &mut Part) {
        let person = &self.people.accounts[seedling.account];
        let (mut version, _) = life.version_at(seedling.installed_at);
        let mut moved_at = None;
        for place in 1..life.issues.len() {
            let issue = &life.issues[place];
            let gone = seedling.uninstalled_at.is_some_and(|at| at <= issue.release.created_at);
            if issue.fate == Fate::First || seedling.installed_at >= issue.release.created_at || gone {
                continue;
            }
            let Some(came) = self.come(issue, place, seedling, person, version) else { continue };
            let (update, release) = (&came.update, issue.release.id);
            let mut count = |at, tally| *self.tallies.entry((release, at)).or_default() += tally;
            count(update.offered_at, Tally::OFFER);
            let settled = update.settled_at.unwrap_or(update.offered_at);
            if let Some(early) = came.early {
                count(early, Tally { applied_early: 1, ..Tally::default() });
            }
            let tally = Tally::of_change(None, (update.state, update.how));
            if !tally.is_empty() {
                count(settled, tally);
            }
            match update.state {
                UpdateState::Applied => (version, moved_at) = (issue.version.id, Some(settled)),
                UpdateState::Withdrawn if update.how.is_some() => moved_at = Some(settled),
                _ => {}
            }
            let came = Came { attempts: came.attempts, update: came.update };
            self.diary.update(life, issue, &came, person);
            part.updates.push(came);
        }
        let planted = self.planted(life, seedling, person, version, moved_at);
        self.diary.installation(life, &planted, person);
        part.installations.push(planted);
    }

    fn planted(
        &self,
        life: &Life,
        seedling: &Seedling,
        person: &Person,
        version_id: PackVersionId,
        moved_at: Option<Instant>,
    ) -> Planted {
        let multi = life.pack.installation_type == InstallationType::Multi;
        let override_name = multi.then(|| words::installation(&life.pack.name, seedling.number));
        Planted {
            name_key: override_name.as_deref().map_or_else(|| self.pack_key.clone(), text::key),
            account_name_key: person.name_key.clone(),
            frozen_at: seedling.frozen_at,
            installation_type: life.pack.installation_type,
            installation: Installation {
                id: seedling.id,
                pack_id: life.pack.id,
                account_id: person.account.id,
                publisher_id: life.pack.publisher_id,
                override_name,
                version_id,
                installed_at: seedling.installed_at,
                moved_at,
                uninstalled_at: seedling.uninstalled_at,
            },
        }
    }

    /// The update of one installation by one release; `None` when the release doesn't concern it.
    fn come(
        &mut self,
        issue: &Issue,
        place: usize,
        seedling: &Seedling,
        person: &Person,
        version: PackVersionId,
    ) -> Option<Coming> {
        let release = &issue.release;
        let entitled = seedling.frozen_at.is_none_or(|at| at > release.created_at);
        let offers = issue.fate != Fate::Immediate && entitled;
        let offered_at = offers.then(|| batch(release.created_at, &mut self.offered[place]));
        let rolled_out = issue.fate.is_rolled_out();
        let batch_at = release.started_at.filter(|_| rolled_out).map(|at| batch(at, &mut self.reached[place]));
        let coming = Coming::new(issue, seedling, person, version, offered_at.or(batch_at)?);
        let fails = seedling.fails == Some(place);
        if let Some(offered_at) = offered_at
            && !fails
            && self.dice.below(100) < self.eager[place]
        {
            let until = batch_at.and(release.started_at).or(release.ended_at).unwrap_or(self.people.now);
            let at = self.dice.between(offered_at + TimeDelta::seconds(1), until);
            let active = person.account.suspended_at.is_none_or(|suspended| suspended > at);
            if active && at > offered_at && at < until {
                return Some(self.early(issue, place, coming, person, at));
            }
        }
        match (batch_at, issue.fate) {
            (Some(at), fate) => {
                let suspended = person.account.suspended_at.is_some_and(|suspended| suspended <= at);
                let status = if suspended { AccountStatus::Suspended } else { AccountStatus::Active };
                let how = if fate == Fate::Dated { UpdateMethod::Automatic } else { UpdateMethod::Immediate };
                Some(match reason_to_skip(entitled, status) {
                    Some(reason) => coming.skipped(reason, at),
                    None if fails => coming.failed(at),
                    None => coming.applied(how, at),
                })
            }
            (None, Fate::Canceled) => {
                let at = batch(release.ended_at?, &mut self.reached[place]);
                Some(coming.withdrawn(None, at))
            }
            (None, _) => Some(coming),
        }
    }

    /// Applies an update early, and moves the installation back if the release was canceled.
    fn early(&mut self, issue: &Issue, place: usize, coming: Coming, person: &Person, at: Instant) -> Coming {
        let mut coming = coming.applied(UpdateMethod::Early, at);
        coming.update.applied_by = Some(actor(&person.token));
        match issue.release.ended_at.filter(|_| issue.fate == Fate::Canceled) {
            Some(canceled) => {
                let back = batch(canceled, &mut self.reached[place]);
                Coming { early: Some(at), ..coming.withdrawn(Some(UpdateMethod::CanceledBack), back) }
            }
            None => coming,
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
fn end(issue: &mut Issue, place: usize, seedlings: &mut [Seedling], people: &People, fails: bool) {
    let release = &mut issue.release;
    let (created, Some(started)) = (release.created_at, release.started_at) else { return };
    let there =
        |seedling: &Seedling| seedling.installed_at < created && seedling.uninstalled_at.is_none_or(|at| at > created);
    let concerned = seedlings.iter().filter(|seedling| there(seedling)).count();
    let mut last = concerned.saturating_sub(1);
    let mut ended = batch(started, &mut last);
    let can_fail = |seedling: &&mut Seedling| {
        let status = people.accounts[seedling.account].account.status;
        there(seedling) && seedling.frozen_at.is_none() && status == AccountStatus::Active
    };
    let mut failed = 0;
    if fails && concerned > FAILING {
        for seedling in seedlings.iter_mut().filter(can_fail).take(FAILING) {
            seedling.fails = Some(place);
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
struct Coming {
    update: InstallationUpdate,
    attempts: i32,
    /// When the update was applied early, if a cancel undid that.
    early: Option<Instant>,
}

impl Coming {
    fn new(issue: &Issue, seedling: &Seedling, person: &Person, version: PackVersionId, offered_at: Instant) -> Self {
        let update = InstallationUpdate {
            id: UpdateId { installation: seedling.id, release: issue.release.id },
            account_id: person.account.id,
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

    fn settled(mut self, state: UpdateState, how: Option<UpdateMethod>, at: Instant) -> Self {
        self.update.state = state;
        self.update.how = how;
        self.update.settled_at = Some(at);
        self
    }

    fn applied(self, how: UpdateMethod, at: Instant) -> Self {
        self.settled(UpdateState::Applied, Some(how), at)
    }

    fn withdrawn(self, how: Option<UpdateMethod>, at: Instant) -> Self {
        self.settled(UpdateState::Withdrawn, how, at)
    }

    fn skipped(mut self, reason: SkipReason, at: Instant) -> Self {
        self.update.skip_reason = Some(reason);
        self.settled(UpdateState::Skipped, None, at)
    }

    fn failed(mut self, first_try: Instant) -> Self {
        self.attempts = ATTEMPTS_MAX;
        self.update.failure = Some(Failure { code: FailureCode::Internal, attempts: ATTEMPTS_MAX });
        self.settled(UpdateState::Failed, None, first_try + tried_for())
    }
}
