//! The rules of `docs/lifecycle.md` as pure functions.
//!
//! Nothing here waits, reads a clock or accesses a database: `now` is a parameter, and callers pass the facts that a
//! rule needs as a struct. Rule numbers such as R28 refer to `docs/lifecycle.md`.

pub mod account;
pub mod adoption;
pub mod audit;
pub mod batch;
pub mod event;
pub mod host;
pub mod id;
pub mod installation;
pub mod instant;
pub mod label;
pub mod library;
pub mod pack;
pub mod packaged_component;
pub mod preview;
pub mod record;
pub mod refusal;
pub mod release;
pub mod retention;
pub mod text;
pub mod window;
pub mod zone;

/// An instant in UTC, cut to microseconds by the [clock](crate::clock).
pub type Instant = chrono::DateTime<chrono::Utc>;
