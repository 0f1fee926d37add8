//! An entry of the audit log, as a use case composes it.

use crate::domain::accounts::Account;
use crate::domain::id::AccountId;
use crate::domain::log::{CHANGES_MAX, Change};
use crate::service::log::Subject;

/// An audit entry without the actor and the time, which the journal adds.
#[derive(Clone, Debug)]
pub struct Entry {
    pub action: &'static str,
    pub subject: Subject,
    pub subject_name: Option<String>,
    /// The managed account that the entry concerns.
    pub account_id: Option<AccountId>,
    /// The account's name, if it isn't the actor's account.
    pub account_name: Option<String>,
    pub changes: Vec<Change>,
}

impl Entry {
    /// An entry about a named subject.
    #[must_use]
    pub fn of(action: &'static str, subject: Subject, name: impl Into<Option<String>>) -> Self {
        Self { action, subject, subject_name: name.into(), account_id: None, account_name: None, changes: Vec::new() }
    }

    /// Sets the managed account that the entry concerns.
    #[must_use]
    pub fn concerning(mut self, account: AccountId) -> Self {
        self.account_id = Some(account);
        self
    }

    /// Sets the account with its present name. A reader that may not see the subject sees the account instead, under
    /// this name.
    #[must_use]
    pub fn concerning_account(self, account: &Account) -> Self {
        Self { account_name: Some(account.name.clone()), ..self.concerning(account.id) }
    }

    /// Sets the account with its name, but only a managed account. A publisher's own entry needs none.
    #[must_use]
    pub fn concerning_managed(self, account: &Account) -> Self {
        if account.id == account.publisher_id { self } else { self.concerning_account(account) }
    }

    /// Adds a changed field. Equal values are left out.
    #[must_use]
    pub fn change(self, field: &str, before: Option<String>, after: Option<String>) -> Self {
        self.add(Change { field: field.into(), before, after, of: None, private: false })
    }

    /// Adds a changed field that only the actor's account sees.
    #[must_use]
    pub fn change_private(self, field: &str, before: Option<String>, after: Option<String>) -> Self {
        self.add(Change { field: field.into(), before, after, of: None, private: true })
    }

    /// Adds a changed field whose values are ids of objects.
    #[must_use]
    pub fn refer(self, field: &str, before: Option<Subject>, after: Option<Subject>) -> Self {
        let of = before.or(after).map(|subject| subject.type_and_id().0.to_owned());
        let id = |subject: Option<Subject>| subject.map(|subject| subject.type_and_id().1);
        self.add(Change { field: field.into(), before: id(before), after: id(after), of, private: false })
    }

    /// Adds a changed field whose values are ids of objects, and that only the actor's account sees.
    #[must_use]
    pub fn refer_private(self, field: &str, before: Option<Subject>, after: Option<Subject>) -> Self {
        let mut referring = self.refer(field, before, after);
        if let Some(change) = referring.changes.last_mut().filter(|change| change.field == field) {
            change.private = true;
        }
        referring
    }

    fn add(mut self, change: Change) -> Self {
        if change.before != change.after && self.changes.len() < CHANGES_MAX {
            self.changes.push(change);
        }
        self
    }

    /// Adds a field that was set.
    #[must_use]
    pub fn set(self, field: &str, after: impl ToString) -> Self {
        self.change(field, None, Some(after.to_string()))
    }
}
