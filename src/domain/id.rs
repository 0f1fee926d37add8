//! One type for each kind of identity, so that a pack's id can't be given where a release's is wanted.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub Uuid);

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

ids! {
    /// A publisher's or a managed account.
    AccountId
    /// An API token of an account.
    TokenId
    /// An account group of a publisher.
    GroupId
    /// A component.
    ComponentId
    /// A packaged component, or a publication (R52).
    ComponentVersionId
    /// An integration pack.
    PackId
    /// A numbered snapshot of a pack's content.
    PackVersionId
    /// A release of a pack.
    ReleaseId
    /// A pack in a managed account.
    InstallationId
    /// A process in the process library.
    LibraryProcessId
    /// An event of the log.
    EventId
    /// An entry of the audit log.
    AuditEntryId
    /// The name by which managed accounts know a component of a pack: random, kept for good (R14).
    ContentKey
}

/// One installation and one release. Known before its row exists: an offer is derived from the
/// decision until a batch has written it (R49).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UpdateId {
    /// What is updated.
    pub installation: InstallationId,
    /// By what.
    pub release: ReleaseId,
}
