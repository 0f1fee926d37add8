//! The subjects of audit entries, and how long the logs are kept.

mod retention;
mod subject;

pub(crate) use retention::{begin_pruning, prune_events};
pub(crate) use subject::Subject;
