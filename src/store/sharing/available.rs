//! Packs, versions and releases that a managed account may see (R2).
//!
//! An account may not see all of its publisher's versions, so a publisher's id isn't enough to read a version's
//! content. That read takes an [`AvailableVersionId`], and an account gets one only from [`versions_by_ids`]:
//!
//! ```no_run
//! use packwright::domain::id::PackVersionId;
//! use packwright::store::scope::ManagedScope;
//! use packwright::store::sharing::available;
//! use packwright::store::{Snapshot, StoreResult};
//!
//! async fn content(snapshot: Snapshot<ManagedScope>, id: PackVersionId) -> StoreResult<usize> {
//!     let found = available::versions_by_ids(&snapshot, &[id]).await?;
//!     let ids: Vec<_> = found.values().map(available::AvailableVersion::content_id).collect();
//!     Ok(available::contents(&snapshot, &ids).await?.len())
//! }
//! ```
//!
//! Other ids aren't accepted, and code outside this module can't make one:
//!
//! ```compile_fail
//! use packwright::domain::id::PackVersionId;
//! use packwright::store::scope::ManagedScope;
//! use packwright::store::sharing::available;
//! use packwright::store::{Snapshot, StoreResult};
//!
//! async fn content(snapshot: Snapshot<ManagedScope>, id: PackVersionId) -> StoreResult<usize> {
//!     Ok(available::contents(&snapshot, &[id]).await?.len())
//! }
//! ```
//!
//! ```compile_fail
//! let id = packwright::domain::id::PackVersionId(uuid::Uuid::nil());
//! let forged = packwright::store::sharing::available::AvailableVersionId(id);
//! ```
//!
//! The publisher's own reads don't take a managed account's snapshot:
//!
//! ```compile_fail
//! use packwright::domain::id::PackVersionId;
//! use packwright::store::scope::ManagedScope;
//! use packwright::store::packs::versions;
//! use packwright::store::{Snapshot, StoreResult};
//!
//! async fn content(snapshot: Snapshot<ManagedScope>, id: PackVersionId) -> StoreResult<usize> {
//!     Ok(versions::contents(&snapshot, &[id]).await?.len())
//! }
//! ```

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use entity::{
    installation, installation_update as update, integration_pack as pack, pack_release as release,
    pack_version as version,
};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{EntityTrait as _, FromQueryResult, QueryFilter as _, QuerySelect as _, QueryTrait as _, Select};

use crate::domain::id::{AccountId, PackId, PackVersionId, ReleaseId};
use crate::domain::installations::{SkipReason, UpdateState};
use crate::domain::packs::{ContentItem, InstallationType, Pack, PackVersion};
use crate::domain::releases::{Release, ReleaseState};
use crate::domain::{Instant, text};
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::packs::version_contents_of;
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest, checked, contains};
use crate::store::scope::{ManagedScope, Scope};
use crate::store::sharing::grants::{
    granted, has_current, has_installed, installation_is_visible, is_current, is_offered, pack_is_available,
};
use crate::store::{Snapshot, StoreResult, convert, page};

/// A pack as a managed account sees it.
#[derive(Clone, Debug)]
pub struct AvailablePack {
    pub pack: Pack,
    /// Whether a group grants the pack to the account (R45).
    pub granted: bool,
    /// Whether the account has it installed.
    pub installed: bool,
}

/// A pack with the facts that decide whether the account may see it.
#[derive(FromQueryResult)]
pub(in crate::store) struct Row {
    #[sea_orm(nested)]
    pack: pack::Model,
    granted: bool,
    installed: bool,
}

impl TryFrom<Row> for AvailablePack {
    type Error = crate::store::StoreError;

    fn try_from(row: Row) -> StoreResult<Self> {
        Ok(Self { pack: convert::pack(row.pack)?, granted: row.granted, installed: row.installed })
    }
}

