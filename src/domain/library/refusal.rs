use crate::domain::refusal::{Field, REUSED, Refusal, path};

/// Why publishing, withdrawing or copying a process was refused (R53).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LibraryRefusal {
    NotAProcess,
    NotShareable,
    PackageDeleted,
    DescriptionTooLong,
    TooMany,
    AlreadyWithdrawn,
    NameRequired,
    NameTooLong,
    ClientRequestIdReused,
}

impl Refusal for LibraryRefusal {
    fn message(&self) -> String {
        match self {
            Self::NotAProcess => "Only a PROCESS can be published to the library.",
            Self::NotShareable => "Choose a package that is shareable.",
            Self::PackageDeleted => "Choose a package that is not deleted, or restore it first.",
            Self::DescriptionTooLong => "Shorten the description to 20,000 characters.",
            Self::TooMany => "Name at most 100 groups.",
            Self::AlreadyWithdrawn => "The process is withdrawn already.",
            Self::NameRequired => "Give the copy a name, or leave it out.",
            Self::NameTooLong => "Shorten the name to 255 characters.",
            Self::ClientRequestIdReused => REUSED,
        }
        .into()
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::NotAProcess | Self::NotShareable | Self::PackageDeleted => path(&["packagedComponentId"]),
            Self::DescriptionTooLong => path(&["description"]),
            Self::TooMany => path(&["groupIds"]),
            Self::AlreadyWithdrawn => path(&["processId"]),
            Self::NameRequired | Self::NameTooLong => path(&["name"]),
            Self::ClientRequestIdReused => path(&["clientRequestId"]),
        }
    }
}
