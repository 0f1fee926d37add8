//! Accounts' reports of how updates went (R57). Only the account and the publisher of the pack read them.

use std::collections::HashMap;

use entity::update_outcome as outcome;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryTrait as _};

use crate::domain::Instant;
use crate::domain::id::{OutcomeReportId, ReleaseId, UpdateId};
use crate::domain::installations::{OutcomeCounts, OutcomeReport};
use crate::domain::releases::HaltFigures;
use crate::store::column::col;
use crate::store::convert::{actor, read};
use crate::store::installations::progress::{self, Kept};
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest, checked};
use crate::store::scope::{PublisherScope, Scope};
use crate::store::sharing::{of_living_pack, pack_is_visible};
use crate::store::{Snapshot, StoreResult, page};

/// The report of a row.
pub(in crate::store) fn report(m: outcome::Model) -> StoreResult<OutcomeReport> {
    Ok(OutcomeReport {
        id: m.id.into(),
        update: UpdateId { installation: m.installation_id.into(), release: m.release_id.into() },
        account_id: m.account_id.into(),
        publisher_id: m.publisher_id.into(),
        pack_id: m.pack_id.into(),
        outcome: read(&m.outcome)?,
        comment: m.comment,
        reported_at: m.reported_at,
        reported_by: actor(&m.actor_kind, m.actor_name, m.actor_token_id, m.actor_account_id)?,
        account_name: m.account_name,
    })
}

/// The condition that a reader may see a report: the publisher of the pack, or the account that made the report while
/// it sees the pack.
fn is_visible(scope: Scope, now: Instant) -> Expr {
    match scope {
        Scope::Publisher(scope) => col(outcome::Column::PublisherId)
            .eq(scope.publisher_id().0)
            .and(of_living_pack(col(outcome::Column::PackId))),
        Scope::Managed(scope) => col(outcome::Column::AccountId).eq(scope.account_id().0).and(pack_is_visible(
            scope,
            now,
            col(outcome::Column::PackId),
        )),
    }
}

/// The reports among `ids` that the reader may see.
pub async fn by_ids(
    snapshot: &Snapshot,
    ids: &[OutcomeReportId],
) -> StoreResult<HashMap<OutcomeReportId, OutcomeReport>> {
    let rows = outcome::Entity::find()
        .filter(snapshot.any_of(col(outcome::Column::Id), ids.iter().map(|id| id.0)))
        .filter(is_visible(snapshot.scope(), snapshot.now()))
        .all(snapshot.conn())
        .await?;
    rows.into_iter().map(|row| report(row).map(|report| (report.id, report))).collect()
}

/// The newest report of each of these updates; an update without one is absent.
pub async fn newest(snapshot: &Snapshot, ids: &[UpdateId]) -> StoreResult<HashMap<UpdateId, OutcomeReport>> {
    let later = |column: outcome::Column| Expr::col(("later", column));
    let is_later = Query::select()
        .expr(Expr::cust("1"))
        .from_as(outcome::Entity, "later")
        .and_where(later(outcome::Column::InstallationId).eq(col(outcome::Column::InstallationId)))
        .and_where(later(outcome::Column::ReleaseId).eq(col(outcome::Column::ReleaseId)))
        .and_where(later(outcome::Column::ReportedAt).gt(col(outcome::Column::ReportedAt)))
        .take();
    let rows = outcome::Entity::find()
        .filter(snapshot.any_of(col(outcome::Column::InstallationId), ids.iter().map(|id| id.installation.0)))
        .filter(snapshot.any_of(col(outcome::Column::ReleaseId), ids.iter().map(|id| id.release.0)))
        .filter(Expr::exists(is_later).not())
        .filter(is_visible(snapshot.scope(), snapshot.now()))
        .all(snapshot.conn())
        .await?;
    rows.into_iter().map(|row| report(row).map(|report| (report.update, report))).collect()
}

/// The form of cursors into lists of [`pages`].
pub const NEWEST: CursorForm = CursorForm::new("outcome", &[KeyKind::Instant, KeyKind::Id]).reversed(true);

/// Pages of the reports of updates, newest first.
pub async fn pages(
    snapshot: &Snapshot,
    keys: &[(UpdateId, PageRequest)],
) -> StoreResult<HashMap<(UpdateId, PageRequest), Page<OutcomeReport>>> {
    let queries = keys.iter().map(|key| {
        let (update, request) = key;
        let select = outcome::Entity::find()
            .filter(col(outcome::Column::InstallationId).eq(update.installation.0))
            .filter(col(outcome::Column::ReleaseId).eq(update.release.0))
            .filter(is_visible(snapshot.scope(), snapshot.now()))
            .into_query();
        let columns = vec![col(outcome::Column::ReportedAt), col(outcome::Column::Id)];
        let order =
            Order::new(NEWEST, columns, |row: &outcome::Model| vec![Key::Instant(row.reported_at), Key::Id(row.id)]);
        (key.clone(), ListQuery { select, order, request: request.clone() })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    pages.into_iter().map(|(key, page)| Ok((key, page.try_map(report)?))).collect()
}

/// The counts of outcomes of these releases, and the figures that a halt rule is judged by. They are sums of tallies;
/// no update is counted.
pub async fn counts(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[ReleaseId],
) -> StoreResult<HashMap<ReleaseId, (OutcomeCounts, HaltFigures)>> {
    use entity::pack_release as release;
    let mut select = progress::current();
    select
        .expr_as(col(release::Column::Id), "id")
        .and_where(snapshot.any_of(col(release::Column::Id), ids.iter().map(|id| id.0)))
        .and_where(checked(col(release::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .add_group_by([col(release::Column::Id)]);
    let mut found: HashMap<_, _> = ids.iter().map(|id| (*id, Default::default())).collect();
    for row in snapshot.conn().query_all(progress::sums(&mut select)).await? {
        let Kept { updates, works, broken, judged, .. } = progress::read(&row)?;
        let counts = OutcomeCounts { applied: updates.applied, works, broken };
        found.insert(row.try_get::<Uuid>("", "id")?.into(), (counts, judged));
    }
    Ok(found)
}
