//! Groups of accounts, and the packs that are shared with them.

pub mod account_group;
pub mod available_pack;
pub mod available_pack_version;
pub(crate) mod groups;
pub mod loaders;
pub(crate) mod mutations;
pub(crate) mod refusal;
