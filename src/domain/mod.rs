//! The rules of `lifecycle.md` as plain functions over plain data.
//!
//! Nothing here waits, reads a clock or knows a database: `now` is a parameter, and what a rule needs
//! to know comes in as a struct. Rule numbers (R28) are those of `docs/lifecycle.md`.

pub mod account;
pub mod adoption;
pub mod audit;
pub mod batch;
pub mod event;
pub mod id;
pub mod installation;
pub mod instant;
pub mod label;
pub mod library;
pub mod pack;
pub mod packaged_component;
pub mod preview;
pub mod refusal;
pub mod release;
pub mod retention;
pub mod text;
pub mod window;
pub mod zone;

/// An instant in UTC, cut to microseconds by the [clock](crate::clock) that gave it.
pub type Instant = chrono::DateTime<chrono::Utc>;
