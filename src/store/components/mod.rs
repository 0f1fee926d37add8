//! Rows of components, their packages and their publications.

pub mod changes;
pub mod read;
pub mod uses;
pub mod versions;
pub mod write;
pub mod write_uses;

pub(in crate::store) use changes::save_in_pack_version;
pub(in crate::store) use read::{by_ids as components_by_ids, nothing};
pub(in crate::store) use versions::by_ids as component_versions_by_ids;
