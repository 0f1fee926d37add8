use crate::domain::id::InstallationId;
use crate::domain::own_key::KEY_INVALID;
use crate::domain::refusal::{Field, REUSED, Refusal, path};

/// Why installing, renaming or updating was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstallationRefusal {
    ClientRequestIdReused,
    NotEntitled,
    AlreadyInstalled { existing: Option<InstallationId> },
    OverrideNameNotAllowed,
    OverrideNameInvalid,
    OverrideNameTaken { existing: Option<InstallationId> },
    UpdateWithdrawn,
    ReleaseInProgress,
    ReleasePaused,
    OutcomeNotAllowed,
    CommentTooLong,
    KeyTaken { existing: Option<InstallationId> },
    KeyInvalid,
}

impl Refusal for InstallationRefusal {
    fn message(&self) -> String {
        match self {
            Self::ClientRequestIdReused => REUSED,
            Self::NotEntitled => "The pack is no longer shared with this account; ask its publisher.",
            Self::AlreadyInstalled { .. } => "The pack is installed already, and can be installed only once.",
            Self::OverrideNameNotAllowed => {
                "Only an installation of a MULTI pack has a name of its own; leave the name out."
            }
            Self::OverrideNameInvalid => "Give a name of 1 to 255 characters.",
            Self::OverrideNameTaken { .. } => {
                "Another installation of the account has this name, whatever the case; choose another."
            }
            Self::UpdateWithdrawn => {
                "The update was withdrawn: its release was canceled or superseded, or the pack uninstalled."
            }
            Self::ReleaseInProgress => {
                "The release window has opened: the server moves this installation now; there is nothing to do."
            }
            Self::OutcomeNotAllowed => {
                "Report only an update that is applied, while its installation still has the update's version."
            }
            Self::CommentTooLong => "Shorten the comment to 2,000 characters.",
            Self::KeyTaken { .. } => "Another installation of the account has this key; choose another.",
            Self::KeyInvalid => KEY_INVALID,
            Self::ReleasePaused => "The publisher has paused the release; apply the update when the release goes on.",
        }
        .into()
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::ClientRequestIdReused => path(&["clientRequestId"]),
            Self::OverrideNameNotAllowed | Self::OverrideNameInvalid | Self::OverrideNameTaken { .. } => {
                path(&["overrideName"])
            }
            Self::NotEntitled
            | Self::AlreadyInstalled { .. }
            | Self::UpdateWithdrawn
            | Self::ReleaseInProgress
            | Self::ReleasePaused
            | Self::OutcomeNotAllowed => None,
            Self::CommentTooLong => path(&["comment"]),
            Self::KeyTaken { .. } | Self::KeyInvalid => path(&["key"]),
        }
    }
}
