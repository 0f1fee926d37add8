//! Rows of groups and shares, and who is granted which pack by them.

pub mod available;
pub mod grants;
pub mod groups;
pub mod pairs;
pub mod write_grants;
