//! An installation: a pack in a managed account.

use async_graphql::{Context, ID, InputObject, Object, Result};

use crate::domain::accounts::Privilege;
use crate::domain::id::{AccountId, InstallationId, PackId, PackVersionId};
use crate::domain::installations as installation;
use crate::domain::own_key::OwnKey;
use crate::graphql::accounts::ManagedAccount;
use crate::graphql::connection::{PageArgs, connection, searchable};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::InstallationState;
use crate::graphql::error::{ResultExt as _, bug, not_found};
use crate::graphql::filters::visible_group;
use crate::graphql::ids::{self, Gid};
use crate::graphql::installations::installation_update::{
    InstallationUpdate, InstallationUpdateConnection, InstallationUpdateFilter, updates_connection,
};
use crate::graphql::interfaces::{Account, Pack, PackSnapshot};
use crate::graphql::scalars::DateTime;
use crate::store::installations::read as installations;
use crate::store::installations::updates::UpdatesOf;
use crate::store::scope::Scope;

connection!("installations", InstallationConnection, InstallationEdge, Installation);

/// The type `Installation`, as its account or the publisher of the pack sees it.
pub struct Installation(installation::Installation);

/// A pack in a managed account. Seen by that account, and by the pack's publisher.
#[Object]
impl Installation {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::Installation(self.0.id).encode()
    }

    /// The override name of a MULTI installation; the pack's name for SINGLE.
    pub async fn name(&self, ctx: &Context<'_>) -> Result<String> {
        match &self.0.override_name {
            Some(name) => Ok(name.clone()),
            None => pack_name(ctx, self.0.pack_id).await,
        }
    }

    /// The key by which the account looks the installation up; null when there is none, and for the publisher.
    async fn key(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        let is_own = matches!(ctx.scope()?, Scope::Managed(_));
        Ok(self.0.key.as_deref().filter(|_| is_own))
    }

    /// The pack, as the reader may see it.
    pub async fn pack(&self, ctx: &Context<'_>) -> Result<Pack> {
        Pack::by_id(ctx, self.0.pack_id).await?.ok_or_else(|| bug("an installation without its pack"))
    }

    /// The account, as the reader may see it.
    async fn account(&self, ctx: &Context<'_>) -> Result<Account> {
        let account = Account::by_id(ctx, self.0.account_id).await?;
        account.ok_or_else(|| bug("an installation without its account"))
    }

    /// Whether it gets updates.
    async fn state(&self, ctx: &Context<'_>) -> Result<InstallationState> {
        let entitled = ctx.loaders().installations.entitled.must(self.0.id).await.or_failure()?;
        Ok(if entitled { InstallationState::Active } else { InstallationState::Frozen })
    }

    /// The version that it has.
    pub async fn version(&self, ctx: &Context<'_>) -> Result<PackSnapshot> {
        version(ctx, self.0.version_id).await
    }

    /// When it was installed.
    async fn installed_at(&self) -> DateTime {
        self.0.installed_at.into()
    }

    /// When it was last moved to another version; null when never.
    async fn moved_at(&self) -> Option<DateTime> {
        self.0.moved_at.map(Into::into)
    }

    /// The update that is offered to it now (state OFFERED); null when there is none.
    async fn pending_update(&self, ctx: &Context<'_>) -> Option<Result<InstallationUpdate>> {
        InstallationUpdate::pending_of(ctx, self.0.id).await.transpose()
    }

    /// Its updates, newest first. A managed account doesn't see updates that were skipped for NOT_ENTITLED, because it may not see their versions.
    async fn updates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only updates that match all of it.")] filter: Option<InstallationUpdateFilter>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<InstallationUpdateConnection> {
        let args = PageArgs::new(first, after, last, before);
        updates_connection(ctx, UpdatesOf::Installation(self.0.id), filter, args).await
    }

    /// Whether the caller may now apply its pending update early.
    async fn viewer_can_apply(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(may_here(ctx, Privilege::ApplyUpdates)? && InstallationUpdate::pending_of(ctx, self.0.id).await?.is_some())
    }

    /// Whether the caller may now rename it.
    async fn viewer_can_rename(&self, ctx: &Context<'_>) -> Result<bool> {
        // Only an installation of a MULTI pack has its own name.
        Ok(self.0.override_name.is_some() && may_here(ctx, Privilege::IntegrationPack)?)
    }

    /// Whether the caller may now uninstall it.
    async fn viewer_can_uninstall(&self, ctx: &Context<'_>) -> Result<bool> {
        may_here(ctx, Privilege::IntegrationPack)
    }
}

impl Installation {
    /// The installation with this id, if it exists and the caller may see it.
    pub async fn by_id(ctx: &Context<'_>, id: InstallationId) -> Result<Option<Self>> {
        Ok(ctx.loaders().installations.by_id.one(id).await.or_failure()?.map(Self))
    }

    /// The installation with this key, if the caller is the managed account that gave it.
    pub(in crate::graphql) async fn by_key(ctx: &Context<'_>, key: OwnKey) -> Result<Option<Self>> {
        Ok(ctx.loaders().installations.by_key.one(key).await.or_failure()?.map(Self))
    }
}

