//! A pack, as its publisher sees it.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};

use crate::domain::accounts::Privilege;
use crate::domain::id::PackId;
use crate::domain::own_key::OwnKey;
use crate::domain::packs::{Pack, PackStanding};
use crate::domain::releases::{Decision, ReleaseFacts, ReleaseRefusal, RequestedSchedule, decide, release_dates};
use crate::domain::{Instant, packs as pack};
use crate::graphql::accounts::Actor;
use crate::graphql::connection::{PageArgs, connection};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::{DeploymentModel, InstallationType, PackState};
use crate::graphql::error::ResultExt as _;
use crate::graphql::filters::{IntegrationPackFilter, IntegrationPackOrder, ReleaseFilter};
use crate::graphql::ids::Gid;
use crate::graphql::installations::{
    Adoption, InstallationConnection, InstallationFilter, InstallationsOf, installations_connection,
};
use crate::graphql::packs::draft_rows::DraftRows;
use crate::graphql::packs::pack_component::content;
use crate::graphql::packs::pack_diff::PackDiff;
use crate::graphql::packs::pack_version::{PackVersion, PackVersionConnection, versions_of_pack};
use crate::graphql::packs::pending_release::PendingRelease;
use crate::graphql::packs::support_info::SupportInfo;
use crate::graphql::releases::{Release, ReleaseConnection, releases_connection};
use crate::graphql::scalars::DateTime;
use crate::graphql::sharing::{AccountGroupConnection, GroupsOf, groups_connection};
use crate::store::packs::drafts::DraftOf;
use crate::store::packs::read::{ListedPack, PackOrder, PacksKey};
use crate::store::page::Page;

pub use crate::store::packs::read::PacksOf;

/// The type `IntegrationPack`: a pack, with its standing at the time of the read.
#[derive(Clone)]
pub struct IntegrationPack {
    pack: Arc<Pack>,
    standing: PackStanding,
    /// The number of installations, if it was read with the pack.
    installations: Option<i64>,
}

connection!("packs", IntegrationPackConnection, IntegrationPackEdge, IntegrationPack);

/// A page of packs, by name unless `order` says otherwise. Fails with FORBIDDEN for a managed account, BAD_USER_INPUT
/// for invalid arguments.
pub async fn packs_connection(
    ctx: &Context<'_>,
    of: PacksOf,
    filter: Option<IntegrationPackFilter>,
    order: Option<IntegrationPackOrder>,
    args: PageArgs,
) -> Result<IntegrationPackConnection> {
    ctx.publisher()?;
    packs_or_none(ctx, of, filter, order, args).await
}

/// Like [`packs_connection`], for fields that a managed account can reach too: it gets an empty page.
pub(in crate::graphql) async fn packs_or_none(
    ctx: &Context<'_>,
    of: PacksOf,
    filter: Option<IntegrationPackFilter>,
    order: Option<IntegrationPackOrder>,
    args: PageArgs,
) -> Result<IntegrationPackConnection> {
    let filter = Box::pin(filter.unwrap_or_default().read(ctx)).await?;
    let order = order.map_or(PackOrder::BY_NAME, Into::into);
    let node = ctx.look_ahead().field("edges").field("node");
    let with_installations = node.field("adoption").field("installationCount").exists();
    let key = PacksKey { of, filter, order, page: args.request(ctx, order.form())?, with_installations };
    let (loaders, empty) = (ctx.loaders(), Page::empty(key.page.count));
    let page = loaders.packs.pages.one(key).await.or_failure()?;
    let show = |ListedPack { pack, installations }| IntegrationPack {
        installations,
        ..IntegrationPack::new(pack, loaders.now())
    };
    Ok(IntegrationPackConnection::of(page.unwrap_or(empty), show))
}

impl IntegrationPack {
    /// A pack with its standing at `now`.
    pub(crate) fn new(pack: Arc<Pack>, now: Instant) -> Self {
        Self { standing: pack.standing.at(now), pack, installations: None }
    }

    /// The pack with this id, if the caller may see it.
    pub async fn by_id(ctx: &Context<'_>, id: PackId) -> Result<Option<Self>> {
        let loaders = ctx.loaders();
        let found = loaders.packs.by_id.one(id).await.or_failure()?;
        Ok(found.filter(|pack| pack.deleted_at.is_none()).map(|pack| Self::new(pack, loaders.now())))
    }

    /// The pack with this key, if the caller has one.
    pub(in crate::graphql) async fn by_key(ctx: &Context<'_>, key: OwnKey) -> Result<Option<Self>> {
        let loaders = ctx.loaders();
        let found = loaders.packs.by_key.one(key).await.or_failure()?;
        Ok(found.map(|pack| Self::new(pack, loaders.now())))
    }

