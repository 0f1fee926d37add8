//! Reads one pack for many managed accounts at once, for an event that all of them see (R2).
//!
//! The conditions are those of [`available`](super::available), as far as such an event needs them. If an account
//! doesn't find the pack or the version here, the event is shown from a snapshot of its own. This module also knows
//! that an account may not see a release, because after a cancel that holds for nearly all accounts.

use std::collections::HashMap;

use entity::{
    account_group_member as member, installation, installation_update as update, integration_pack as pack,
    pack_release as release, pack_share as share, pack_version as version,
};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use crate::domain::Instant;
use crate::domain::id::{AccountId, PackId, PackVersionId, ReleaseId};
use crate::domain::installations::{SkipReason, UpdateState};
use crate::domain::packs::{Pack, PackVersion};
use crate::domain::releases::Release;
use crate::store::any_of::VALUES_MAX;
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::scope::ManagedScope;
use crate::store::sharing::available::{AvailablePack, AvailableVersion};
use crate::store::{StoreResult, WholeServer, convert};

/// A pack, and for each of many accounts the facts that decide what the account sees of the pack.
pub struct VisibleToMany {
    pack: Option<Pack>,
    /// The requested releases; `None` for a release that doesn't exist.
    releases: HashMap<ReleaseId, Option<Release>>,
    versions: HashMap<PackVersionId, PackVersion>,
    accounts: HashMap<AccountId, Facts>,
    now: Instant,
    read_by: std::time::Instant,
}

/// The facts that decide what an account sees of the pack.
#[derive(Default)]
struct Facts {
    is_granted: bool,
    /// The versions of its installations.
    installed: Vec<PackVersionId>,
    /// The updates of its installations by the releases.
    updates: Vec<Update>,
}

struct Update {
    release: ReleaseId,
    from: PackVersionId,
    to: PackVersionId,
    state: UpdateState,
    is_not_entitled: bool,
}

impl Facts {
    /// Whether the account may see an update: the same rule as [`super::available::update_row_is_shown`].
    fn shows(&self, update: &Update) -> bool {
        !update.is_not_entitled && (update.state != UpdateState::Offered || self.is_granted)
    }
}

impl VisibleToMany {
    /// The instant that the reads referred to.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A time after all reads.
    #[must_use]
    pub fn read_by(&self) -> std::time::Instant {
        self.read_by
    }

    /// The pack and the facts, if the account may see the pack.
    fn seen(&self, scope: ManagedScope) -> Option<(&Pack, &Facts)> {
        let pack = self.pack.as_ref().filter(|pack| pack.publisher_id == scope.publisher_id())?;
        let facts = self.accounts.get(&scope.account_id())?;
        let is_offered = facts.is_granted && pack.standing.at(self.now).current_version.is_some();
        let is_seen = pack.deleted_at.is_none() && (is_offered || !facts.installed.is_empty());
        is_seen.then_some((pack, facts))
    }

    /// The pack, if it has this id and the account may see it.
    #[must_use]
    pub fn pack(&self, scope: ManagedScope, id: PackId) -> Option<AvailablePack> {
        let (pack, facts) = self.seen(scope).filter(|(pack, _)| pack.id == id)?;
        Some(AvailablePack { pack: pack.clone(), granted: facts.is_granted, installed: !facts.installed.is_empty() })
    }

    /// The release; `Some(None)` if the account may not see it. `None` if the facts don't decide that.
    #[must_use]
    pub fn release(&self, scope: ManagedScope, id: ReleaseId) -> Option<Option<Release>> {
        let (pack, facts) = self.seen(scope)?;
        let release = self.releases.get(&id)?;
        let is_pending = pack.standing.pending.is_some_and(|pending| pending.release_id == id);
        let current = pack.standing.at(self.now).current_version;
        let is_current = release.as_ref().is_some_and(|release| current == Some(release.version_id));
        let is_open = is_pending || is_current && pack.standing.running_release == Some(id);
        let is_announced = is_open && facts.is_granted && !facts.installed.is_empty();
        let came = || facts.updates.iter().any(|update| update.release == id && facts.shows(update));
        Some(release.clone().filter(|_| is_announced || came()))
    }

    /// The version, if the account may see it.
    #[must_use]
    pub fn version(&self, scope: ManagedScope, id: PackVersionId) -> Option<AvailableVersion> {
        let (pack, facts) = self.seen(scope)?;
        let standing = pack.standing.at(self.now);
        let is_pending = pack.standing.pending.is_some_and(|pending| pending.version_id == id);
        let is_announced = is_pending || standing.current_version == Some(id);
        let is_offered =
            facts.is_granted && (standing.offered_version() == Some(id) || is_announced && !facts.installed.is_empty());
        let had = |update: &Update| update.from == id || update.to == id && facts.shows(update);
        let is_seen = is_offered || facts.installed.contains(&id) || facts.updates.iter().any(had);
        is_seen.then(|| self.versions.get(&id).cloned()).flatten().map(AvailableVersion::of)
    }
}

