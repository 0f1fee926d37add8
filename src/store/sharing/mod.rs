//! Rows of groups, members and shares, and conditions on grants.

pub mod artifacts;
pub mod available;
pub mod grants;
pub mod groups;
pub mod many;
pub mod pairs;
pub mod write_grants;

pub(in crate::store) use available::{TAKEN_BACK, pack_is_visible, update_row_is_shown};
pub(in crate::store) use grants::{entitled, installation_is_visible, of_living_pack};
pub(in crate::store) use write_grants::granted_accounts;
