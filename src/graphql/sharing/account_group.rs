//! A publisher's set of managed accounts, and the connections of groups.

use async_graphql::{Context, ID, InputObject, Object, Result};

use crate::domain::accounts as account;
use crate::domain::accounts::Privilege;
use crate::domain::id::{AccountId, GroupId, LibraryProcessId, PackId};
use crate::domain::own_key::OwnKey;
use crate::graphql::accounts::{AccountsOf, ManagedAccountConnection, accounts_connection};
use crate::graphql::connection::{PageArgs, connection, searchable};
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::{ResultExt as _, not_found};
use crate::graphql::ids::{self, Gid};
use crate::graphql::packs::{IntegrationPack, IntegrationPackConnection, packs_connection};
use crate::graphql::scalars::DateTime;
use crate::store::packs::read::PacksOf;
use crate::store::sharing::groups;
use crate::store::sharing::groups::GroupFilter;

connection!("groups", AccountGroupConnection, AccountGroupEdge, AccountGroup);

/// The type `AccountGroup`: a group, as its publisher sees it.
pub struct AccountGroup(account::AccountGroup);

impl AccountGroup {
    /// The key by which groups are sorted.
    pub(crate) fn name_key(&self) -> String {
        crate::domain::text::key(&self.0.name)
    }
}

/// A publisher's set of managed accounts, and of the packs shared with them.
#[Object]
impl AccountGroup {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::AccountGroup(self.0.id).encode()
    }

    /// 1 to 255 characters, unique for the publisher whatever the case.
    pub async fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it is the group All Accounts, that holds every managed account by itself and can't be renamed or deleted.
    async fn is_all_accounts(&self) -> bool {
        self.0.is_all_accounts
    }

    /// When it was made.
    pub async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// A key of your own, to look it up by; null when there is none.
    async fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// Its accounts, by name.
    async fn accounts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ManagedAccountConnection> {
        let args = PageArgs::new(first, after, last, before);
        accounts_connection(ctx, AccountsOf::Group(self.0.id), None, args).await
    }

    /// The packs shared with it, by name.
    async fn packs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<IntegrationPackConnection> {
        let args = PageArgs::new(first, after, last, before);
        packs_connection(ctx, PacksOf::Group(self.0.id), None, None, args).await
    }

    /// Whether the caller may now rename it or change its accounts.
    async fn viewer_can_update(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(!self.0.is_all_accounts && ctx.viewer()?.may(Privilege::AccountGroupManagement))
    }

    /// Whether the caller may now share packs with it.
    async fn viewer_can_share(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(ctx.viewer()?.may(Privilege::AccountGroupManagement))
    }

    /// Whether the caller may now delete it.
    async fn viewer_can_delete(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(!self.0.is_all_accounts && ctx.viewer()?.may(Privilege::AccountGroupManagement))
    }
}

impl AccountGroup {
    /// The group with this id, if it is the caller's.
    pub async fn by_id(ctx: &Context<'_>, id: GroupId) -> Result<Option<Self>> {
        Ok(ctx.loaders().sharing.groups.one(id).await.or_failure()?.map(Self))
    }

    /// The group with this key, if the caller has one.
    pub(in crate::graphql) async fn by_key(ctx: &Context<'_>, key: OwnKey) -> Result<Option<Self>> {
        Ok(ctx.loaders().sharing.groups_by_key.one(key).await.or_failure()?.map(Self))
    }
}

/// A filter of account groups.
#[derive(InputObject, Default)]
pub struct AccountGroupFilter {
    /// The name contains this, whatever the case.
    search: Option<String>,
    /// Doesn't have this pack yet: the ID of an IntegrationPack, for a dialog that shares it.
    without_pack_id: Option<ID>,
}

impl AccountGroupFilter {
    async fn read(self, ctx: &Context<'_>) -> Result<GroupFilter> {
        let without_pack = match &self.without_pack_id {
            Some(id) => Some(visible_pack(ctx, id).await?),
            None => None,
        };
        Ok(GroupFilter { search: searchable(self.search)?, without_pack, ..GroupFilter::default() })
    }
}

async fn visible_pack(ctx: &Context<'_>, id: &ID) -> Result<PackId> {
    let found = ids::pack_id(id)?;
    IntegrationPack::by_id(ctx, found).await?.ok_or_else(|| not_found(id))?;
    Ok(found)
}

/// The groups in a connection.
pub enum GroupsOf {
    /// All groups of the caller, All Accounts first.
    Everything,
    /// The groups of an account, All Accounts first.
    Account(AccountId),
    /// The groups with which a pack is shared, by name.
    Pack(PackId),
    /// The groups with which the library shares a process, by name.
    Process(LibraryProcessId),
}

/// A page of the publisher's groups. Fails with NOT_FOUND for an unknown id in the filter, BAD_USER_INPUT for invalid
/// arguments.
pub async fn groups_connection(
    ctx: &Context<'_>,
    of: GroupsOf,
    filter: Option<AccountGroupFilter>,
    args: PageArgs,
) -> Result<AccountGroupConnection> {
    let by_name = matches!(of, GroupsOf::Pack(_) | GroupsOf::Process(_));
    let form = if by_name { groups::BY_NAME } else { groups::ALL_ACCOUNTS_FIRST };
    let request = args.request(ctx, form)?;
    let mut filter = filter.unwrap_or_default().read(ctx).await?;
    match of {
        GroupsOf::Everything => {}
        GroupsOf::Account(account) => filter.with_account = Some(account),
        GroupsOf::Pack(pack) => filter.with_pack = Some(pack),
        GroupsOf::Process(process) => filter.with_process = Some(process),
    }
    let page = ctx.loaders().sharing.group_pages.must((filter, request)).await.or_failure()?;
    Ok(AccountGroupConnection::of(page, AccountGroup))
}
