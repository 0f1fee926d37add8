//! Writes and transactional reads of installation updates.

use std::collections::BTreeMap;

use entity::{account, installation, installation_update as update};
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict, Query};
use sea_orm::{
    ActiveValue::NotSet, ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait as _, QueryFilter, QueryOrder as _,
    QuerySelect as _, Select,
};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::accounts::AccountStatus;
use crate::domain::id::{InstallationId, ReleaseId, UpdateId};
use crate::domain::installations::{InstallationUpdate, UpdateMethod, UpdateOutcome, UpdateState};
use crate::domain::releases::Release;
use crate::store::column::col;
use crate::store::convert::{self, Stored as _, read_some};
use crate::store::followup::LONGEST_PAUSE;
use crate::store::installations::progress::Kept;
use crate::store::installations::tallies;
use crate::store::locks::{ActorColumns, locked};
use crate::store::scope::ManagedScope;
use crate::store::sharing::entitled;
use crate::store::{StoreResult, Tx};

/// An update with the fields that only the rollout uses.
#[derive(Clone, Debug)]
pub struct UpdateRow {
    pub update: InstallationUpdate,
    /// The stored state and method, even if `update` has new ones; `None` before the row is stored.
    pub stored: Option<(UpdateState, Option<UpdateMethod>)>,
    /// The number of failed attempts.
    pub attempts: i32,
    pub next_attempt_at: Option<Instant>,
    /// The outcome of the newest report (R57). Only a report changes it.
    pub outcome: Option<UpdateOutcome>,
}

impl UpdateRow {
    /// Whether the pause before the next attempt is over at `now`. If more than the longest pause is left, the clock
    /// was set back meanwhile, and the pause counts as over too.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.next_attempt_at.is_some_and(|at| at <= now || at > now + LONGEST_PAUSE)
    }
}

fn row_of(m: update::Model) -> StoreResult<UpdateRow> {
    let (attempts, next_attempt_at) = (m.attempts, m.next_attempt_at);
    let outcome = read_some(m.outcome.as_deref())?;
    let update = convert::update(m)?;
    Ok(UpdateRow { stored: Some((update.state, update.how)), update, attempts, next_attempt_at, outcome })
}

