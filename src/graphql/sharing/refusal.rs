use async_graphql::{Context, Enum, Object, Result};

use crate::domain::refusal::Refusal as _;
use crate::domain::sharing::SharingRefusal;
use crate::graphql::accounts::ManagedAccount;
use crate::graphql::refusals::all;
use crate::graphql::sharing::account_group::AccountGroup;

/// The error of a refused change of groups or of sharing.
#[derive(Clone, Debug)]
pub struct SharingError(SharingRefusal);

impl From<SharingRefusal> for SharingError {
    fn from(refusal: SharingRefusal) -> Self {
        Self(refusal)
    }
}

/// The error of a refused change of groups or of sharing.
#[Object]
impl SharingError {
    /// The rule that refused.
    pub async fn code(&self) -> SharingErrorCode {
        SharingErrorCode::from(&self.0)
    }

    /// A sentence in English that says what to do.
    pub async fn message(&self) -> String {
        self.0.message()
    }

    /// The path into `input`; null when no one field is at fault.
    pub async fn field(&self) -> Option<Vec<String>> {
        self.0.field()
    }

    /// The group that has the name or the key, for NAME_TAKEN and KEY_TAKEN.
    async fn taken_by(&self, ctx: &Context<'_>) -> Result<Option<AccountGroup>> {
        match self.0 {
            SharingRefusal::NameTaken { taken_by: Some(id) } | SharingRefusal::KeyTaken { taken_by: Some(id) } => {
                AccountGroup::by_id(ctx, id).await
            }
            _ => Ok(None),
        }
    }

    /// The groups at fault; at most 100.
    async fn groups(&self, ctx: &Context<'_>) -> Result<Option<Vec<AccountGroup>>> {
        use SharingRefusal as R;
        let at_fault = match &self.0 {
            R::AlreadyShared { groups } | R::NotShared { groups } => Some(groups.as_slice()),
            _ => None,
        };
        all(at_fault, |id| AccountGroup::by_id(ctx, id)).await
    }

    /// The accounts at fault; at most 100.
    async fn accounts(&self, ctx: &Context<'_>) -> Result<Option<Vec<ManagedAccount>>> {
        use SharingRefusal as R;
        let at_fault = match &self.0 {
            R::AlreadyInGroup { accounts } | R::NotInGroup { accounts } => Some(accounts.as_slice()),
            _ => None,
        };
        all(at_fault, |id| ManagedAccount::by_id(ctx, id)).await
    }
}

/// The reasons to refuse a change of groups or of sharing.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SharingErrorCode {
    /// The name is empty.
    NameRequired,
    /// The name is longer than 255 characters.
    NameTooLong,
    /// The name is in use by another group of the publisher.
    NameTaken,
    /// The group All Accounts holds every account by itself; only the packs shared with it can be changed.
    AllAccountsIsFixed,
    /// The list is empty.
    EmptyList,
    /// More than 100.
    TooMany,
    /// The account is in the group.
    AlreadyInGroup,
    /// The account isn't in the group.
    NotInGroup,
    /// The pack is shared with the group.
    AlreadyShared,
    /// The pack isn't shared with the group.
    NotShared,
    /// The same ID came with another input.
    ClientRequestIdReused,
    /// The key is in use by another group of the publisher.
    KeyTaken,
    /// A key has 1 to 128 characters of `A-Z a-z 0-9 . _ - / :`.
    KeyInvalid,
}

impl From<&SharingRefusal> for SharingErrorCode {
    fn from(refusal: &SharingRefusal) -> Self {
        use SharingRefusal as R;
        match refusal {
            R::NameRequired => Self::NameRequired,
            R::NameTooLong => Self::NameTooLong,
            R::NameTaken { .. } => Self::NameTaken,
            R::AllAccountsIsFixed => Self::AllAccountsIsFixed,
            R::EmptyList { .. } => Self::EmptyList,
            R::TooMany { .. } => Self::TooMany,
            R::AlreadyInGroup { .. } => Self::AlreadyInGroup,
            R::NotInGroup { .. } => Self::NotInGroup,
            R::AlreadyShared { .. } => Self::AlreadyShared,
            R::NotShared { .. } => Self::NotShared,
            R::ClientRequestIdReused => Self::ClientRequestIdReused,
            R::KeyTaken { .. } => Self::KeyTaken,
            R::KeyInvalid => Self::KeyInvalid,
        }
    }
}