/// Reads a pack, these releases of it, and the facts of these accounts. `server` must read one state.
pub async fn seen_by(
    server: &WholeServer,
    now: Instant,
    pack: PackId,
    releases: &[ReleaseId],
    accounts: &[AccountId],
) -> StoreResult<VisibleToMany> {
    let found = pack::Entity::find_by_id(pack.0).one(server.conn()).await?.map(convert::pack).transpose()?;
    let found_releases = releases_of(server, pack, releases).await?;
    let versions = versions_of(server, now, found.as_ref(), &found_releases).await?;
    let mut facts: HashMap<AccountId, Facts> = HashMap::with_capacity(accounts.len());
    for accounts in accounts.chunks(VALUES_MAX) {
        let of = Accounts { server, pack, accounts };
        for account in of.granted().await? {
            facts.entry(account).or_default().is_granted = true;
        }
        for (account, version) in of.installed().await? {
            facts.entry(account).or_default().installed.push(version);
        }
        for (account, update) in of.updates(releases).await? {
            facts.entry(account).or_default().updates.push(update);
        }
    }
    let mut releases: HashMap<_, _> = releases.iter().map(|id| (*id, None)).collect();
    releases.extend(found_releases.into_iter().map(|release| (release.id, Some(release))));
    Ok(VisibleToMany { pack: found, releases, versions, accounts: facts, now, read_by: std::time::Instant::now() })
}

/// Those of these releases that belong to the pack.
async fn releases_of(server: &WholeServer, pack: PackId, releases: &[ReleaseId]) -> StoreResult<Vec<Release>> {
    let rows = release::Entity::find()
        .filter(server.reader().any_of(col(release::Column::Id), releases.iter().map(|id| id.0)))
        .filter(col(release::Column::PackId).eq(pack.0))
        .all(server.conn())
        .await?;
    rows.into_iter().map(convert::release).collect()
}

/// The versions that an account may see through the pack or through one of the releases.
async fn versions_of(
    server: &WholeServer,
    now: Instant,
    pack: Option<&Pack>,
    releases: &[Release],
) -> StoreResult<HashMap<PackVersionId, PackVersion>> {
    let of_pack = pack.into_iter().flat_map(|pack| {
        let (stored, standing) = (pack.standing, pack.standing.at(now));
        [standing.current_version, standing.offered_version(), stored.pending.map(|pending| pending.version_id)]
    });
    let ids = of_pack.flatten().chain(releases.iter().map(|release| release.version_id)).map(|id| id.0);
    let rows = version::Entity::find()
        .filter(server.reader().any_of(col(version::Column::Id), ids))
        .all(server.conn())
        .await?;
    Ok(rows.into_iter().map(convert::pack_version).map(|version| (version.id, version)).collect())
}

/// Accounts whose facts on a pack one statement of each kind reads.
struct Accounts<'a> {
    server: &'a WholeServer,
    pack: PackId,
    accounts: &'a [AccountId],
}

impl Accounts<'_> {
    fn are(&self, column: Expr) -> Expr {
        self.server.reader().any_of_many(column, self.accounts.iter().map(|id| id.0))
    }

    /// The condition that an installation of the pack belongs to one of the accounts.
    fn have_installation(&self) -> Expr {
        col(installation::Column::PackId).eq(self.pack.0).and(self.are(col(installation::Column::AccountId)))
    }

    /// The accounts to which a group grants the pack.
    async fn granted(&self) -> StoreResult<Vec<AccountId>> {
        let groups = Query::select()
            .expr(col(share::Column::GroupId))
            .from(share::Entity)
            .and_where(col(share::Column::PackId).eq(self.pack.0))
            .take();
        let granted: Vec<Uuid> = member::Entity::find()
            .select_only()
            .column(member::Column::AccountId)
            .filter(self.are(col(member::Column::AccountId)))
            .filter(col(member::Column::GroupId).in_subquery(groups))
            .into_tuple()
            .all(self.server.conn())
            .await?;
        Ok(granted.into_iter().map(Into::into).collect())
    }

    /// The versions of the accounts' live installations.
    async fn installed(&self) -> StoreResult<Vec<(AccountId, PackVersionId)>> {
        let installed: Vec<(Uuid, Uuid)> = installation::Entity::find()
            .select_only()
            .columns([installation::Column::AccountId, installation::Column::VersionId])
            .filter(self.have_installation())
            .filter(col(installation::Column::UninstalledAt).is_null())
            .into_tuple()
            .all(self.server.conn())
            .await?;
        Ok(installed.into_iter().map(|(account, version)| (account.into(), version.into())).collect())
    }

    /// The updates of the accounts' installations by these releases.
    async fn updates(&self, releases: &[ReleaseId]) -> StoreResult<Vec<(AccountId, Update)>> {
        let select = Query::select()
            .exprs([
                col(update::Column::AccountId),
                col(update::Column::ReleaseId),
                col(update::Column::FromVersionId),
                col(update::Column::ToVersionId),
                col(update::Column::State),
                col(update::Column::SkipReason),
            ])
            .from(installation::Entity)
            .inner_join(update::Entity, col(update::Column::InstallationId).eq(col(installation::Column::Id)))
            .and_where(self.have_installation())
            .and_where(self.server.reader().any_of(col(update::Column::ReleaseId), releases.iter().map(|id| id.0)))
            .take();
        let mut updates = Vec::new();
        for row in self.server.conn().query_all(&select).await? {
            let [account, release, from, to]: [Uuid; 4] = [
                row.try_get_by_index(0)?,
                row.try_get_by_index(1)?,
                row.try_get_by_index(2)?,
                row.try_get_by_index(3)?,
            ];
            let (state, reason): (String, Option<String>) = (row.try_get_by_index(4)?, row.try_get_by_index(5)?);
            // A state that only a newer program knows doesn't matter here.
            let Ok(state) = UpdateState::read(&state) else { continue };
            let is_not_entitled = reason.as_deref() == Some(SkipReason::NotEntitled.stored());
            let (release, from, to) = (release.into(), from.into(), to.into());
            updates.push((account.into(), Update { release, from, to, state, is_not_entitled }));
        }
        Ok(updates)
    }
}
