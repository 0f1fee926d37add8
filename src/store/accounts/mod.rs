//! Rows of accounts, their tokens, and the pipelines that they trust.

pub mod authority;
pub mod bearers;
pub mod read;
pub mod tokens;
pub mod trusted;
pub mod write;
pub mod write_trusted;

pub(in crate::store) use bearers::{Bearers, CACHED_FOR};
