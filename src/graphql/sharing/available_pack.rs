//! A pack, as a managed account sees it.

use async_graphql::{Context, ID, InputObject, Object, Result};

use crate::domain::accounts::Privilege;
use crate::domain::id::{PackId, PackVersionId};
use crate::domain::{Instant, packs as pack};
use crate::graphql::connection::{PageArgs, connection, searchable};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::InstallationType;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::installations::{InstallationConnection, InstallationsOf, installations_connection, may_here};
use crate::graphql::packs::SupportInfo;
use crate::graphql::releases::AnnouncedRelease;
use crate::graphql::sharing::available_pack_version::AvailablePackVersion;
use crate::store::sharing::available;

connection!("packs", AvailablePackConnection, AvailablePackEdge, AvailablePack);

/// The type `AvailablePack`: a pack in a managed account's view.
pub struct AvailablePack(available::AvailablePack);

/// A pack as a managed account sees it: shared with it and released at least once, or installed by it.
#[Object]
impl AvailablePack {
    /// Opaque, and not the publisher's ID of the pack.
    pub async fn id(&self) -> ID {
        Gid::AvailablePack(self.0.pack.id).encode()
    }

    /// The pack's name.
    pub async fn name(&self) -> String {
        self.0.pack.name.clone()
    }

    /// At most 500 characters; empty when there is none.
    pub async fn description(&self) -> String {
        self.0.pack.description.clone()
    }

    /// How often the account may install it.
    pub async fn installation_type(&self) -> InstallationType {
        self.0.pack.installation_type.into()
    }

    /// Contacts and guides, for before and after installing.
    pub async fn support(&self) -> SupportInfo {
        SupportInfo::from(&self.0.pack.support)
    }

    /// The name of the account that publishes it.
    async fn publisher_name(&self, ctx: &Context<'_>) -> Result<String> {
        ctx.loaders().accounts.publisher_name.must(()).await.or_failure()
    }

    /// Whether a group that the account is in still grants it; false for a pack that is only still installed.
    async fn is_shared(&self) -> bool {
        self.0.granted
    }

    /// The version that an installation made now would get; null when `isShared` is false. It is the former one while a release is paused.
    async fn current_version(&self, ctx: &Context<'_>) -> Option<Result<AvailablePackVersion>> {
        let id = self.offered(ctx.now())?;
        AvailablePackVersion::by_id(ctx, id).await.transpose()
    }

    /// The announced release whose window has not opened; null when there is none, or the account hasn't installed the pack or lost its grant.
    async fn pending_release(&self, ctx: &Context<'_>) -> Option<Result<AnnouncedRelease>> {
        let announced = self.0.granted && self.0.installed;
        let pending = self.0.pack.standing.at(ctx.now()).pending.filter(|_| announced)?;
        AnnouncedRelease::by_id(ctx, pending.release_id).await.transpose()
    }

    /// The account's own installations of it, by name.
    async fn installations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<InstallationConnection> {
        let args = PageArgs::new(first, after, last, before);
        installations_connection(ctx, InstallationsOf::Pack(self.0.pack.id), None, args).await
    }

    /// Whether the caller may now install it.
    async fn viewer_can_install(&self, ctx: &Context<'_>) -> Result<bool> {
        let again = self.0.pack.installation_type == pack::InstallationType::Multi || !self.0.installed;
        Ok(again && self.offered(ctx.now()).is_some() && may_here(ctx, Privilege::IntegrationPack)?)
    }
}

impl AvailablePack {
    /// The pack with this id, if the caller may see it.
    pub async fn by_id(ctx: &Context<'_>, id: PackId) -> Result<Option<Self>> {
        Ok(ctx.loaders().sharing.available_packs.one(id).await.or_failure()?.map(Self))
    }

    /// The version that the account is offered, if a group still grants the pack.
    fn offered(&self, now: Instant) -> Option<PackVersionId> {
        self.0.pack.standing.at(now).offered_version().filter(|_| self.0.granted)
    }
}

/// A filter of available packs.
#[derive(InputObject, Default)]
pub struct AvailablePackFilter {
    /// The name or the description contains this, whatever the case.
    search: Option<String>,
    /// Has this installation type.
    installation_type: Option<InstallationType>,
    /// Is (true) or isn't (false) installed by the account.
    installed: Option<bool>,
}

/// The packs that are shared with the caller and have a current version, by name. Fails with BAD_USER_INPUT for invalid
/// arguments.
pub async fn available_packs_connection(
    ctx: &Context<'_>,
    filter: Option<AvailablePackFilter>,
    args: PageArgs,
) -> Result<AvailablePackConnection> {
    let request = args.request(ctx, available::BY_NAME)?;
    let filter = filter.unwrap_or_default();
    let filter = available::AvailableFilter {
        search: searchable(filter.search)?,
        installation_type: filter.installation_type.map(Into::into),
        installed: filter.installed,
    };
    let page = ctx.loaders().sharing.available_pages.must((filter, request)).await.or_failure()?;
    Ok(AvailablePackConnection::of(page, AvailablePack))
}
