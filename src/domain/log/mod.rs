//! The event log and the audit log: their rows, and how long they are kept.

mod audit;
mod event;
mod progress;
mod record;
mod retention;
mod seal;
mod verifying;

pub(crate) use audit::{AuditEntry, CHANGES_MAX, Change, Recorded, Subject, SubjectKey};
pub use event::{Audience, EventData, EventKind, NewEvent, Position};
pub(crate) use event::{Event, WindowFacts};
pub use progress::Progress;
pub use record::IdRange;
pub(crate) use record::{Class, EntryClass, EventClass, INSTALLATION, Record, VersionAfter};
pub use retention::next_cutoff;
pub(crate) use seal::last_old;
pub use seal::{Canonical, Chain, ChainPlace, Hash, Link, SEAL_MAX, Seal};
pub use verifying::{Broken, Verification, Verified};
