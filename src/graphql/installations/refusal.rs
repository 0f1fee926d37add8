use async_graphql::{Context, Enum, Object, Result};

use crate::domain::installations::InstallationRefusal;
use crate::domain::refusal::Refusal as _;
use crate::graphql::installations::installation::Installation;

/// The error when installing, renaming or updating was refused.
#[derive(Clone, Debug)]
pub struct InstallationError(InstallationRefusal);

impl From<InstallationRefusal> for InstallationError {
    fn from(refusal: InstallationRefusal) -> Self {
        Self(refusal)
    }
}

/// The error when installing, renaming or updating was refused.
#[Object]
impl InstallationError {
    /// The rule that refused.
    pub async fn code(&self) -> InstallationErrorCode {
        InstallationErrorCode::from(&self.0)
    }

    /// A sentence in English that says what to do.
    pub async fn message(&self) -> String {
        self.0.message()
    }

    /// The path into `input`; null when no one field is at fault.
    pub async fn field(&self) -> Option<Vec<String>> {
        self.0.field()
    }

    /// The installation in the way, for ALREADY_INSTALLED, OVERRIDE_NAME_TAKEN and KEY_TAKEN.
    async fn existing(&self, ctx: &Context<'_>) -> Result<Option<Installation>> {
        use InstallationRefusal as R;
        match self.0 {
            R::AlreadyInstalled { existing: Some(id) }
            | R::OverrideNameTaken { existing: Some(id) }
            | R::KeyTaken { existing: Some(id) } => Installation::by_id(ctx, id).await,
            _ => Ok(None),
        }
    }
}

/// The reasons to refuse installing, renaming or updating.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstallationErrorCode {
    /// A SINGLE pack is installed once.
    AlreadyInstalled,
    /// Only installations of a MULTI pack have a name of their own.
    OverrideNameNotAllowed,
    /// The name is empty or longer than 255 characters.
    OverrideNameInvalid,
    /// Another installation of the account has the name.
    OverrideNameTaken,
    /// No group grants the pack any more.
    NotEntitled,
    /// The offer was withdrawn: the release was canceled or superseded, or the installation was uninstalled.
    UpdateWithdrawn,
    /// The window has opened: the server moves it now.
    ReleaseInProgress,
    /// The same ID came with another input.
    ClientRequestIdReused,
    /// The key is in use by another installation of the account.
    KeyTaken,
    /// A key has 1 to 128 characters of `A-Z a-z 0-9 . _ - / :`.
    KeyInvalid,
    /// The release is paused.
    ReleasePaused,
    /// The update isn't applied, or the installation has another version by now.
    OutcomeNotAllowed,
    /// The comment is longer than 2,000 characters.
    CommentTooLong,
}

impl From<&InstallationRefusal> for InstallationErrorCode {
    fn from(refusal: &InstallationRefusal) -> Self {
        use InstallationRefusal as R;
        match refusal {
            R::ClientRequestIdReused => Self::ClientRequestIdReused,
            R::KeyTaken { .. } => Self::KeyTaken,
            R::KeyInvalid => Self::KeyInvalid,
            R::NotEntitled => Self::NotEntitled,
            R::AlreadyInstalled { .. } => Self::AlreadyInstalled,
            R::OverrideNameNotAllowed => Self::OverrideNameNotAllowed,
            R::OverrideNameInvalid => Self::OverrideNameInvalid,
            R::OverrideNameTaken { .. } => Self::OverrideNameTaken,
            R::UpdateWithdrawn => Self::UpdateWithdrawn,
            R::ReleaseInProgress => Self::ReleaseInProgress,
            R::ReleasePaused => Self::ReleasePaused,
            R::OutcomeNotAllowed => Self::OutcomeNotAllowed,
            R::CommentTooLong => Self::CommentTooLong,
        }
    }
}
