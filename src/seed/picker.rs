//! Chooses the accounts that install a pack, and the times.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::Options;
use super::directory::Directory;
use super::history::History;
use super::installations::{PlannedInstallation, batch};
use super::rng::Rng;
use crate::domain::Instant;
use crate::domain::packs::InstallationType;

/// One in so many installations has lost its grant.
const FROZEN: usize = 60;
/// For each so many installations there is one more that was uninstalled.
const UNINSTALLED: usize = 80;
/// How long after its start or its end a release may still change installations.
const UNDER_WAY: TimeDelta = TimeDelta::hours(12);
/// The most installations of a deleted pack.
const DELETED_MAX: usize = 500;

/// Chooses the accounts that install a pack, and the times.
pub(super) struct Picker<'a> {
    pub(super) options: &'a Options,
    pub(super) directory: &'a Directory,
    pub(super) history: &'a History,
    pub(super) rng: &'a mut Rng,
    /// When the pack could first be installed.
    pub(super) from: Instant,
}

impl Picker<'_> {
    /// Up to `target` installations in the accounts with the indexes `granted`, fewer if there isn't room.
    pub(super) fn pick_installations(&mut self, granted: &BTreeSet<u32>, target: usize) -> Vec<PlannedInstallation> {
        let mut accounts: Vec<usize> =
            granted.iter().map(|account| *account as usize).filter(|account| self.span(*account).is_some()).collect();
        self.rng.shuffle(&mut accounts);
        // The user gets the first account's token, so it installs every pack that it can.
        if let Some(first) = accounts.iter().position(|account| *account == 0) {
            accounts.swap(0, first);
        }
        if let Some(at) = self.history.pack.deleted_at {
            return self.gone(&accounts, at);
        }
        let frozen = self.frozen(granted, target);
        let live = target.saturating_sub(frozen.len());
        let uninstalled = target / UNINSTALLED;
        let multi = self.history.pack.installation_type == InstallationType::Multi;
        let account_count = if multi { accounts.len().min((live / 2).max(1)) } else { accounts.len() };
        let many = live + uninstalled;
        let many = if multi && account_count > 0 { many } else { many.min(account_count) };
        let mut all_planned: Vec<PlannedInstallation> = Vec::with_capacity(many + frozen.len());
        for nth in 0..many {
            let Some(account) = accounts.get(nth % account_count).copied() else { break };
            all_planned.extend(self.planned(account, nth / account_count));
        }
        for planned in all_planned.iter_mut().skip(live) {
            planned.uninstalled_at = Some(self.later(planned.installed_at));
        }
        for account in frozen {
            if let Some(mut planned) = self.planned(account, 0) {
                planned.frozen_at = Some(self.later(planned.installed_at));
                all_planned.push(planned);
            }
        }
        all_planned
    }

    /// Installations of a deleted pack, which uninstalled them (R47).
    fn gone(&mut self, accounts: &[usize], deleted_at: Instant) -> Vec<PlannedInstallation> {
        let many = (accounts.len() / 2).min(DELETED_MAX);
        let mut all_planned: Vec<_> = accounts[..many].iter().filter_map(|account| self.planned(*account, 0)).collect();
        for (mut before, planned) in all_planned.iter_mut().enumerate() {
            planned.uninstalled_at = Some(batch(deleted_at, &mut before));
        }
        all_planned
    }

    /// Accounts that have lost the grant.
    fn frozen(&mut self, granted: &BTreeSet<u32>, target: usize) -> Vec<usize> {
        let total = self.directory.accounts.len();
        let most = (target / FROZEN).min(total.saturating_sub(granted.len()) / 2);
        let mut found = BTreeSet::new();
        for _ in 0..most * 4 {
            let account = self.rng.nth(total);
            let was_granted = u32::try_from(account).is_ok_and(|account| granted.contains(&account));
            if found.len() < most && !was_granted && self.span(account).is_some() {
                found.insert(account);
            }
        }
        found.into_iter().collect()
    }

    /// The period in which an account can have installed the pack; `None` if it can't.
    fn span(&self, account: usize) -> Option<(Instant, Instant)> {
        let account = &self.directory.accounts.get(account)?.account;
        let hour = TimeDelta::hours(1);
        let from = account.enrolled_at.unwrap_or(account.created_at).max(self.from) + hour;
        let until = self.options.at - TimeDelta::days(6);
        let until = account.suspended_at.map_or(until, |at| until.min(at - hour));
        let until = self.history.pack.deleted_at.map_or(until, |at| until.min(at - hour));
        (from < until).then_some((from, until))
    }

    fn planned(&mut self, account: usize, number: usize) -> Option<PlannedInstallation> {
        let (from, until) = self.span(account)?;
        let at = self.rng.between(from, until);
        let installed_at = self.free(at);
        let id = self.rng.id(installed_at);
        let planned = PlannedInstallation {
            id,
            installed_at,
            account,
            number,
            frozen_at: None,
            uninstalled_at: None,
            fails: None,
        };
        (installed_at <= until).then_some(planned)
    }

    /// An instant after `at` at which no release was moving installations.
    fn later(&mut self, at: Instant) -> Instant {
        let until = self.options.at - TimeDelta::days(6);
        let at = self.rng.between(at + TimeDelta::minutes(5), until);
        self.free(at)
    }

    /// `at`, or if a release was moving installations then, an instant after it.
    fn free(&mut self, at: Instant) -> Instant {
        let under_way = self.history.issues.iter().find(|issue| {
            let release = &issue.release;
            let until = release.ended_at.unwrap_or(self.options.at) + UNDER_WAY;
            (release.created_at..until).contains(&at)
        });
        match under_way {
            Some(issue) => {
                issue.release.ended_at.unwrap_or(self.options.at)
                    + UNDER_WAY
                    + TimeDelta::minutes(self.rng.range(1, 600))
            }
            None => at,
        }
    }
}
