//! Scopes: the account whose data a query may see. Reads of the store take a
//! [`Snapshot`](super::Snapshot) with a scope, and only `service::access` makes scopes, from an authenticated token:
//!
//! ```no_run
//! use packwright::store::Snapshot;
//! use packwright::store::scope::PublisherScope;
//!
//! async fn all_packs(snapshot: Snapshot<PublisherScope>) {
//!     packwright::store::packs::read::by_ids(&snapshot, &[]).await.ok();
//! }
//! ```
//!
//! A query without a scope doesn't compile:
//!
//! ```compile_fail
//! async fn all_packs(db: packwright::store::Db) {
//!     packwright::store::packs::read::by_ids(&db, &[]).await.ok();
//! }
//! ```
//!
//! The whole server isn't the scope of any account, so a read that takes a scope doesn't accept it:
//!
//! ```compile_fail
//! async fn all_packs(db: packwright::store::Db) {
//!     packwright::store::packs::read::by_ids(&db.whole_server(), &[]).await.ok();
//! }
//! ```
//!
//! ```compile_fail
//! let somebody = packwright::domain::id::AccountId(uuid::Uuid::nil());
//! let forged = packwright::store::scope::PublisherScope::of(somebody);
//! ```

use crate::domain::id::AccountId;

/// The rows that a publisher may see: those with its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublisherScope {
    publisher_id: AccountId,
}

impl PublisherScope {
    pub(crate) fn of(publisher_id: AccountId) -> Self {
        Self { publisher_id }
    }

    #[must_use]
    pub fn publisher_id(self) -> AccountId {
        self.publisher_id
    }
}

/// The rows that a managed account may see: its own, and the ones that its groups grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ManagedScope {
    account_id: AccountId,
    publisher_id: AccountId,
}

impl ManagedScope {
    pub(crate) fn of(account_id: AccountId, publisher_id: AccountId) -> Self {
        Self { account_id, publisher_id }
    }

    #[must_use]
    pub fn account_id(self) -> AccountId {
        self.account_id
    }

    /// The publisher that manages the account.
    #[must_use]
    pub fn publisher_id(self) -> AccountId {
        self.publisher_id
    }
}

/// A scope of either kind, for reads that serve both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Publisher(PublisherScope),
    Managed(ManagedScope),
}

impl Scope {
    /// The account that reads.
    #[must_use]
    pub fn account_id(self) -> AccountId {
        match self {
            Self::Publisher(scope) => scope.publisher_id,
            Self::Managed(scope) => scope.account_id,
        }
    }

    /// The publisher that reads, or that manages the account that reads.
    #[must_use]
    pub fn publisher_id(self) -> AccountId {
        match self {
            Self::Publisher(scope) => scope.publisher_id,
            Self::Managed(scope) => scope.publisher_id,
        }
    }
}

impl From<PublisherScope> for Scope {
    fn from(scope: PublisherScope) -> Self {
        Self::Publisher(scope)
    }
}

impl From<ManagedScope> for Scope {
    fn from(scope: ManagedScope) -> Self {
        Self::Managed(scope)
    }
}
