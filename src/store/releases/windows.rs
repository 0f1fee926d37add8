//! Windows of releases and of their early stages that the server hasn't carried out yet, whether or not they have
//! opened.

use entity::{integration_pack, pack_release, release_stage};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait as _, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _, QueryTrait as _,
    Select,
};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{AccountId, PackId, ReleaseId};
use crate::domain::releases::{DataVersion, ReleaseState, Window};
use crate::store::column::col;
use crate::store::convert::{self, Stored as _};
use crate::store::packs::has_due;
use crate::store::reader::Reads;
use crate::store::{StoreResult, Tx, WholeServer, readable, tolerant};

/// The publishers whose packs a look-up considers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publishers {
    All,
    Only(AccountId),
}

/// The packs with an opened window of a release or stage that was not carried out yet, oldest window first, at most
/// `limit` (R39).
pub async fn due(server: &WholeServer, of: Publishers, now: Instant, limit: u64) -> StoreResult<Vec<PackId>> {
    let found: Vec<Uuid> = packs_of(of)
        .select_only()
        .column(integration_pack::Column::Id)
        .filter(has_due(now))
        .order_by_asc(integration_pack::Column::PendingDueAt)
        .order_by_asc(integration_pack::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(server.conn())
        .await?;
    Ok(found.into_iter().map(Into::into).collect())
}

/// The number of packs that [`due`] finds, and the start of the oldest of their windows.
pub async fn overdue(server: &WholeServer, now: Instant) -> StoreResult<(i64, Option<Instant>)> {
    let found: Option<(i64, Option<Instant>)> = integration_pack::Entity::find()
        .select_only()
        .expr_as(Expr::cust("COUNT(*)"), "due")
        .expr_as(col(integration_pack::Column::PendingDueAt).min(), "oldest")
        .filter(has_due(now))
        .into_tuple()
        .one(server.conn())
        .await?;
    Ok(found.unwrap_or_default())
}

/// The start of the next window of a release or stage, without the packs in `but`; `None` if no other release is
/// pending.
pub async fn next(server: &WholeServer, but: &[PackId]) -> StoreResult<Option<Instant>> {
    let found: Option<Option<Instant>> = integration_pack::Entity::find()
        .select_only()
        .column(integration_pack::Column::PendingDueAt)
        .filter(integration_pack::Column::PendingDueAt.is_not_null())
        .filter(integration_pack::Column::ReleasePaused.eq(false))
        .filter(integration_pack::Column::Id.is_not_in(but.iter().map(|id| Uuid::from(*id))))
        .order_by_asc(integration_pack::Column::PendingDueAt)
        .limit(1)
        .into_tuple()
        .one(server.conn())
        .await?;
    Ok(found.flatten())
}

/// Whether at least one of these packs, if it is one of these publishers', has an opened window of a release or stage
/// that was not carried out yet. Takes no lock, so that commands on other packs pay only one look-up.
pub(crate) async fn any_due(from: &impl Reads, of: Publishers, packs: &[PackId], now: Instant) -> StoreResult<bool> {
    if packs.is_empty() {
        return Ok(false);
    }
    let found: Option<Uuid> = packs_of(of)
        .select_only()
        .column(integration_pack::Column::Id)
        .filter(integration_pack::Column::Id.is_in(packs.iter().map(|id| Uuid::from(*id))))
        .filter(has_due(now))
        .limit(1)
        .into_tuple()
        .one(from.source())
        .await?;
    Ok(found.is_some())
}

fn packs_of(publishers: Publishers) -> Select<integration_pack::Entity> {
    match publishers {
        Publishers::All => integration_pack::Entity::find(),
        Publishers::Only(id) => {
            integration_pack::Entity::find().filter(integration_pack::Column::PublisherId.eq(Uuid::from(id)))
        }
    }
}

/// The window of a release that has not been started yet.
#[derive(Clone, Debug)]
pub struct PendingWindow {
    pub pack: PackId,
    pub release: ReleaseId,
    pub window: Window,
    /// Whether the release has early stages, which have windows of their own.
    pub has_stages: bool,
}

/// The windows of pending releases that were computed with time zone data older than `version`, or have a waiting stage
/// whose window was, in the order of the releases' ids, from the id after `after` on. Beside them is the
/// last id if there may be more after it. A release that can't be read is logged and left out: it must not keep the
/// windows of others where they are.
pub async fn of_older_data(
    server: &WholeServer,
    version: &DataVersion,
    after: Option<ReleaseId>,
    limit: u64,
) -> StoreResult<(Vec<PendingWindow>, Option<ReleaseId>)> {
    let mut select =
        pack_release::Entity::find().filter(pack_release::Column::State.eq(ReleaseState::Scheduled.stored())).filter(
            col(pack_release::Column::TimeZoneDataVersion).lt(version.as_str()).or(has_stage_of_older_data(version)),
        );
    if let Some(after) = after {
        select = select.filter(pack_release::Column::Id.gt(Uuid::from(after)));
    }
    let select = select.order_by_asc(pack_release::Column::Id).limit(limit).into_query();
    let rows = server.conn().query_all(&select).await?;
    let is_full = u64::try_from(rows.len()).is_ok_and(|count| count >= limit);
    let (mut found, mut last) = (Vec::new(), None);
    for row in &rows {
        let id: Uuid = row.try_get("", "id")?;
        last = Some(id.into());
        let read = tolerant::row(row, "").and_then(convert::release);
        let Some(release) = readable("pack_release", id, read)? else { continue };
        let (pack, has_stages) = (release.pack_id, release.has_stages);
        found.extend(release.window.map(|window| PendingWindow { pack, release: release.id, window, has_stages }));
    }
    Ok((found, last.filter(|_| is_full)))
}

/// The condition that a release has a waiting stage whose window was computed with older data. A server with older data
/// may have moved a stage of a release whose own window is of newer data.
fn has_stage_of_older_data(version: &DataVersion) -> Expr {
    let stages = Query::select()
        .expr(Expr::cust("1"))
        .from(release_stage::Entity)
        .and_where(col(release_stage::Column::ReleaseId).eq(col(pack_release::Column::Id)))
        .and_where(col(release_stage::Column::OpenedAt).is_null())
        .and_where(col(release_stage::Column::TimeZoneDataVersion).lt(version.as_str()))
        .take();
    col(pack_release::Column::HasStages).eq(true).and(Expr::exists(stages))
}

/// Saves that newer time zone data gives the same window. Does nothing if the window was changed since it was read.
pub async fn keep_window(tx: &Tx, pending: &PendingWindow, version: &str) -> StoreResult<()> {
    use pack_release::Column;
    let window = &pending.window;
    pack_release::Entity::update_many()
        .col_expr(Column::TimeZoneDataVersion, Expr::value(version))
        .filter(Column::Id.eq(Uuid::from(pending.release)))
        .filter(Column::State.eq(ReleaseState::Scheduled.stored()))
        .filter(Column::Date.eq(window.date.to_string()))
        .filter(Column::StartsAt.eq(window.starts_at))
        .filter(Column::TimeZoneDataVersion.eq(window.data_version.as_str()))
        .exec(tx.conn())
        .await?;
    Ok(())
}
