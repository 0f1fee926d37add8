//! The audit log, and what each of its two readers is told of an entry (R51).

use super::Instant;
use super::account::Actor;
use super::id::{AccountId, AuditEntryId};

/// The most fields that an entry names.
pub const CHANGES_MAX: usize = 100;

/// One field that changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
    /// The type in the schema of what `before` and `after` name, where they are ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
}

/// What an entry is about: its type in the schema, and its id. A UUID; of an update the two of its
/// installation and its release, with a plus between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubjectKey {
    pub type_name: String,
    pub id: String,
}

/// What an entry is about, for one reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub key: SubjectKey,
    /// Its name then.
    pub name: Option<String>,
}

/// An entry as it is kept, for both readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub id: AuditEntryId,
    pub publisher_id: AccountId,
    /// The managed account that it concerns.
    pub account_id: Option<AccountId>,
    pub occurred_at: Instant,
    pub actor: Actor,
    /// The name of the actor's account then; `None` when the actor was no token.
    pub actor_account_name: Option<String>,
    pub action: String,
    /// As the publisher knows it.
    pub subject: Subject,
    /// As the managed account knows it, where that is another.
    pub own_subject: Option<Subject>,
    pub changes: Vec<Change>,
    pub request_id: Option<String>,
}

/// An entry as one reader may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    pub id: AuditEntryId,
    pub occurred_at: Instant,
    pub actor: Actor,
    pub action: String,
    pub subject: Subject,
    pub changes: Vec<Change>,
    pub request_id: Option<String>,
}

impl Recorded {
    /// The entry as `reader` may see it, that it bears the id of. Which entries those are is decided when they
    /// are written: all that is done with a publisher's things and accounts bears the publisher's id, and what
    /// is done with a managed account, its tokens and its installations the account's, too.
    ///
    /// | Entry | to the publisher | to the managed account |
    /// |---|---|---|
    /// | components, packages, packs, releases, the library, sharing, groups | whole | not at all |
    /// | the account is made, changed, suspended, reactivated, enrolled | a `ManagedAccount` | its `OwnAccount` |
    /// | it comes into a group, or leaves it | the `AccountGroup` | its `OwnAccount`: which group is not for it (R2) |
    /// | its tokens | its `ManagedAccount`, without the token and what changed: they are not the publisher's (R1) | the `ApiToken` |
    /// | it copies a process from the library (R53) | its `ManagedAccount`, with what was copied | the `Component` |
    /// | its installations | the `Installation` | the same |
    /// | an update is skipped for want of a grant | the `Installation` | not at all (R45) |
    ///
    /// Who did it is told under the name of its account, without the token and the id of the request, when it is
    /// the other reader's.
    #[must_use]
    pub fn seen_by(self, reader: AccountId) -> AuditEntry {
        let is_own = |account: AccountId| account == reader;
        let foreign = self.actor.account_id.is_some_and(|account| !is_own(account));
        let for_publisher = is_own(self.publisher_id);
        let changes = if for_publisher && self.own_subject.as_ref().is_some_and(|own| own.key.type_name == "ApiToken") {
            Vec::new()
        } else {
            self.changes
        };
        AuditEntry {
            id: self.id,
            occurred_at: self.occurred_at,
            actor: self.actor.seen_by(reader, self.actor_account_name),
            action: self.action,
            subject: self.own_subject.filter(|_| !for_publisher).unwrap_or(self.subject),
            changes,
            request_id: self.request_id.filter(|_| !foreign),
        }
    }
}
