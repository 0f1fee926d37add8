//! Rows of accounts and their tokens.

pub mod authority;
pub mod bearers;
pub mod read;
pub mod tokens;
pub mod write;

pub(in crate::store) use bearers::{Bearers, CACHED_FOR};
