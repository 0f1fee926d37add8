//! Callers and their rights (R1–R4). Only this module creates scopes.

use std::sync::Arc;

use crate::domain::Instant;
use crate::domain::accounts::{Account, AccountKind, Actor, ActorKind, ApiToken, Privilege, Role};
use crate::domain::id::{AccountId, TrustedPublisherId, WebhookId};
use crate::store::scope::{ManagedScope, PublisherScope, Scope};

use super::error::Failure;

/// The sender of a request.
#[derive(Clone, Debug)]
pub enum Caller {
    /// No token: may query `__typename` and the schema.
    Anonymous,
    /// The enrolment token of a managed account that never had an API token: may create the first one (R1).
    Enrolment(Enrolment),
    /// An API token or a JWT.
    Viewer(Box<Viewer>),
}

/// The caller with an enrolment token.
#[derive(Clone, Debug)]
pub struct Enrolment {
    pub account: Account,
    pub(super) token_id: uuid::Uuid,
    pub request_id: Option<String>,
}

/// The caller with an API token or a JWT.
#[derive(Clone, Debug)]
pub struct Viewer {
    pub account: Arc<Account>,
    /// For a JWT, a token that represents it.
    pub token: Arc<ApiToken>,
    pub bearer: Bearer,
    /// The `X-Request-Id`, for the audit log.
    pub request_id: Option<String>,
}

/// The kind of a viewer's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// A stored API token, which can be revoked.
    Stored,
    /// A JWT of the identity provider, which isn't stored and can only expire.
    Signed { until: Instant },
    /// A JWT of a pipeline, which ends with the trusted publisher too (R70).
    Pipeline { publisher: TrustedPublisherId, until: Instant },
}

impl Caller {
    /// The account that the call is for.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Anonymous => None,
            Self::Enrolment(enrolment) => Some(enrolment.account.id),
            Self::Viewer(viewer) => Some(viewer.account.id),
        }
    }

    /// The viewer.
    ///
    /// # Errors
    /// [`Failure::Unauthenticated`] without a token, [`Failure::Forbidden`] with an enrolment token (R1, R4).
    pub fn viewer(&self) -> Result<&Viewer, Failure> {
        match self {
            Self::Anonymous => Err(Failure::Unauthenticated("Send a token: `Authorization: Bearer …`.")),
            Self::Enrolment(_) => Err(Failure::Forbidden(
                "An enrolment token can only make the account's first API token, with createApiToken.".into(),
            )),
            Self::Viewer(viewer) => Ok(viewer),
        }
    }
}

impl Viewer {
    /// The viewer that executes the document of a webhook endpoint. It may read everything that the account may see,
    /// and change nothing. It ends when the account is suspended (R61).
    #[must_use]
    pub fn of_endpoint(account: Account, endpoint: WebhookId, made_by: &Actor, made_at: Instant) -> Self {
        let token = ApiToken {
            id: endpoint.0.into(),
            account_id: account.id,
            name: "webhook endpoint".into(),
            role: Role::Support,
            created_at: made_at,
            created_by: made_by.clone(),
            last_used_at: None,
            expires_at: None,
            revoked_at: None,
            replaced_by: None,
        };
        let (account, token) = (Arc::new(account), Arc::new(token));
        Self { account, token, bearer: Bearer::Signed { until: Instant::MAX_UTC }, request_id: None }
    }

    /// The data that this viewer may read.
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
                Err(Failure::Forbidden("Only a publisher may do this; the token belongs to a managed account.".into()))
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
                Err(Failure::Forbidden("Only a managed account may do this; the token belongs to a publisher.".into()))
            }
        }
    }

    /// Whether the token's role has the privilege.
    #[must_use]
    pub fn may(&self, privilege: Privilege) -> bool {
        self.token.role.allows(privilege)
    }

    /// Checks that the token's role has the privilege.
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

    /// The viewer as an actor of the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor {
            kind: ActorKind::ApiToken,
            name: self.token.name.clone(),
            // A JWT has an id, too, although it has no row, so that log entries can be found by it.
            token_id: Some(self.token.id),
            account_id: Some(self.account.id),
        }
    }
}

impl Privilege {
    /// The privilege's name in the schema.
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

/// A publisher's viewer.
#[derive(Clone, Debug)]
pub struct Publisher {
    pub scope: PublisherScope,
    pub viewer: Viewer,
}

/// A managed account's viewer.
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
