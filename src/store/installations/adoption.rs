//! Reads of how versions are spread: over all installations of a pack, or over those that a release concerns.

use std::collections::{BTreeSet, HashMap};

use entity::{installation, installation_update as update, pack_release as release};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{ConnectionTrait as _, QueryResult};

use crate::domain::Instant;
use crate::domain::id::{PackId, PackVersionId, ReleaseId};
use crate::store::column::col;
use crate::store::installations::counts;
use crate::store::installations::updates::is_one;
use crate::store::packs::versions_by_ids;
use crate::store::page::checked;
use crate::store::scope::PublisherScope;
use crate::store::sharing::entitled;
use crate::store::{Snapshot, StoreResult};

/// The installations whose adoption is read. Uninstalled ones are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdoptionOf {
    /// All installations of the pack.
    Pack(PackId),
    /// Installations that have an update by the release, or that it has still to reach (R49).
    Release(ReleaseId),
}

impl AdoptionOf {
    pub(super) fn id(self) -> Uuid {
        match self {
            Self::Pack(id) => id.0,
            Self::Release(id) => id.0,
        }
    }
}

/// The most versions in a [`Distribution`].
const VERSIONS_MAX: usize = 100;

/// The number of installations, in all and by version.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    pub installations: i64,
    /// By version, newest first; at most the newest hundred.
    pub versions: Vec<(PackVersionId, i64)>,
}

/// The ids of the packs, or of the releases, in `subjects`.
fn ids(subjects: &[AdoptionOf], packs: bool) -> Vec<Uuid> {
    subjects.iter().filter(|of| matches!(of, AdoptionOf::Pack(_)) == packs).map(|of| of.id()).collect()
}

/// The installations of packs, or of releases, with the pack's or release's id as `subject`.
fn installations_of(snapshot: &Snapshot<PublisherScope>, ids: &[Uuid], packs: bool) -> SelectStatement {
    let mut select = Query::select().from(installation::Entity).take();
    let own = col(installation::Column::PublisherId).eq(snapshot.scope().publisher_id().0);
    if packs {
        select
            .expr_as(col(installation::Column::PackId), "subject")
            .and_where(snapshot.any_of(col(installation::Column::PackId), ids.iter().copied()));
    } else {
        let own_row = col(update::Column::InstallationId).eq(col(installation::Column::Id));
        select
            .expr_as(col(release::Column::Id), "subject")
            .inner_join(release::Entity, col(release::Column::PackId).eq(col(installation::Column::PackId)))
            .left_join(update::Entity, own_row.and(col(update::Column::ReleaseId).eq(col(release::Column::Id))))
            .and_where(snapshot.any_of(col(release::Column::Id), ids.iter().copied()))
            .and_where(is_one());
    }
    select.and_where(col(installation::Column::UninstalledAt).is_null()).and_where(checked(own));
    select
}

/// Runs one statement for the packs in `subjects`, and one for the releases.
pub(super) async fn both(
    snapshot: &Snapshot<PublisherScope>,
    subjects: &[AdoptionOf],
    statement: impl Fn(&[Uuid], bool) -> SelectStatement,
) -> StoreResult<Vec<(AdoptionOf, QueryResult)>> {
    let mut rows = Vec::new();
    for packs in [true, false] {
        let ids = ids(subjects, packs);
        if ids.is_empty() {
            continue;
        }
        for row in snapshot.conn().query_all(&statement(&ids, packs)).await? {
            let subject: Uuid = row.try_get("", "subject")?;
            let of = if packs { AdoptionOf::Pack(subject.into()) } else { AdoptionOf::Release(subject.into()) };
            rows.push((of, row));
        }
    }
    Ok(rows)
}

/// The number of installations, in all and by version. For a pack it is the sum of tallies. For a release the database
/// counts installations with an update by it or waiting for one, because no tally knows to which versions other
/// releases have moved them since.
pub async fn distribution(
    snapshot: &Snapshot<PublisherScope>,
    subjects: &[AdoptionOf],
) -> StoreResult<HashMap<AdoptionOf, Distribution>> {
    let statement = |ids: &[Uuid]| {
        let mut select = installations_of(snapshot, ids, false);
        select
            .expr_as(col(installation::Column::VersionId), "version_id")
            .expr_as(Expr::cust("COUNT(*)"), "count")
            .add_group_by([col(release::Column::Id), col(installation::Column::VersionId)]);
        select
    };
    let mut found: Vec<(AdoptionOf, PackVersionId, i64)> = Vec::new();
    for (of, row) in of_releases(snapshot, subjects, statement).await? {
        let version: Uuid = row.try_get("", "version_id")?;
        found.push((of, version.into(), row.try_get("", "count")?));
    }
    for count in counts::of_packs(snapshot, &packs(subjects)).await? {
        found.push((AdoptionOf::Pack(count.pack_id), count.version_id, count.count));
    }
    distributions(snapshot, found).await
}

