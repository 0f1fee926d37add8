//! Accounts, roles and who did what (R1–R4).

use super::Instant;
use super::id::{AccountId, GroupId, TokenId, spell};

/// Which side of the business an account is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// Makes and releases packs.
    Publisher,
    /// Installs them; belongs to one publisher.
    Managed,
}

/// Whether an account may act (R4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountStatus {
    /// It may.
    Active,
    /// Its tokens are refused and its updates skipped.
    Suspended,
}

/// A publisher's or a managed account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub kind: AccountKind,
    /// The publisher that manages it; for a publisher, itself.
    pub publisher_id: AccountId,
    pub name: String,
    /// The name of an IANA zone; `None` while none is set.
    pub time_zone: Option<String>,
    pub status: AccountStatus,
    pub suspended_at: Option<Instant>,
    /// When it first had a token (R1).
    pub enrolled_at: Option<Instant>,
    pub created_at: Instant,
}

impl Account {
    /// The id as the API shows it to the publisher.
    #[must_use]
    pub fn shown_id(&self) -> String {
        let prefix = match self.kind {
            AccountKind::Publisher => "pub",
            AccountKind::Managed => "acct",
        };
        spell(prefix, self.id.0.as_bytes())
    }
}

/// A publisher's set of managed accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountGroup {
    pub id: GroupId,
    pub publisher_id: AccountId,
    pub name: String,
    /// Holds every managed account by itself.
    pub is_all_accounts: bool,
    pub created_at: Instant,
}

/// The name of the group that every publisher has.
pub const ALL_ACCOUNTS: &str = "All Accounts";

/// The role of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Administrator,
    StandardUser,
    ProductionSupport,
    Support,
}

/// What a role allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Privilege {
    /// Create, edit, release packs; install and uninstall them.
    IntegrationPack,
    /// Components and packages.
    PackagedComponentManagement,
    /// Groups and sharing.
    AccountGroupManagement,
    /// Accounts, tokens, time zone.
    AccountAdministration,
    /// Apply a pending update.
    ApplyUpdates,
    /// Read what the account may see.
    Read,
    /// Read the audit log.
    ViewAuditLog,
}

impl Role {
    /// The table of section 2.
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

/// A bearer token as it is kept: its secret is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    pub id: TokenId,
    pub account_id: AccountId,
    pub name: String,
    pub role: Role,
    pub created_at: Instant,
    pub created_by: Actor,
    /// To the minute.
    pub last_used_at: Option<Instant>,
    pub expires_at: Option<Instant>,
    pub revoked_at: Option<Instant>,
    /// The token that it was rotated to.
    pub replaced_by: Option<TokenId>,
}

impl ApiToken {
    /// Whether it opens the door at `now`.
    #[must_use]
    pub fn is_live(&self, now: Instant) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether it keeps its account from being locked out: an administrator's, without an end, not
    /// revoked (R1).
    #[must_use]
    pub fn keeps_the_account_open(&self) -> bool {
        self.role == Role::Administrator && self.expires_at.is_none() && self.revoked_at.is_none()
    }
}

/// What kind of actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorKind {
    ApiToken,
    Scheduler,
    CommandLine,
}

/// Who did something, as it was then (R51).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub kind: ActorKind,
    /// The token's name; `scheduler`; `command line`.
    pub name: String,
    pub token_id: Option<TokenId>,
    /// The token's account; `None` when it was no token.
    pub account_id: Option<AccountId>,
}

impl Actor {
    /// The actor as `reader` is told it: one of another account under that account's name, without the token.
    #[must_use]
    pub fn seen_by(self, reader: AccountId, account_name: Option<String>) -> Self {
        if self.account_id.is_some_and(|account| account != reader) {
            Self { name: account_name.unwrap_or_default(), token_id: None, ..self }
        } else {
            self
        }
    }

    /// The server's own scheduler.
    #[must_use]
    pub fn scheduler() -> Self {
        Self { kind: ActorKind::Scheduler, name: "scheduler".into(), token_id: None, account_id: None }
    }

    /// The program's command line.
    #[must_use]
    pub fn command_line() -> Self {
        Self { kind: ActorKind::CommandLine, name: "command line".into(), token_id: None, account_id: None }
    }
}
