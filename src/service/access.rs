//! Who is asking, and what they may do (R1–R4). The one place that makes scopes.

use crate::domain::Instant;
use crate::domain::accounts::{Account, AccountKind, Actor, ActorKind, ApiToken, Privilege};
use crate::domain::id::AccountId;
use crate::store::scope::{ManagedScope, PublisherScope, Scope};

use super::error::Failure;

/// Who sends a request.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Without a token: may ask for `__typename` and the schema.
    Anonymous,
    /// With the enrolment token of a managed account that never had another: may make the first (R1).
    Enrolment(Enrolment),
    /// With an API token.
    Viewer(Box<Viewer>),
}

/// What an enrolment token stands for.
#[derive(Clone, Debug)]
pub struct Enrolment {
    pub account: Account,
    pub(super) token_id: uuid::Uuid,
    pub request_id: Option<String>,
}

/// Who sends a request with an API token.
#[derive(Clone, Debug)]
pub struct Viewer {
    pub account: Account,
    /// Of a JWT what it says.
    pub token: ApiToken,
    pub bearer: Bearer,
    /// The `X-Request-Id`, for the audit log.
    pub request_id: Option<String>,
}

/// What a viewer's token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// An API token, that is kept and can be revoked.
    Stored,
    /// A JWT: nothing is kept of it, and it ends by itself.
    Signed { until: Instant },
}

impl Caller {
    /// The viewer.
    ///
    /// # Errors
    /// [`Failure::Unauthenticated`] without a token, [`Failure::Forbidden`] with an enrolment token (R1, R4).
    pub fn viewer(&self) -> Result<&Viewer, Failure> {
        match self {
            Self::Anonymous => Err(Failure::Unauthenticated("Send a token: `Authorization: Bearer …`.")),
            Self::Enrolment(_) => Err(Failure::Forbidden(
                "An enrolment token can do one thing: make the account's first token with createApiToken.".into(),
            )),
            Self::Viewer(viewer) => Ok(viewer),
        }
    }
}

impl Viewer {
    /// What this viewer may read.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self.account.kind {
            AccountKind::Publisher => Scope::Publisher(PublisherScope::of(self.account.id)),
            AccountKind::Managed => Scope::Managed(ManagedScope::of(self.account.id, self.account.publisher_id)),
        }
    }

    /// This viewer as a publisher.
    ///
    /// # Errors
    /// [`Failure::Forbidden`] for a managed account (R1, R4).
    pub fn publisher(&self) -> Result<Publisher, Failure> {
        match self.account.kind {
            AccountKind::Publisher => {
                Ok(Publisher { scope: PublisherScope::of(self.account.id), viewer: self.clone() })
            }
            AccountKind::Managed => {
                Err(Failure::Forbidden("This is for publishers; the token is a managed account's.".into()))
            }
        }
    }

    /// This viewer as a managed account.
    ///
    /// # Errors
    /// [`Failure::Forbidden`] for a publisher (R1, R4).
    pub fn managed(&self) -> Result<Managed, Failure> {
        match self.account.kind {
            AccountKind::Managed => Ok(Managed {
                scope: ManagedScope::of(self.account.id, self.account.publisher_id),
                viewer: self.clone(),
            }),
            AccountKind::Publisher => {
                Err(Failure::Forbidden("This is for managed accounts; the token is a publisher's.".into()))
            }
        }
    }

    /// Whether the token's role has the privilege.
    #[must_use]
    pub fn may(&self, privilege: Privilege) -> bool {
        self.token.role.allows(privilege)
    }

    /// The same as an answer.
    ///
    /// # Errors
    /// [`Failure::Forbidden`] that names the privilege.
    pub fn require(&self, privilege: Privilege) -> Result<(), Failure> {
        if self.may(privilege) {
            Ok(())
        } else {
            Err(Failure::Forbidden(format!("The token's role doesn't have the privilege {}.", privilege.name())))
        }
    }

    /// The viewer as the audit log remembers it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor {
            kind: ActorKind::ApiToken,
            name: self.token.name.clone(),
            // A JWT's as well, though no row has it: what was done with it is found by it.
            token_id: Some(self.token.id),
            account_id: Some(self.account.id),
        }
    }
}

impl Privilege {
    /// Its name in the schema.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::IntegrationPack => "INTEGRATION_PACK",
            Self::PackagedComponentManagement => "PACKAGED_COMPONENT_MANAGEMENT",
            Self::AccountGroupManagement => "ACCOUNT_GROUP_MANAGEMENT",
            Self::AccountAdministration => "ACCOUNT_ADMINISTRATION",
            Self::ApplyUpdates => "APPLY_UPDATES",
            Self::Read => "READ",
            Self::ViewAuditLog => "VIEW_AUDIT_LOG",
        }
    }
}

/// A viewer that is a publisher.
#[derive(Clone, Debug)]
pub struct Publisher {
    pub scope: PublisherScope,
    pub viewer: Viewer,
}

/// A viewer that is a managed account.
#[derive(Clone, Debug)]
pub struct Managed {
    pub scope: ManagedScope,
    pub viewer: Viewer,
}

impl Publisher {
    /// The publisher's account.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.viewer.account.id
    }
}

impl Managed {
    /// The managed account.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.viewer.account.id
    }
}
