//! Accounts, groups, roles, tokens and actors (R1–R4).

mod refusal;
mod trusted;

pub use refusal::AccountRefusal;
pub use trusted::{
    CLAIMS_MAX, ClaimsFault, NoneTrusts, TRUSTED_PUBLISHERS_MAX, TrustedClaim, TrustedPublisher, check_claims, choose,
    lookup_key,
};

use crate::domain::Instant;
use crate::domain::id::{AccountId, GroupId, TokenId, encode_id};

/// Whether an account develops packs or installs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// A publisher account, which develops and releases packs.
    Publisher,
    /// A managed account, which installs packs and belongs to one publisher.
    Managed,
}

/// Whether the tokens of an account are accepted (R4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountStatus {
    Active,
    /// The account's tokens are refused, and rollouts skip its installations.
    Suspended,
}

/// A publisher's or a managed account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub kind: AccountKind,
    /// The publisher that manages the account; a publisher account names itself.
    pub publisher_id: AccountId,
    pub name: String,
    /// The name of an IANA zone; `None` while none is set.
    pub time_zone: Option<String>,
    pub status: AccountStatus,
    pub suspended_at: Option<Instant>,
    /// When the account got its first token (R1); `None` before.
    pub enrolled_at: Option<Instant>,
    pub created_at: Instant,
    /// The publisher's own key of a managed account, which the account doesn't see (R67).
    pub key: Option<String>,
}

impl Account {
    /// The id in the form in which the API shows the account to its publisher.
    #[must_use]
    pub fn shown_id(&self) -> String {
        let prefix = match self.kind {
            AccountKind::Publisher => "pub",
            AccountKind::Managed => "acct",
        };
        encode_id(prefix, self.id.0.as_bytes())
    }
}

/// A publisher's set of managed accounts. Packs are shared with groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountGroup {
    pub id: GroupId,
    pub publisher_id: AccountId,
    pub name: String,
    /// Whether this is the group [`ALL_ACCOUNTS`], to which every managed account belongs.
    pub is_all_accounts: bool,
    pub created_at: Instant,
    /// The publisher's own key (R67).
    pub key: Option<String>,
}

/// The name of the group that every publisher has and can't rename or delete.
pub const ALL_ACCOUNTS: &str = "All Accounts";

/// The role of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Administrator,
    StandardUser,
    ProductionSupport,
    Support,
}

/// A kind of operation that a role may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Privilege {
    /// Create, edit and release packs; in a managed account, install and uninstall them.
    IntegrationPack,
    /// Create components and packages.
    PackagedComponentManagement,
    /// Manage groups, and share packs with them.
    AccountGroupManagement,
    /// Manage accounts and tokens, and set the time zone.
    AccountAdministration,
    /// Apply a pending update.
    ApplyUpdates,
    /// Read what the account may see.
    Read,
    /// Read the audit log.
    ViewAuditLog,
}

impl Role {
    /// The privileges of the role: the table in section 2 of `docs/lifecycle.md`.
    #[must_use]
    pub fn privileges(self) -> &'static [Privilege] {
        use Privilege::{
            AccountAdministration, AccountGroupManagement, ApplyUpdates, IntegrationPack, PackagedComponentManagement,
            Read, ViewAuditLog,
        };
        match self {
            Self::Administrator => &[
                IntegrationPack,
                PackagedComponentManagement,
                AccountGroupManagement,
                AccountAdministration,
                ApplyUpdates,
                Read,
                ViewAuditLog,
            ],
            Self::StandardUser => &[IntegrationPack, PackagedComponentManagement, ApplyUpdates, Read],
            Self::ProductionSupport => &[ApplyUpdates, Read],
            Self::Support => &[Read],
        }
    }

    /// Whether the role has the privilege.
    #[must_use]
    pub fn allows(self, privilege: Privilege) -> bool {
        self.privileges().contains(&privilege)
    }
}

/// A bearer token, without its secret: only a hash of the secret is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    pub id: TokenId,
    pub account_id: AccountId,
    pub name: String,
    pub role: Role,
    pub created_at: Instant,
    pub created_by: Actor,
    /// When a request last used the token, exact to the minute: the server doesn't write at each request.
    pub last_used_at: Option<Instant>,
    pub expires_at: Option<Instant>,
    pub revoked_at: Option<Instant>,
    /// The token that replaced this one when it was rotated.
    pub replaced_by: Option<TokenId>,
}

impl ApiToken {
    /// Whether the token authenticates a request at `now`: not revoked, and not expired.
    #[must_use]
    pub fn is_live(&self, now: Instant) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether this token alone keeps the account accessible: it is an administrator's, doesn't expire and isn't
    /// revoked. The last such token of an account can't be revoked (R1).
    #[must_use]
    pub fn keeps_the_account_open(&self) -> bool {
        self.role == Role::Administrator && self.expires_at.is_none() && self.revoked_at.is_none()
    }
}

/// The kinds of actors that change data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorKind {
    ApiToken,
    Scheduler,
    CommandLine,
}

/// Who carried out a change. Names are those at the time of the change (R51).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub kind: ActorKind,
    /// The token's name, `scheduler`, or `command line`.
    pub name: String,
    pub token_id: Option<TokenId>,
    /// The token's account; `None` for the scheduler and the command line.
    pub account_id: Option<AccountId>,
}

impl Actor {
    /// The actor as `reader` may see it. If the actor's token belongs to another account, the name is `account_name`
    /// and the token stays hidden.
    #[must_use]
    pub fn seen_by(self, reader: AccountId, account_name: Option<String>) -> Self {
        if self.account_id.is_some_and(|account| account != reader) {
            Self { name: account_name.unwrap_or_default(), token_id: None, ..self }
        } else {
            self
        }
    }

    /// The actor of changes that the scheduler makes without a call.
    #[must_use]
    pub fn scheduler() -> Self {
        Self { kind: ActorKind::Scheduler, name: "scheduler".into(), token_id: None, account_id: None }
    }

    /// The actor of changes that an operator makes with the program's commands.
    #[must_use]
    pub fn command_line() -> Self {
        Self { kind: ActorKind::CommandLine, name: "command line".into(), token_id: None, account_id: None }
    }
}
