//! Rows of groups, members and shares, and conditions on grants.

pub mod available;
pub mod grants;
pub mod groups;
pub mod many;
pub mod pairs;
pub mod write_grants;
