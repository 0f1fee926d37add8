//! Rows of packs, of their drafts and of their versions.

pub mod awaited;
pub mod deletion;
pub mod drafts;
mod due;
pub mod read;
pub mod versions;
pub mod write;
pub mod write_drafts;

pub(in crate::store) use due::{has_due, is_due, is_not_due, is_pending};
pub(in crate::store) use versions::{by_ids as versions_by_ids, contents_of as version_contents_of};
pub(in crate::store) use write::save_last_number;
