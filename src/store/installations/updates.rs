//! Reads of installation updates. An update belongs to an installation and a release of its pack. Before a batch has
//! stored its row, it is derived from the release (R49).

use std::collections::HashMap;

use entity::{installation, installation_update as update, integration_pack as pack, pack_release as release};
use sea_orm::prelude::{DateTimeUtc, Uuid};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query, SelectStatement};
use sea_orm::{ConnectionTrait as _, FromQueryResult};

use crate::domain::Instant;
use crate::domain::id::{InstallationId, PackId, PackVersionId, ReleaseId, UpdateId};
use crate::domain::installations::{InstallationUpdate, UpdateMethod, UpdateOutcome, UpdateState, may_report};
use crate::domain::releases::ReleaseState;
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::packs::is_pending;
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest, checked};
use crate::store::releases::is_in_open_stage;
use crate::store::scope::Scope;
use crate::store::sharing::{TAKEN_BACK, pack_is_visible, update_row_is_shown};
use crate::store::sharing::{entitled, of_living_pack};
use crate::store::{Snapshot, StoreResult, convert, page};

/// An update with its effective state.
#[derive(Clone, Debug)]
pub struct VisibleUpdate {
    /// With the effective state: an offer of a canceled or superseded release, or of an uninstalled installation, is
    /// withdrawn.
    pub update: InstallationUpdate,
    /// The state of the update's release at the time of reading.
    pub release_state: ReleaseState,
    /// Whether its release is paused (R56).
    pub is_paused: bool,
    /// Whether the account may report how the update went (R57).
    pub can_be_reported: bool,
    /// Whether an early stage that has opened holds the installation, so that the server moves it (R55).
    pub in_open_stage: bool,
}

/// A stored or derived update. The columns that only a stored update has are null for a derived one.
#[derive(FromQueryResult)]
pub(in crate::store) struct Row {
    installation_id: Uuid,
    release_id: Uuid,
    account_id: Uuid,
    publisher_id: Uuid,
    pack_id: Uuid,
    installed_version_id: Uuid,
    release_version_id: Uuid,
    release_state: String,
    starts_at: Option<DateTimeUtc>,
    paused_at: Option<DateTimeUtc>,
    in_open_stage: bool,
    effective_state: String,
    how: Option<String>,
    skip_reason: Option<String>,
    failure_code: Option<String>,
    attempts: Option<i32>,
    from_version_id: Option<Uuid>,
    to_version_id: Option<Uuid>,
    since: DateTimeUtc,
    account_name_key: String,
    made_at: DateTimeUtc,
    taken_back_at: Option<DateTimeUtc>,
    uninstalled_at: Option<DateTimeUtc>,
    settled_at: Option<DateTimeUtc>,
    actor_kind: Option<String>,
    actor_name: Option<String>,
    actor_token_id: Option<Uuid>,
    actor_account_id: Option<Uuid>,
}

impl Row {
    /// The update of a row, as a reader sees it at `now`.
    pub(in crate::store) fn into_visible(self, now: Instant) -> StoreResult<VisibleUpdate> {
        let withdrawn = self.effective_state == UpdateState::Withdrawn.stored();
        let withdrawn_at = if withdrawn { self.taken_back_at.or(self.uninstalled_at) } else { None };
        let (installed, is_live) = (PackVersionId(self.installed_version_id), self.uninstalled_at.is_none());
        let update = convert::update(update::Model {
            installation_id: self.installation_id,
            release_id: self.release_id,
            account_id: self.account_id,
            publisher_id: self.publisher_id,
            pack_id: self.pack_id,
            state: self.effective_state,
            how: self.how,
            skip_reason: self.skip_reason,
            failure_code: self.failure_code,
            attempts: self.attempts.unwrap_or(0),
            next_attempt_at: None,
            from_version_id: self.from_version_id.unwrap_or(self.installed_version_id),
            to_version_id: self.to_version_id.unwrap_or(self.release_version_id),
            offered_at: self.since,
            settled_at: self.settled_at.or(withdrawn_at),
            actor_kind: self.actor_kind,
            actor_name: self.actor_name,
            actor_token_id: self.actor_token_id,
            actor_account_id: self.actor_account_id,
            outcome: None,
        })?;
        let stored = ReleaseState::read(&self.release_state)?;
        let is_paused = self.paused_at.is_some();
        let due = stored == ReleaseState::Scheduled && !is_paused && self.starts_at.is_some_and(|at| at <= now);
        let release_state = if due { ReleaseState::InProgress } else { stored };
        let can_be_reported = may_report(update.state, is_live, installed == update.to_version_id);
        Ok(VisibleUpdate { update, release_state, is_paused, can_be_reported, in_open_stage: self.in_open_stage })
    }
}

