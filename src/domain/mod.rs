//! The rules of `docs/lifecycle.md` as pure functions.
//!
//! Nothing here waits, reads a clock or accesses a database: `now` is a parameter, and callers pass the facts that a
//! rule needs as a struct. Rule numbers such as R28 refer to `docs/lifecycle.md`.

pub mod accounts;
pub mod batch;
pub mod components;
pub mod host;
pub mod id;
pub mod installations;
pub mod instant;
pub mod library;
pub mod log;
pub mod own_key;
pub mod packs;
pub mod refusal;
pub mod releases;
pub mod sharing;
pub mod source;
pub mod text;
pub mod webhooks;

/// An instant in UTC, cut to microseconds by the [clock](crate::clock).
pub type Instant = chrono::DateTime<chrono::Utc>;