/// The packs that the account may see, with the values for [`AvailablePack`].
fn visible(scope: ManagedScope, now: Instant) -> Select<pack::Entity> {
    let (account, id) = (scope.account_id(), || col(pack::Column::Id));
    pack::Entity::find()
        .expr_as(granted(Expr::val(account.0), id()), "granted")
        .expr_as(has_installed(account, id()), "installed")
        .filter(col(pack::Column::PublisherId).eq(scope.publisher_id().0))
        .filter(pack_is_available(account, now))
}

/// The packs among `ids` that the account may see.
pub async fn packs_by_ids(
    snapshot: &Snapshot<ManagedScope>,
    ids: &[PackId],
) -> StoreResult<HashMap<PackId, AvailablePack>> {
    let (scope, now) = (snapshot.scope(), snapshot.now());
    let rows = visible(scope, now)
        .filter(snapshot.any_of(col(pack::Column::Id), ids.iter().map(|id| id.0)))
        .into_model::<Row>()
        .all(snapshot.conn())
        .await?;
    rows.into_iter().map(|row| AvailablePack::try_from(row).map(|visible| (visible.pack.id, visible))).collect()
}

/// The condition that the account may see the pack with the id `id`.
pub(in crate::store) fn pack_is_visible(scope: ManagedScope, now: Instant, id: Expr) -> Expr {
    Expr::exists(
        Query::select()
            .expr(Expr::cust("1"))
            .from(pack::Entity)
            .and_where(col(pack::Column::Id).eq(id))
            .and_where(checked(col(pack::Column::PublisherId).eq(scope.publisher_id().0)))
            .and_where(pack_is_available(scope.account_id(), now))
            .take(),
    )
}

/// The condition that an update row may be shown to its account. Hidden are updates that were skipped because the
/// installation wasn't entitled, and open offers without a grant, even if the release has ended (R2, R45).
pub(in crate::store) fn update_row_is_shown() -> Expr {
    let not_skipped_for_it = col(update::Column::SkipReason)
        .is_null()
        .or(col(update::Column::SkipReason).ne(SkipReason::NotEntitled.stored()));
    let grant = granted(col(update::Column::AccountId), col(update::Column::PackId));
    let no_open_offer = col(update::Column::State).ne(UpdateState::Offered.stored());
    not_skipped_for_it.and(no_open_offer.or(grant))
}

/// The condition that an installation, uninstalled or not, belongs to the account and the pack. Queries on an account's
/// updates start from its installations: it has few of a pack, while a release has an update for each installation of
/// the pack (R49).
fn is_of(account: AccountId, pack: Expr) -> Expr {
    col(installation::Column::AccountId).eq(account.0).and(col(installation::Column::PackId).eq(pack))
}

/// The states of a release in which its open offers are withdrawn.
pub(in crate::store) const TAKEN_BACK: [ReleaseState; 4] =
    [ReleaseState::Canceled, ReleaseState::Superseded, ReleaseState::RollingBack, ReleaseState::RolledBack];

/// The id of a version that the account may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AvailableVersionId(PackVersionId);

/// A version that the account may see.
#[derive(Clone, Debug)]
pub struct AvailableVersion(PackVersion);

impl AvailableVersion {
    /// A version that was found to be available.
    pub(in crate::store::sharing) fn of(version: PackVersion) -> Self {
        Self(version)
    }

    /// The id by which the account reads the version's content.
    #[must_use]
    pub fn content_id(&self) -> AvailableVersionId {
        AvailableVersionId(self.0.id)
    }
}

impl Deref for AvailableVersion {
    type Target = PackVersion;

    fn deref(&self) -> &PackVersion {
        &self.0
    }
}

/// The contents of these versions, each by name.
pub async fn contents(
    snapshot: &Snapshot<ManagedScope>,
    ids: &[AvailableVersionId],
) -> StoreResult<HashMap<AvailableVersionId, Arc<Vec<ContentItem>>>> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    let found = version_contents_of(snapshot.reader(), snapshot.scope().publisher_id(), &ids).await?;
    Ok(found.into_iter().map(|(id, content)| (AvailableVersionId(id), content)).collect())
}