/// The condition that an update is stored.
fn has_row() -> Expr {
    col(update::Column::InstallationId).is_not_null()
}

/// The effective state of an update (R49).
pub(in crate::store) fn effective_state() -> Expr {
    let offered = UpdateState::Offered.stored();
    let withdrawn_at = col(release::Column::State)
        .is_in(TAKEN_BACK.map(|state| state.stored()))
        .or(col(installation::Column::UninstalledAt).is_not_null());
    let withdrawn = col(update::Column::State).eq(offered).and(withdrawn_at);
    Expr::case(withdrawn, Expr::val(UpdateState::Withdrawn.stored()))
        .case(has_row(), col(update::Column::State))
        .finally(Expr::val(offered))
        .into()
}

/// The time when an update was offered. If it isn't stored: the time of the release's creation, or of the installation
/// if that is later.
pub(in crate::store) fn since() -> Expr {
    let (made, installed) = (col(release::Column::CreatedAt), col(installation::Column::InstalledAt));
    Expr::case(has_row(), col(update::Column::OfferedAt))
        .case(installed.clone().gt(made.clone()), installed)
        .finally(made)
        .into()
}

/// The condition that an installation has an update by a release: it is stored, or the release is still open and the
/// installation has another version (R49).
pub(in crate::store) fn is_one() -> Expr {
    let open = [ReleaseState::Scheduled, ReleaseState::InProgress].map(|state| state.stored());
    let derived = col(installation::Column::UninstalledAt)
        .is_null()
        .and(col(release::Column::State).is_in(open))
        .and(col(installation::Column::VersionId).ne(col(release::Column::VersionId)));
    has_row().or(derived)
}

/// Selects the updates that a scope may see: installations, joined with the releases of their pack. A managed account
/// sees no updates that are or would be skipped because it has no grant (R2).
pub(in crate::store) fn visible(scope: Scope, now: Instant) -> SelectStatement {
    let mut select = of_any_pack(scope, now);
    match scope {
        Scope::Publisher(_) => select.and_where(of_living_pack(col(installation::Column::PackId))),
        Scope::Managed(scope) => select.and_where(pack_is_visible(scope, now, col(installation::Column::PackId))),
    };
    select
}

/// The same selection as [`visible`], with updates of packs that the scope may not see.
fn of_any_pack(scope: Scope, now: Instant) -> SelectStatement {
    let mut select = Query::select()
        .from(installation::Entity)
        .inner_join(release::Entity, col(release::Column::PackId).eq(col(installation::Column::PackId)))
        .left_join(
            update::Entity,
            col(update::Column::InstallationId)
                .eq(col(installation::Column::Id))
                .and(col(update::Column::ReleaseId).eq(col(release::Column::Id))),
        )
        .and_where(is_one())
        .take();
    columns(&mut select, now);
    match scope {
        Scope::Publisher(scope) => {
            select.and_where(col(installation::Column::PublisherId).eq(scope.publisher_id().0));
        }
        Scope::Managed(scope) => {
            let row = has_row().and(update_row_is_shown());
            let derived = has_row().not().and(entitled());
            select.and_where(col(installation::Column::AccountId).eq(scope.account_id().0)).and_where(row.or(derived));
        }
    }
    select
}

/// The condition that an early stage of a release in a row of `pack_release` holds the installation, and has opened.
fn in_open_stage(now: Instant) -> Expr {
    let opened = is_in_open_stage(col(release::Column::Id), col(release::Column::PausedAt).is_not_null(), now);
    // A release without stages needs no look-up.
    Expr::case(col(release::Column::HasStages), opened).finally(Expr::val(false)).into()
}

