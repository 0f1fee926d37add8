//! Rows of the process library.

pub mod read;
pub mod write;

pub(in crate::store) use read::is_offered;
