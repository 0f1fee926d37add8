//! Generates the audit log (R51): the publisher's actions, and each change of a release's state. Entries about single
//! installations come from `installation_log.rs`.

use chrono::TimeDelta;
use uuid::Uuid;

use super::catalogue::GeneratedComponent;
use super::directory::{Directory, GeneratedAccount, GroupMembers, enrolment};
use super::history::{Course, Edit, GeneratedRelease, History};
use super::library::Template;
use super::rng::{For, Rng};
use super::{Options, World};
use crate::domain::Instant;
use crate::domain::accounts::{AccountGroup, Actor};
use crate::domain::components::{ComponentVersion, VersionKind};
use crate::domain::id::AccountId;
use crate::domain::log::Change;
use crate::domain::releases::ReleaseState;

#[derive(Clone, Debug)]
pub struct GeneratedEntry {
    pub id: Uuid,
    /// The managed account that the entry concerns, if any.
    pub account_id: Option<AccountId>,
    pub occurred_at: Instant,
    pub actor: Actor,
    pub action: &'static str,
    pub subject_type: &'static str,
    pub subject_id: Uuid,
    pub subject_name: String,
    pub changes: Vec<Change>,
}

impl GeneratedEntry {
    pub(super) fn concerning(&mut self, account: AccountId) -> &mut Self {
        self.account_id = Some(account);
        self
    }

    pub(super) fn change(&mut self, field: &str, before: Option<&str>, after: Option<&str>) -> &mut Self {
        if before != after {
            let text = |value: Option<&str>| value.map(ToOwned::to_owned);
            self.changes.push(Change {
                field: field.into(),
                before: text(before),
                after: text(after),
                of: None,
                private: false,
            });
        }
        self
    }

    pub(super) fn set(&mut self, field: &str, after: &str) -> &mut Self {
        self.change(field, None, Some(after))
    }

    /// Adds a change whose value is the id of an object of type `type_name`.
    fn refer<I: Into<Uuid>>(&mut self, field: &str, type_name: &str, id: I) -> &mut Self {
        let (after, of) = (Some(id.into().to_string()), Some(type_name.to_owned()));
        self.changes.push(Change { field: field.into(), before: None, after, of, private: false });
        self
    }
}

/// Collects entries. It has its own generator for their ids.
#[derive(Debug)]
pub(super) struct Log {
    rng: Rng,
    /// The actor of entries that name no other.
    actor: Actor,
    pub(super) entries: Vec<GeneratedEntry>,
}

impl Log {
    pub(super) fn new(options: &Options, what: For, index: usize, actor: Actor) -> Self {
        Self { rng: Rng::new(options.seed, what, index), actor, entries: Vec::new() }
    }

    /// Adds an entry about a subject: its type in the schema, its id, its name.
    pub(super) fn note<I: Into<Uuid>>(
        &mut self,
        at: Instant,
        action: &'static str,
        (subject_type, id): (&'static str, I),
        name: &str,
    ) -> &mut GeneratedEntry {
        let (id, subject_id, actor) = (self.rng.id(at), id.into(), self.actor.clone());
        self.entries.push(GeneratedEntry {
            id,
            account_id: None,
            occurred_at: at,
            actor,
            action,
            subject_type,
            subject_id,
            subject_name: name.to_owned(),
            changes: Vec::new(),
        });
        let last = self.entries.len() - 1;
        &mut self.entries[last]
    }

    fn state(
        &mut self,
        of: &mut Step<'_>,
        at: Instant,
        action: &'static str,
        after: &'static str,
    ) -> &mut GeneratedEntry {
        let before = std::mem::replace(&mut of.state, after);
        self.note(at, action, ("Release", of.issue.release.id), of.pack).change("state", Some(before), Some(after))
    }
}

/// A release while its entries are generated, with its current state.
struct Step<'a> {
    issue: &'a GeneratedRelease,
    pack: &'a str,
    state: &'static str,
}

impl World {
    /// The entry about seeding itself.
    #[must_use]
    pub fn seeded(&self, installations: usize) -> GeneratedEntry {
        let publisher = &self.directory.publisher;
        let mut log = Log::new(&self.options, For::Log, 0, Actor::command_line());
        log.note(self.options.at, "seed", ("PublisherAccount", publisher.id), &publisher.name)
            .set("seed", &self.options.seed.to_string())
            .set("packs", &self.options.packs.to_string())
            .set("installations", &installations.to_string())
            .clone()
    }

