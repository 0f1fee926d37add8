use async_graphql::{Enum, Object};

use crate::domain::library::LibraryRefusal;
use crate::domain::refusal::Refusal as _;

/// The error when publishing, withdrawing or copying a process was refused.
#[derive(Clone, Debug)]
pub struct LibraryError(LibraryRefusal);

impl From<LibraryRefusal> for LibraryError {
    fn from(refusal: LibraryRefusal) -> Self {
        Self(refusal)
    }
}

/// The error when publishing, withdrawing or copying a process was refused.
#[Object]
impl LibraryError {
    /// The rule that refused.
    pub async fn code(&self) -> LibraryErrorCode {
        LibraryErrorCode::from(&self.0)
    }

    /// A sentence in English that says what to do.
    pub async fn message(&self) -> String {
        self.0.message()
    }

    /// The path into `input`; null when no one field is at fault.
    pub async fn field(&self) -> Option<Vec<String>> {
        self.0.field()
    }
}

/// The reasons to refuse publishing, withdrawing or copying a process.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LibraryErrorCode {
    /// It isn't a process.
    NotAProcess,
    /// The package isn't shareable.
    NotShareable,
    /// The package is deleted.
    PackageDeleted,
    /// The description is longer than 20,000 characters.
    DescriptionTooLong,
    /// More than 100.
    TooMany,
    /// It is withdrawn already.
    AlreadyWithdrawn,
    /// The name is empty.
    NameRequired,
    /// The name is longer than 255 characters.
    NameTooLong,
    /// The same ID came with another input.
    ClientRequestIdReused,
}

impl From<&LibraryRefusal> for LibraryErrorCode {
    fn from(refusal: &LibraryRefusal) -> Self {
        use LibraryRefusal as R;
        match refusal {
            R::NotAProcess => Self::NotAProcess,
            R::NotShareable => Self::NotShareable,
            R::PackageDeleted => Self::PackageDeleted,
            R::DescriptionTooLong => Self::DescriptionTooLong,
            R::TooMany => Self::TooMany,
            R::AlreadyWithdrawn => Self::AlreadyWithdrawn,
            R::NameRequired => Self::NameRequired,
            R::NameTooLong => Self::NameTooLong,
            R::ClientRequestIdReused => Self::ClientRequestIdReused,
        }
    }
}
