//! The process library: single processes, shared as templates (R53).

use super::Instant;
use super::id::{AccountId, ComponentVersionId, LibraryProcessId};
use super::packaged_component::ComponentType;
use super::refusal::LibraryRefusal;

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
