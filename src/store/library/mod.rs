//! Rows of the process library.

pub mod read;
pub mod write;
