//! The journal of a use case: collects events and audit entries, and writes them at the end of the use case's
//! transaction (R49, R51).

use std::collections::BTreeSet;

use crate::domain::Instant;
use crate::domain::accounts::{Account, Actor, ActorKind};
use crate::domain::id::{AccountId, AuditEntryId, EventId};
use crate::domain::log::{Class, NewEvent, Record, Recorded, VersionAfter};
use crate::domain::packs::Pack;
use crate::store::Tx;
use crate::store::accounts::authority;
use crate::store::installations::section::Section;
use crate::store::log::journal::{Addition, RecordBatch, append};

use super::Services;
use super::access::{Managed, Publisher, Viewer};
use super::authority::Authority;
use super::error::Failure;
pub(super) use crate::service::acting::ActingActor;
pub use crate::service::entry::Entry;
pub use crate::service::journal_event::{JournalEvent, window_facts};
pub(crate) use crate::service::log::Subject;

/// Collects the events and audit entries of a use case.
pub struct Journal<'a> {
    services: &'a Services,
    publisher_id: AccountId,
    actor: Actor,
    /// The name of the actor's account.
    actor_account_name: Option<String>,
    request_id: Option<String>,
    /// The caller's rights, which are checked again before anything is written; `None` for callers without a token.
    pub(super) authority: Option<Authority>,
    /// The time of the use case. It is read once, after the use case has locked everything it touches.
    pub now: Instant,
    /// The task, if the use case is a batch of one.
    pub(super) task: Option<uuid::Uuid>,
    /// The accounts whose installations the use case moves because they are active.
    pub(super) active: BTreeSet<AccountId>,
    /// When the release began that this use case completes.
    pub(super) began: Option<Instant>,
    /// By how many seconds the release that this use case starts has missed its window.
    pub(super) late_seconds: Option<i64>,
    additions: Vec<Addition>,
}

impl<'a> Journal<'a> {
    fn by(
        services: &'a Services,
        publisher_id: AccountId,
        actor: Actor,
        request_id: Option<String>,
        now: Instant,
    ) -> Self {
        Self {
            services,
            publisher_id,
            actor,
            actor_account_name: None,
            request_id,
            authority: None,
            now,
            task: None,
            active: BTreeSet::new(),
            began: None,
            late_seconds: None,
            additions: Vec::new(),
        }
    }

