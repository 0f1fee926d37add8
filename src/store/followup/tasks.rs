//! Follow-up tasks: work that follows from a decision and is done in batches (R49). A task's row exists until its last
//! batch is committed.

use chrono::Duration;
use entity::pack_release;
use entity::task::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::{Expr, ExprTrait as _, LockBehavior, LockType, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait as _, EntityTrait, QueryFilter, QueryOrder as _,
    QueryResult, QuerySelect as _, QueryTrait as _, Select,
};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{AccountId, PackId, ReleaseId};
use crate::domain::releases::ReleaseState;
use crate::store::column::col;
use crate::store::convert::Stored;
pub use crate::store::followup::work::Work;
use crate::store::locks::locked;
use crate::store::{Db, StoreResult, Tx, tolerant};
use crate::traces::{self, Context};

/// A task that this transaction has locked to work on.
#[derive(Clone, Debug)]
pub struct Task {
    pub id: Uuid,
    pub work: Work,
    pub publisher_id: AccountId,
    /// The last object that a batch has processed.
    pub resume_after: Option<Uuid>,
    /// The number of objects that batches have processed.
    pub done: i64,
    /// The last object of the task's range; `None` without an upper end.
    pub until: Option<Uuid>,
    pub failures: i32,
    pub created_at: Instant,
    /// The trace in which the task was added.
    pub trace: Option<Context>,
}

impl Task {
    pub(in crate::store) fn of(row: &Model) -> Option<Self> {
        Some(Self {
            id: row.id,
            work: Work::of(row)?,
            publisher_id: row.publisher_id.into(),
            resume_after: row.resume_after,
            done: row.done,
            until: row.until,
            failures: row.failures,
            created_at: row.created_at,
            trace: row.trace_parent.as_deref().and_then(|parent| Context::parse(parent, None)),
        })
    }
}

/// Adds a task that is due, and returns its id. With `moves_installations`, the pack can't have another release before
/// the task is finished. If an equal task hasn't begun yet, and the kind of work compares states (`Work::compares`),
/// the id of that task is returned and none is added. The existing task is locked, so that its first batch can't begin
/// before this transaction ends.
pub async fn add(
    tx: &Tx,
    id: Uuid,
    publisher: AccountId,
    work: Work,
    moves_installations: bool,
    now: Instant,
) -> StoreResult<Uuid> {
    add_beside(tx, None, id, publisher, work, moves_installations, NextRun::Next(now)).await
}

/// Like [`add`], for a task that is due at `next_run`. If a batch of the task `at_hand` adds it, that task doesn't
/// count as an equal one.
pub async fn add_beside(
    tx: &Tx,
    at_hand: Option<Uuid>,
    id: Uuid,
    publisher: AccountId,
    work: Work,
    moves_installations: bool,
    next_run: NextRun,
) -> StoreResult<Uuid> {
    tx.notify();
    let (NextRun::Next(not_before) | NextRun::After(not_before)) = next_run;
    let deferred = matches!(next_run, NextRun::After(_));
    if let Some(waiting) = waiting(tx, work, at_hand).await? {
        if waiting.deferred && (!deferred || waiting.not_before > not_before) {
            let sooner = ActiveModel {
                id: Set(waiting.id),
                not_before: Set(not_before),
                deferred: Set(deferred),
                ..Default::default()
            };
            Entity::update(sooner).exec(tx.conn()).await?;
        }
        return Ok(waiting.id);
    }
    let (pack, release, account) = work.names();
    Entity::insert(ActiveModel {
        id: Set(id),
        kind: Set(work.kind().into()),
        publisher_id: Set(publisher.into()),
        pack_id: Set(pack),
        release_id: Set(release),
        account_id: Set(account),
        moves_installations: Set(moves_installations),
        resume_after: Set(None),
        done: Set(0),
        until: Set(None),
        not_before: Set(not_before),
        deferred: Set(deferred),
        failures: Set(0),
        last_failure: Set(None),
        created_at: Set(not_before),
        trace_parent: Set(traces::recorded_parent()),
    })
    .exec_without_returning(tx.conn())
    .await?;
    Ok(id)
}