    /// The pack with this id, which must exist; it may be deleted.
    pub(crate) async fn must(ctx: &Context<'_>, id: PackId) -> Result<Self> {
        let loaders = ctx.loaders();
        Ok(Self::new(loaders.packs.by_id.must(id).await.or_failure()?, loaders.now()))
    }

    pub(crate) fn standing(&self) -> PackStanding {
        self.standing
    }

    pub(crate) fn draft(&self) -> DraftOf {
        DraftOf::from(&*self.pack)
    }

    pub(crate) fn pack(&self) -> &Pack {
        &self.pack
    }

    /// What a release made now would do, decided by the rules for the release itself.
    pub(crate) async fn decide(
        &self,
        ctx: &Context<'_>,
        schedule: RequestedSchedule,
        time_zone: Option<&str>,
    ) -> Result<std::result::Result<Decision, ReleaseRefusal>> {
        let (loaders, id) = (ctx.loaders(), self.pack.id);
        let (rows, current, moving) = futures_util::try_join!(
            async { loaders.packs.drafts.one(self.draft()).await.or_failure() },
            content(&loaders, self.standing.current_version),
            async { loaders.packs.moving.one(id).await.or_failure() },
        )?;
        let zone = ctx.services().zone(time_zone);
        let facts = ReleaseFacts {
            rows: &rows.unwrap_or_default(),
            current: &pack::ids(&current.unwrap_or_default()),
            standing: self.standing,
            moving,
            time_zone: zone.as_ref(),
            days_ahead: ctx.services().settings.release_days_ahead,
        };
        Ok(decide(&facts, schedule, loaders.now()))
    }

    async fn numbered(&self, ctx: &Context<'_>, number: i32) -> Result<Option<PackVersion>> {
        let key = (self.pack.id, number);
        Ok(ctx.loaders().packs.numbered_versions.one(key).await.or_failure()?.map(PackVersion))
    }

    async fn diff_of(&self, ctx: &Context<'_>, from: i32, to: i32) -> Result<Option<PackDiff>> {
        match futures_util::try_join!(self.numbered(ctx, from), self.numbered(ctx, to))? {
            (Some(from), Some(to)) => PackDiff::between(ctx, Some(from.0.id), to.0.id).await.map(Some),
            _ => Ok(None),
        }
    }
}

