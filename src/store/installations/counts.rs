//! Reads the number of installations per version. It is the sum of tallies, and installations are never counted.

use std::collections::HashMap;

use entity::{installation_tally as tally, integration_pack as pack, pack_version as version};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{ConnectionTrait as _, FromQueryResult};

use crate::domain::Instant;
use crate::domain::id::{PackId, PackVersionId};
use crate::store::column::col;
use crate::store::page::checked;
use crate::store::scope::PublisherScope;
use crate::store::{Snapshot, StoreResult};

/// The tallies of packs that add up to the present numbers: the rows since the last compaction.
pub(in crate::store) fn current() -> SelectStatement {
    let own = col(tally::Column::PackId).eq(col(pack::Column::Id));
    Query::select()
        .from(pack::Entity)
        .inner_join(tally::Entity, own.and(col(tally::Column::Id).gte(col(pack::Column::TallyBaseId))))
        .take()
}

/// The sum of the changes and of the compacted numbers.
pub(in crate::store) fn added_up(change: tally::Column, before: tally::Column) -> Expr {
    col(change).add(col(before)).sum()
}

/// The number of installations that have a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionCount {
    pub pack_id: PackId,
    pub version_id: PackVersionId,
    pub count: i64,
}

#[derive(FromQueryResult)]
struct Row {
    pack_id: Uuid,
    version_id: Uuid,
    count: i64,
}

impl From<Row> for VersionCount {
    fn from(Row { pack_id, version_id, count }: Row) -> Self {
        Self { pack_id: pack_id.into(), version_id: version_id.into(), count }
    }
}

async fn by_version(
    snapshot: &Snapshot<PublisherScope>,
    mut select: SelectStatement,
    count: Expr,
) -> StoreResult<Vec<VersionCount>> {
    let columns = [tally::Column::PackId, tally::Column::VersionId];
    select
        .columns(columns.map(|column| (tally::Entity, column)))
        .expr_as(count.clone(), "count")
        .and_where(checked(col(pack::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .add_group_by(columns.map(col))
        .and_having(count.ne(0));
    let rows = snapshot.conn().query_all(&select).await?;
    rows.iter().map(|row| Ok(Row::from_query_result(row, "")?.into())).collect()
}

/// The present number of installations per version of these packs. A version without installations is absent.
pub async fn of_packs(snapshot: &Snapshot<PublisherScope>, ids: &[PackId]) -> StoreResult<Vec<VersionCount>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut select = current();
    select.and_where(snapshot.any_of(col(pack::Column::Id), ids.iter().map(|id| id.0)));
    by_version(snapshot, select, added_up(tally::Column::Installations, tally::Column::AllInstallations)).await
}

/// The present number of installations of these versions. A version without installations is absent.
pub async fn of_versions(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[PackVersionId],
) -> StoreResult<HashMap<PackVersionId, i64>> {
    let mut select = current();
    select.and_where(snapshot.any_of(col(tally::Column::VersionId), ids.iter().map(|id| id.0)));
    let of_packs = Query::select()
        .column(version::Column::PackId)
        .from(version::Entity)
        .and_where(snapshot.any_of(col(version::Column::Id), ids.iter().map(|id| id.0)))
        .take();
    select.and_where(col(pack::Column::Id).in_subquery(of_packs));
    let count = added_up(tally::Column::Installations, tally::Column::AllInstallations);
    let counts = by_version(snapshot, select, count).await?;
    Ok(counts.into_iter().map(|count| (count.version_id, count.count)).collect())
}

/// The number of installations per version at an instant. Sums all changes until then, so the cost grows with the
/// number of changes; a batch that moved many installations counts as few.
pub async fn at(snapshot: &Snapshot<PublisherScope>, ids: &[PackId], at: Instant) -> StoreResult<Vec<VersionCount>> {
    let select = Query::select()
        .from(pack::Entity)
        .inner_join(tally::Entity, col(tally::Column::PackId).eq(col(pack::Column::Id)))
        .and_where(snapshot.any_of(col(pack::Column::Id), ids.iter().map(|id| id.0)))
        .and_where(col(tally::Column::At).lte(at))
        .take();
    by_version(snapshot, select, col(tally::Column::Installations).sum()).await
}

/// The number of accounts that have these packs installed. A pack without accounts may be absent.
pub async fn accounts(snapshot: &Snapshot<PublisherScope>, ids: &[PackId]) -> StoreResult<HashMap<PackId, i64>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut select = current();
    select
        .column((tally::Entity, tally::Column::PackId))
        .expr_as(added_up(tally::Column::Accounts, tally::Column::AllAccounts), "count")
        .and_where(snapshot.any_of(col(pack::Column::Id), ids.iter().map(|id| id.0)))
        .and_where(checked(col(pack::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .add_group_by([col(tally::Column::PackId)]);
    let rows = snapshot.conn().query_all(&select).await?;
    rows.iter()
        .map(|row| {
            let (id, count): (Uuid, i64) = (row.try_get("", "pack_id")?, row.try_get("", "count")?);
            Ok((id.into(), count))
        })
        .collect()
}
