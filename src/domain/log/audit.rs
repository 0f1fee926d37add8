//! The audit log, and the two views of an entry: the publisher's and the managed account's (R51).

use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::id::{AccountId, AuditEntryId};

/// The most field changes that one entry lists.
pub(crate) const CHANGES_MAX: usize = 100;

/// One field that changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
    /// The schema type of the objects that `before` and `after` identify; `None` when the values aren't ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Whether only the actor's account sees the change, such as that of an own key (R67).
    #[serde(default, skip_serializing_if = "is_false")]
    pub private: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The schema type and the id of an entry's subject. The id is a UUID. An installation update has two, joined by a plus
/// sign: its installation's and its release's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubjectKey {
    pub type_name: String,
    pub id: String,
}

/// The subject of an entry, as one reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub key: SubjectKey,
    /// The subject's name when the entry was written.
    pub name: Option<String>,
}

/// An entry as it is stored. [`Recorded::seen_by`] turns it into a reader's view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub id: AuditEntryId,
    pub publisher_id: AccountId,
    /// The managed account that the entry concerns, if any.
    pub account_id: Option<AccountId>,
    pub occurred_at: Instant,
    pub actor: Actor,
    /// The name of the actor's account when the entry was written; `None` when the actor isn't a token.
    pub actor_account_name: Option<String>,
    pub action: String,
    /// The subject in the publisher's view.
    pub subject: Subject,
    /// The subject in the managed account's view; `None` when both views show the same.
    pub own_subject: Option<Subject>,
    pub changes: Vec<Change>,
    pub request_id: Option<String>,
}

/// An entry as one reader sees it.
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
    /// The view of `reader`, one of the two accounts whose ids the entry has. The ids are decided when the entry is
    /// written: the publisher's log has every entry about the publisher's objects and accounts; the managed account's
    /// log has the entries about the account, its tokens and its installations.
    ///
    /// The subject of an entry, by what the entry is about:
    ///
    /// | The entry is about | The publisher sees | The managed account sees |
    /// |---|---|---|
    /// | components, packages, packs, releases, the library, sharing, groups | the object | no entry |
    /// | an account that is made, changed, suspended, reactivated, enrolled | a `ManagedAccount` | its `OwnAccount` |
    /// | an account that joins or leaves a group | the `AccountGroup` | its `OwnAccount`, no group (R2) |
    /// | a token of the account | the `ManagedAccount`, neither token nor changes (R1) | the `ApiToken` |
    /// | a copy that the account takes from the library (R53) | the `ManagedAccount`, and the process | a `Component` |
    /// | an installation of the account | the `Installation` | the `Installation` |
    /// | an update that is skipped because no group grants the pack (R45) | the `Installation` | no entry |
    ///
    /// If the actor belongs to the other account, the view names that account. It hides the actor's token, the
    /// request's id, and changes of own keys and webhook endpoints, which concern the actor's account alone (R61, R67).
    #[must_use]
    pub fn seen_by(self, reader: AccountId) -> AuditEntry {
        let is_own = |account: AccountId| account == reader;
        let foreign = self.actor.account_id.is_some_and(|account| !is_own(account));
        let for_publisher = is_own(self.publisher_id);
        let changes = if for_publisher && self.own_subject.as_ref().is_some_and(|own| own.key.type_name == "ApiToken") {
            Vec::new()
        } else {
            self.changes.into_iter().filter(|change| !(foreign && change.private)).collect()
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
