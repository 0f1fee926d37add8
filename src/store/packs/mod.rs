//! Rows of packs, of their drafts and of their versions.

pub mod deletion;
pub mod drafts;
pub mod read;
pub mod versions;
pub mod write;
pub mod write_drafts;