fn columns(select: &mut SelectStatement, now: Instant) {
    use installation::Column as I;
    use release::Column as R;
    use update::Column as U;
    select
        .expr_as(col(I::Id), "installation_id")
        .expr_as(col(R::Id), "release_id")
        .expr_as(col(I::AccountId), "account_id")
        .expr_as(col(I::PublisherId), "publisher_id")
        .expr_as(col(I::PackId), "pack_id")
        .expr_as(col(I::VersionId), "installed_version_id")
        .expr_as(col(R::VersionId), "release_version_id")
        .expr_as(col(R::State), "release_state")
        .expr_as(col(R::StartsAt), "starts_at")
        .expr_as(col(R::PausedAt), "paused_at")
        .expr_as(in_open_stage(now), "in_open_stage")
        .expr_as(effective_state(), "effective_state")
        .expr_as(col(U::How), "how")
        .expr_as(col(U::SkipReason), "skip_reason")
        .expr_as(col(U::FailureCode), "failure_code")
        .expr_as(col(U::Attempts), "attempts")
        .expr_as(col(U::FromVersionId), "from_version_id")
        .expr_as(col(U::ToVersionId), "to_version_id")
        .expr_as(since(), "since")
        .expr_as(col(I::AccountNameKey), "account_name_key")
        .expr_as(col(R::CreatedAt), "made_at")
        .expr_as(Func::coalesce([col(R::RollBackBeganAt), col(R::EndedAt)]), "taken_back_at")
        .expr_as(col(I::UninstalledAt), "uninstalled_at")
        .expr_as(col(U::SettledAt), "settled_at")
        .expr_as(col(U::ActorKind), "actor_kind")
        .expr_as(col(U::ActorName), "actor_name")
        .expr_as(col(U::ActorTokenId), "actor_token_id")
        .expr_as(col(U::ActorAccountId), "actor_account_id");
}

/// Selects the visible updates that can be applied early now: offered by the pending release of a granted pack to a
/// live installation (R26, R45). With a live installation and a grant, the pack is visible unless it is deleted, so the
/// pack isn't looked up once more. The long condition of [`visible`] took PostgreSQL longer to plan than to check.
pub(in crate::store) fn pending(scope: Scope, now: Instant) -> SelectStatement {
    let mut select = of_any_pack(scope, now);
    select
        .inner_join(pack::Entity, col(pack::Column::PendingReleaseId).eq(col(release::Column::Id)))
        .and_where(checked(col(pack::Column::PublisherId).eq(scope.publisher_id().0)))
        .and_where(col(pack::Column::DeletedAt).is_null())
        .and_where(is_pending(now))
        .and_where(col(installation::Column::UninstalledAt).is_null())
        .and_where(entitled())
        .and_where(in_open_stage(now).not())
        .and_where(has_row().not().or(col(update::Column::State).eq(UpdateState::Offered.stored())));
    select
}

/// The condition that an installation has an update that can be applied early now.
pub(in crate::store) fn has_pending(now: Instant) -> Expr {
    let is_settled = Query::select()
        .expr(Expr::cust("1"))
        .from(update::Entity)
        .and_where(col(update::Column::InstallationId).eq(col(installation::Column::Id)))
        .and_where(col(update::Column::ReleaseId).eq(col(pack::Column::PendingReleaseId)))
        .and_where(col(update::Column::State).ne(UpdateState::Offered.stored()))
        .take();
    let offered = Query::select()
        .expr(Expr::cust("1"))
        .from(update::Entity)
        .and_where(col(update::Column::InstallationId).eq(col(installation::Column::Id)))
        .and_where(col(update::Column::ReleaseId).eq(col(pack::Column::PendingReleaseId)))
        .take();
    // A stored update decides by its state. Without one, the installation must have another version.
    let derived =
        Expr::exists(offered).or(col(installation::Column::VersionId).ne(col(pack::Column::PendingVersionId)));
    let pending = Query::select()
        .expr(Expr::cust("1"))
        .from(pack::Entity)
        .and_where(col(pack::Column::Id).eq(col(installation::Column::PackId)))
        .and_where(is_pending(now))
        .and_where(Expr::exists(is_settled).not())
        .and_where(is_in_open_stage(col(pack::Column::PendingReleaseId), col(pack::Column::ReleasePaused), now).not())
        .and_where(derived)
        .take();
    Expr::exists(pending).and(entitled())
}

/// Runs a statement that selects the columns of [`Row`].
pub(in crate::store) async fn rows(snapshot: &Snapshot, select: &SelectStatement) -> StoreResult<Vec<VisibleUpdate>> {
    let found = snapshot.conn().query_all(select).await?;
    found.iter().map(|row| Row::from_query_result(row, "")?.into_visible(snapshot.now())).collect()
}

/// The updates among `ids` that the reader may see.
pub async fn by_ids(snapshot: &Snapshot, ids: &[UpdateId]) -> StoreResult<HashMap<UpdateId, VisibleUpdate>> {
    let (scope, now) = (snapshot.scope(), snapshot.now());
    let mut select = visible(scope, now);
    select
        .and_where(snapshot.any_of(col(installation::Column::Id), ids.iter().map(|id| id.installation.0)))
        .and_where(snapshot.any_of(col(release::Column::Id), ids.iter().map(|id| id.release.0)));
    let found = rows(snapshot, &select).await?;
    Ok(found.into_iter().map(|visible| (visible.update.id, visible)).collect())
}

