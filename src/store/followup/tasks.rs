//! What follows from a decision, done in batches (R49). A task is a row until its last batch is done.

use chrono::Duration;
use entity::task::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait as _, EntityTrait, QueryFilter, QueryOrder as _,
    QueryResult, QuerySelect as _, QueryTrait as _, Select,
};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{AccountId, PackId, ReleaseId};
pub use crate::store::followup::work::Work;
use crate::store::locks::locked;
use crate::store::{Db, StoreResult, Tx, legible};

/// A task that this transaction works on.
#[derive(Clone, Debug)]
pub struct Task {
    pub id: Uuid,
    pub work: Work,
    pub publisher_id: AccountId,
    /// The last object that a batch has come to.
    pub done_to: Option<Uuid>,
    /// How many objects batches have come to.
    pub done: i64,
    pub failures: i32,
}

impl Task {
    pub(in crate::store) fn of(row: &Model) -> Option<Self> {
        Some(Self {
            id: row.id,
            work: Work::of(row)?,
            publisher_id: row.publisher_id.into(),
            done_to: row.done_to,
            done: row.done,
            failures: row.failures,
        })
    }
}

/// Adds a task that is due, and gives its id. `moves`: whether installations are moved by it, so that
/// no other release of the pack can be made meanwhile. Where one task compares, and one like it waits and hasn't
/// begun, that one does: it is held, so that no batch of it begins before this transaction has ended.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn add(tx: &Tx, id: Uuid, publisher: AccountId, work: Work, moves: bool, now: Instant) -> StoreResult<Uuid> {
    add_beside(tx, None, id, publisher, work, moves, Turn::Next(now)).await
}

/// The same with a turn of its own, in a batch of the task `at_hand`, that doesn't wait.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn add_beside(
    tx: &Tx,
    at_hand: Option<Uuid>,
    id: Uuid,
    publisher: AccountId,
    work: Work,
    moves: bool,
    turn: Turn,
) -> StoreResult<Uuid> {
    tx.tell();
    let (Turn::Next(not_before) | Turn::After(not_before)) = turn;
    let waits = matches!(turn, Turn::After(_));
    if let Some(waiting) = waiting(tx, work, at_hand).await? {
        if waiting.waits && (!waits || waiting.not_before > not_before) {
            let sooner = ActiveModel {
                id: Set(waiting.id),
                not_before: Set(not_before),
                waits: Set(waits),
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
        moves: Set(moves),
        done_to: Set(None),
        done: Set(0),
        not_before: Set(not_before),
        waits: Set(waits),
        failures: Set(0),
        last_failure: Set(None),
        created_at: Set(not_before),
    })
    .exec_without_returning(tx.conn())
    .await?;
    Ok(id)
}

/// A task that waits for its first batch and does what `work` would, locked. One that somebody works on just now
/// may have looked already, and is passed over.
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
        .filter(Column::DoneTo.is_null())
        .filter(Column::Id.is_not_in(at_hand))
        .order_by_asc(Column::Id);
    Ok(first_locked(tx, select).await?.and_then(Result::ok))
}

/// The id of a row that can't be read.
pub(in crate::store) type Illegible = Uuid;

/// Locks the first row that nobody else has. Of one that can't be read, tells its id alone.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError), also when not even the id can be read.
pub(in crate::store) async fn first_locked(
    tx: &Tx,
    select: Select<Entity>,
) -> StoreResult<Option<Result<Model, Illegible>>> {
    let select = select.limit(1).lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked).into_query();
    tx.conn().query_one(&select).await?.as_ref().map(read).transpose()
}

fn read(row: &QueryResult) -> StoreResult<Result<Model, Illegible>> {
    match legible::row::<Model>(row, "") {
        Ok(task) => Ok(Ok(task)),
        Err(why) => {
            let id: Uuid = legible::column(row, "id")?;
            legible::pass_over("task", id, &why);
            Ok(Err(id))
        }
    }
}

/// Takes a task that its caller has just made, for its first batch: due, also when the clock was set back a
/// moment ago. When somebody else was quicker this waits until that first batch is done, and gives `None`.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn claim_new(tx: &Tx, id: Uuid) -> StoreResult<Option<Task>> {
    let found = locked(Entity::find_by_id(id)).one(tx.conn()).await?;
    Ok(found.filter(|task| task.done_to.is_none()).as_ref().and_then(Task::of))
}

