//! Components and what is packaged of them.

pub(crate) mod deleting;
pub(crate) mod labels;
pub(crate) mod legacy;
pub(crate) mod newer_versions;
pub(crate) mod packaging;
pub(crate) mod packaging_input;
