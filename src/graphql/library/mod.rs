//! The process library, for publishers and for the accounts that copy processes.

pub mod available_process;
pub mod loaders;
pub(crate) mod mutations;
pub mod publication;
pub mod published_process;
pub(crate) mod publishing;
pub mod query;
pub(crate) mod refusal;
