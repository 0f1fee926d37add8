//! The type `Query`, merged from its parts.

pub mod publisher;

use async_graphql::MergedObject;

use super::node::NodeQuery;
use crate::graphql::accounts::AccountQuery;
use crate::graphql::installations::ManagedQuery;
use crate::graphql::library::LibraryQuery;
use crate::graphql::log::LogQuery;
use crate::graphql::webhooks::WebhookQuery;
use publisher::PublisherQuery;

/// Everything that can be read. A field for publishers answers a managed account with the error FORBIDDEN, and the reverse.
#[derive(MergedObject, Default)]
pub struct Query(PublisherQuery, AccountQuery, ManagedQuery, LibraryQuery, LogQuery, WebhookQuery, NodeQuery);