/// The update of each of these installations that can be applied early now (R26, R31, R45). Without one, the
/// installation is absent.
pub async fn pending_of(
    snapshot: &Snapshot,
    ids: &[InstallationId],
) -> StoreResult<HashMap<InstallationId, VisibleUpdate>> {
    let (scope, now) = (snapshot.scope(), snapshot.now());
    let mut select = pending(scope, now);
    select.and_where(snapshot.any_of(col(installation::Column::Id), ids.iter().map(|id| id.0)));
    let found = rows(snapshot, &select).await?;
    Ok(found.into_iter().map(|visible| (visible.update.id.installation, visible)).collect())
}

/// The set of updates that a list is taken from. It decides the list's order too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpdatesOf {
    /// The updates of an installation, newest first.
    Installation(InstallationId),
    /// The updates of a release, by account name.
    Release(ReleaseId),
    /// The updates that can be applied early now, of one pack or of all; the soonest window first.
    Pending(Option<PackId>),
}

/// A filter on updates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UpdateFilter {
    pub states: Option<Vec<UpdateState>>,
    pub how: Option<Vec<UpdateMethod>>,
    /// The outcomes of the newest report.
    pub outcomes: Option<Vec<UpdateOutcome>>,
}

/// A page of a list of updates.
pub type UpdatesKey = (UpdatesOf, UpdateFilter, PageRequest);

const NEWEST: CursorForm =
    CursorForm::new("update_newest", &[KeyKind::Instant, KeyKind::Instant, KeyKind::Id]).reversed(true);
const BY_ACCOUNT: CursorForm = CursorForm::new("update_account", &[KeyKind::Text, KeyKind::Id]);
const SOONEST: CursorForm = CursorForm::new("update_soonest", &[KeyKind::Instant, KeyKind::Id]);

impl UpdatesOf {
    /// The form of cursors into these lists.
    #[must_use]
    pub fn cursors(self) -> CursorForm {
        match self {
            Self::Installation(_) => NEWEST,
            Self::Release(_) => BY_ACCOUNT,
            Self::Pending(_) => SOONEST,
        }
    }

    fn order(self) -> Order<Row> {
        let installation = || col(installation::Column::Id);
        match self {
            // Updates with the same time of offer are in the order of their releases.
            Self::Installation(_) => {
                let columns = vec![since(), col(release::Column::CreatedAt), col(release::Column::Id)];
                Order::new(NEWEST, columns, |row| {
                    vec![Key::Instant(row.since), Key::Instant(row.made_at), Key::Id(row.release_id)]
                })
            }
            Self::Release(_) => {
                Order::new(BY_ACCOUNT, vec![col(installation::Column::AccountNameKey), installation()], |row| {
                    vec![Key::Text(row.account_name_key.clone()), Key::Id(row.installation_id)]
                })
            }
            Self::Pending(_) => Order::new(SOONEST, vec![col(pack::Column::PendingStartsAt), installation()], |row| {
                vec![Key::Instant(row.starts_at.unwrap_or_default()), Key::Id(row.installation_id)]
            }),
        }
    }

    fn select(self, scope: Scope, now: Instant) -> SelectStatement {
        match self {
            Self::Installation(id) => visible(scope, now).and_where(col(installation::Column::Id).eq(id.0)).take(),
            Self::Release(id) => visible(scope, now).and_where(col(release::Column::Id).eq(id.0)).take(),
            Self::Pending(pack) => pending(scope, now)
                .and_where_option(pack.map(|pack| col(installation::Column::PackId).eq(pack.0)))
                .take(),
        }
    }
}

/// Pages of updates that the reader may see.
pub async fn pages(snapshot: &Snapshot, keys: &[UpdatesKey]) -> StoreResult<HashMap<UpdatesKey, Page<VisibleUpdate>>> {
    let (scope, now) = (snapshot.scope(), snapshot.now());
    let queries = keys.iter().map(|key| {
        let (of, filter, request) = key;
        let mut select = of.select(scope, now);
        if let Some(states) = &filter.states {
            select.and_where(effective_state().is_in(states.iter().map(|state| state.stored())));
        }
        if let Some(how) = &filter.how {
            select.and_where(col(update::Column::How).is_in(how.iter().map(|how| how.stored())));
        }
        if let Some(outcomes) = &filter.outcomes {
            select.and_where(col(update::Column::Outcome).is_in(outcomes.iter().map(|outcome| outcome.stored())));
        }
        (key.clone(), ListQuery { select, order: of.order(), request: request.clone() })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    pages.into_iter().map(|(key, page)| Ok((key, page.try_map(|row: Row| row.into_visible(now))?))).collect()
}
