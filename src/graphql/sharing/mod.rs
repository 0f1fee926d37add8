//! Groups of accounts, and the packs that are shared with them.

mod account_group;
mod available_pack;
mod available_pack_version;
mod groups;
mod loaders;
mod mutations;
mod refusal;

pub use account_group::{AccountGroup, AccountGroupConnection, AccountGroupFilter, GroupsOf, groups_connection};
pub use available_pack::{AvailablePack, AvailablePackConnection, AvailablePackFilter, available_packs_connection};
pub use available_pack_version::AvailablePackVersion;
pub(in crate::graphql) use groups::Groups;
pub(in crate::graphql) use loaders::SharingLoaders;
pub(in crate::graphql) use mutations::Sharing;
pub use refusal::SharingError;
