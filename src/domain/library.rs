//! The process library: single processes, shared as templates (R53).

use super::Instant;
use super::id::{AccountId, ComponentVersionId, LibraryProcessId};
use super::packaged_component::ComponentType;
use super::refusal::{Field, REUSED, Refusal, path};

/// The most groups that a process is shared with by one call.
pub const GROUPS_MAX: usize = 100;
/// The most characters of a process's description.
pub const DESCRIPTION_MAX: usize = 20_000;

/// A process in the library, or one that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryProcess {
    pub id: LibraryProcessId,
    pub publisher_id: AccountId,
    pub component_version_id: ComponentVersionId,
    /// The component's.
    pub name: String,
    /// The package's label.
    pub version: String,
    /// Empty when there is none.
    pub description: String,
    /// When it came into the library; the last time, for one that came back.
    pub published_at: Instant,
    /// `None` while it is offered.
    pub withdrawn_at: Option<Instant>,
    /// How many copies were taken.
    pub copy_count: i64,
}

/// Where a copied component came from, as it was when it was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    pub process_id: LibraryProcessId,
    pub name: String,
    pub version: String,
}

/// Whether a package can stand in the library.
///
/// # Errors
/// NOT_A_PROCESS, NOT_SHAREABLE, PACKAGE_DELETED, in this order.
pub fn check_publish(component: ComponentType, shareable: bool, deleted: bool) -> Result<(), LibraryRefusal> {
    match () {
        () if component != ComponentType::Process => Err(LibraryRefusal::NotAProcess),
        () if !shareable => Err(LibraryRefusal::NotShareable),
        () if deleted => Err(LibraryRefusal::PackageDeleted),
        () => Ok(()),
    }
}

/// Why publishing, withdrawing or copying a process was refused.
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