    /// The journal of a publisher's or managed account's call.
    #[must_use]
    pub fn of_viewer(services: &'a Services, viewer: &Viewer, now: Instant) -> Self {
        Self {
            actor_account_name: Some(viewer.account.name.clone()),
            authority: Some(Authority::of(viewer)),
            ..Self::by(services, viewer.account.publisher_id, viewer.actor(), viewer.request_id.clone(), now)
        }
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

    /// The journal of the scheduler's work for a publisher.
    #[must_use]
    pub fn of_scheduler(services: &'a Services, publisher: AccountId, now: Instant) -> Self {
        Self::by(services, publisher, Actor::scheduler(), None, now)
    }

    /// The journal of the command line.
    #[must_use]
    pub fn of_command_line(services: &'a Services, publisher: AccountId, now: Instant) -> Self {
        Self::by(services, publisher, Actor::command_line(), None, now)
    }

    /// The journal of an enrolment. The actor is the enrolment token.
    #[must_use]
    pub fn of_enrolment(services: &'a Services, account: &Account, request_id: Option<String>, now: Instant) -> Self {
        let actor = Actor {
            kind: ActorKind::ApiToken,
            name: "enrolment token".into(),
            token_id: None,
            account_id: Some(account.id),
        };
        Self {
            actor_account_name: Some(account.name.clone()),
            ..Self::by(services, account.publisher_id, actor, request_id, now)
        }
    }

    /// The actor of the events and entries that are added now.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Sets the actor of the events and entries that are added from now on, and returns the actor until now. Records of
    /// a batch get the actor that is set when the journal is written.
    pub(super) fn act_as(&mut self, actor: ActingActor) -> ActingActor {
        ActingActor {
            actor: std::mem::replace(&mut self.actor, actor.actor),
            account_name: std::mem::replace(&mut self.actor_account_name, actor.account_name),
            request_id: std::mem::replace(&mut self.request_id, actor.request_id),
        }
    }

    /// Adds an event.
    pub fn append_event(&mut self, what: JournalEvent) {
        self.additions.push(Addition::Event(NewEvent {
            id: self.services.ids.next(),
            kind: what.kind,
            audience: what.audience,
            publisher_id: self.publisher_id,
            account_id: what.account_id,
            pack_id: what.pack_id,
            pack_name: what.pack_name,
            occurred_at: self.now,
            actor: self.actor.clone(),
            actor_account_name: self.actor_account_name.clone(),
            release_id: what.release_id,
            installation_id: what.installation_id,
            update_state: what.update_state,
            component_version_id: what.component_version_id,
            group_id: what.group_id,
            data: what.data,
        }));
    }

    /// The events that were added individually.
    pub(super) fn events(&self) -> impl Iterator<Item = &NewEvent> {
        self.additions.iter().filter_map(|addition| match addition {
            Addition::Event(event) => Some(event),
            Addition::Entry(_) | Addition::RecordBatch(_) => None,
        })
    }

    /// A class for installations of a pack, without an event or entry yet.
    pub(super) fn class(&self, pack: &Pack) -> Class {
        Class {
            publisher_id: self.publisher_id,
            occurred_at: self.now,
            pack_id: pack.id,
            pack_name: pack.name.clone(),
            release_id: None,
            event: None,
            entry: None,
            version: VersionAfter::Same,
        }
    }

    /// Adds a record of an installation or account. Consecutive records with equal classes form one batch.
    pub(super) fn append_record(&mut self, class: Class, record: Record) {
        match self.additions.last_mut() {
            Some(Addition::RecordBatch(record_batch))
                if record_batch.class == class && record_batch.section.is_none() =>
            {
                record_batch.records.push(record)
            }
            _ => self.append_records(class, vec![record], None),
        }
    }

    /// Adds records that share a class. `section` is given if they are the records of all installations of a section.
    pub(super) fn append_records(&mut self, class: Class, records: Vec<Record>, section: Option<Section>) {
        if records.is_empty() {
            return;
        }
        let ids = &self.services.ids;
        let (id_base, id_seal) = (ids.unguessable(), ids.unguessable());
        self.additions.push(Addition::RecordBatch(RecordBatch { class, records, section, id_base, id_seal }));
    }

    /// The rows to write. A record that is alone in its batch becomes a normal event and entry, and so do all records
    /// unless the scheduler is the actor.
    fn rows_of(&self, addition: Addition) -> Vec<Addition> {
        let (by_scheduler, mut rows) = (self.actor.kind == ActorKind::Scheduler, Vec::new());
        let record_batch = match addition {
            Addition::RecordBatch(batch) if batch.records.len() == 1 || !by_scheduler => batch,
            addition => return vec![addition],
        };
        for record in &record_batch.records {
            let event = record_batch.class.event_of(record, self.services.ids.next::<EventId>().into());
            rows.extend(event.map(|event| {
                Addition::Event(NewEvent {
                    actor: self.actor.clone(),
                    actor_account_name: self.actor_account_name.clone(),
                    ..event
                })
            }));
            let entry = record_batch.class.entry_of(record, self.services.ids.next::<AuditEntryId>().into());
            rows.extend(entry.map(|entry| {
                Addition::Entry(Recorded {
                    actor: self.actor.clone(),
                    actor_account_name: self.actor_account_name.clone(),
                    request_id: self.request_id.clone(),
                    ..entry
                })
            }));
        }
        rows
    }

    /// Adds an audit entry of a step that the scheduler does by rule, in whichever call it happens.
    pub fn append_entry_by_scheduler(&mut self, entry: Entry) {
        let by = Actor::scheduler();
        let entry = Recorded { actor: by, actor_account_name: None, request_id: None, ..self.recorded(entry) };
        self.additions.push(Addition::Entry(entry));
    }

    /// Adds an audit entry.
    pub fn append_entry(&mut self, entry: Entry) {
        let recorded = Addition::Entry(self.recorded(entry));
        self.additions.push(recorded);
    }

    fn recorded(&self, entry: Entry) -> Recorded {
        let Entry { action, subject, subject_name: name, account_id, account_name, changes } = entry;
        let own_name = self.actor_account_name.clone().filter(|_| self.actor.account_id == account_id);
        let account_name = account_name.or(own_name);
        let (common, own) = account_id.map_or((subject, subject), |account| subject.for_both(account));
        Recorded {
            id: self.services.ids.next(),
            publisher_id: self.publisher_id,
            account_id,
            occurred_at: self.now,
            actor: self.actor.clone(),
            actor_account_name: self.actor_account_name.clone(),
            action: action.into(),
            subject: subject.named(common, &name, &account_name),
            own_subject: (own != common).then(|| subject.named(own, &name, &account_name)),
            changes,
            request_id: self.request_id.clone(),
        }
    }

    /// Writes the events and entries. This must be the last step of a transaction, because it checks the caller's
    /// rights again, after all waiting.
    ///
    /// # Errors
    /// [`Failure::Unauthenticated`] or [`Failure::Forbidden`] when the caller has lost its rights (R4).
    /// [`Failure::Overtaken`] when the use case moves installations of an account that was suspended meanwhile (R46).
    pub async fn write(mut self, tx: &Tx) -> Result<(), Failure> {
        let authority = self.authority.take();
        if let Some(authority) = &authority {
            authority.check_token(self.services, tx).await?;
        }
        let additions = std::mem::take(&mut self.additions);
        let rows = additions.into_iter().flat_map(|addition| self.rows_of(addition)).collect();
        append(tx, rows).await?;
        if let Some(authority) = authority {
            authority.check_account(tx).await?;
        }
        if authority::any_suspended(tx, self.active.iter().copied()).await? { Err(Failure::Overtaken) } else { Ok(()) }
    }
}
