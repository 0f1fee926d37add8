//! Generates audit entries about single installations. They are most of the log by far, so they cover only the last
//! days.

use chrono::TimeDelta;
use uuid::Uuid;

use super::Options;
use super::directory::{Directory, GeneratedAccount, actor};
use super::history::{Course, GeneratedRelease, History};
use super::installations::{GeneratedInstallation, GeneratedUpdate};
use super::log::{GeneratedEntry, Log};
use super::rng::For;
use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::id::AccountId;
use crate::domain::installations::{SkipReason, UpdateMethod, UpdateState};

/// How many days the entries go back.
const LOGGED_DAYS: i64 = 30;

/// The entries about the installations of a pack.
#[derive(Debug)]
pub(super) struct InstallationLog {
    log: Log,
    since: Instant,
}

impl InstallationLog {
    pub(super) fn new(options: &Options, directory: &Directory, index: usize) -> Self {
        let log = Log::new(options, For::LogOfField, index, directory.actor());
        Self { log, since: options.at - TimeDelta::days(LOGGED_DAYS) }
    }

    /// Takes the entries that were added since the last call.
    pub(super) fn take(&mut self) -> Vec<GeneratedEntry> {
        std::mem::take(&mut self.log.entries)
    }

    fn about(&mut self, at: Instant, action: &'static str, by: Actor, of: About<'_>) -> Option<&mut GeneratedEntry> {
        if at < self.since {
            return None;
        }
        let entry = self.log.note(at, action, ("Installation", of.installation), of.name);
        entry.actor = by;
        Some(entry.concerning(of.account))
    }

    /// The entries for installing, uninstalling and freezing.
    pub(super) fn installation(
        &mut self,
        history: &History,
        generated: &GeneratedInstallation,
        generated_account: &GeneratedAccount,
    ) {
        let GeneratedInstallation { installation, frozen_at, .. } = generated;
        let shown = installation.override_name.as_ref().unwrap_or(&history.pack.name);
        let of = About { installation: installation.id.into(), account: generated_account.account.id, name: shown };
        let at = installation.installed_at;
        if let Some(entry) = self.about(at, "installPack", actor(&generated_account.token), of) {
            entry.set("version", &history.version_at(at).1.to_string());
        }
        if let Some(at) = installation.uninstalled_at {
            let deleted = history.pack.deleted_at.is_some_and(|deleted| deleted <= at);
            let (action, by) = if deleted {
                ("scheduler.uninstallPack", Actor::scheduler())
            } else {
                ("uninstallPack", actor(&generated_account.token))
            };
            if let Some(entry) = self.about(at, action, by, of) {
                entry.change("version", Some(&history.number(installation.version_id).to_string()), None);
            }
        }
        if let Some(at) = *frozen_at
            && let Some(entry) = self.about(at, "scheduler.freezeInstallation", Actor::scheduler(), of)
        {
            entry.change("state", Some("ACTIVE"), Some("FROZEN"));
        }
    }

    /// The entries for an update's offer and its result.
    pub(super) fn update(
        &mut self,
        history: &History,
        issue: &GeneratedRelease,
        generated_update: &GeneratedUpdate,
        generated_account: &GeneratedAccount,
    ) {
        let update = &generated_update.update;
        let of = About {
            installation: update.id.installation.into(),
            account: generated_account.account.id,
            name: &history.pack.name,
        };
        let (from, to) = (history.number(update.from_version_id).to_string(), issue.version.number.to_string());
        let offered = issue.course != Course::Immediate && update.skip_reason != Some(SkipReason::NotEntitled);
        if offered && let Some(entry) = self.about(update.offered_at, "scheduler.offerUpdate", Actor::scheduler(), of) {
            entry.set("update.state", "OFFERED");
        }
        let Some(at) = update.settled_at else { return };
        let before = offered.then_some("OFFERED");
        let early = update.how == Some(UpdateMethod::Early);
        let action = match update.state {
            UpdateState::Applied if early => "applyPendingUpdate",
            UpdateState::Withdrawn => "scheduler.withdrawUpdate",
            _ => "scheduler.applyUpdate",
        };
        let by = if early { actor(&generated_account.token) } else { Actor::scheduler() };
        let now = if update.state == UpdateState::Applied { &to } else { &from };
        if let Some(entry) = self.about(at, action, by, of) {
            // An account that has lost the grant must not see what the update contained (R45).
            if update.skip_reason == Some(SkipReason::NotEntitled) {
                entry.account_id = None;
            }
            entry
                .change("update.state", before, Some(state(update.state)))
                .change("update.how", None, update.how.map(how))
                .change("update.skipReason", None, update.skip_reason.map(reason))
                .change("version", Some(&from), Some(now));
        }
    }
}

/// The installation that an entry is about.
#[derive(Clone, Copy)]
struct About<'a> {
    installation: Uuid,
    account: AccountId,
    name: &'a str,
}

fn state(state: UpdateState) -> &'static str {
    match state {
        UpdateState::Offered => "OFFERED",
        UpdateState::Applied => "APPLIED",
        UpdateState::Skipped => "SKIPPED",
        UpdateState::Failed => "FAILED",
        UpdateState::Withdrawn => "WITHDRAWN",
    }
}

fn how(how: UpdateMethod) -> &'static str {
    match how {
        UpdateMethod::Early => "EARLY",
        UpdateMethod::Automatic => "AUTOMATIC",
        UpdateMethod::Immediate => "IMMEDIATE",
        UpdateMethod::CatchUp => "CATCH_UP",
        UpdateMethod::CanceledBack => "CANCELED_BACK",
        UpdateMethod::RolledBack => "ROLLED_BACK",
        UpdateMethod::Staged => "STAGED",
    }
}

fn reason(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::NotEntitled => "NOT_ENTITLED",
        SkipReason::AccountSuspended => "ACCOUNT_SUSPENDED",
    }
}
