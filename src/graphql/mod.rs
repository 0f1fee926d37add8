//! The GraphQL schema: its types and resolvers, and the mapping of requests and errors.

pub mod accounts;
pub mod batch;
pub mod components;
pub mod connection;
pub mod context;
pub mod demo;
pub mod enums;
pub mod error;
mod extension;
pub mod filters;
pub mod ids;
pub mod installations;
pub mod interfaces;
mod introspection;
pub mod library;
pub mod loaders;
pub mod log;
mod lookup;
pub mod mutations;
pub mod node;
pub mod packs;
mod panics;
pub mod query;
pub mod refusals;
pub mod releases;
pub mod scalars;
pub mod schema;
pub mod sharing;
mod source;
mod written;

pub use crate::graphql::demo::ResetDemo;
pub use crate::graphql::log::StreamCursor;
pub use panics::Panics;
pub use schema::{ConnectionHandle, FACTS, PackwrightSchema, prepare, schema, sdl};
pub use written::{Part, Rendered, Written, part_of};
