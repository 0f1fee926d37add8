//! Ranges: on PostgreSQL a rollout or a roll back is split into tasks that each have a range of the pack's installations,
//! so that several batches of one release are at work at the same time (ADR 55).

use entity::pack_release;
use entity::task::{ActiveModel, Column, Entity};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::ReleaseId;
use crate::store::column::col;
use crate::store::followup::tasks::{Task, Work};
use crate::store::locks::locked;
use crate::store::{StoreResult, Tx};

/// Splits the rest of a task's work, after the object `after`: the task becomes the first range, and each further range
/// gets a task with its id. A range ends with the object before which the next one begins; the last one has no upper
/// end. The other ranges have the task's time of creation, which may be the mark of a resume (R56). `more` is the
/// number of objects that the batch at hand has processed.
pub async fn split(
    tx: &Tx,
    task: &Task,
    (after, more): (Uuid, i64),
    further: &[Range],
    now: Instant,
) -> StoreResult<()> {
    let (Some(range), Some(first)) = (task.work.range(), further.first()) else { return Ok(()) };
    tx.notify();
    let (done, until) = (Set(task.done.saturating_add(more)), Set(Some(first.after)));
    let row = ActiveModel { done, until, ..anew(task.id, range, Some(after), now) };
    Entity::update(row).exec(tx.conn()).await?;
    let (pack, release, account) = range.names();
    let ends = further.iter().skip(1).map(|next| Some(next.after)).chain([None]);
    let rows = further.iter().zip(ends).map(|(further, until)| ActiveModel {
        id: Set(further.task),
        kind: Set(range.kind().into()),
        publisher_id: Set(task.publisher_id.into()),
        pack_id: Set(pack),
        release_id: Set(release),
        account_id: Set(account),
        moves_installations: Set(true),
        resume_after: Set(Some(further.after)),
        done: Set(0),
        until: Set(until),
        not_before: Set(now),
        deferred: Set(false),
        failures: Set(0),
        last_failure: Set(None),
        created_at: Set(task.created_at),
        trace_parent: Set(task.trace.as_ref().map(ToString::to_string)),
    });
    Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// A range that [`split`] adds.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The id of its task.
    pub task: Uuid,
    /// The object after which it begins.
    pub after: Uuid,
}

/// Whether no other range of a task's release is left. Ranges that end at the same moment do so one after the other,
/// by the lock of the release's row: the last of them sees that the others are gone. Call it when the batch has done
/// everything except writing to the logs. The caller holds the release's pack.
pub async fn is_last(tx: &Tx, task: &Task, release: ReleaseId) -> StoreResult<bool> {
    lock_release(tx, release).await?;
    // A statement of its own, so that it sees what has committed while the lock was waited for.
    let other = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::ReleaseId.eq(Uuid::from(release)))
        .filter(Column::Kind.eq(task.work.kind()))
        .filter(Column::Id.ne(task.id))
        .limit(1)
        .into_tuple::<Uuid>()
        .one(tx.conn())
        .await?;
    Ok(other.is_none())
}

/// Locks the row of a release whose pack the caller only holds. Batches of its ranges take this lock; whatever else
/// changes the row has locked the pack, so it can't meet them.
pub async fn lock_release(tx: &Tx, release: ReleaseId) -> StoreResult<()> {
    let select = pack_release::Entity::find_by_id(Uuid::from(release)).select_only().column(pack_release::Column::Id);
    let _: Option<Uuid> = locked(select).into_tuple().one(tx.conn()).await?;
    Ok(())
}

/// Makes the last range the whole work again. All installations were processed, so its next batch does what follows.
/// `more` is the number of objects that the batch at hand has processed.
pub async fn join(tx: &Tx, task: &Task, more: i64, now: Instant) -> StoreResult<()> {
    let done = Set(task.done.saturating_add(more));
    let row = ActiveModel { done, ..anew(task.id, task.work.whole(), Some(Uuid::max()), now) };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// The columns of a task that gets other work, continues after the object `after`, and has no upper end. It is due, and
/// has no failures.
fn anew(id: Uuid, work: Work, after: Option<Uuid>, not_before: Instant) -> ActiveModel {
    ActiveModel {
        id: Set(id),
        kind: Set(work.kind().into()),
        resume_after: Set(after),
        until: Set(None),
        not_before: Set(not_before),
        deferred: Set(false),
        failures: Set(0),
        last_failure: Set(None),
        ..Default::default()
    }
}

/// Locks a task for an operator together with the other ranges of its release, in the order of ids. Waits for batches
/// that are running. `None` if the task is gone. Call it before you lock the release's pack, because a batch locks its
/// task first.
pub async fn lock(tx: &Tx, id: Uuid) -> StoreResult<Option<(entity::task::Model, Vec<Task>)>> {
    let Some(found) = Entity::find_by_id(id).one(tx.conn()).await? else { return Ok(None) };
    let theirs = |row: &entity::task::Model| {
        let work = Work::of(row)?;
        let (_, release, _) = work.names();
        let range = if work.is_range() { Some(work) } else { work.range() }?;
        Some(Condition::all().add(Column::ReleaseId.eq(release)).add(Column::Kind.eq(range.kind())))
    };
    let of = |row: &entity::task::Model| {
        Entity::find().filter(Condition::any().add(Column::Id.eq(id)).add_option(theirs(row))).order_by_asc(Column::Id)
    };
    let first = locked(of(&found)).all(tx.conn()).await?;
    let Some(row) = first.into_iter().find(|row| row.id == id) else { return Ok(None) };
    // The batches for which this has waited may have split the task. Now that it is locked, nobody adds further ranges.
    // The ids of the new ranges are later.
    let rows = locked(of(&row)).all(tx.conn()).await?;
    let others = rows.iter().filter(|row| row.id != id).filter_map(Task::of).collect();
    Ok(Some((row, others)))
}

/// Deletes locked tasks: the other ranges of a task that an operator drops.
pub async fn drop_all(tx: &Tx, tasks: &[Task]) -> StoreResult<()> {
    let ids = tasks.iter().map(|task| task.id);
    if !tasks.is_empty() {
        Entity::delete_many().filter(tx.any_of(col(Column::Id), ids)).exec(tx.conn()).await?;
    }
    Ok(())
}

/// Gives a task other work, which moves installations, has no upper end and continues after the object `after`.
pub async fn change_work(tx: &Tx, id: Uuid, work: Work, after: Option<Uuid>, not_before: Instant) -> StoreResult<()> {
    tx.notify();
    let row = ActiveModel { moves_installations: Set(true), ..anew(id, work, after, not_before) };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}