/// Whether the caller is a managed account whose token has the privilege.
pub(in crate::graphql) fn may_here(ctx: &Context<'_>, privilege: Privilege) -> Result<bool> {
    let viewer = ctx.viewer()?;
    Ok(matches!(viewer.scope(), Scope::Managed(_)) && viewer.may(privilege))
}

async fn pack_name(ctx: &Context<'_>, id: PackId) -> Result<String> {
    let loaders = ctx.loaders();
    match ctx.scope()? {
        Scope::Publisher(_) => Ok(loaders.packs.by_id.must(id).await.or_failure()?.name.clone()),
        Scope::Managed(_) => Ok(loaders.sharing.available_packs.must(id).await.or_failure()?.pack.name),
    }
}

/// The version of an installation that the caller may see, so the caller may see the version too.
pub(in crate::graphql) async fn version(ctx: &Context<'_>, id: PackVersionId) -> Result<PackSnapshot> {
    let version = PackSnapshot::by_id(ctx, id).await?;
    version.ok_or_else(|| bug("an installation whose version may not be seen"))
}

/// A filter of installations.
#[derive(InputObject, Default)]
pub struct InstallationFilter {
    /// The installation's or the account's name contains this, whatever the case.
    search: Option<String>,
    /// Of this pack: the ID of an IntegrationPack or an AvailablePack, as the caller sees it.
    pack_id: Option<ID>,
    /// In this account: the ID of a ManagedAccount, or of the caller's own account, which has all that it sees.
    account_id: Option<ID>,
    /// Is in this state.
    state: Option<InstallationState>,
    /// Has this version.
    version_number: Option<i32>,
    /// Has (true) or hasn't (false) an offered update.
    has_pending_update: Option<bool>,
    /// Is in an account of this group: the ID of an AccountGroup. Only for a publisher.
    group_id: Option<ID>,
    /// Has (true) or hasn't (false) an update that failed and can be tried again.
    has_failed_update: Option<bool>,
}

/// The installations in a connection.
#[derive(Clone, Copy)]
pub enum InstallationsOf {
    /// All installations that the caller may see.
    Everything,
    /// The installations of a pack. The filter's `packId` is ignored.
    Pack(PackId),
    /// The installations in an account. The filter's `accountId` is ignored.
    Account(AccountId),
}

impl InstallationFilter {
    async fn read(self, ctx: &Context<'_>, of: InstallationsOf) -> Result<installations::InstallationFilter> {
        let pack = match (of, &self.pack_id) {
            (InstallationsOf::Pack(pack), _) => Some(pack),
            (_, Some(id)) => Some(visible_pack(ctx, id).await?),
            (_, None) => None,
        };
        let account = match (of, &self.account_id) {
            (InstallationsOf::Account(account), _) => Some(account),
            (_, Some(id)) => Some(visible_account(ctx, id).await?),
            (_, None) => None,
        };
        let group = visible_group(ctx, self.group_id).await?;
        Ok(installations::InstallationFilter {
            search: searchable(self.search)?,
            pack,
            account,
            frozen: self.state.map(|state| state == InstallationState::Frozen),
            version_number: self.version_number,
            pending: self.has_pending_update,
            group,
            failed: self.has_failed_update,
        })
    }
}

/// The pack that an id names. The id must have the type that the caller's kind of account uses; any other is NOT_FOUND
/// (R3).
pub(crate) async fn visible_pack(ctx: &Context<'_>, id: &ID) -> Result<PackId> {
    let pack = match ctx.scope()? {
        Scope::Publisher(_) => ids::pack_id(id)?,
        Scope::Managed(_) => ids::available_pack_id(id)?,
    };
    Pack::by_id(ctx, pack).await?.ok_or_else(|| not_found(id))?;
    Ok(pack)
}

async fn visible_account(ctx: &Context<'_>, id: &ID) -> Result<AccountId> {
    if let Scope::Managed(scope) = ctx.scope()? {
        // A managed account sees no account but its own.
        return ids::other_account(id, scope.account_id())?.map_or(Ok(scope.account_id()), |_| Err(not_found(id)));
    }
    let found = ids::managed_account_id(id)?;
    ManagedAccount::by_id(ctx, found).await?.ok_or_else(|| not_found(id))?;
    Ok(found)
}

/// The installations that the caller may see, by name. Fails with NOT_FOUND for an unknown id in the filter,
/// BAD_USER_INPUT for invalid arguments.
pub async fn installations_connection(
    ctx: &Context<'_>,
    of: InstallationsOf,
    filter: Option<InstallationFilter>,
    args: PageArgs,
) -> Result<InstallationConnection> {
    let request = args.request(ctx, installations::BY_NAME)?;
    let filter = filter.unwrap_or_default().read(ctx, of).await?;
    let page = ctx.loaders().installations.pages.must((filter, request)).await.or_failure()?;
    Ok(InstallationConnection::of(page, Installation))
}