/// The stored updates of these installations by one release.
pub async fn of_release(
    tx: &Tx,
    release: ReleaseId,
    ids: &[InstallationId],
) -> StoreResult<BTreeMap<InstallationId, UpdateRow>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = update::Entity::find()
        .filter(update::Column::ReleaseId.eq(Uuid::from(release)))
        .filter(tx.any_of(update::Column::InstallationId.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .all(tx.conn())
        .await?;
    found
        .into_iter()
        .map(|m| {
            let id = m.installation_id.into();
            Ok((id, row_of(m)?))
        })
        .collect()
}

/// The stored updates of these installations by some releases.
pub async fn of_releases(
    tx: &Tx,
    releases: &[ReleaseId],
    ids: &[InstallationId],
) -> StoreResult<BTreeMap<(InstallationId, ReleaseId), UpdateRow>> {
    let found = update::Entity::find()
        .filter(tx.any_of(update::Column::InstallationId.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .filter(tx.any_of(update::Column::ReleaseId.into_expr(), releases.iter().map(|id| Uuid::from(*id))))
        .all(tx.conn())
        .await?;
    found.into_iter().map(|m| Ok(((m.installation_id.into(), m.release_id.into()), row_of(m)?))).collect()
}

/// The next updates of a release in the order of installations, after the installation `after`, at most `limit`. They
/// aren't locked: before a change the caller locks the installation and reads the update again.
pub async fn after(tx: &Tx, release: ReleaseId, after: Option<Uuid>, limit: u64) -> StoreResult<Vec<UpdateRow>> {
    let mut select = update::Entity::find().filter(update::Column::ReleaseId.eq(Uuid::from(release)));
    if let Some(after) = after {
        select = select.filter(update::Column::InstallationId.gt(after));
    }
    let select = select.order_by_asc(update::Column::InstallationId).limit(limit);
    select.all(tx.conn()).await?.into_iter().map(row_of).collect()
}

/// The number of updates of a release that will be attempted again, and that its halt rule doesn't count yet. It counts
/// a failed update, unless the update failed before the release was resumed (R58).
pub async fn count_undecided(tx: &Tx, release: &Release) -> StoreResult<u64> {
    let offered = update::Column::State.ne(UpdateState::Failed.stored());
    // The same rule as `Release::counts`.
    let undecided = match release.resumed_at {
        Some(resumed) => offered.or(update::Column::SettledAt.lt(resumed)),
        None => offered,
    };
    let select = update::Entity::find()
        .filter(update::Column::ReleaseId.eq(Uuid::from(release.id)))
        .filter(update::Column::NextAttemptAt.is_not_null())
        .filter(undecided);
    Ok(select.count(tx.conn()).await?)
}

/// The updates of a release that will be attempted again, soonest first, at most `limit`. They aren't locked, as in
/// [`after`].
pub async fn to_be_tried_again(tx: &Tx, release: ReleaseId, limit: u64) -> StoreResult<Vec<UpdateRow>> {
    let select = update::Entity::find()
        .filter(update::Column::ReleaseId.eq(Uuid::from(release)))
        .filter(update::Column::NextAttemptAt.is_not_null())
        .order_by_asc(update::Column::NextAttemptAt)
        .order_by_asc(update::Column::InstallationId)
        .limit(limit);
    select.all(tx.conn()).await?.into_iter().map(row_of).collect()
}

/// Ends further attempts of all updates of a release.
pub async fn give_up_attempts(tx: &Tx, release: ReleaseId) -> StoreResult<()> {
    update::Entity::update_many()
        .col_expr(update::Column::NextAttemptAt, Expr::val(None::<Instant>))
        .filter(update::Column::ReleaseId.eq(Uuid::from(release)))
        .filter(update::Column::NextAttemptAt.is_not_null())
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Locks the open offers of these installations.
pub async fn open_offers(tx: &Tx, ids: &[InstallationId]) -> StoreResult<Vec<UpdateRow>> {
    let select = update::Entity::find()
        .filter(tx.any_of(update::Column::InstallationId.into_expr(), ids.iter().map(|id| Uuid::from(*id))))
        .filter(update::Column::State.eq(UpdateState::Offered.stored()))
        .order_by_asc(update::Column::InstallationId)
        .order_by_asc(update::Column::ReleaseId);
    locked(select).all(tx.conn()).await?.into_iter().map(row_of).collect()
}

/// Adds or saves updates, and tallies the changes, which are made at `now`. Save each row only once, because the tally
/// compares it with `stored`.
pub async fn save(tx: &Tx, rows: &[UpdateRow], now: Instant) -> StoreResult<()> {
    save_of_ended(tx, rows, &tallies::Ends::new(), now).await
}

/// Like [`save`], for updates of releases that may have ended. `ends` says when.
pub async fn save_of_ended(tx: &Tx, rows: &[UpdateRow], ends: &tallies::Ends, now: Instant) -> StoreResult<()> {
    write(tx, rows).await?;
    tallies::add(tx, rows, None, ends, now).await
}

/// Adds or saves updates without tallying them.
pub(in crate::store) async fn write(tx: &Tx, rows: &[UpdateRow]) -> StoreResult<()> {
    use update::Column;
    for chunk in rows.chunks(500) {
        let settle = OnConflict::columns([Column::InstallationId, Column::ReleaseId])
            .update_columns([
                Column::State,
                Column::How,
                Column::SkipReason,
                Column::FailureCode,
                Column::Attempts,
                Column::NextAttemptAt,
                Column::SettledAt,
                Column::ActorKind,
                Column::ActorName,
                Column::ActorTokenId,
                Column::ActorAccountId,
            ])
            .to_owned();
        update::Entity::insert_many(chunk.iter().map(active))
            .on_conflict(settle)
            .exec_without_returning(tx.conn())
            .await?;
    }
    Ok(())
}

pub(in crate::store) fn active(row: &UpdateRow) -> update::ActiveModel {
    let update = &row.update;
    let actor = update.applied_by.as_ref().map(ActorColumns::from);
    let (kind, name, token, account) = match actor {
        Some(actor) => (Some(actor.kind), Some(actor.name), actor.token_id, actor.account_id),
        None => (None, None, None, None),
    };
    update::ActiveModel {
        installation_id: Set(update.id.installation.into()),
        release_id: Set(update.id.release.into()),
        account_id: Set(update.account_id.into()),
        publisher_id: Set(update.publisher_id.into()),
        pack_id: Set(update.pack_id.into()),
        state: Set(update.state.stored().into()),
        how: Set(update.how.map(|how| how.stored().into())),
        skip_reason: Set(update.skip_reason.map(|reason| reason.stored().into())),
        failure_code: Set(update.failure.as_ref().map(|failure| failure.code.stored().into())),
        attempts: Set(row.attempts),
        next_attempt_at: Set(row.next_attempt_at),
        from_version_id: Set(update.from_version_id.into()),
        to_version_id: Set(update.to_version_id.into()),
        offered_at: Set(update.offered_at),
        settled_at: Set(update.settled_at),
        actor_kind: Set(kind),
        actor_name: Set(name),
        actor_token_id: Set(token),
        actor_account_id: Set(account),
        outcome: NotSet,
    }
}

/// Locks an update of one of the account's installations.
pub async fn own(tx: &Tx, scope: &ManagedScope, id: UpdateId) -> StoreResult<Option<UpdateRow>> {
    let select = update::Entity::find_by_id((id.installation.into(), id.release.into()))
        .filter(update::Column::AccountId.eq(Uuid::from(scope.account_id())));
    locked(select).one(tx.conn()).await?.map(row_of).transpose()
}

/// The progress of a release.
pub async fn progress(tx: &Tx, release: ReleaseId) -> StoreResult<Kept> {
    crate::store::installations::progress::of_release(tx, release).await
}

/// Whether at least one update of the release was applied. If so, a cancel has to move installations back.
pub async fn any_applied(tx: &Tx, release: ReleaseId) -> StoreResult<bool> {
    Ok(progress(tx, release).await?.updates.applied > 0)
}

/// The failed updates of a release that can be tried again: the installation is live and entitled, and its account is
/// active.
fn failed(release: ReleaseId) -> Select<update::Entity> {
    let movable = Query::select()
        .column((installation::Entity, installation::Column::Id))
        .from(installation::Entity)
        .inner_join(account::Entity, col(account::Column::Id).eq(col(installation::Column::AccountId)))
        .and_where(col(installation::Column::Id).eq(col(update::Column::InstallationId)))
        .and_where(col(installation::Column::UninstalledAt).is_null())
        .and_where(col(account::Column::Status).eq(AccountStatus::Active.stored()))
        .and_where(entitled())
        .take();
    update::Entity::find()
        .filter(col(update::Column::ReleaseId).eq(Uuid::from(release)))
        // The index on failure codes finds these rows: every failed update has a failure code.
        .filter(col(update::Column::FailureCode).is_not_null())
        .filter(col(update::Column::State).eq(UpdateState::Failed.stored()))
        .filter(sea_orm::sea_query::Expr::exists(movable))
}

/// The number of failed updates of a release that can be tried again.
pub async fn count_failed(tx: &Tx, release: ReleaseId) -> StoreResult<u64> {
    Ok(failed(release).count(tx.conn()).await?)
}

/// The next failed updates of a release that can be tried again, in the order of installations, after the installation
/// `after`, at most `limit`. They aren't locked: before a change the caller locks the installation and reads the update
/// again.
pub async fn failed_after(tx: &Tx, release: ReleaseId, after: Option<Uuid>, limit: u64) -> StoreResult<Vec<UpdateRow>> {
    let mut select = failed(release);
    if let Some(after) = after {
        select = select.filter(col(update::Column::InstallationId).gt(after));
    }
    let select = select.order_by_asc(update::Column::InstallationId).limit(limit);
    select.all(tx.conn()).await?.into_iter().map(row_of).collect()
}
