//! The loaders for accounts, groups and installations, and for managed accounts.

use super::loaders::{Base, Batch};
use crate::domain::accounts::{Account, AccountGroup, ApiToken};
use crate::domain::id::{AccountId, GroupId, InstallationId, PackId, PackVersionId, ReleaseId, TokenId, UpdateId};
use crate::domain::installations::Installation;
use crate::domain::packs::PackVersion;
use crate::domain::releases::Release;
use crate::store::accounts::read::AccountFilter;
use crate::store::accounts::{read as accounts, tokens};
use crate::store::installations::read::InstallationFilter;
use crate::store::installations::updates::{SeenUpdate, UpdatesKey};
use crate::store::installations::{read as installations, updates};
use crate::store::page::{Page, PageRequest};
use crate::store::sharing::available::{AvailableFilter, AvailablePack};
use crate::store::sharing::groups::GroupFilter;
use crate::store::sharing::{available, grants, groups};

/// Loaders for managed accounts, and a publisher's loaders for accounts and installations.
pub struct ManagedLoaders {
    /// The caller's account in its present state.
    pub own_account: Batch<(), Account>,
    pub accounts: Batch<AccountId, Account>,
    pub account_pages: Batch<(AccountFilter, PageRequest), Page<Account>>,
    pub groups: Batch<GroupId, AccountGroup>,
    pub group_pages: Batch<(GroupFilter, PageRequest), Page<AccountGroup>>,
    pub tokens: Batch<TokenId, ApiToken>,
    pub token_pages: Batch<PageRequest, Page<ApiToken>>,
    /// Up to two tokens, each of which alone keeps the account accessible (R1).
    pub open_tokens: Batch<(), Vec<TokenId>>,
    pub installations: Batch<InstallationId, Installation>,
    pub installation_pages: Batch<(InstallationFilter, PageRequest), Page<Installation>>,
    /// Whether an installation is entitled. Otherwise it is frozen (R45).
    pub entitled: Batch<InstallationId, bool>,
    /// The update that can be applied early now (R26).
    pub pending: Batch<InstallationId, SeenUpdate>,
    pub updates: Batch<UpdateId, SeenUpdate>,
    pub update_pages: Batch<UpdatesKey, Page<SeenUpdate>>,
    /// The name of the managed account's publisher.
    pub publisher_name: Batch<(), String>,
    pub available_packs: Batch<PackId, AvailablePack>,
    pub available_pages: Batch<(AvailableFilter, PageRequest), Page<AvailablePack>>,
    pub available_versions: Batch<PackVersionId, PackVersion>,
    pub announced_releases: Batch<ReleaseId, Release>,
}

impl ManagedLoaders {
    pub(super) fn new(base: &Base) -> Self {
        Self {
            own_account: Batch::scoped(base, async |b, scope, _| Ok(only(accounts::own(&b.db, scope).await?))),
            accounts: Batch::of_publisher(base, async |b, scope, ids| {
                accounts::managed_by_ids(&b.db, &scope, &ids).await
            }),
            account_pages: Batch::of_publisher(base, async |b, scope, keys| {
                accounts::pages(&b.db, &scope, &keys).await
            }),
            groups: Batch::of_publisher(base, async |b, scope, ids| groups::by_ids(&b.db, &scope, &ids).await),
            group_pages: Batch::of_publisher(base, async |b, scope, keys| groups::pages(&b.db, &scope, &keys).await),
            tokens: Batch::scoped(base, async |b, scope, ids| tokens::by_ids(&b.db, scope, &ids).await),
            token_pages: Batch::scoped(base, async |b, scope, keys| tokens::pages(&b.db, scope, &keys).await),
            open_tokens: Batch::scoped(base, async |b, scope, _| {
                Ok(only(Some(tokens::that_keep_the_account_open(&b.db, scope).await?)))
            }),
            installations: Batch::scoped(base, async |b, scope, ids| installations::by_ids(&b.db, scope, &ids).await),
            installation_pages: Batch::scoped(base, async |b, scope, keys| {
                installations::pages(&b.db, scope, b.now, &keys).await
            }),
            entitled: Batch::scoped(base, async |b, scope, ids| {
                let entitled = grants::entitled_installations(&b.db, scope, &ids).await?;
                Ok(ids.into_iter().map(|id| (id, entitled.contains(&id))).collect())
            }),
            pending: Batch::scoped(base, async |b, scope, ids| updates::pending_of(&b.db, scope, b.now, &ids).await),
            updates: Batch::scoped(base, async |b, scope, ids| updates::by_ids(&b.db, scope, b.now, &ids).await),
            update_pages: Batch::scoped(base, async |b, scope, keys| updates::pages(&b.db, scope, b.now, &keys).await),
            publisher_name: Batch::of_managed(base, async |b, scope, _| {
                Ok(only(accounts::publisher_name(&b.db, &scope).await?))
            }),
            available_packs: Batch::of_managed(base, async |b, scope, ids| {
                available::packs_by_ids(&b.db, &scope, b.now, &ids).await
            }),
            available_pages: Batch::of_managed(base, async |b, scope, keys| {
                available::pages(&b.db, &scope, b.now, &keys).await
            }),
            available_versions: Batch::of_managed(base, async |b, scope, ids| {
                available::versions_by_ids(&b.db, &scope, b.now, &ids).await
            }),
            announced_releases: Batch::of_managed(base, async |b, scope, ids| {
                available::releases_by_ids(&b.db, &scope, b.now, &ids).await
            }),
        }
    }
}

/// A map with the single value, if there is one.
fn only<V>(value: Option<V>) -> std::collections::HashMap<(), V> {
    value.map(|value| ((), value)).into_iter().collect()
}
