use async_graphql::{Context, Enum, Object, Result};

use crate::domain::accounts::AccountRefusal;
use crate::domain::refusal::Refusal as _;
use crate::graphql::accounts::managed_account::ManagedAccount;

/// The error of a refused change of accounts or tokens.
#[derive(Clone, Debug)]
pub struct AccountError(AccountRefusal);

impl From<AccountRefusal> for AccountError {
    fn from(refusal: AccountRefusal) -> Self {
        Self(refusal)
    }
}

/// The error of a refused change of accounts or tokens.
#[Object]
impl AccountError {
    /// The rule that refused.
    pub async fn code(&self) -> AccountErrorCode {
        AccountErrorCode::from(&self.0)
    }

    /// A sentence in English that says what to do.
    pub async fn message(&self) -> String {
        self.0.message()
    }

    /// The path into `input`; null when no one field is at fault.
    pub async fn field(&self) -> Option<Vec<String>> {
        self.0.field()
    }

    /// The account that has the name or the key, for NAME_TAKEN and KEY_TAKEN, when it is one that the caller manages.
    async fn taken_by(&self, ctx: &Context<'_>) -> Result<Option<ManagedAccount>> {
        match self.0 {
            AccountRefusal::NameTaken { taken_by: Some(id) } | AccountRefusal::KeyTaken { taken_by: Some(id) } => {
                ManagedAccount::by_id(ctx, id).await
            }
            _ => Ok(None),
        }
    }
}

/// The reasons to refuse a change of accounts or tokens.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountErrorCode {
    /// The name is empty.
    NameRequired,
    /// The name is longer than 255 characters.
    NameTooLong,
    /// The name is in use by another account of the publisher, or by another trusted publisher of the account.
    NameTaken,
    /// A managed account can't rename itself.
    NameNotEditable,
    /// The server knows no such zone.
    TimeZoneUnknown,
    /// It is suspended already.
    AlreadySuspended,
    /// It isn't suspended.
    NotSuspended,
    /// The end of the token must be in the future.
    ExpiryNotInFuture,
    /// The first token of an account can't expire.
    ExpiryNotAllowed,
    /// The account has made a token already.
    AlreadyEnrolled,
    /// It is revoked already.
    AlreadyRevoked,
    /// The account would be left without a token of the role ADMINISTRATOR.
    LastAdministratorToken,
    /// The same ID came with another input.
    ClientRequestIdReused,
    /// The key is in use by another managed account of the publisher.
    KeyTaken,
    /// A key has 1 to 128 characters of `A-Z a-z 0-9 . _ - / :`.
    KeyInvalid,
    /// The operator allows no such issuer.
    IssuerNotAllowed,
    /// There must be 1 to 10 claims, each with a name and a text of its own that tell pipelines apart.
    ClaimsInvalid,
    /// A trusted publisher can't be an administrator.
    RoleNotAllowed,
    /// The account has 20 trusted publishers.
    TooMany,
}

impl From<&AccountRefusal> for AccountErrorCode {
    fn from(refusal: &AccountRefusal) -> Self {
        use AccountRefusal as R;
        match refusal {
            R::NameRequired => Self::NameRequired,
            R::NameTooLong => Self::NameTooLong,
            R::NameTaken { .. } | R::TrustedNameTaken => Self::NameTaken,
            R::NameNotEditable => Self::NameNotEditable,
            R::TimeZoneUnknown { .. } => Self::TimeZoneUnknown,
            R::AlreadySuspended => Self::AlreadySuspended,
            R::NotSuspended => Self::NotSuspended,
            R::ExpiryNotInFuture => Self::ExpiryNotInFuture,
            R::ExpiryNotAllowed => Self::ExpiryNotAllowed,
            R::AlreadyEnrolled => Self::AlreadyEnrolled,
            R::AlreadyRevoked => Self::AlreadyRevoked,
            R::LastAdministratorToken => Self::LastAdministratorToken,
            R::ClientRequestIdReused => Self::ClientRequestIdReused,
            R::KeyTaken { .. } => Self::KeyTaken,
            R::KeyInvalid => Self::KeyInvalid,
            R::IssuerNotAllowed { .. } => Self::IssuerNotAllowed,
            R::ClaimsInvalid(_) => Self::ClaimsInvalid,
            R::RoleNotAllowed => Self::RoleNotAllowed,
            R::TooMany => Self::TooMany,
        }
    }
}
