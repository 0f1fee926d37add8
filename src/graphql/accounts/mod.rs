//! Accounts, their tokens, and actors.

pub mod actor;
pub mod api_token;
pub mod loaders;
pub mod managed_account;
pub(crate) mod mutations;
pub mod own_account;
pub mod publisher_account;
pub mod query;
pub(crate) mod refusal;
pub(crate) mod tokens;
pub mod viewer;
