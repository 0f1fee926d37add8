//! Components, packages and publications.

pub(crate) mod changing;
pub(crate) mod deleting;
pub(crate) mod labels;
pub(crate) mod legacy;
pub(crate) mod newer_versions;
pub(crate) mod packaging;
pub(crate) mod packaging_input;
pub(crate) mod sources;
