//! Integration packs, their versions, their drafts, and previews of releases.

pub(crate) mod draft;
pub mod draft_rows;
pub mod integration_pack;
pub mod loaders;
pub(crate) mod mutations;
pub mod pack_component;
pub mod pack_diff;
pub mod pack_version;
pub mod pending_release;
pub(crate) mod refusal;
pub mod support_info;
