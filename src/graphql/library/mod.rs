//! The process library, for publishers and for the accounts that copy processes.

mod available_process;
mod loaders;
mod mutations;
mod publication;
mod published_process;
mod publishing;
mod query;
mod refusal;

pub use available_process::{AvailableProcess, LibraryCopySource};
pub(in crate::graphql) use loaders::LibraryLoaders;
pub(in crate::graphql) use mutations::Library;
pub(crate) use publication::publications_connection;
pub use publication::{Publication, PublicationConnection};
pub use published_process::PublishedProcess;
pub(in crate::graphql) use publishing::Publishing;
pub use query::{LibraryProcessConnection, LibraryQuery};
pub use refusal::LibraryError;
