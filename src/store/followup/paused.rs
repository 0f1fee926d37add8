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

/// Makes locked tasks due.
pub async fn go_on(tx: &Tx, tasks: &[Task], now: Instant) -> StoreResult<()> {
    tx.notify();
    for task in tasks {
        let row = ActiveModel { id: Set(task.id), not_before: Set(now), deferred: Set(false), ..Default::default() };
        Entity::update(row).exec(tx.conn()).await?;
    }
    Ok(())
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
pub async fn begin(tx: &Tx, id: Uuid, work: Work, now: Instant) -> StoreResult<()> {
    let row = ActiveModel {
        id: Set(id),
        kind: Set(work.kind().into()),
        moves_installations: Set(true),
        resume_after: Set(None),
        not_before: Set(now),
        deferred: Set(false),
        failures: Set(0),
        last_failure: Set(None),
        // Later than a resume before it, even if the clock stands still, so that the task doesn't count as older.
        created_at: Set(now + TimeDelta::microseconds(1)),
        ..Default::default()
    };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}
