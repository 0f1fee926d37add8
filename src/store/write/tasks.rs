//! What follows from a decision, done in batches (R49). A task is a row until its last batch is done.

use chrono::Duration;
use entity::task::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use super::locked;
use crate::domain::Instant;
use crate::domain::id::{AccountId, PackId, ReleaseId};
use crate::store::{Db, StoreError, StoreResult, Tx};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Offer a scheduled release to the installations of its pack (R26).
    Offer(PackId, ReleaseId),
    /// Move the installations of its pack to a release (R25, R27).
    RollOut(PackId, ReleaseId),
    /// Try the failed updates of a release again.
    Retry(PackId, ReleaseId),
    /// Take back the offers of a canceled or superseded release, and after a cancel the early applied (R29, R30).
    Withdraw(PackId, ReleaseId),
    /// Tell accounts of a pack that they gained or lost it, and freeze what they lose (R45, R50).
    GrantsOfPack(PackId),
    /// The same for all packs of one account.
    GrantsOfAccount(AccountId),
    /// Bring the installations of an account that is active again to what they were passed over for (R46).
    CatchUp(AccountId),
    /// Give the installations of a renamed SINGLE pack its new name for their order.
    Rename(PackId),
    /// Uninstall a deleted pack everywhere, and tell the accounts that had it or could have it (R47).
    Delete(PackId),
}

impl Work {
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Offer(..) => "OFFER",
            Self::RollOut(..) => "ROLL_OUT",
            Self::Retry(..) => "RETRY",
            Self::Withdraw(..) => "WITHDRAW",
            Self::GrantsOfPack(_) => "GRANTS_OF_PACK",
            Self::GrantsOfAccount(_) => "GRANTS_OF_ACCOUNT",
            Self::CatchUp(_) => "CATCH_UP",
            Self::Rename(_) => "RENAME",
            Self::Delete(_) => "DELETE",
        }
    }
}

impl Work {
    /// The account that grants are compared of.
    #[must_use]
    pub fn account(self) -> Option<AccountId> {
        if let Self::GrantsOfAccount(account) = self { Some(account) } else { None }
    }

    /// The pack that grants are compared of.
    #[must_use]
    pub fn pack(self) -> Option<PackId> {
        if let Self::GrantsOfPack(pack) = self { Some(pack) } else { None }
    }
}

/// A task that this transaction works on.
#[derive(Clone, Debug)]
pub struct Task {
    pub id: Uuid,
    pub work: Work,
    pub publisher_id: AccountId,
    /// The last object that a batch has come to.
    pub done_to: Option<Uuid>,
    /// How many updates its release has when all installations were come to, once that was counted.
    pub update_count: Option<i64>,
    pub failures: i32,
}

impl Task {
    pub(super) fn of(m: Model) -> StoreResult<Self> {
        let pack = m.pack_id.map(PackId::from);
        let release = m.release_id.map(ReleaseId::from);
        let work = match (m.kind.as_str(), pack, release, m.account_id) {
            ("OFFER", Some(pack), Some(release), _) => Work::Offer(pack, release),
            ("ROLL_OUT", Some(pack), Some(release), _) => Work::RollOut(pack, release),
            ("RETRY", Some(pack), Some(release), _) => Work::Retry(pack, release),
            ("WITHDRAW", Some(pack), Some(release), _) => Work::Withdraw(pack, release),
            ("GRANTS_OF_PACK", Some(pack), ..) => Work::GrantsOfPack(pack),
            ("GRANTS_OF_ACCOUNT", .., Some(account)) => Work::GrantsOfAccount(account.into()),
            ("CATCH_UP", .., Some(account)) => Work::CatchUp(account.into()),
            ("RENAME", Some(pack), ..) => Work::Rename(pack),
            ("DELETE", Some(pack), ..) => Work::Delete(pack),
            (other, ..) => return Err(StoreError::Fault(format!("no task: {other}"))),
        };
        Ok(Self {
            id: m.id,
            work,
            publisher_id: m.publisher_id.into(),
            done_to: m.done_to,
            update_count: m.update_count,
            failures: m.failures,
        })
    }
}

/// Adds a task. `moves`: whether installations are moved by it, so that no other release of the pack
/// can be made meanwhile.
///
/// # Errors
/// [`StoreError`].
pub async fn add(tx: &Tx, id: Uuid, publisher: AccountId, work: Work, moves: bool, now: Instant) -> StoreResult<()> {
    let (pack, release, account) = match work {
        Work::Offer(pack, release)
        | Work::RollOut(pack, release)
        | Work::Retry(pack, release)
        | Work::Withdraw(pack, release) => (Some(pack), Some(release), None),
        Work::GrantsOfPack(pack) | Work::Rename(pack) | Work::Delete(pack) => (Some(pack), None, None),
        Work::GrantsOfAccount(account) | Work::CatchUp(account) => (None, None, Some(account)),
    };
    tx.tell();
    Entity::insert(ActiveModel {
        id: Set(id),
        kind: Set(work.kind().into()),
        publisher_id: Set(publisher.into()),
        pack_id: Set(pack.map(Into::into)),
        release_id: Set(release.map(Into::into)),
        account_id: Set(account.map(Into::into)),
        moves: Set(moves),
        done_to: Set(None),
        update_count: Set(None),
        not_before: Set(now),
        waits: Set(false),
        failures: Set(0),
        created_at: Set(now),
    })
    .exec_without_returning(tx.conn())
    .await?;
    Ok(())
}

