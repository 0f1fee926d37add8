//! Rows of components and of what is packaged of them.

pub mod read;
pub mod uses;
pub mod versions;
pub mod write;
pub mod write_uses;
