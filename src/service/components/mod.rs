//! Packaging components, and deleting what was packaged.

pub(crate) mod deleting;
pub(crate) mod holders;
pub mod packaging;
