//! Whose data a query may see. Each read of the store takes one of these, and they are made from an
//! authenticated token alone (`service::access`), so that a query without a scope does not compile:
//!
//! ```compile_fail
//! async fn all_packs(db: packwright::store::Db) {
//!     let ids = [];
//!     // No scope, no packs: the function takes a `PublisherScope` that nobody but `service::access` can make.
//!     packwright::store::packs::by_ids(&db, &ids).await.ok();
//! }
//! ```
//!
//! ```compile_fail
//! let somebody = packwright::domain::id::AccountId(uuid::Uuid::nil());
//! let forged = packwright::store::scope::PublisherScope::of(somebody);
//! ```

use crate::domain::id::AccountId;

/// What a publisher may see: what bears its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublisherScope {
    publisher_id: AccountId,
}

impl PublisherScope {
    pub(crate) fn of(publisher_id: AccountId) -> Self {
        Self { publisher_id }
    }

    /// The publisher.
    #[must_use]
    pub fn publisher_id(self) -> AccountId {
        self.publisher_id
    }
}

/// What a managed account may see: its own, and what its groups grant it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ManagedScope {
    account_id: AccountId,
    publisher_id: AccountId,
}

impl ManagedScope {
    pub(crate) fn of(account_id: AccountId, publisher_id: AccountId) -> Self {
        Self { account_id, publisher_id }
    }

    /// The account.
    #[must_use]
    pub fn account_id(self) -> AccountId {
        self.account_id
    }

    /// Its publisher.
    #[must_use]
    pub fn publisher_id(self) -> AccountId {
        self.publisher_id
    }
}

/// Either, where one place serves both readers.
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
