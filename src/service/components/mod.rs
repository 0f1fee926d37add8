//! Packaging components, and deleting what was packaged.

pub mod deleting;
pub mod holders;
pub mod packaging;
