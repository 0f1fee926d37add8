//! A separate type for each kind of id, so that the compiler refuses a pack's id where a release's is needed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
    /// A report of how an update went.
    OutcomeReportId
    /// A process in the process library.
    LibraryProcessId
    /// An event of the log.
    EventId
    /// An entry of the audit log.
    AuditEntryId
    /// A webhook endpoint of an account.
    WebhookId
    /// A trusted publisher of an account (R70).
    TrustedPublisherId
    /// A random key that managed accounts see for a component of a pack, instead of its id. It is kept for good (R14).
    ContentKey
}

/// The prefixes of account ids in the API: a publisher's, a managed account's in its publisher's view, and in its own.
pub const ACCOUNT_PREFIXES: [&str; 3] = ["pub", "acct", "own"];
/// The prefixes of token ids in the API.
pub const TOKEN_PREFIXES: [&str; 1] = ["tok"];

macro_rules! shown {
    ($($name:ident = $prefix:literal)*) => {$(
        /// The id as the API shows it to the object's owner.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&encode_id($prefix, self.0.as_bytes()))
            }
        }
    )*};
}

shown! {
    TokenId = "tok"
    GroupId = "grp"
    ComponentId = "comp"
    PackId = "pack"
    PackVersionId = "packv"
    ReleaseId = "rel"
    InstallationId = "inst"
    WebhookId = "hook"
}

/// An id as the API shows it.
#[must_use]
pub fn encode_id(prefix: &str, bytes: &[u8]) -> String {
    format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads an id in the API's form with one of `prefixes`, or a plain UUID. `None` for any other text.
fn read(text: &str, prefixes: &[&str]) -> Option<Uuid> {
    let text = text.trim();
    if let Ok(uuid) = text.parse() {
        return Some(uuid);
    }
    let (prefix, rest) = text.split_once('_')?;
    let bytes = URL_SAFE_NO_PAD.decode(rest).ok()?;
    prefixes.contains(&prefix).then(|| Uuid::from_slice(&bytes).ok()).flatten()
}

impl AccountId {
    /// Reads an id in the API's form, or a plain UUID. `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        read(text, &ACCOUNT_PREFIXES).map(Self)
    }

    /// The id of a managed account in the form that its publisher sees.
    #[must_use]
    pub fn shown_as_managed(self) -> String {
        encode_id("acct", self.0.as_bytes())
    }

    /// The id of a publisher in the API's form.
    #[must_use]
    pub fn shown_as_publisher(self) -> String {
        encode_id("pub", self.0.as_bytes())
    }
}

impl TokenId {
    /// Reads an id in the API's form, or a plain UUID. `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        read(text, &TOKEN_PREFIXES).map(Self)
    }
}

/// The id of an installation update: its installation and its release. It is known before the row exists, because
/// readers see an offer before a batch has stored it (R49).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UpdateId {
    pub installation: InstallationId,
    pub release: ReleaseId,
}
