//! The loaders for accounts and API tokens.

use crate::domain::accounts::{Account, ApiToken, TrustedPublisher};
use crate::domain::id::{AccountId, TokenId, TrustedPublisherId};
use crate::domain::own_key::OwnKey;
use crate::graphql::batch::{Base, Batch};
use crate::store::accounts::read::AccountFilter;
use crate::store::accounts::{read as accounts, tokens, trusted};
use crate::store::page::{Page, PageRequest};

/// Loaders of accounts and API tokens.
pub struct AccountLoaders {
    /// The caller's account in its present state.
    pub own: Batch<(), Account>,
    pub by_id: Batch<AccountId, Account>,
    /// By their owners' keys (R67).
    pub by_key: Batch<OwnKey, Account>,
    pub pages: Batch<(AccountFilter, PageRequest), Page<Account>>,
    pub tokens: Batch<TokenId, ApiToken>,
    pub token_pages: Batch<PageRequest, Page<ApiToken>>,
    /// Up to two tokens, each of which alone keeps the account accessible (R1).
    pub open_tokens: Batch<(), Vec<TokenId>>,
    pub trusted: Batch<TrustedPublisherId, TrustedPublisher>,
    pub trusted_pages: Batch<PageRequest, Page<TrustedPublisher>>,
    /// The name of the managed account's publisher.
    pub publisher_name: Batch<(), String>,
}

impl AccountLoaders {
    pub(in crate::graphql) fn new(base: &Base) -> Self {
        Self {
            own: Batch::scoped(base, async |snapshot, _| Ok(single_value(accounts::own(&snapshot).await?))),
            by_id: Batch::of_publisher(base, async |snapshot, ids| accounts::managed_by_ids(&snapshot, &ids).await),
            by_key: Batch::of_publisher(base, async |snapshot, keys| accounts::managed_by_keys(&snapshot, &keys).await),
            pages: Batch::of_publisher(base, async |snapshot, keys| accounts::pages(&snapshot, &keys).await),
            tokens: Batch::scoped(base, async |snapshot, ids| tokens::by_ids(&snapshot, &ids).await),
            token_pages: Batch::scoped(base, async |snapshot, keys| tokens::pages(&snapshot, &keys).await),
            open_tokens: Batch::scoped(base, async |snapshot, _| {
                Ok(single_value(Some(tokens::that_keep_the_account_open(&snapshot).await?)))
            }),
            trusted: Batch::scoped(base, async |snapshot, ids| trusted::by_ids(&snapshot, &ids).await),
            trusted_pages: Batch::scoped(base, async |snapshot, keys| trusted::pages(&snapshot, &keys).await),
            publisher_name: Batch::of_managed(base, async |snapshot, _| {
                Ok(single_value(accounts::publisher_name(&snapshot).await?))
            }),
        }
    }
}

/// A map with the single value, if there is one.
fn single_value<V>(value: Option<V>) -> std::collections::HashMap<(), V> {
    value.map(|value| ((), value)).into_iter().collect()
}