/// The longest pause that a task is given. What ends later than that was given it by a clock that was set back since.
pub const LONGEST_PAUSE: Duration = Duration::minutes(15);

/// Which tasks are due. One that doesn't wait is due whatever its turn says: a clock that was set back must not hold
/// up what was at work.
pub(in crate::store) fn due(now: Instant) -> Condition {
    Condition::any()
        .add(Column::NotBefore.lte(now))
        .add(Column::Waits.eq(false))
        .add(Column::NotBefore.gt(now + LONGEST_PAUSE))
}

/// When a task has its next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// After those that are due by now.
    Next(Instant),
    /// When a pause is over that ends at this instant.
    After(Instant),
}

/// Takes the task that an operator names, whenever it is due and however far it is; waits for a batch at hand.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn lock(tx: &Tx, id: Uuid) -> StoreResult<Option<Model>> {
    Ok(locked(Entity::find_by_id(id)).one(tx.conn()).await?)
}

/// A locked task as what is worked on; `None` for what this program can't do.
#[must_use]
pub fn task_of(row: &Model) -> Option<Task> {
    Task::of(row)
}

/// Remembers how far a task has come, with how many more objects, and when it has its next turn.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn advance(tx: &Tx, task: &Task, done_to: Option<Uuid>, more: i64, turn: Turn) -> StoreResult<()> {
    let (Turn::Next(not_before) | Turn::After(not_before)) = turn;
    let row = ActiveModel {
        id: Set(task.id),
        done_to: Set(done_to),
        done: Set(task.done.saturating_add(more)),
        not_before: Set(not_before),
        waits: Set(matches!(turn, Turn::After(_))),
        failures: Set(0),
        last_failure: Set(None),
        ..Default::default()
    };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Takes a task away: all of it is done, or it was dropped.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn finish(tx: &Tx, id: Uuid) -> StoreResult<()> {
    Entity::delete_by_id(id).exec(tx.conn()).await?;
    Ok(())
}

/// Lets a task do something else from where it is.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn change_work(tx: &Tx, id: Uuid, work: Work, not_before: Instant) -> StoreResult<()> {
    tx.tell();
    let row = ActiveModel {
        id: Set(id),
        kind: Set(work.kind().into()),
        not_before: Set(not_before),
        waits: Set(false),
        failures: Set(0),
        last_failure: Set(None),
        ..Default::default()
    };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Puts a task off after a batch of it failed as a whole.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn put_off(db: &Db, id: Uuid, failures: i32, why: &str, not_before: Instant) -> StoreResult<()> {
    let tx = db.begin().await?;
    let row = ActiveModel {
        id: Set(id),
        failures: Set(failures),
        last_failure: Set(Some(why.to_owned())),
        not_before: Set(not_before),
        waits: Set(true),
        ..Default::default()
    };
    Entity::update_many().set(row).filter(Column::Id.eq(id)).exec(tx.conn()).await?;
    tx.commit().await
}

/// Makes a task due, whoever can do it.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn make_due(tx: &Tx, id: Uuid, not_before: Instant) -> StoreResult<()> {
    tx.tell();
    let row = ActiveModel { id: Set(id), not_before: Set(not_before), waits: Set(false), ..Default::default() };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Gives a task whose instants or failures can't be read others: it is due, and has not failed yet.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn mend(tx: &Tx, id: Uuid, now: Instant) -> StoreResult<()> {
    tx.tell();
    let row = ActiveModel {
        not_before: Set(now),
        waits: Set(false),
        failures: Set(0),
        last_failure: Set(None),
        created_at: Set(now),
        ..Default::default()
    };
    Entity::update_many().set(row).filter(Column::Id.eq(id)).exec(tx.conn()).await?;
    Ok(())
}

/// The release of a pack whose installations are being moved by an open task, if there is one.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn moving(tx: &Tx, pack: PackId) -> StoreResult<Option<ReleaseId>> {
    let open: Option<Option<Uuid>> = Entity::find()
        .select_only()
        .column(Column::ReleaseId)
        .filter(Column::PackId.eq(uuid::Uuid::from(pack)))
        .filter(Column::Moves.eq(true))
        .into_tuple()
        .one(tx.conn())
        .await?;
    Ok(open.flatten().map(Into::into))
}