    /// The entries about the publisher's creation.
    #[must_use]
    pub fn of_publisher(&self) -> Vec<GeneratedEntry> {
        let (publisher, token) = (&self.directory.publisher, &self.directory.token);
        let mut log = Log::new(&self.options, For::Log, 1, Actor::command_line());
        log.note(
            publisher.created_at,
            "commandLine.createAccount",
            ("PublisherAccount", publisher.id),
            &publisher.name,
        )
        .set("name", &publisher.name);
        log.note(token.created_at, "createApiToken", ("ApiToken", token.id), &token.name).set("role", "ADMINISTRATOR");
        log.entries
    }

    /// The entries about a managed account; `nth` is its index.
    #[must_use]
    pub fn entries_of_account(&self, nth: usize, generated_account: &GeneratedAccount) -> Vec<GeneratedEntry> {
        let GeneratedAccount { account, token, .. } = generated_account;
        let subject = ("ManagedAccount", account.id);
        let mut log = Log::new(&self.options, For::LogOfPeople, nth, self.directory.actor());
        log.note(account.created_at, "createManagedAccount", subject, &account.name)
            .concerning(account.id)
            .set("name", &account.name)
            .change("timeZone", None, account.time_zone.as_deref());
        let enrolled = log.note(token.created_at, "enrolManagedAccount", subject, &account.name);
        enrolled.concerning(account.id).set("role", "ADMINISTRATOR").actor = enrolment(account.id);
        if let Some(at) = account.suspended_at {
            let suspended = log.note(at, "suspendAccount", subject, &account.name);
            suspended.concerning(account.id).change("status", Some("ACTIVE"), Some("SUSPENDED"));
        }
        log.entries
    }

    /// The entries about a group and its members; `nth` is its index. All Accounts has none, because accounts join it
    /// automatically.
    #[must_use]
    pub fn entries_of_group(&self, nth: usize, GroupMembers { group, members }: &GroupMembers) -> Vec<GeneratedEntry> {
        let mut log = Log::new(&self.options, For::LogOfGroup, nth, self.directory.actor());
        let AccountGroup { id, name, is_all_accounts, created_at, .. } = group;
        if *is_all_accounts {
            return log.entries;
        }
        let subject = ("AccountGroup", *id);
        log.note(*created_at, "createAccountGroup", subject, name).set("name", name);
        for member in members.iter().filter_map(|nth| self.directory.accounts.get(*nth as usize)) {
            // Right after the account's creation, and before its enrolment.
            let at = member.account.created_at.max(*created_at) + TimeDelta::minutes(1);
            let added = log.note(at, "addAccountsToGroup", subject, name);
            added.concerning(member.account.id).set("accounts", &member.account.name);
        }
        log.entries
    }

    /// The entries about a component's versions; `nth` is its index.
    #[must_use]
    pub fn entries_of_component(&self, nth: usize, built: &GeneratedComponent) -> Vec<GeneratedEntry> {
        let mut log = Log::new(&self.options, For::LogOfComponent, nth, self.directory.actor());
        let component = &built.component;
        let name = &component.name;
        log.note(component.created_at, "createComponent", ("Component", component.id), name).set("name", name);
        for package in &built.packages {
            log.version(&package.version, name);
            if let Some(at) = package.deleted_at {
                let subject = ("PackagedComponent", package.version.id);
                let deleted = log.note(at, "deletePackagedComponent", subject, name);
                deleted.change("version", Some(&package.version.version), None);
            }
        }
        for publication in &built.publications {
            log.version(publication, name);
        }
        log.entries
    }

    /// The entries about a template and its copies; `nth` is its index.
    #[must_use]
    pub fn entries_of_template(
        &self,
        nth: usize,
        Template { process, groups, copies }: &Template,
    ) -> Vec<GeneratedEntry> {
        let mut log = Log::new(&self.options, For::LogOfTemplate, nth, self.directory.actor());
        let subject = ("PublishedProcess", process.id);
        let shared =
            self.directory.groups_with_members.iter().filter(|group_members| groups.contains(&group_members.group.id));
        let names = shared.map(|group_members| group_members.group.name.as_str()).collect::<Vec<_>>().join(", ");
        log.note(process.published_at, "publishToProcessLibrary", subject, &process.name)
            .set("version", &process.version)
            .change("description", None, Some(process.description.as_str()).filter(|text| !text.is_empty()))
            .change("groups", None, Some(names.as_str()).filter(|text| !text.is_empty()));
        if let Some(at) = process.withdrawn_at {
            let withdrawn = log.note(at, "withdrawFromProcessLibrary", subject, &process.name);
            withdrawn.change("version", Some(&process.version), None);
        }
        for copy in copies {
            let copied = log.note(copy.created_at, "copyFromProcessLibrary", ("Component", copy.id), &copy.name);
            copied.concerning(copy.owner_id).set("process", &process.name).set("version", &process.version);
            copied.actor = copy.created_by.clone();
        }
        log.entries
    }
}

