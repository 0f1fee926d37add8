//! The fields of `Query` for accounts and groups.

use async_graphql::{Context, ID, Object, Result};

use crate::graphql::accounts::managed_account::{
    AccountsOf, ManagedAccount, ManagedAccountConnection, ManagedAccountFilter, accounts_connection,
};
use crate::graphql::accounts::trusted_publisher::{TrustedPublisherConnection, trusted_connection};
use crate::graphql::accounts::viewer::Viewer;
use crate::graphql::connection::PageArgs;
use crate::graphql::context::ContextExt as _;
use crate::graphql::ids;
use crate::graphql::lookup;
use crate::graphql::sharing::{AccountGroup, AccountGroupConnection, AccountGroupFilter, GroupsOf, groups_connection};

#[derive(Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// The caller: the account, the token and its privileges.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        Ok(ctx.viewer()?.clone().into())
    }

    /// Publisher: its account groups, All Accounts first, then by name.
    async fn account_groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only groups that match all of it.")] filter: Option<AccountGroupFilter>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<AccountGroupConnection> {
        ctx.publisher()?;
        groups_connection(ctx, GroupsOf::Everything, filter, PageArgs::new(first, after, last, before)).await
    }

    /// Publisher: one account group.
    async fn account_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of an AccountGroup; this or `key`.")] id: Option<ID>,
        #[graphql(desc = "Its key; this or `id`.")] key: Option<String>,
    ) -> Option<Result<AccountGroup>> {
        Some(account_group(ctx, id, key).await)
    }

    /// Publisher: its managed accounts, by name.
    async fn managed_accounts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only accounts that match all of it.")] filter: Option<ManagedAccountFilter>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ManagedAccountConnection> {
        ctx.publisher()?;
        accounts_connection(ctx, AccountsOf::Everything, filter, PageArgs::new(first, after, last, before)).await
    }

    /// Publisher: one managed account.
    async fn managed_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of a ManagedAccount; this or `key`.")] id: Option<ID>,
        #[graphql(desc = "Its key; this or `id`.")] key: Option<String>,
    ) -> Option<Result<ManagedAccount>> {
        Some(managed_account(ctx, id, key).await)
    }

    /// The trusted publishers of the caller's account, by name. Needs ACCOUNT_ADMINISTRATION.
    async fn trusted_publishers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<TrustedPublisherConnection> {
        trusted_connection(ctx, PageArgs::new(first, after, last, before)).await
    }
}

async fn account_group(ctx: &Context<'_>, id: Option<ID>, key: Option<String>) -> Result<AccountGroup> {
    ctx.publisher()?;
    let by_id = async |id: ID| AccountGroup::by_id(ctx, ids::group_id(&id)?).await;
    lookup::one(id, key, by_id, |key| AccountGroup::by_key(ctx, key)).await
}

async fn managed_account(ctx: &Context<'_>, id: Option<ID>, key: Option<String>) -> Result<ManagedAccount> {
    ctx.publisher()?;
    let by_id = async |id: ID| ManagedAccount::by_id(ctx, ids::managed_account_id(&id)?).await;
    lookup::one(id, key, by_id, |key| ManagedAccount::by_key(ctx, key)).await
}
