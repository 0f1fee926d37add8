//! The process library: processes that a publisher shares one by one, as templates (R53).

mod refusal;

pub(crate) use refusal::LibraryRefusal;

use super::Instant;
use super::id::{AccountId, ComponentVersionId, LibraryProcessId};
use crate::domain::components::ComponentType;

/// The most groups in one call that shares a process.
pub const GROUPS_MAX: usize = 100;
/// The most characters in a process's description.
pub const DESCRIPTION_MAX: usize = 20_000;

/// A process of the library, also after it was withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryProcess {
    pub id: LibraryProcessId,
    pub publisher_id: AccountId,
    pub component_version_id: ComponentVersionId,
    /// The component's name.
    pub name: String,
    /// The package's version label.
    pub version: String,
    /// Empty without a description.
    pub description: String,
    /// When the process was last published.
    pub published_at: Instant,
    /// `None` while the process is offered.
    pub withdrawn_at: Option<Instant>,
    /// How many copies managed accounts have taken.
    pub copy_count: i64,
}

/// The origin of a copied component, with names as they were at the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    pub process_id: LibraryProcessId,
    pub name: String,
    pub version: String,
}

/// Whether a package may be published to the library. Checks the component's type, then the shareable flag, then the
/// deletion.
pub fn check_publish(component: ComponentType, shareable: bool, deleted: bool) -> Result<(), LibraryRefusal> {
    match () {
        () if component != ComponentType::Process => Err(LibraryRefusal::NotAProcess),
        () if !shareable => Err(LibraryRefusal::NotShareable),
        () if deleted => Err(LibraryRefusal::PackageDeleted),
        () => Ok(()),
    }
}