/// The content of a version from the cache, without a query.
#[must_use]
pub fn cached_content(snapshot: &Snapshot<ManagedScope>, id: AvailableVersionId) -> Option<Arc<Vec<ContentItem>>> {
    snapshot.cache().contents.peek(snapshot.scope().publisher_id(), &id.0)
}

/// The versions among `ids` that the account may see: the version of a granted pack that is offered, and versions that
/// the account's installations have, had or will be moved to.
pub async fn versions_by_ids(
    snapshot: &Snapshot<ManagedScope>,
    ids: &[PackVersionId],
) -> StoreResult<HashMap<PackVersionId, AvailableVersion>> {
    let (scope, now) = (snapshot.scope(), snapshot.now());
    let (account, id) = (scope.account_id(), || col(version::Column::Id));
    // Accounts see the version of a paused rollout, but aren't offered it (R56).
    let announced = col(pack::Column::PendingVersionId).eq(id()).or(is_current(id(), now));
    let in_force_or_offered = Query::select()
        .expr(Expr::cust("1"))
        .from(pack::Entity)
        .and_where(col(pack::Column::Id).eq(col(version::Column::PackId)))
        .and_where(col(pack::Column::DeletedAt).is_null())
        .and_where(granted(Expr::val(account.0), col(pack::Column::Id)))
        .and_where(is_offered(id(), now).or(announced.and(has_installed(account, col(pack::Column::Id)))))
        .take();
    let installed = Query::select()
        .expr(Expr::cust("1"))
        .from(installation::Entity)
        .and_where(col(installation::Column::VersionId).eq(id()))
        .and_where(is_of(account, col(version::Column::PackId)))
        .and_where(installation_is_visible(Scope::Managed(scope)))
        .take();
    let by_update = Query::select()
        .expr(Expr::cust("1"))
        .from(installation::Entity)
        .inner_join(update::Entity, col(update::Column::InstallationId).eq(col(installation::Column::Id)))
        .and_where(is_of(account, col(version::Column::PackId)))
        .and_where(
            col(update::Column::FromVersionId)
                .eq(id())
                .or(col(update::Column::ToVersionId).eq(id()).and(update_row_is_shown())),
        )
        .take();
    let had = pack_is_visible(scope, now, col(version::Column::PackId)).and(Expr::exists(by_update));
    let rows = version::Entity::find()
        .filter(snapshot.any_of(id(), ids.iter().map(|id| id.0)))
        .filter(checked(col(version::Column::PublisherId).eq(scope.publisher_id().0)))
        .filter(Expr::exists(in_force_or_offered).or(Expr::exists(installed)).or(had))
        .all(snapshot.conn())
        .await?;
    Ok(rows.into_iter().map(convert::pack_version).map(|version| (version.id, AvailableVersion(version))).collect())
}

/// The releases among `ids` that the account may see: releases with an update of one of its installations, and the
/// pending and the running release of a granted pack that it has installed.
pub async fn releases_by_ids(
    snapshot: &Snapshot<ManagedScope>,
    ids: &[ReleaseId],
) -> StoreResult<HashMap<ReleaseId, Release>> {
    let (scope, now) = (snapshot.scope(), snapshot.now());
    let (account, id) = (scope.account_id(), || col(release::Column::Id));
    let announced = Query::select()
        .expr(Expr::cust("1"))
        .from(pack::Entity)
        .and_where(col(pack::Column::Id).eq(col(release::Column::PackId)))
        .and_where(
            col(pack::Column::PendingReleaseId).eq(id()).or(col(pack::Column::RunningReleaseId)
                .eq(id())
                // The version of a rolled-back release isn't current, so only an account with an update of the release
                // sees it (R59).
                .and(is_current(col(release::Column::VersionId), now))),
        )
        .and_where(granted(Expr::val(account.0), col(pack::Column::Id)))
        .and_where(has_installed(account, col(pack::Column::Id)))
        .take();
    let released = Query::select()
        .expr(Expr::cust("1"))
        .from(installation::Entity)
        .inner_join(update::Entity, col(update::Column::InstallationId).eq(col(installation::Column::Id)))
        .and_where(is_of(account, col(release::Column::PackId)))
        .and_where(col(update::Column::ReleaseId).eq(id()))
        .and_where(update_row_is_shown())
        .take();
    let rows = release::Entity::find()
        .filter(snapshot.any_of(id(), ids.iter().map(|id| id.0)))
        .filter(checked(col(release::Column::PublisherId).eq(scope.publisher_id().0)))
        .filter(pack_is_visible(scope, now, col(release::Column::PackId)))
        .filter(Expr::exists(announced).or(Expr::exists(released)))
        .all(snapshot.conn())
        .await?;
    rows.into_iter().map(|row| convert::release(row).map(|release| (release.id, release))).collect()
}

