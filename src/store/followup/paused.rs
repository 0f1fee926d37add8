//! The tasks of a paused release (R56). A resume makes them due. They also check by themselves now and then whether
//! the release is still paused, so that a lost wake-up doesn't stop them for good.

use chrono::TimeDelta;
use entity::task::{ActiveModel, Column, Entity};
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use sea_orm::{IntoActiveModel as _, Select};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::ReleaseId;
use crate::store::followup::tasks::Task;
use crate::store::followup::work::Work;
use crate::store::locks::locked;
use crate::store::{StoreResult, Tx};

/// The tasks that move installations to a release or to its early stages, or end its rollout.
fn of(release: ReleaseId) -> Select<Entity> {
    Entity::find()
        .filter(Column::ReleaseId.eq(Uuid::from(release)))
        .filter(Column::Kind.is_in(["STAGE", "ROLL_OUT", "ROLL_OUT_RANGE", "RETRY", "GIVE_UP"]))
        .order_by_asc(Column::Id)
}

/// Locks the tasks of a release. Waits for a batch that is running. Call it before you lock the release's pack, because
/// a batch locks its task first.
pub async fn lock(tx: &Tx, release: ReleaseId) -> StoreResult<Vec<Task>> {
    Ok(locked(of(release)).all(tx.conn()).await?.iter().filter_map(Task::of).collect())
}

/// Whether these are all tasks of a release. The caller has locked its pack, so that nobody adds one meanwhile.
pub async fn are_all(tx: &Tx, release: ReleaseId, tasks: &[Task]) -> StoreResult<bool> {
    let found: Vec<Uuid> = of(release).select_only().column(Column::Id).into_tuple().all(tx.conn()).await?;
    Ok(found.iter().all(|id| tasks.iter().any(|task| task.id == *id)))
}

/// Makes locked tasks due, and marks them: a task whose time of creation is that of the resume goes through all
/// installations once more. It is a mark and no comparison of instants, because the clock may have been set back.
pub async fn go_on(tx: &Tx, tasks: &[Task], now: Instant, resumed_at: Instant) -> StoreResult<()> {
    tx.notify();
    for task in tasks {
        let row = ActiveModel {
            id: Set(task.id),
            not_before: Set(now),
            deferred: Set(false),
            created_at: Set(resumed_at),
            ..Default::default()
        };
        Entity::update(row).exec(tx.conn()).await?;
    }
    Ok(())
}

/// Whether the rollout of a release is given up: an operator has dropped its task, and batches mark what is left as
/// failed.
pub async fn is_given_up(tx: &Tx, release: ReleaseId) -> StoreResult<bool> {
    let found = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::ReleaseId.eq(Uuid::from(release)))
        .filter(Column::Kind.eq("GIVE_UP"))
        .limit(1);
    Ok(found.into_tuple::<Uuid>().one(tx.conn()).await?.is_some())
}

/// Ends the tasks of a release that was superseded while it was paused, or that is rolled back. The caller has locked
/// the pack. A task that another transaction has locked is left. If that is a batch, it waits for the pack and then
/// finds nothing to do; if it is a resume, it finds the release ended and ends the task itself. Meanwhile the task
/// doesn't count as one that [moves](super::is_moving) installations.
pub async fn drop_all(tx: &Tx, release: ReleaseId) -> StoreResult<()> {
    let found = of(release).lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked).all(tx.conn()).await?;
    for task in found {
        Entity::delete(task.into_active_model()).exec(tx.conn()).await?;
    }
    Ok(())
}

/// Gives a task other work, which moves installations and begins with the first object.
pub async fn begin(tx: &Tx, task: &Task, work: Work, now: Instant) -> StoreResult<()> {
    let row = ActiveModel {
        id: Set(task.id),
        kind: Set(work.kind().into()),
        moves_installations: Set(true),
        resume_after: Set(None),
        not_before: Set(now),
        deferred: Set(false),
        failures: Set(0),
        last_failure: Set(None),
        // Never the mark of the resume before it, even if the clock stands still or was set back.
        created_at: Set(now.max(task.created_at) + TimeDelta::microseconds(1)),
        ..Default::default()
    };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}
