//! Reads of early stages. The publisher reads all of a stage; a managed account reads only when its update is applied
//! (R55).

use std::collections::HashMap;

use entity::{
    account, installation, pack_release as release, release_stage as stage, release_stage_group as stage_group,
};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Order, Query};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _,
};

use crate::domain::Instant;
use crate::domain::accounts::AccountStatus;
use crate::domain::id::{PackId, ReleaseId, UpdateId};
use crate::domain::releases::{Release, Stage, Window, applies_in, first_stage};
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::page::checked;
use crate::store::releases::stage_conditions::{first_stage as first_stage_of, in_groups_of_stage, would_hold};
use crate::store::releases::stages::{GroupsByStage, groups_by_stage, stages};
use crate::store::scope::{PublisherScope, Scope};
use crate::store::sharing::entitled;
use crate::store::{Snapshot, StoreResult};

/// The early stages of these releases of the publisher. A release without stages is absent.
pub async fn of_releases(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[ReleaseId],
) -> StoreResult<HashMap<ReleaseId, Vec<Stage>>> {
    let own = checked(col(release::Column::PublisherId).eq(snapshot.scope().publisher_id().0));
    let releases = release::Entity::find()
        .filter(snapshot.any_of(col(release::Column::Id), ids.iter().map(|id| id.0)))
        .filter(own)
        .filter(release::Column::HasStages.eq(true))
        .all(snapshot.conn())
        .await?;
    let zones: HashMap<ReleaseId, String> =
        releases.into_iter().map(|row| (row.id.into(), row.time_zone.unwrap_or_default())).collect();
    if zones.is_empty() {
        return Ok(HashMap::new());
    }
    let own = || zones.keys().map(|id| id.0);
    let rows = stage::Entity::find()
        .filter(snapshot.any_of(col(stage::Column::ReleaseId), own()))
        .order_by_asc(stage::Column::Position)
        .all(snapshot.conn())
        .await?;
    let groups = stage_group::Entity::find()
        .filter(snapshot.any_of(col(stage_group::Column::ReleaseId), own()))
        .order_by_asc(stage_group::Column::GroupId)
        .all(snapshot.conn())
        .await?;
    let found = stages(rows, &groups_by_stage(groups), |id| zones.get(&id).cloned().unwrap_or_default())?;
    Ok(found.into_iter().collect())
}