/// Locks an equal task that hasn't begun yet, if `work` compares states. A task that is locked by another transaction
/// is skipped, because its batch may have compared them already.
async fn waiting(tx: &Tx, work: Work, at_hand: Option<Uuid>) -> StoreResult<Option<Model>> {
    let (pack, _, account) = work.names();
    let of = match (work.compares(), pack, account) {
        (true, Some(pack), _) => Column::PackId.eq(pack),
        (true, None, Some(account)) => Column::AccountId.eq(account),
        _ => return Ok(None),
    };
    let select = Entity::find()
        .filter(of)
        .filter(Column::Kind.eq(work.kind()))
        .filter(Column::ResumeAfter.is_null())
        .filter(Column::Id.is_not_in(at_hand))
        .order_by_asc(Column::Id);
    Ok(first_locked(tx, select).await?.and_then(Result::ok))
}

/// The id of a row that can't be read.
pub(in crate::store) type UnreadableId = Uuid;

/// Locks the first row that no other transaction has locked. Returns only the id if the row can't be read.
///
/// # Errors
/// Also if the id can't be read.
pub(in crate::store) async fn first_locked(
    tx: &Tx,
    select: Select<Entity>,
) -> StoreResult<Option<Result<Model, UnreadableId>>> {
    let select = select.limit(1).lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked).into_query();
    tx.conn().query_one(&select).await?.as_ref().map(read).transpose()
}

/// Reads a row, or only its id if the row can't be read.
pub(in crate::store) fn read(row: &QueryResult) -> StoreResult<Result<Model, UnreadableId>> {
    match tolerant::row::<Model>(row, "") {
        Ok(task) => Ok(Ok(task)),
        Err(why) => {
            let id: Uuid = tolerant::column(row, "id")?;
            tolerant::skip("task", id, &why);
            Ok(Err(id))
        }
    }
}

/// Locks a task that the caller has just added, for its first batch, even if the clock was set back meanwhile. If
/// another server works on it, waits for that batch, and returns `None`.
pub async fn claim_new(tx: &Tx, id: Uuid) -> StoreResult<Option<Task>> {
    let found = locked(Entity::find_by_id(id)).one(tx.conn()).await?;
    Ok(found.filter(|task| task.resume_after.is_none()).as_ref().and_then(Task::of))
}

/// The longest pause of a task. A task that would be due even later shows that the clock was set back since.
pub const LONGEST_PAUSE: Duration = Duration::minutes(15);

/// The condition that a task is due. A task without a pause is due at any time, so that a clock that was set back
/// doesn't delay it.
pub(in crate::store) fn due(now: Instant) -> Condition {
    Condition::any()
        .add(Column::NotBefore.lte(now))
        .add(Column::Deferred.eq(false))
        .add(Column::NotBefore.gt(now + LONGEST_PAUSE))
}

/// The next turn of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRun {
    /// After all tasks that are due at this instant.
    Next(Instant),
    /// When the pause that ends at this instant is over.
    After(Instant),
}

/// Locks a task for an operator, due or not, begun or not. Waits for a batch that is running.
pub async fn lock(tx: &Tx, id: Uuid) -> StoreResult<Option<Model>> {
    Ok(locked(Entity::find_by_id(id)).one(tx.conn()).await?)
}

/// The task of a locked row; `None` if this program doesn't know its kind.
#[must_use]
pub fn task_of(row: &Model) -> Option<Task> {
    Task::of(row)
}

