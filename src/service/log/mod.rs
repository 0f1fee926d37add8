//! The subjects of audit entries, the seals of the audit log, and how long the logs are kept.

mod retention;
mod sealing;
mod sending;
mod subject;
mod verifying;

pub(crate) use retention::{Cutoffs, begin_pruning, cut_audit, prune_events};
pub use sealing::seal_entries;
pub use sending::SealsTo;
pub(crate) use subject::Subject;
pub use verifying::{SentSeal, SentSeals, VerifiedLog, verify_audit};
