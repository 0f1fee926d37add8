//! Reads of releases and their progress, for their publisher. Managed accounts read releases through
//! [`available`](crate::store::sharing::available).

use std::collections::HashMap;
use std::sync::Arc;

use entity::{account, installation, installation_update as update, pack_release as release};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryTrait as _};

use crate::domain::Instant;
use crate::domain::accounts::AccountStatus;
use crate::domain::id::{PackId, ReleaseId};
use crate::domain::installations::UpdateState;
use crate::domain::log::Progress;
use crate::domain::releases::{Release, ReleaseSchedule, ReleaseState};
use crate::store::column::col;
use crate::store::components::nothing;
use crate::store::convert::Stored as _;
use crate::store::installations::progress;
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest, checked};
use crate::store::scope::PublisherScope;
use crate::store::sharing::{entitled, of_living_pack};
use crate::store::{Snapshot, StoreError, StoreResult, WholeServer, convert, page};

/// A release, and whether its pack still exists.
#[derive(Clone, Debug)]
pub struct FoundRelease {
    pub release: Arc<Release>,
    /// False after the pack was deleted, which hides its releases too (R47). A look-up by a client's id must check it;
    /// objects that refer to the release, such as events of the deletion, still show it.
    pub of_living_pack: bool,
}

/// The publisher's releases with these ids, also of deleted packs.
pub async fn by_ids(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[ReleaseId],
) -> StoreResult<HashMap<ReleaseId, FoundRelease>> {
    let mut select = release::Entity::find()
        .filter(snapshot.any_of(col(release::Column::Id), ids.iter().map(|id| id.0)))
        .filter(checked(col(release::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .into_query();
    select.expr_as(of_living_pack(col(release::Column::PackId)), "of_living_pack");
    let rows = snapshot.conn().query_all(&select).await?;
    rows.iter()
        .map(|row| {
            let release = convert::release(release::Model::from_query_result(row, "")?)?;
            let of_living_pack = row.try_get("", "of_living_pack")?;
            Ok((release.id, FoundRelease { release: Arc::new(release), of_living_pack }))
        })
        .collect()
}

/// A filter on releases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReleaseFilter {
    pub pack: Option<PackId>,
    pub states: Option<Vec<ReleaseState>>,
    pub schedule: Option<ReleaseSchedule>,
}

/// The form of cursors into lists of [`pages`].
pub const NEWEST: CursorForm = CursorForm::new("release", &[KeyKind::Instant, KeyKind::Id]).reversed(true);

/// Pages of releases, newest first. Their states are those at `now`.
pub async fn pages(
    snapshot: &Snapshot<PublisherScope>,
    keys: &[(ReleaseFilter, PageRequest)],
) -> StoreResult<HashMap<(ReleaseFilter, PageRequest), Page<Arc<Release>>>> {
    let (scope, now) = (snapshot.scope(), snapshot.now());
    let queries = keys.iter().map(|key| {
        let columns = vec![col(release::Column::CreatedAt), col(release::Column::Id)];
        let order =
            Order::new(NEWEST, columns, |row: &release::Model| vec![Key::Instant(row.created_at), Key::Id(row.id)]);
        (key.clone(), ListQuery { select: filtered(scope, now, &key.0), order, request: key.1.clone() })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    let read = |row| convert::release(row).map(Arc::new);
    pages.into_iter().map(|(key, page)| Ok((key, page.try_map(read)?))).collect()
}

fn filtered(scope: PublisherScope, now: Instant, filter: &ReleaseFilter) -> SelectStatement {
    let own = col(release::Column::PublisherId).eq(scope.publisher_id().0);
    let own = match filter.pack {
        None => own,
        // Lets the database use the index on a pack's releases.
        Some(pack) => col(release::Column::PackId).eq(pack.0).and(checked(own)),
    };
    let in_states = |states: &Vec<ReleaseState>| {
        states.iter().map(|state| in_state(*state, now)).reduce(Expr::or).unwrap_or_else(nothing)
    };
    let living = of_living_pack(col(release::Column::PackId));
    let mut select = release::Entity::find().filter(own).filter(living).into_query();
    select
        .and_where_option(filter.states.as_ref().map(in_states))
        .and_where_option(filter.schedule.map(|schedule| col(release::Column::Schedule).eq(schedule.stored())));
    select
}

/// The SQL condition for [`Release::state_at`]. The stored state may be outdated: after its window has opened, a
/// scheduled release is in progress, or has succeeded if it is the first (R23, R30). A paused one's window doesn't
/// open.
fn in_state(state: ReleaseState, now: Instant) -> Expr {
    let stored = |state: ReleaseState| col(release::Column::State).eq(state.stored());
    let starts_at = || col(release::Column::StartsAt);
    let previous = || col(release::Column::PreviousVersionId);
    let is_paused = || col(release::Column::PausedAt).is_not_null();
    let due = || stored(ReleaseState::Scheduled).and(starts_at().lte(now)).and(is_paused().not());
    match state {
        ReleaseState::Scheduled => stored(state).and(starts_at().gt(now).or(is_paused())),
        ReleaseState::InProgress => stored(state).or(due().and(previous().is_not_null())),
        ReleaseState::Succeeded => stored(state).or(due().and(previous().is_null())),
        _ => stored(state),
    }
}

/// The progress of these releases (R49). The function adds up stored tallies and counts no updates. Installations that
/// no batch has reached yet count as offered while the release is open.
pub async fn progress(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[ReleaseId],
) -> StoreResult<HashMap<ReleaseId, Progress>> {
    let mut so_far: HashMap<ReleaseId, Progress> = ids.iter().map(|id| (*id, Progress::default())).collect();
    for row in snapshot.conn().query_all(&tallied(snapshot, ids)).await? {
        let (release, state): (Uuid, String) = (row.try_get("", "id")?, row.try_get("", "state")?);
        let (kept, state) = (progress::read(&row)?, ReleaseState::read(&state)?);
        let mut progress = kept.updates.read_in(state, row.try_get("", "roll_back_installations")?);
        if OPEN.contains(&state) {
            progress.offered += kept.remaining;
        }
        so_far.insert(release.into(), progress);
    }
    Ok(so_far)
}

/// The number of releases in progress, and the sum of their progress. The state is a literal in the statement, so that
/// the database uses the partial index of the releases in progress.
pub async fn in_progress(server: &WholeServer) -> StoreResult<(i64, Progress)> {
    const RUNS: &str = r#""pack_release"."state" = 'IN_PROGRESS'"#;
    let mut count = Query::select();
    count.expr(Expr::cust("COUNT(*)")).from(release::Entity).and_where(Expr::cust(RUNS));
    let mut select = progress::current();
    select.and_where(Expr::cust(RUNS)).expr_as(Expr::SubQuery(None, Box::new(count.into())), "releases");
    let row = server.conn().query_one(progress::sums(&mut select)).await?;
    let row = row.ok_or_else(|| StoreError::Fault("a query of sums returned no row".into()))?;
    let kept = progress::read(&row)?;
    let mut progress = kept.updates;
    progress.offered += kept.remaining;
    Ok((row.try_get("", "releases")?, progress))
}

/// The states in which a release still has to reach installations.
pub(in crate::store) const OPEN: [ReleaseState; 2] = [ReleaseState::Scheduled, ReleaseState::InProgress];

/// The columns that decide how a release's progress is read.
const COLUMNS: [release::Column; 3] =
    [release::Column::Id, release::Column::State, release::Column::RollBackInstallations];

/// Sums the stored tallies of these releases.
fn tallied(snapshot: &Snapshot<PublisherScope>, ids: &[ReleaseId]) -> SelectStatement {
    let mut select = progress::current();
    select
        .columns(COLUMNS.map(|column| (release::Entity, column)))
        .and_where(snapshot.any_of(col(release::Column::Id), ids.iter().map(|id| id.0)))
        .and_where(checked(col(release::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .add_group_by(COLUMNS.map(col));
    progress::sums(&mut select).take()
}

#[derive(FromQueryResult)]
struct Retriable {
    release_id: Uuid,
    count: i64,
}

/// The number of failed updates of each release that can be tried again: the installation still exists and is entitled,
/// and its account is active (R45, R46). A release without any is absent. The number depends on grants, so it is
/// counted and not stored. An index on failure codes finds the failed updates.
pub async fn retriable(snapshot: &Snapshot<PublisherScope>, ids: &[ReleaseId]) -> StoreResult<HashMap<ReleaseId, u64>> {
    let counts = Query::select()
        .column((update::Entity, update::Column::ReleaseId))
        .expr_as(Expr::cust("COUNT(*)"), "count")
        .from(update::Entity)
        .inner_join(installation::Entity, col(installation::Column::Id).eq(col(update::Column::InstallationId)))
        .inner_join(account::Entity, col(account::Column::Id).eq(col(installation::Column::AccountId)))
        .and_where(snapshot.any_of(col(update::Column::ReleaseId), ids.iter().map(|id| id.0)))
        // The index on failure codes finds these rows: every failed update has a failure code.
        .and_where(col(update::Column::FailureCode).is_not_null())
        .and_where(col(update::Column::State).eq(UpdateState::Failed.stored()))
        .and_where(checked(col(update::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .and_where(col(installation::Column::UninstalledAt).is_null())
        .and_where(col(account::Column::Status).eq(AccountStatus::Active.stored()))
        .and_where(entitled())
        .add_group_by([col(update::Column::ReleaseId)])
        .take();
    let rows = snapshot.conn().query_all(&counts).await?;
    rows.iter()
        .map(|row| {
            let Retriable { release_id, count } = Retriable::from_query_result(row, "")?;
            Ok((release_id.into(), u64::try_from(count).unwrap_or(0)))
        })
        .collect()
}
