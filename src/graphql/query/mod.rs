//! The type `Query`, merged from its parts.

pub mod account;
pub mod library;
pub mod logs;
pub mod managed;
pub mod publisher;

use async_graphql::MergedObject;

use super::node::NodeQuery;
use account::AccountQuery;
use library::LibraryQuery;
use logs::LogQuery;
use managed::ManagedQuery;
use publisher::PublisherQuery;

/// Everything that can be read. A field for publishers answers a managed account with the error FORBIDDEN, and the reverse.
#[derive(MergedObject, Default)]
pub struct Query(PublisherQuery, AccountQuery, ManagedQuery, LibraryQuery, LogQuery, NodeQuery);