/// A filter on available packs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AvailableFilter {
    /// A text that the name or the description contains.
    pub search: Option<String>,
    pub installation_type: Option<InstallationType>,
    pub installed: Option<bool>,
}

/// The form of cursors into lists of [`pages`].
pub const BY_NAME: CursorForm = CursorForm::new("available_pack", &[KeyKind::Text, KeyKind::Id]);

fn by_name() -> Order<Row> {
    Order::new(BY_NAME, vec![col(pack::Column::NameKey), col(pack::Column::Id)], |row: &Row| {
        vec![Key::Text(row.pack.name_key.clone()), Key::Id(row.pack.id)]
    })
}

/// Pages of the packs that are offered to the account, by name: a group grants the pack, and it has a current version
/// (R2). Installed packs are included.
pub async fn pages(
    snapshot: &Snapshot<ManagedScope>,
    keys: &[(AvailableFilter, PageRequest)],
) -> StoreResult<HashMap<(AvailableFilter, PageRequest), Page<AvailablePack>>> {
    let mut queries = Vec::with_capacity(keys.len());
    for key in keys {
        let described = match &key.0.search {
            Some(search) => described_as(snapshot, search).await?,
            None => Vec::new(),
        };
        let select = filtered(snapshot, &key.0, &described);
        queries.push((key.clone(), ListQuery { select, order: by_name(), request: key.1.clone() }));
    }
    let pages = page::pages(snapshot.reader(), queries).await?;
    pages.into_iter().map(|(key, page)| Ok((key, page.try_map(AvailablePack::try_from)?))).collect()
}

fn offered(scope: ManagedScope, now: Instant) -> Select<pack::Entity> {
    visible(scope, now).filter(granted(Expr::val(scope.account_id().0), col(pack::Column::Id))).filter(has_current(now))
}

/// The offered packs whose description contains `search`, ignoring case. The process compares, because descriptions
/// aren't stored folded and the databases fold case differently.
async fn described_as(snapshot: &Snapshot<ManagedScope>, search: &str) -> StoreResult<Vec<Uuid>> {
    let (scope, now) = (snapshot.scope(), snapshot.now());
    let search = text::key(search);
    let descriptions: Vec<(Uuid, String)> = offered(scope, now)
        .select_only()
        .column(pack::Column::Id)
        .column(pack::Column::Description)
        .into_tuple()
        .all(snapshot.conn())
        .await?;
    let found = descriptions.into_iter().filter(|(_, description)| text::key(description).contains(&search));
    Ok(found.map(|(id, _)| id).collect())
}

fn filtered(snapshot: &Snapshot<ManagedScope>, filter: &AvailableFilter, described: &[Uuid]) -> SelectStatement {
    use pack::Column as P;
    let (scope, now) = (snapshot.scope(), snapshot.now());
    let account = scope.account_id();
    let installed = |is_installed: bool| {
        let installed = has_installed(account, col(P::Id));
        if is_installed { installed } else { installed.not() }
    };
    let mut select = offered(scope, now).into_query();
    if let Some(search) = &filter.search {
        select.and_where(contains(col(P::NameKey), search).or(snapshot.any_of(col(P::Id), described.iter().copied())));
    }
    select
        .and_where_option(filter.installation_type.map(|kind| col(P::InstallationType).eq(kind.stored())))
        .and_where_option(filter.installed.map(installed));
    select
}
