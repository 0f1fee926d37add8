//! The subjects of audit entries, and how long the logs are kept.

pub mod retention;
pub mod subject;
