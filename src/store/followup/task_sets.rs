//! Sets of tasks that one call adds: one for each of its accounts or packs. A set needs as few statements as one task,
//! except for chunks.

use std::collections::BTreeMap;

use entity::task::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::{Expr, LockBehavior, LockType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait as _, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _,
    QueryTrait as _,
};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::AccountId;
use crate::store::followup::tasks::{Task, Work, due, read};
use crate::store::followup::work::can_be_done;
use crate::store::locks::locked;
use crate::store::{StoreResult, Tx};
use crate::traces;

/// The number of tasks that one statement writes.
const CHUNK: usize = 500;

/// The column and the id of the account or pack that a task of grants or a catch-up is about.
fn subject(work: Work) -> Option<(Column, Uuid)> {
    match work {
        Work::GrantsOfAccount(account) | Work::CatchUp(account) => Some((Column::AccountId, account.into())),
        Work::GrantsOfPack(pack) => Some((Column::PackId, pack.into())),
        _ => None,
    }
}

/// Adds tasks of grants, all of accounts or all of packs, and returns their ids. If an equal task hasn't begun yet, its
/// id is returned and none is added, because such a task compares grants when it begins. The existing task is locked,
/// so that its first batch can't begin before this transaction ends.
pub async fn add_grants(tx: &Tx, publisher: AccountId, tasks: &[(Uuid, Work)], now: Instant) -> StoreResult<Vec<Uuid>> {
    add_beside(tx, None, publisher, tasks, now).await
}

/// Like [`add_grants`], for tasks of grants or for catch-ups. If a batch of the task `at_hand` adds them, that task
/// doesn't count as an equal one.
pub async fn add_beside(
    tx: &Tx,
    at_hand: Option<Uuid>,
    publisher: AccountId,
    tasks: &[(Uuid, Work)],
    now: Instant,
) -> StoreResult<Vec<Uuid>> {
    tx.notify();
    let waiting = waiting(tx, tasks, at_hand).await?;
    let of = |work: Work| subject(work).and_then(|(_, id)| waiting.get(&id));
    let postpone: Vec<_> = waiting.values().filter(|task| task.not_before > now).map(|task| task.id).collect();
    if !postpone.is_empty() {
        Entity::update_many()
            .col_expr(Column::NotBefore, Expr::val(now))
            .col_expr(Column::Deferred, Expr::val(false))
            .filter(tx.any_of(Column::Id.into_expr(), postpone))
            .exec(tx.conn())
            .await?;
    }
    let new: Vec<_> = tasks.iter().filter(|(_, work)| of(*work).is_none()).collect();
    for chunk in new.chunks(CHUNK) {
        let rows = chunk.iter().map(|(id, work)| row(*id, publisher, *work, now));
        Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    }
    Ok(tasks.iter().map(|(id, work)| of(*work).map_or(*id, |task| task.id)).collect())
}

/// Locks equal tasks that haven't begun yet, and returns them by the id of their account or pack. Tasks that are locked
/// by another transaction are skipped: their batch may have compared grants already.
async fn waiting(tx: &Tx, tasks: &[(Uuid, Work)], at_hand: Option<Uuid>) -> StoreResult<BTreeMap<Uuid, Model>> {
    let Some((_, first)) = tasks.first() else { return Ok(BTreeMap::new()) };
    let Some((column, _)) = subject(*first) else { return Ok(BTreeMap::new()) };
    let subjects = tasks.iter().filter_map(|(_, work)| Some(subject(*work)?.1));
    let found = Entity::find()
        .filter(tx.any_of(column.into_expr(), subjects))
        .filter(Column::Kind.eq(first.kind()))
        .filter(Column::ResumeAfter.is_null())
        .filter(Column::Id.is_not_in(at_hand))
        .order_by_asc(Column::Id)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
        .all(tx.conn())
        .await?;
    Ok(found.into_iter().filter_map(|task| Some((task.account_id.or(task.pack_id)?, task))).collect())
}

fn row(id: Uuid, publisher: AccountId, work: Work, now: Instant) -> ActiveModel {
    let of =
        |expected: Column| subject(work).and_then(|(column, id)| (column as usize == expected as usize).then_some(id));
    ActiveModel {
        id: Set(id),
        kind: Set(work.kind().into()),
        publisher_id: Set(publisher.into()),
        pack_id: Set(of(Column::PackId)),
        release_id: Set(None),
        account_id: Set(of(Column::AccountId)),
        moves_installations: Set(false),
        resume_after: Set(None),
        done: Set(0),
        until: Set(None),
        not_before: Set(now),
        deferred: Set(false),
        failures: Set(0),
        last_failure: Set(None),
        created_at: Set(now),
        trace_parent: Set(traces::recorded_parent()),
    }
}

/// Locks tasks that the caller has just added, for their first batch. Tasks that another server has begun are left out.
pub async fn claim_new(tx: &Tx, ids: &[Uuid]) -> StoreResult<Vec<Task>> {
    let select = Entity::find()
        .filter(tx.any_of(Column::Id.into_expr(), ids.iter().copied()))
        .filter(Column::ResumeAfter.is_null())
        .order_by_asc(Column::Id);
    locked(select).all(tx.conn()).await?.iter().filter_map(Task::of).map(Ok).collect()
}

/// Locks further tasks of the same kind as a locked task, for other accounts of the same publisher: tasks that are due
/// and haven't begun, at most `limit`. Tasks that are locked by another transaction are skipped. If a batch of such a
/// task has failed, locks no task: each task then runs by itself until the failed task is done, so that the failed task
/// doesn't make the others fail.
pub async fn claim_alike(tx: &Tx, task: &Task, now: Instant, limit: u64) -> StoreResult<Vec<Task>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let alike = Entity::find()
        .filter(Column::PublisherId.eq(Uuid::from(task.publisher_id)))
        .filter(Column::Kind.eq(task.work.kind()));
    let failed = alike.clone().select_only().column(Column::Id).filter(Column::Failures.gt(0)).limit(1).into_query();
    if tx.conn().query_one(&failed).await?.is_some() {
        return Ok(Vec::new());
    }
    let others = alike
        .filter(Column::Id.ne(task.id))
        .filter(Column::ResumeAfter.is_null())
        .filter(can_be_done())
        .filter(due(now))
        .order_by_asc(Column::Id)
        .limit(limit)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
        .into_query();
    let rows = tx.conn().query_all(&others).await?;
    let tasks = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
    Ok(tasks.iter().filter_map(|row| Task::of(row.as_ref().ok()?)).collect())
}

/// Saves the progress of the first batch: the last object and the number of objects. Deletes the tasks if
/// `resume_after` is `None`, because they are finished.
pub async fn after_batch(
    tx: &Tx,
    tasks: &[Task],
    resume_after: Option<Uuid>,
    done: i64,
    now: Instant,
) -> StoreResult<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let any_of = tx.any_of(Column::Id.into_expr(), tasks.iter().map(|task| task.id));
    match resume_after {
        None => {
            Entity::delete_many().filter(any_of).exec(tx.conn()).await?;
        }
        Some(resume_after) => {
            let row = ActiveModel {
                resume_after: Set(Some(resume_after)),
                done: Set(done),
                not_before: Set(now),
                deferred: Set(false),
                failures: Set(0),
                last_failure: Set(None),
                ..Default::default()
            };
            Entity::update_many().set(row).filter(any_of).exec(tx.conn()).await?;
        }
    }
    Ok(())
}
