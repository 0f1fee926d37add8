//! A managed account, as its publisher sees it.

use async_graphql::{Context, ID, InputObject, Object, Result};

use crate::domain::accounts as account;
use crate::domain::accounts::{Account, Privilege};
use crate::domain::id::{AccountId, GroupId};
use crate::domain::own_key::OwnKey;
use crate::graphql::connection::{PageArgs, connection, searchable};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::AccountStatus;
use crate::graphql::error::ResultExt as _;
use crate::graphql::filters::{visible_group, visible_own_pack};
use crate::graphql::ids::Gid;
use crate::graphql::installations::{
    InstallationConnection, InstallationFilter, InstallationsOf, installations_connection,
};
use crate::graphql::packs::{IntegrationPackConnection, packs_connection};
use crate::graphql::scalars::{DateTime, TimeZoneName};
use crate::graphql::sharing::{AccountGroupConnection, GroupsOf, groups_connection};
use crate::store::accounts::read as accounts;
use crate::store::accounts::read::AccountFilter;
use crate::store::packs::read::PacksOf;

connection!("accounts", ManagedAccountConnection, ManagedAccountEdge, ManagedAccount);

/// The type `ManagedAccount`: an account in its publisher's view.
pub struct ManagedAccount(Account);

/// A managed account as its publisher sees it.
#[Object]
impl ManagedAccount {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::ManagedAccount(self.0.id).encode()
    }

    /// 1 to 255 characters, unique for the publisher whatever the case.
    pub async fn name(&self) -> String {
        self.0.name.clone()
    }

    /// Whether it is active or suspended.
    pub async fn status(&self) -> AccountStatus {
        self.0.status.into()
    }

    /// The account's zone; null while none is set.
    pub async fn time_zone(&self) -> Option<TimeZoneName> {
        self.0.time_zone.clone().map(Into::into)
    }

    /// When it was made.
    pub async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was suspended; null while it is active.
    async fn suspended_at(&self) -> Option<DateTime> {
        self.0.suspended_at.map(Into::into)
    }

    /// The groups that it is in, All Accounts first.
    async fn groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<AccountGroupConnection> {
        let args = PageArgs::new(first, after, last, before);
        groups_connection(ctx, GroupsOf::Account(self.0.id), None, args).await
    }

    /// The packs that a group grants it, by name.
    async fn packs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<IntegrationPackConnection> {
        let args = PageArgs::new(first, after, last, before);
        packs_connection(ctx, PacksOf::GrantedTo(self.0.id), None, None, args).await
    }

    /// Its installations of the publisher's packs, by name.
    async fn installations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only installations that match all of it; `accountId` is ignored here.")] filter: Option<
            InstallationFilter,
        >,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<InstallationConnection> {
        let args = PageArgs::new(first, after, last, before);
        installations_connection(ctx, InstallationsOf::Account(self.0.id), filter, args).await
    }

    /// The key by which the publisher looks the account up; null when there is none. The account doesn't see it.
    async fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// Whether it has made its first token.
    async fn is_enrolled(&self) -> bool {
        self.0.enrolled_at.is_some()
    }

    /// Whether the caller may now rename it, or set its zone or its key.
    async fn viewer_can_update(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(ctx.viewer()?.may(Privilege::AccountAdministration))
    }

    /// Whether the caller may now suspend it.
    async fn viewer_can_suspend(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.0.status == account::AccountStatus::Active && ctx.viewer()?.may(Privilege::AccountAdministration))
    }

    /// Whether the caller may now reactivate it.
    async fn viewer_can_reactivate(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.0.status == account::AccountStatus::Suspended && ctx.viewer()?.may(Privilege::AccountAdministration))
    }
}

impl ManagedAccount {
    /// The account with this id, if the caller manages it.
    pub async fn by_id(ctx: &Context<'_>, id: AccountId) -> Result<Option<Self>> {
        Ok(ctx.loaders().accounts.by_id.one(id).await.or_failure()?.map(Self))
    }

    /// The account with this key, if the caller manages one.
    pub(in crate::graphql) async fn by_key(ctx: &Context<'_>, key: OwnKey) -> Result<Option<Self>> {
        Ok(ctx.loaders().accounts.by_key.one(key).await.or_failure()?.map(Self))
    }
}

/// A filter of managed accounts.
#[derive(InputObject, Default)]
#[graphql(name = "ManagedAccountFilter")]
pub struct ManagedAccountFilter {
    /// The name contains this, whatever the case.
    search: Option<String>,
    /// Has this status.
    status: Option<AccountStatus>,
    /// Is in this group: the ID of an AccountGroup.
    group_id: Option<ID>,
    /// Isn't in this group: the ID of an AccountGroup.
    without_group_id: Option<ID>,
    /// Has (true) or hasn't (false) made its first token.
    is_enrolled: Option<bool>,
    /// Has this pack installed: the ID of an IntegrationPack.
    with_pack_id: Option<ID>,
}

impl ManagedAccountFilter {
    async fn read(self, ctx: &Context<'_>) -> Result<AccountFilter> {
        let with_pack = match &self.with_pack_id {
            Some(id) => Some(visible_own_pack(ctx, id).await?),
            None => None,
        };
        Ok(AccountFilter {
            search: searchable(self.search)?,
            status: self.status.map(Into::into),
            group: visible_group(ctx, self.group_id).await?,
            without_group: visible_group(ctx, self.without_group_id).await?,
            enrolled: self.is_enrolled,
            with_pack,
        })
    }
}

/// The accounts in a connection.
pub enum AccountsOf {
    /// All accounts that the caller manages.
    Everything,
    /// The accounts in a group.
    Group(GroupId),
}

/// The publisher's managed accounts, by name. Fails with NOT_FOUND for an unknown id in the filter, BAD_USER_INPUT for
/// invalid arguments.
pub async fn accounts_connection(
    ctx: &Context<'_>,
    of: AccountsOf,
    filter: Option<ManagedAccountFilter>,
    args: PageArgs,
) -> Result<ManagedAccountConnection> {
    let request = args.request(ctx, accounts::BY_NAME)?;
    let mut filter = filter.unwrap_or_default().read(ctx).await?;
    if let AccountsOf::Group(group) = of {
        filter.group = Some(group);
    }
    let page = ctx.loaders().accounts.pages.must((filter, request)).await.or_failure()?;
    Ok(ManagedAccountConnection::of(page, ManagedAccount))
}
