//! A client of the server's API, for pipelines: `packwright package`, `preview`, `release` and so on.
//!
//! It knows the server by `schema.graphql` alone. Each operation is a file in `operations/`, and the compiler checks it
//! against the schema. What is decided here is decided by functions without a connection: [`surroundings`],
//! [`request_id`], [`stages`], [`plan`], [`verdict`], [`markdown`], [`sse`].

mod api;
mod commands;
mod credentials;
mod failure;
mod http;
pub mod markdown;
#[allow(nonstandard_style, unreachable_pub, unused_imports, clippy::all, reason = "most of it is made by build.rs")]
mod operations;
pub mod plan;
mod refusals;
pub mod request_id;
pub mod sse;
pub mod stages;
pub mod surroundings;
mod tls;
pub mod verdict;

pub use api::{Api, ServerAddress};
pub use commands::{
    Artifact, PackageRequest, PreviewRequest, ReleaseRequest, RollBackRequest, WatchRequest, package, pause, preview,
    release, resume, roll_back, watch, whoami,
};
pub use credentials::Credentials;
pub use failure::{Exit, Failure};
pub use tls::connector;

use serde_json::Value;

/// What a command has found out or done.
#[derive(Debug)]
pub struct Report {
    /// The data, for programs.
    pub data: Value,
    /// The same for people and shells, line by line.
    pub lines: Vec<String>,
    /// A sentence about it, if there is more to say than the data do.
    pub words: Option<String>,
    pub exit: Exit,
}

/// How a command that takes long tells how far it is.
pub trait Talk: Send {
    /// A sentence.
    fn say(&mut self, sentence: &str);
    /// How many of a hundred are done.
    fn progress(&mut self, percent: f64, words: &str);
}
