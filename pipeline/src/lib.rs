//! A client of the server's API, for pipelines: `packwright package`, `preview`, `release` and so on.
//!
//! It knows the server by `schema.graphql` alone. Each operation is a file in `operations/`, and the compiler checks it
//! against the schema. Decisions are functions that need no connection: [`surroundings`], [`request_id`], [`stages`],
//! [`plan`], [`verdict`], [`markdown`], [`sse`].

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

/// The result of a command.
#[derive(Debug)]
pub struct Report {
    /// The data, for `--json`.
    pub data: Value,
    /// The same data as lines of text, for standard output without `--json`.
    pub lines: Vec<String>,
    /// A sentence about the result, for standard error.
    pub words: Option<String>,
    pub exit: Exit,
}

/// Shows the progress of a command that takes long.
pub trait Talk: Send {
    /// Shows a sentence.
    fn say(&mut self, sentence: &str);
    /// Shows that `percent` of the work are done, with a few words.
    fn progress(&mut self, percent: f64, words: &str);
}