impl Log {
    fn version(&mut self, version: &ComponentVersion, name: &str) {
        match version.kind {
            VersionKind::Package => {
                let subject = ("PackagedComponent", version.id);
                self.note(version.created_at, "createPackagedComponents", subject, name)
                    .set("version", &version.version)
                    .set("shareable", if version.shareable { "true" } else { "false" });
            }
            VersionKind::Publication => {
                let subject = ("Publication", version.id);
                self.note(version.created_at, "publishComponent", subject, name).set("number", &version.version);
            }
        }
    }

    fn edit(&mut self, history: &History, at: Instant, edit: &Edit) {
        let (subject, name) = (("IntegrationPack", history.pack.id), &history.pack.name);
        match edit {
            Edit::Added(components) => {
                let added = self.note(at, "addPackComponents", subject, name);
                for component in components {
                    added.refer("components", "Component", *component);
                }
            }
            Edit::Removed { component, marked } => {
                let removed = self.note(at, "removePackComponent", subject, name);
                let marked = if *marked { "true" } else { "false" };
                removed.refer("component", "Component", *component).set("markedForRemoval", marked);
            }
            Edit::Pinned { component, version } => {
                let pinned = self.note(at, "pinPackComponent", subject, name);
                let of = match history.pack.deployment_model.holds() {
                    VersionKind::Package => "PackagedComponent",
                    VersionKind::Publication => "Publication",
                };
                pinned.refer("component", "Component", *component).refer("pinned", of, *version);
            }
        }
    }

    fn release(&mut self, pack: &str, issue: &GeneratedRelease) {
        let release = &issue.release;
        let window = release.window.as_ref();
        let date = window.map(|window| window.date.to_string());
        self.note(release.created_at, "releaseIntegrationPack", ("Release", release.id), pack)
            .set("version", &issue.version.number.to_string())
            .change("date", None, date.as_deref())
            .change("timeZone", None, window.map(|window| window.time_zone.as_str()));
        let mut step = Step { issue, pack, state: if window.is_some() { "SCHEDULED" } else { "IN_PROGRESS" } };
        match (issue.course, release.started_at, release.ended_at) {
            (Course::Canceled, _, Some(ended)) => {
                self.state(&mut step, ended, "cancelRelease", "CANCELED");
            }
            (Course::Promoted, Some(at), _) => {
                self.state(&mut step, at, "promoteRelease", "IN_PROGRESS");
            }
            (Course::First | Course::Dated, Some(at), _) if window.is_some() => {
                self.state(&mut step, at, "scheduler.startRelease", "IN_PROGRESS").actor = Actor::scheduler();
            }
            _ => {}
        }
        if let (Some(_), Some(ended)) = (release.started_at, release.ended_at) {
            let partly = release.state == ReleaseState::PartiallySucceeded;
            let after = if partly { "PARTIALLY_SUCCEEDED" } else { "SUCCEEDED" };
            self.state(&mut step, ended, "scheduler.completeRelease", after).actor = Actor::scheduler();
        }
    }
}

/// The entries about a pack and its releases. `groups` are those with which it is shared; `installations` is their
/// number when the pack was deleted.
pub(super) fn entries_of_pack(
    options: &Options,
    directory: &Directory,
    index: usize,
    history: &History,
    groups: &[&GroupMembers],
    installations: usize,
) -> Vec<GeneratedEntry> {
    let mut log = Log::new(options, For::LogOfPack, index, directory.actor());
    let (subject, name) = (("IntegrationPack", history.pack.id), &history.pack.name);
    log.note(history.pack.created_at, "createIntegrationPack", subject, name).set("name", name);
    for (at, edit) in &history.edits {
        log.edit(history, *at, edit);
    }
    for group_members in groups {
        // Before any account can have installed the pack.
        let at = history.pack.created_at + TimeDelta::seconds(30);
        log.note(at, "sharePack", subject, name).set("groups", &group_members.group.name);
    }
    for issue in &history.issues {
        log.release(name, issue);
    }
    if let Some(at) = history.pack.deleted_at {
        let deleted = log.note(at, "deleteIntegrationPack", subject, name);
        deleted.change("name", Some(name), None).change("installations", Some(&installations.to_string()), None);
    }
    log.entries
}
