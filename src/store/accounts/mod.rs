//! Rows of accounts and of their tokens.

pub mod authority;
pub mod bearers;
pub mod read;
pub mod tokens;
pub mod write;
