//! The loaders for the process library.

use crate::domain::id::{ComponentId, ComponentVersionId, LibraryProcessId};
use crate::domain::library::{CopySource, LibraryProcess};
use crate::graphql::batch::{Base, Batch};
use crate::store::library::read as library;

/// Loaders of the process library, for both kinds of callers.
pub struct LibraryLoaders {
    /// For a publisher its own processes, including withdrawn ones; for a managed account the processes that are
    /// offered to it.
    pub processes: Batch<LibraryProcessId, LibraryProcess>,
    /// The library entries of a publisher's packages.
    pub of_packages: Batch<ComponentVersionId, LibraryProcess>,
    /// The source of a component that is a copy.
    pub copy_sources: Batch<ComponentId, CopySource>,
}

impl LibraryLoaders {
    pub(in crate::graphql) fn new(base: &Base) -> Self {
        Self {
            processes: Batch::scoped(base, async |snapshot, ids| library::by_ids(&snapshot, &ids).await),
            of_packages: Batch::of_publisher(base, async |snapshot, ids| library::of_packages(&snapshot, &ids).await),
            copy_sources: Batch::scoped(base, async |snapshot, ids| library::copy_sources(&snapshot, &ids).await),
        }
    }
}