/// Sorts counts by version number. The numbers mostly come from the cache, because versions never change.
async fn distributions<K: Eq + std::hash::Hash>(
    snapshot: &Snapshot<PublisherScope>,
    found: Vec<(K, PackVersionId, i64)>,
) -> StoreResult<HashMap<K, Distribution>> {
    let ids: BTreeSet<_> = found.iter().map(|(_, version, _)| *version).collect();
    let versions = versions_by_ids(snapshot, &ids.into_iter().collect::<Vec<_>>()).await?;
    let mut counted: HashMap<K, Vec<(i32, PackVersionId, i64)>> = HashMap::new();
    for (of, id, count) in found {
        let number = versions.get(&id).map_or(0, |version| version.number);
        counted.entry(of).or_default().push((number, id, count));
    }
    Ok(counted.into_iter().map(|(of, versions)| (of, distribution_of(versions))).collect())
}

fn distribution_of(mut versions: Vec<(i32, PackVersionId, i64)>) -> Distribution {
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let installations = versions.iter().map(|(.., count)| count).sum();
    let versions = versions.into_iter().take(VERSIONS_MAX).map(|(_, id, count)| (id, count)).collect();
    Distribution { installations, versions }
}

/// The number of installations of packs at an instant, in all and by version. A pack that had none is absent.
pub async fn distribution_at(
    snapshot: &Snapshot<PublisherScope>,
    subjects: &[(PackId, Instant)],
) -> StoreResult<HashMap<(PackId, Instant), Distribution>> {
    let mut of_instants: HashMap<Instant, Vec<PackId>> = HashMap::new();
    for (pack, at) in subjects {
        of_instants.entry(*at).or_default().push(*pack);
    }
    let mut found = Vec::new();
    for (at, packs) in of_instants {
        for count in counts::at(snapshot, &packs, at).await? {
            found.push(((count.pack_id, at), count.version_id, count.count));
        }
    }
    distributions(snapshot, found).await
}

fn packs(subjects: &[AdoptionOf]) -> Vec<PackId> {
    ids(subjects, true).into_iter().map(Into::into).collect()
}

/// Runs one statement for the releases in `subjects`.
async fn of_releases(
    snapshot: &Snapshot<PublisherScope>,
    subjects: &[AdoptionOf],
    statement: impl Fn(&[Uuid]) -> SelectStatement,
) -> StoreResult<Vec<(AdoptionOf, QueryResult)>> {
    let subjects: Vec<_> = subjects.iter().filter(|of| matches!(of, AdoptionOf::Release(_))).copied().collect();
    both(snapshot, &subjects, |ids, _| statement(ids)).await
}

/// The number of accounts that have the installations; zero may be absent. As in [`distribution`], it is a sum of
/// tallies for a pack, and counted for a release.
pub async fn accounts(
    snapshot: &Snapshot<PublisherScope>,
    subjects: &[AdoptionOf],
) -> StoreResult<HashMap<AdoptionOf, i64>> {
    let statement = |ids: &[Uuid]| {
        let mut select = installations_of(snapshot, ids, false);
        select.expr_as(col(installation::Column::AccountId).count_distinct(), "count");
        by_subject(select, false)
    };
    let rows = of_releases(snapshot, subjects, statement).await?;
    let mut found: HashMap<AdoptionOf, i64> =
        rows.into_iter().map(|(of, row)| Ok((of, row.try_get("", "count")?))).collect::<StoreResult<_>>()?;
    let of_packs = counts::accounts(snapshot, &packs(subjects)).await?;
    found.extend(of_packs.into_iter().map(|(pack, count)| (AdoptionOf::Pack(pack), count)));
    Ok(found)
}

/// The number of frozen installations: no group grants the pack to their account now (R45). Zero is absent. Grants
/// change without touching installations, so there is no tally. The database counts over all installations in question,
/// by an index that has all necessary columns.
pub async fn frozen(
    snapshot: &Snapshot<PublisherScope>,
    subjects: &[AdoptionOf],
) -> StoreResult<HashMap<AdoptionOf, i64>> {
    let statement = |ids: &[Uuid], packs| {
        let mut select = installations_of(snapshot, ids, packs);
        select.expr_as(Expr::cust("COUNT(*)"), "count").and_where(entitled().not());
        by_subject(select, packs)
    };
    count(snapshot, subjects, statement).await
}

fn by_subject(mut select: SelectStatement, packs: bool) -> SelectStatement {
    let subject = if packs { col(installation::Column::PackId) } else { col(release::Column::Id) };
    select.add_group_by([subject]);
    select
}

async fn count(
    snapshot: &Snapshot<PublisherScope>,
    subjects: &[AdoptionOf],
    statement: impl Fn(&[Uuid], bool) -> SelectStatement,
) -> StoreResult<HashMap<AdoptionOf, i64>> {
    let rows = both(snapshot, subjects, statement).await?;
    rows.into_iter().map(|(of, row)| Ok((of, row.try_get("", "count")?))).collect()
}
