//! Accounts, their tokens, and actors.

mod actor;
mod api_token;
mod loaders;
mod managed_account;
mod mutations;
mod own_account;
mod publisher_account;
mod query;
mod refusal;
mod tokens;
mod trusted_publisher;
mod trusting;
mod viewer;

pub use actor::Actor;
pub use api_token::{ApiToken, ApiTokenConnection};
pub(in crate::graphql) use loaders::AccountLoaders;
pub use managed_account::{
    AccountsOf, ManagedAccount, ManagedAccountConnection, ManagedAccountFilter, accounts_connection,
};
pub(in crate::graphql) use mutations::Accounts;
pub use own_account::OwnAccount;
pub use publisher_account::PublisherAccount;
pub use query::AccountQuery;
pub use refusal::AccountError;
pub(in crate::graphql) use tokens::Tokens;
pub use trusted_publisher::{TrustedPublisher, TrustedPublisherConnection};
pub(in crate::graphql) use trusting::Trusting;
