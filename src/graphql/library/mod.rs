//! The process library: what is published, and what an account can copy.

pub mod available_process;
pub(crate) mod mutations;
pub mod publication;
pub mod published_process;
pub(crate) mod publishing;
pub mod query;
pub(crate) mod refusal;
