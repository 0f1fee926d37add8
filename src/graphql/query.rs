//! The type `Query`, merged from its parts.

pub mod publisher;

use async_graphql::MergedObject;

use super::node::NodeQuery;
use crate::graphql::accounts::query::AccountQuery;
use crate::graphql::installations::query::ManagedQuery;
use crate::graphql::library::query::LibraryQuery;
use crate::graphql::log::query::LogQuery;
use publisher::PublisherQuery;

/// Everything that can be read. A field for publishers answers a managed account with the error FORBIDDEN, and the reverse.
#[derive(MergedObject, Default)]
pub struct Query(PublisherQuery, AccountQuery, ManagedQuery, LibraryQuery, LogQuery, NodeQuery);
