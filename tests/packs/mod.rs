//! Packs, their drafts, and previews of releases.

pub(crate) mod basics;
pub(crate) mod cached_drafts;
pub(crate) mod composing;
pub(crate) mod deleting_packs;
pub(crate) mod deleting_races;
pub(crate) mod draft_rows;
pub(crate) mod drafts;
pub(crate) mod keys;
pub(crate) mod names;
pub(crate) mod preview_warnings;
pub(crate) mod previews;
