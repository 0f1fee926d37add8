//! Rows of releases and of their windows.

pub mod read;
pub mod windows;
pub mod write;
