//! What a use case remembers: events and audit entries, gathered while it works and written last, in
//! its own transaction (R49, R51).

use crate::domain::Instant;
use crate::domain::account::{Account, Actor};
use crate::domain::event::{Audience, Change, EventData, EventKind, NewEvent, WindowFacts};
use crate::domain::id::{
    AccountId, ComponentId, ComponentVersionId, GroupId, InstallationId, LibraryProcessId, PackId, ReleaseId, TokenId,
    UpdateId,
};
use crate::domain::pack::Pack;
use crate::domain::window::Window;
use crate::store::write::journal::{NewEntry, append_entries, append_events};
use crate::store::{StoreResult, Tx};

use super::Services;
use super::access::{Managed, Publisher, Viewer};

/// What an audit entry is about: its type in the schema, and its id.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    Component(ComponentId),
    PackagedComponent(ComponentVersionId),
    Publication(ComponentVersionId),
    PublishedProcess(LibraryProcessId),
    IntegrationPack(PackId),
    Release(ReleaseId),
    AccountGroup(GroupId),
    PublisherAccount(AccountId),
    ManagedAccount(AccountId),
    ApiToken(TokenId),
    Installation(InstallationId),
    InstallationUpdate(UpdateId),
}

impl Subject {
    fn spelt(self) -> (&'static str, String) {
        match self {
            Self::Component(id) => ("Component", id.0.to_string()),
            Self::PackagedComponent(id) => ("PackagedComponent", id.0.to_string()),
            Self::Publication(id) => ("Publication", id.0.to_string()),
            Self::PublishedProcess(id) => ("PublishedProcess", id.0.to_string()),
            Self::IntegrationPack(id) => ("IntegrationPack", id.0.to_string()),
            Self::Release(id) => ("Release", id.0.to_string()),
            Self::AccountGroup(id) => ("AccountGroup", id.0.to_string()),
            Self::PublisherAccount(id) => ("PublisherAccount", id.0.to_string()),
            Self::ManagedAccount(id) => ("ManagedAccount", id.0.to_string()),
            Self::ApiToken(id) => ("ApiToken", id.0.to_string()),
            Self::Installation(id) => ("Installation", id.0.to_string()),
            Self::InstallationUpdate(id) => ("InstallationUpdate", format!("{}+{}", id.installation.0, id.release.0)),
        }
    }

    /// An account as its own publisher or as a managed one.
    #[must_use]
    pub fn account(account: &Account) -> Self {
        if account.id == account.publisher_id {
            Self::PublisherAccount(account.id)
        } else {
            Self::ManagedAccount(account.id)
        }
    }
}

/// One entry of the audit log, before the journal adds who and when.
#[derive(Clone, Debug)]
pub struct Entry {
    pub action: &'static str,
    pub subject: Subject,
    pub subject_name: Option<String>,
    /// The managed account that it concerns.
    pub account_id: Option<AccountId>,
    pub changes: Vec<Change>,
}

impl Entry {
    /// An entry about something that has a name.
    #[must_use]
    pub fn of(action: &'static str, subject: Subject, name: impl Into<Option<String>>) -> Self {
        Self { action, subject, subject_name: name.into(), account_id: None, changes: Vec::new() }
    }

    /// Names the managed account that it concerns.
    #[must_use]
    pub fn concerning(mut self, account: AccountId) -> Self {
        self.account_id = Some(account);
        self
    }

    /// Adds a field that changed; one that didn't is left out.
    #[must_use]
    pub fn change(mut self, field: &str, before: Option<String>, after: Option<String>) -> Self {
        if before != after {
            self.changes.push(Change { field: field.into(), before, after });
        }
        self
    }

    /// Adds a field that was set.
    #[must_use]
    pub fn set(self, field: &str, after: impl ToString) -> Self {
        self.change(field, None, Some(after.to_string()))
    }
}

/// An event before the journal adds who and when.
#[derive(Clone, Debug)]
pub struct Happening {
    pub kind: EventKind,
    pub audience: Audience,
    pub account_id: Option<AccountId>,
    pub pack_id: PackId,
    pub pack_name: String,
    pub release_id: Option<ReleaseId>,
    pub installation_id: Option<InstallationId>,
    pub update_state: Option<crate::domain::installation::UpdateState>,
    pub component_version_id: Option<ComponentVersionId>,
    pub group_id: Option<GroupId>,
    pub data: EventData,
}

impl Happening {
    /// An event of a pack, to its publisher.
    #[must_use]
    pub fn of(kind: EventKind, pack: &Pack) -> Self {
        Self {
            kind,
            audience: Audience::Publisher,
            account_id: None,
            pack_id: pack.id,
            pack_name: pack.name.clone(),
            release_id: None,
            installation_id: None,
            update_state: None,
            component_version_id: None,
            group_id: None,
            data: EventData::default(),
        }
    }

