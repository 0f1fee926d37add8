//! Rows of early stages (R54, R55).

use std::collections::BTreeMap;

use entity::release_stage::{ActiveModel, Column, Entity, Model};
use entity::{
    account_group, account_group_member as member, installation, release_stage_account as stage_account,
    release_stage_group as stage_group,
};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{GroupId, InstallationId, ReleaseId};
use crate::domain::releases::DataVersion;
use crate::domain::releases::Release;
use crate::domain::releases::Window;
use crate::domain::releases::{Buckets, Holds, Percent, Stage};
use crate::store::column::col;
use crate::store::locks::locked;
use crate::store::releases::stage_conditions::is_in_open_stage as is_in_open_stage_of;
use crate::store::{StoreError, StoreResult, Tx};

/// A position in the form of its column.
#[must_use]
pub fn position(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

/// Adds the stages of a release.
pub async fn insert(tx: &Tx, release: ReleaseId, stages: &[Stage]) -> StoreResult<()> {
    if stages.is_empty() {
        return Ok(());
    }
    let rows = stages.iter().enumerate().map(|(index, stage)| row(release, index, stage));
    Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    let groups: Vec<_> =
        stages.iter().enumerate().flat_map(|(index, stage)| group_rows(release, index, stage)).collect();
    if !groups.is_empty() {
        stage_group::Entity::insert_many(groups).exec_without_returning(tx.conn()).await?;
    }
    Ok(())
}

fn row(release: ReleaseId, index: usize, stage: &Stage) -> ActiveModel {
    let (percent, buckets) = match &stage.holds {
        Holds::Percent(percent, buckets) => (Some(percent.hundredths()), Some(*buckets)),
        Holds::Groups(_) => (None, None),
    };
    ActiveModel {
        release_id: Set(release.into()),
        position: Set(position(index)),
        name: Set(stage.name.clone()),
        hundredths: Set(percent),
        bucket_factor: Set(buckets.map(|buckets| buckets.factor)),
        bucket_shift: Set(buckets.map(|buckets| buckets.shift)),
        date: Set(stage.window.date.to_string()),
        starts_at: Set(stage.window.starts_at),
        ends_at: Set(stage.window.ends_at),
        time_zone_data_version: Set(stage.window.data_version.to_string()),
        opened_at: Set(stage.opened_at),
        completed_at: Set(stage.completed_at),
    }
}

fn group_rows(release: ReleaseId, index: usize, stage: &Stage) -> Vec<stage_group::ActiveModel> {
    let Holds::Groups(groups) = &stage.holds else { return Vec::new() };
    let row = |group: &GroupId| stage_group::ActiveModel {
        release_id: Set(release.into()),
        position: Set(position(index)),
        group_id: Set((*group).into()),
    };
    groups.iter().map(row).collect()
}

/// The early stages of a release.
pub async fn of(tx: &Tx, release: &Release) -> StoreResult<Vec<Stage>> {
    if !release.has_stages {
        return Ok(Vec::new());
    }
    let (window, release) = (release.window.as_ref(), release.id);
    let rows = Entity::find()
        .filter(Column::ReleaseId.eq(Uuid::from(release)))
        .order_by_asc(Column::Position)
        .all(tx.conn())
        .await?;
    let groups = stage_group::Entity::find()
        .filter(stage_group::Column::ReleaseId.eq(Uuid::from(release)))
        .all(tx.conn())
        .await?;
    let time_zone = window.map_or("", |window| window.time_zone.as_str());
    stages(rows, &groups_by_stage(groups), |_| time_zone.to_owned())
        .map(|mut by_release| by_release.remove(&release).unwrap_or_default())
}

/// The groups of stages, by release and position.
pub(in crate::store) type GroupsByStage = BTreeMap<(Uuid, i32), Vec<GroupId>>;

/// Sorts the rows of groups by their stages.
pub(in crate::store) fn groups_by_stage(rows: Vec<stage_group::Model>) -> GroupsByStage {
    let mut groups = GroupsByStage::new();
    for row in rows {
        groups.entry((row.release_id, row.position)).or_default().push(row.group_id.into());
    }
    groups
}

/// Converts rows to stages, in the order of positions. `time_zone` returns the zone of a release.
pub(in crate::store) fn stages(
    rows: Vec<Model>,
    groups: &GroupsByStage,
    time_zone: impl Fn(ReleaseId) -> String,
) -> StoreResult<BTreeMap<ReleaseId, Vec<Stage>>> {
    let mut by_release: BTreeMap<ReleaseId, Vec<Stage>> = BTreeMap::new();
    for row in rows {
        let release = ReleaseId::from(row.release_id);
        let holds = match (row.hundredths, row.bucket_factor, row.bucket_shift) {
            (Some(hundredths), Some(factor), Some(shift)) => {
                Holds::Percent(Percent::stored(hundredths), Buckets { factor, shift })
            }
            _ => Holds::Groups(groups.get(&(row.release_id, row.position)).cloned().unwrap_or_default()),
        };
        by_release.entry(release).or_default().push(Stage {
            name: row.name,
            holds,
            window: Window {
                date: row
                    .date
                    .parse()
                    .map_err(|_| StoreError::Fault(format!("a stored date is wrong: {}", row.date)))?,
                time_zone: time_zone(release),
                starts_at: row.starts_at,
                ends_at: row.ends_at,
                data_version: DataVersion::stored(row.time_zone_data_version),
            },
            opened_at: row.opened_at,
            completed_at: row.completed_at,
        });
    }
    Ok(by_release)
}

fn change(release: ReleaseId, index: usize) -> ActiveModel {
    ActiveModel { release_id: Set(release.into()), position: Set(position(index)), ..Default::default() }
}

/// Saves that a stage has opened, and the accounts that are in its groups now.
pub async fn save_opened(tx: &Tx, release: ReleaseId, index: usize, stage: &Stage) -> StoreResult<()> {
    Entity::update(ActiveModel { opened_at: Set(stage.opened_at), ..change(release, index) }).exec(tx.conn()).await?;
    let Holds::Groups(groups) = &stage.holds else { return Ok(()) };
    // So that a change of the members comes before the stage or after it, in the logs as in the groups.
    let rows = account_group::Entity::find()
        .select_only()
        .column(account_group::Column::Id)
        .filter(tx.any_of(col(account_group::Column::Id), groups.iter().map(|group| group.0)))
        .order_by_asc(account_group::Column::Id);
    let _: Vec<Uuid> = locked(rows).into_tuple().all(tx.conn()).await?;
    // The groups are named, because PostgreSQL knows how many members a group has, but not which groups a join finds.
    let members = Query::select()
        .distinct()
        .expr(Expr::val(release.0))
        .expr(Expr::val(position(index)))
        .column((member::Entity, member::Column::AccountId))
        .from(member::Entity)
        .and_where(tx.any_of(col(member::Column::GroupId), groups.iter().map(|group| group.0)))
        .take();
    use stage_account::Column as A;
    let insert = Query::insert()
        .into_table(stage_account::Entity)
        .columns([A::ReleaseId, A::Position, A::AccountId])
        .select_from(members)
        .map_err(|e| StoreError::Fault(e.to_string()))?
        .take();
    tx.conn().execute(&insert).await?;
    Ok(())
}

/// Saves that a stage has processed all of its installations.
pub async fn save_completed(tx: &Tx, release: ReleaseId, index: usize, at: Instant) -> StoreResult<()> {
    Entity::update(ActiveModel { completed_at: Set(Some(at)), ..change(release, index) }).exec(tx.conn()).await?;
    Ok(())
}

/// Saves the window of a stage.
pub async fn save_window(tx: &Tx, release: ReleaseId, index: usize, window: &Window) -> StoreResult<()> {
    let row = ActiveModel {
        date: Set(window.date.to_string()),
        starts_at: Set(window.starts_at),
        ends_at: Set(window.ends_at),
        time_zone_data_version: Set(window.data_version.to_string()),
        ..change(release, index)
    };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Whether a stage that has opened holds an installation.
pub async fn is_in_open_stage(
    tx: &Tx,
    release: &Release,
    installation: InstallationId,
    now: Instant,
) -> StoreResult<bool> {
    if !release.has_stages {
        return Ok(false);
    }
    let select = Query::select()
        .expr(Expr::cust("1"))
        .from(installation::Entity)
        .and_where(col(installation::Column::Id).eq(installation.0))
        .and_where(is_in_open_stage_of(Expr::val(release.id.0), Expr::val(release.is_paused()), now))
        .take();
    Ok(tx.conn().query_one(&select).await?.is_some())
}