/// Saves the progress of a batch: the last object, the number of further objects, and the task's next turn.
pub async fn advance(
    tx: &Tx,
    task: &Task,
    resume_after: Option<Uuid>,
    more: i64,
    next_run: NextRun,
) -> StoreResult<()> {
    let (NextRun::Next(not_before) | NextRun::After(not_before)) = next_run;
    let row = ActiveModel {
        id: Set(task.id),
        resume_after: Set(resume_after),
        done: Set(task.done.saturating_add(more)),
        not_before: Set(not_before),
        deferred: Set(matches!(next_run, NextRun::After(_))),
        failures: Set(0),
        last_failure: Set(None),
        ..Default::default()
    };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Deletes a task that is finished or was dropped.
pub async fn finish(tx: &Tx, id: Uuid) -> StoreResult<()> {
    Entity::delete_by_id(id).exec(tx.conn()).await?;
    Ok(())
}

/// Postpones a task after a whole batch of it has failed.
pub async fn postpone(db: &Db, id: Uuid, failures: i32, why: &str, not_before: Instant) -> StoreResult<()> {
    let tx = db.begin().await?;
    let row = ActiveModel {
        id: Set(id),
        failures: Set(failures),
        last_failure: Set(Some(why.to_owned())),
        not_before: Set(not_before),
        deferred: Set(true),
        ..Default::default()
    };
    Entity::update_many().set(row).filter(Column::Id.eq(id)).exec(tx.conn()).await?;
    tx.commit().await
}

/// Makes a task due, also one of a kind that this program doesn't know.
pub async fn make_due(tx: &Tx, id: Uuid, not_before: Instant) -> StoreResult<()> {
    tx.notify();
    let row = ActiveModel { id: Set(id), not_before: Set(not_before), deferred: Set(false), ..Default::default() };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Replaces the instants and the failures of a task in which they can't be read. It is then due and without failures.
pub async fn repair(tx: &Tx, id: Uuid, now: Instant) -> StoreResult<()> {
    tx.notify();
    let row = ActiveModel {
        not_before: Set(now),
        deferred: Set(false),
        failures: Set(0),
        last_failure: Set(None),
        created_at: Set(now),
        ..Default::default()
    };
    Entity::update_many().set(row).filter(Column::Id.eq(id)).exec(tx.conn()).await?;
    Ok(())
}

/// Makes the open task of a release's early stages due, and returns its id; `None` without such a task. The caller has
/// locked the pack, so that no batch of the task can end meanwhile. A batch that waits for the pack then sees the
/// changes of the caller.
pub async fn wake_stages(tx: &Tx, pack: PackId, release: ReleaseId, now: Instant) -> StoreResult<Option<Uuid>> {
    let of_stages = || {
        Entity::find()
            .filter(Column::PackId.eq(uuid::Uuid::from(pack)))
            .filter(Column::ReleaseId.eq(uuid::Uuid::from(release)))
            .filter(Column::Kind.eq(Work::Stage(pack, release).kind()))
    };
    let Some(open) = of_stages().one(tx.conn()).await? else { return Ok(None) };
    if first_locked(tx, of_stages()).await?.is_some() {
        make_due(tx, open.id, now).await?;
    }
    Ok(Some(open.id))
}

/// The condition that a task is moving installations, forward or back: its release hasn't ended, or was canceled. The
/// task of a rollout that has ended may be [left](super::paused::drop_all) for a while, and moves nobody.
pub(in crate::store) fn is_moving() -> Condition {
    let states = [ReleaseState::InProgress, ReleaseState::RollingBack, ReleaseState::Canceled];
    let release = Query::select()
        .expr(Expr::cust("1"))
        .from(pack_release::Entity)
        .and_where(col(pack_release::Column::Id).eq(col(Column::ReleaseId)))
        .and_where(col(pack_release::Column::State).is_in(states.map(Stored::stored)))
        .take();
    Condition::all().add(col(Column::MovesInstallations).eq(true)).add(Expr::exists(release))
}

/// The release of an open task that is moving installations of the pack.
pub async fn moving(tx: &Tx, pack: PackId) -> StoreResult<Option<ReleaseId>> {
    let open: Option<Option<Uuid>> = Entity::find()
        .select_only()
        .column(Column::ReleaseId)
        .filter(Column::PackId.eq(uuid::Uuid::from(pack)))
        .filter(is_moving())
        .into_tuple()
        .one(tx.conn())
        .await?;
    Ok(open.flatten().map(Into::into))
}