    /// An event of a release, to the publisher and to who has the pack installed.
    #[must_use]
    pub fn release(kind: EventKind, pack: &Pack, release: ReleaseId) -> Self {
        Self { audience: Audience::PublisherAndInstalled, release_id: Some(release), ..Self::of(kind, pack) }
    }
}

/// A window as an event tells it.
#[must_use]
pub fn window_facts(window: &Window) -> WindowFacts {
    WindowFacts {
        date: window.date,
        time_zone: window.time_zone.clone(),
        starts_at: window.starts_at,
        ends_at: window.ends_at,
    }
}

/// Gathers what a use case remembers.
pub struct Journal<'a> {
    services: &'a Services,
    publisher_id: AccountId,
    actor: Actor,
    request_id: Option<String>,
    /// The one instant of the use case.
    pub now: Instant,
    events: Vec<NewEvent>,
    entries: Vec<NewEntry>,
}

impl<'a> Journal<'a> {
    fn by(
        services: &'a Services,
        publisher_id: AccountId,
        actor: Actor,
        request_id: Option<String>,
        now: Instant,
    ) -> Self {
        Self { services, publisher_id, actor, request_id, now, events: Vec::new(), entries: Vec::new() }
    }

    /// The journal of a publisher's or managed account's call.
    #[must_use]
    pub fn of_viewer(services: &'a Services, viewer: &Viewer, now: Instant) -> Self {
        Self::by(services, viewer.account.publisher_id, viewer.actor(), viewer.request_id.clone(), now)
    }

    /// The journal of a publisher's call.
    #[must_use]
    pub fn of(services: &'a Services, caller: &Publisher, now: Instant) -> Self {
        Self::of_viewer(services, &caller.viewer, now)
    }

    /// The journal of a managed account's call.
    #[must_use]
    pub fn of_managed(services: &'a Services, caller: &Managed, now: Instant) -> Self {
        Self::of_viewer(services, &caller.viewer, now)
    }

    /// The journal of what the scheduler does for a publisher.
    #[must_use]
    pub fn of_scheduler(services: &'a Services, publisher: AccountId, now: Instant) -> Self {
        Self::by(services, publisher, Actor::scheduler(), None, now)
    }

    /// The journal of the command line.
    #[must_use]
    pub fn of_command_line(services: &'a Services, publisher: AccountId, now: Instant) -> Self {
        Self::by(services, publisher, Actor::command_line(), None, now)
    }

    /// The journal of an enrolment: the actor is what the publisher handed over.
    #[must_use]
    pub fn of_enrolment(services: &'a Services, account: &Account, request_id: Option<String>, now: Instant) -> Self {
        let actor = Actor {
            kind: crate::domain::account::ActorKind::ApiToken,
            name: "enrolment token".into(),
            token_id: None,
            account_id: Some(account.id),
        };
        Self::by(services, account.publisher_id, actor, request_id, now)
    }

    /// Who acts.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Remembers an event.
    pub fn tell(&mut self, what: Happening) {
        self.events.push(NewEvent {
            id: self.services.ids.next(),
            kind: what.kind,
            audience: what.audience,
            publisher_id: self.publisher_id,
            account_id: what.account_id,
            pack_id: what.pack_id,
            pack_name: what.pack_name,
            occurred_at: self.now,
            actor: self.actor.clone(),
            release_id: what.release_id,
            installation_id: what.installation_id,
            update_state: what.update_state,
            component_version_id: what.component_version_id,
            group_id: what.group_id,
            data: what.data,
        });
    }

    /// Remembers an audit entry of a step that is the scheduler's, whoever's call it was done in.
    pub fn note_by_scheduler(&mut self, entry: Entry) {
        let caller = std::mem::replace(&mut self.actor, Actor::scheduler());
        self.note(entry);
        self.actor = caller;
    }

    /// Remembers an audit entry.
    pub fn note(&mut self, entry: Entry) {
        let (subject_type, subject_id) = entry.subject.spelt();
        self.entries.push(NewEntry {
            id: self.services.ids.next(),
            publisher_id: self.publisher_id,
            account_id: entry.account_id,
            occurred_at: self.now,
            actor: self.actor.clone(),
            action: entry.action,
            subject_type,
            subject_id,
            subject_name: entry.subject_name,
            changes: entry.changes,
            request_id: self.request_id.clone(),
        });
    }

    /// Writes all of it. The last thing that a transaction does.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError).
    pub async fn write(self, tx: &Tx) -> StoreResult<()> {
        append_entries(tx, self.entries).await?;
        append_events(tx, self.events).await
    }
}
