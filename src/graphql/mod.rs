//! The GraphQL schema: types, resolvers, and how requests and errors are mapped.

mod around;
pub mod audit_log;
pub mod connection;
pub mod context;
pub mod enums;
pub mod error;
pub mod event_log;
pub mod filters;
pub mod ids;
pub mod interfaces;
mod introspection;
pub mod loaders;
pub mod loaders_library;
pub mod loaders_logs;
pub mod loaders_managed;
pub mod mutations;
pub mod node;
mod panics;
pub mod place;
pub mod query;
pub mod refusals;
pub mod scalars;
pub mod schema;
pub mod subscription;
pub mod types;
mod written;

pub use mutations::demo::BeginAnew;
pub use panics::Panics;
pub use place::Place;
pub use schema::{FACTS, Held, PackwrightSchema, prepare, schema, sdl};
pub use written::{Part, Rendered, Written, part_of};
