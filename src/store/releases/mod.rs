//! Rows of releases and of their windows.

pub mod read;
pub mod windows;
pub mod write;

pub(in crate::store) use read::OPEN as OPEN_STATES;