/// Takes a task that its caller has just made, for its first batch: due, also when the clock was set back a
/// moment ago. When somebody else was quicker this waits until that first batch is done, and gives `None`.
///
/// # Errors
/// [`StoreError`].
pub async fn claim_new(tx: &Tx, id: Uuid) -> StoreResult<Option<Task>> {
    let found = locked(Entity::find_by_id(id)).one(tx.conn()).await?;
    found.filter(|task| task.done_to.is_none()).map(Task::of).transpose()
}

/// The longest pause that a task is given. What ends later than that was given it by a clock that was set back since.
pub const LONGEST_PAUSE: Duration = Duration::minutes(15);

/// Which tasks are due. One that doesn't wait is due whatever its turn says: a clock that was set back must not hold
/// up what was at work.
fn due(now: Instant) -> Condition {
    Condition::any()
        .add(Column::NotBefore.lte(now))
        .add(Column::Waits.eq(false))
        .add(Column::NotBefore.gt(now + LONGEST_PAUSE))
}

/// Takes one task that is due for this transaction, the oldest first. One that another server works on is
/// passed over.
///
/// # Errors
/// [`StoreError`].
pub async fn claim(tx: &Tx, now: Instant) -> StoreResult<Option<Task>> {
    let found = Entity::find()
        .filter(due(now))
        .order_by_asc(Column::NotBefore)
        .order_by_asc(Column::Id)
        .limit(1)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
        .one(tx.conn())
        .await?;
    found.map(Task::of).transpose()
}

/// When a task has its next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// After those that are due by now.
    Next(Instant),
    /// When a pause is over that ends at this instant.
    After(Instant),
}

/// Remembers how far a task has come, and when it has its next turn.
///
/// # Errors
/// [`StoreError`].
pub async fn advance(tx: &Tx, task: &Task, done_to: Option<Uuid>, turn: Turn) -> StoreResult<()> {
    let (Turn::Next(not_before) | Turn::After(not_before)) = turn;
    let row = ActiveModel {
        id: Set(task.id),
        done_to: Set(done_to),
        not_before: Set(not_before),
        waits: Set(matches!(turn, Turn::After(_))),
        failures: Set(0),
        ..Default::default()
    };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Remembers how many updates the release of a task has when all installations were come to.
///
/// # Errors
/// [`StoreError`].
pub async fn save_update_count(tx: &Tx, id: Uuid, count: i64) -> StoreResult<()> {
    Entity::update(ActiveModel { id: Set(id), update_count: Set(Some(count)), ..Default::default() })
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Takes a task away: all of it is done.
///
/// # Errors
/// [`StoreError`].
pub async fn finish(tx: &Tx, task: &Task) -> StoreResult<()> {
    Entity::delete_by_id(task.id).exec(tx.conn()).await?;
    Ok(())
}

/// Puts a task off after a batch of it failed as a whole.
///
/// # Errors
/// [`StoreError`].
pub async fn put_off(db: &Db, id: Uuid, failures: i32, not_before: Instant) -> StoreResult<()> {
    let tx = db.begin().await?;
    let row = ActiveModel {
        id: Set(id),
        failures: Set(failures),
        not_before: Set(not_before),
        waits: Set(true),
        ..Default::default()
    };
    Entity::update_many().set(row).filter(Column::Id.eq(id)).exec(tx.conn()).await?;
    tx.commit().await
}

/// When the next task is due; `None` when there is none.
///
/// # Errors
/// [`StoreError`].
pub async fn next_due(db: &Db) -> StoreResult<Option<Instant>> {
    let first = Entity::find().order_by_asc(Column::NotBefore).order_by_asc(Column::Id).one(db.reader()).await?;
    Ok(first.map(|task| task.not_before))
}

/// The release of a pack whose installations are being moved by an open task, if there is one.
///
/// # Errors
/// [`StoreError`].
pub async fn moving(tx: &Tx, pack: PackId) -> StoreResult<Option<ReleaseId>> {
    let open = Entity::find()
        .filter(Column::PackId.eq(uuid::Uuid::from(pack)))
        .filter(Column::Moves.eq(true))
        .one(tx.conn())
        .await?;
    Ok(open.and_then(|task| task.release_id).map(Into::into))
}