/// The number of installations that each early stage of these releases holds, by position, as groups and grants are
/// now. The installations are counted, because tallies don't know groups and buckets.
pub async fn counts(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[ReleaseId],
) -> StoreResult<HashMap<ReleaseId, Vec<i64>>> {
    let each = Query::select()
        .expr_as(col(release::Column::Id), "release_id")
        .expr_as(first_stage_of(col(release::Column::Id)), "first_position")
        .from(installation::Entity)
        .inner_join(release::Entity, col(release::Column::PackId).eq(col(installation::Column::PackId)))
        .and_where(snapshot.any_of(col(release::Column::Id), ids.iter().map(|id| id.0)))
        .and_where(col(release::Column::HasStages).eq(true))
        .and_where(checked(col(release::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .and_where(col(installation::Column::UninstalledAt).is_null())
        .and_where(entitled())
        .take();
    let by_stage = Query::select()
        .columns(["release_id", "first_position"])
        .expr_as(Expr::cust("COUNT(*)"), "count")
        .from_subquery(each, "held")
        .and_where(Expr::col("first_position").is_not_null())
        .group_by_columns(["release_id", "first_position"])
        .take();
    let mut counts: HashMap<ReleaseId, Vec<i64>> = ids.iter().map(|id| (*id, Vec::new())).collect();
    for row in snapshot.conn().query_all(&by_stage).await? {
        let id: Uuid = row.try_get("", "release_id")?;
        let position: i32 = row.try_get("", "first_position")?;
        let of_release = counts.entry(id.into()).or_default();
        let index = usize::try_from(position).unwrap_or(0);
        of_release.resize(of_release.len().max(index + 1), 0);
        if let Some(count) = of_release.get_mut(index) {
            *count = row.try_get("", "count")?;
        }
    }
    Ok(counts)
}

/// How many installations each of the planned stages of a pack's release would move, the last stage included, if groups
/// and grants stay as they are (R54).
pub async fn planned(snapshot: &Snapshot<PublisherScope>, pack: PackId, planned: &[Stage]) -> StoreResult<Vec<i64>> {
    let mut counts = vec![0; planned.len() + 1];
    let mut first = sea_orm::sea_query::CaseStatement::new();
    for (index, stage) in (0_i32..).zip(planned) {
        first = first.case(would_hold(&stage.holds), Expr::val(index));
    }
    let each = Query::select()
        .expr_as(first.finally(Expr::val(i32::try_from(planned.len()).unwrap_or(0))), "first_position")
        .from(installation::Entity)
        .inner_join(account::Entity, col(account::Column::Id).eq(col(installation::Column::AccountId)))
        .and_where(col(installation::Column::PackId).eq(pack.0))
        .and_where(col(installation::Column::UninstalledAt).is_null())
        .and_where(checked(col(installation::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .and_where(col(account::Column::Status).eq(AccountStatus::Active.stored()))
        .and_where(entitled())
        .take();
    let by_stage = Query::select()
        .column("first_position")
        .expr_as(Expr::cust("COUNT(*)"), "count")
        .from_subquery(each, "held")
        .group_by_col("first_position")
        .take();
    for row in snapshot.conn().query_all(&by_stage).await? {
        let position: i32 = row.try_get("", "first_position")?;
        if let Some(count) = usize::try_from(position).ok().and_then(|index| counts.get_mut(index)) {
            *count = row.try_get("", "count")?;
        }
    }
    Ok(counts)
}

/// The early stages of an update's release without their names and groups, and the first one that holds its
/// installation.
#[derive(Clone, Debug, Default)]
pub struct StagesOfUpdate {
    stages: Vec<Stage>,
    first: Option<usize>,
}

impl StagesOfUpdate {
    /// The window in which the update is applied if its account doesn't apply it before (R55). The account may not see
    /// anything else of the stages.
    #[must_use]
    pub fn applies_in(&self, release: &Release, now: Instant) -> Option<Window> {
        applies_in(&self.stages, self.first, release, now)
    }
}

/// The stages of updates. An update of a release without stages is absent.
pub async fn of_updates(snapshot: &Snapshot, ids: &[UpdateId]) -> StoreResult<HashMap<UpdateId, StagesOfUpdate>> {
    use stage::Column as S;
    let own = match snapshot.scope() {
        Scope::Publisher(scope) => col(installation::Column::PublisherId).eq(scope.publisher_id().0),
        Scope::Managed(scope) => col(installation::Column::AccountId).eq(scope.account_id().0),
    };
    let select = Query::select()
        .columns(
            [
                S::ReleaseId,
                S::Position,
                S::Hundredths,
                S::BucketFactor,
                S::BucketShift,
                S::Date,
                S::StartsAt,
                S::EndsAt,
                S::TimeZoneDataVersion,
                S::OpenedAt,
                S::CompletedAt,
            ]
            .map(|column| (stage::Entity, column)),
        )
        .expr_as(Expr::cust("''"), "name")
        .expr_as(col(installation::Column::Id), "installation_id")
        .expr_as(col(release::Column::TimeZone), "time_zone")
        .expr_as(in_groups_of_stage(), "is_in_groups")
        .from(installation::Entity)
        .inner_join(release::Entity, col(release::Column::PackId).eq(col(installation::Column::PackId)))
        .inner_join(stage::Entity, col(S::ReleaseId).eq(col(release::Column::Id)))
        .and_where(snapshot.any_of(col(installation::Column::Id), ids.iter().map(|id| id.installation.0)))
        .and_where(snapshot.any_of(col(release::Column::Id), ids.iter().map(|id| id.release.0)))
        .and_where(checked(own))
        .order_by((stage::Entity, S::Position), Order::Asc)
        .take();
    let mut found: HashMap<UpdateId, StagesOfUpdate> = HashMap::new();
    let mut in_groups: HashMap<UpdateId, Vec<bool>> = HashMap::new();
    for row in snapshot.conn().query_all(&select).await? {
        let (installation, release): (Uuid, Uuid) =
            (row.try_get("", "installation_id")?, row.try_get("", "release_id")?);
        let id = UpdateId { installation: installation.into(), release: release.into() };
        let time_zone: Option<String> = row.try_get("", "time_zone")?;
        let model = stage::Model::from_query_result(&row, "")?;
        let read = stages(vec![model], &GroupsByStage::new(), |_| time_zone.clone().unwrap_or_default())?;
        found.entry(id).or_default().stages.extend(read.into_values().flatten());
        in_groups.entry(id).or_default().push(row.try_get("", "is_in_groups")?);
    }
    for (id, of_update) in &mut found {
        let is_in = |position| in_groups.get(id).and_then(|all| all.get(position)).copied().unwrap_or(false);
        of_update.first = first_stage(&of_update.stages, id.installation, is_in);
    }
    Ok(found)
}
