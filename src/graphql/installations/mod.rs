//! Installations of packs and their updates, for the publisher and for the account that has them.

pub mod adoption;
pub mod installation;
pub mod installation_update;
pub mod loaders;
pub(crate) mod mutations;
pub mod query;
pub(crate) mod refusal;
pub mod version_count;
