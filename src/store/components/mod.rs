//! Rows of components, their packages and their publications.

pub mod read;
pub mod uses;
pub mod versions;
pub mod write;
pub mod write_uses;
