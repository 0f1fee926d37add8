//! Packages components, and deletes packages.

pub mod deleting;
pub mod holders;
pub mod packaging;