/// A named bundle of components that a publisher releases as one. The publisher's view: a managed account reads an AvailablePack.
#[Object]
impl IntegrationPack {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::IntegrationPack(self.pack.id).encode()
    }

    /// 1 to 255 characters, unique for the publisher whatever the case; fixed for MULTI.
    pub async fn name(&self) -> String {
        self.pack.name.clone()
    }

    /// At most 500 characters; empty when there is none.
    pub async fn description(&self) -> String {
        self.pack.description.clone()
    }

    /// A key of your own, to look it up by; null when there is none.
    pub async fn key(&self) -> Option<String> {
        self.pack.key.clone()
    }

    /// Fixed at creation.
    pub async fn installation_type(&self) -> InstallationType {
        self.pack.installation_type.into()
    }

    /// The kind of versions that its rows hold; fixed at creation.
    pub async fn deployment_model(&self) -> DeploymentModel {
        self.pack.deployment_model.into()
    }

    /// Its state, for a badge.
    pub async fn state(&self) -> PackState {
        self.standing.state().into()
    }

    /// Goes up with each edit of the pack or its draft, and with each release. Give it back as `expectedRevision`.
    pub async fn revision(&self) -> i32 {
        self.pack.revision
    }

    /// Contacts and guides.
    pub async fn support(&self) -> SupportInfo {
        SupportInfo::from(&self.pack.support)
    }

    /// The draft, row by row, by component name: what a release made now would take, and rows marked for removal. At most 100.
    pub fn components(
        &self,
        _ctx: &Context<'_>,
        #[graphql(desc = "Only rows that have a newer shareable version.", default = false)]
        only_with_newer_shareable: bool,
    ) -> DraftRows {
        DraftRows { of: self.draft(), standing: self.standing, only_with_newer_shareable }
    }

    /// How many rows the draft has, those marked for removal included.
    pub async fn component_count(&self) -> i32 {
        self.pack.assessment.component_count
    }

    /// Whether a row has a newer shareable version than the one in force.
    pub async fn newer_shareable_available(&self) -> bool {
        self.pack.assessment.newer_count > 0
    }

    /// Whether a release made now would differ from the pending release, or without one from the current version.
    pub async fn has_unreleased_changes(&self) -> bool {
        self.pack.assessment.has_unreleased_changes
    }

    /// The version in force; null before the first release took effect.
    pub async fn current_version(&self, ctx: &Context<'_>) -> Option<Result<PackVersion>> {
        Some(PackVersion::must(ctx, self.standing.current_version?).await)
    }

    /// The release whose date has not come (state SCHEDULED); null when there is none.
    pub fn pending_release(&self, _ctx: &Context<'_>) -> Option<PendingRelease> {
        self.standing.pending.map(PendingRelease)
    }

    /// The release that is being rolled out (state IN_PROGRESS) or rolled back (ROLLING_BACK); null when there is none.
    pub async fn running_release(&self, ctx: &Context<'_>) -> Option<Result<Release>> {
        Some(Release::must(ctx, self.standing.running_release?).await)
    }

    /// Every version that a release made, newest first.
    pub async fn versions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<PackVersionConnection> {
        versions_of_pack(ctx, self.pack.id, PageArgs::new(first, after, last, before)).await
    }

    /// The version with this number; null when there is none.
    pub async fn version(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "1, 2, 3 …")] number: i32,
    ) -> Option<Result<PackVersion>> {
        self.numbered(ctx, number).await.transpose()
    }

    /// Its releases, newest first.
    pub async fn releases(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only releases that match all of it; `packId` is ignored here.")] filter: Option<
            ReleaseFilter,
        >,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ReleaseConnection> {
        let filter = filter.unwrap_or_default().of_pack(self.pack.id);
        releases_connection(ctx, filter, PageArgs::new(first, after, last, before)).await
    }

    /// The difference between two of its versions; null when one of them doesn't exist.
    pub async fn diff(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of the older version.")] from: i32,
        #[graphql(desc = "The number of the newer version.")] to: i32,
    ) -> Option<Result<PackDiff>> {
        self.diff_of(ctx, from, to).await.transpose()
    }

    /// The groups that it is shared with, by name.
    pub async fn groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<AccountGroupConnection> {
        let args = PageArgs::new(first, after, last, before);
        groups_connection(ctx, GroupsOf::Pack(self.pack.id), None, args).await
    }

    /// Its installations in all accounts, by name.
    pub async fn installations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only installations that match all of it; `packId` is ignored here.")] filter: Option<
            InstallationFilter,
        >,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<InstallationConnection> {
        let args = PageArgs::new(first, after, last, before);
        installations_connection(ctx, InstallationsOf::Pack(self.pack.id), filter, args).await
    }

    /// The adoption of its versions.
    pub async fn adoption(&self, ctx: &Context<'_>) -> Adoption {
        Adoption::of_pack(self.pack.id, self.installations, ctx.now())
    }

    /// When it was made.
    pub async fn created_at(&self) -> DateTime {
        self.pack.created_at.into()
    }

    /// The actor that made it.
    pub async fn created_by(&self) -> Actor {
        Actor::from(self.pack.created_by.clone())
    }

    /// When the pack or its draft was last edited.
    pub async fn updated_at(&self) -> DateTime {
        self.pack.updated_at.into()
    }

    /// Whether the caller may now edit the description, the support data and the draft.
    pub async fn viewer_can_update(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(ctx.viewer()?.may(Privilege::IntegrationPack))
    }

    /// Whether the caller may now rename it: never for MULTI.
    pub async fn viewer_can_rename(&self, ctx: &Context<'_>) -> Result<bool> {
        let single = self.pack.installation_type == pack::InstallationType::Single;
        Ok(single && ctx.viewer()?.may(Privilege::IntegrationPack))
    }

    /// Whether the caller may now release it at once; false too when there is nothing to release.
    pub async fn viewer_can_release(&self, ctx: &Context<'_>) -> Result<bool> {
        let may = ctx.viewer()?.may(Privilege::IntegrationPack);
        Ok(may && Box::pin(self.decide(ctx, RequestedSchedule::Immediately, None)).await?.is_ok())
    }

    /// Whether the caller may now release it on a date; false too while a release is pending or the account has no time zone.
    pub async fn viewer_can_schedule_release(&self, ctx: &Context<'_>) -> Result<bool> {
        if !ctx.viewer()?.may(Privilege::IntegrationPack) || self.standing.pending.is_some() {
            return Ok(false);
        }
        let account = ctx.loaders().accounts.own.must(()).await.or_failure()?;
        let services = ctx.services();
        let Some(zone) = services.zone(account.time_zone.as_deref()) else { return Ok(false) };
        let date = release_dates(ctx.now(), &zone, services.settings.release_days_ahead).earliest;
        let schedule = RequestedSchedule::OnDate(date);
        Ok(Box::pin(self.decide(ctx, schedule, account.time_zone.as_deref())).await?.is_ok())
    }

    /// Whether the caller may now share it with groups.
    pub async fn viewer_can_share(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(ctx.viewer()?.may(Privilege::AccountGroupManagement))
    }

    /// Whether the caller may now delete it.
    pub async fn viewer_can_delete(&self, ctx: &Context<'_>) -> Result<bool> {
        let may = ctx.viewer()?.may(Privilege::IntegrationPack) && self.standing.running_release.is_none();
        Ok(may && ctx.loaders().packs.moving.one(self.pack.id).await.or_failure()?.is_none())
    }
}
