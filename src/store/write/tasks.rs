//! What follows from a decision, done in batches (R49). A task is a row until its last batch is done.

use chrono::Duration;
use entity::task::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _, Select,
};
use uuid::Uuid;

use super::locked;
use crate::domain::Instant;
use crate::domain::id::{AccountId, PackId, ReleaseId};
use crate::store::{Db, StoreResult, Tx};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Offer a scheduled release to the installations of its pack (R26).
    Offer(PackId, ReleaseId),
    /// Move the installations of its pack to a release (R25, R27).
    RollOut(PackId, ReleaseId),
    /// Try the failed updates of a release again.
    Retry(PackId, ReleaseId),
    /// End a rollout that an operator gave up: what it hasn't come to has failed.
    GiveUp(PackId, ReleaseId),
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

/// What a kind of task names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Release,
    Pack,
    Account,
}

/// The kinds that this program knows. A newer one may have left others.
const KINDS: [(&str, Names); 10] = [
    ("OFFER", Names::Release),
    ("ROLL_OUT", Names::Release),
    ("RETRY", Names::Release),
    ("GIVE_UP", Names::Release),
    ("WITHDRAW", Names::Release),
    ("GRANTS_OF_PACK", Names::Pack),
    ("GRANTS_OF_ACCOUNT", Names::Account),
    ("CATCH_UP", Names::Account),
    ("RENAME", Names::Pack),
    ("DELETE", Names::Pack),
];

/// Whether this program can do the task at hand: it knows the kind, and what that names is there.
pub(super) fn can_be_done() -> Condition {
    let kinds = |names: Names| KINDS.iter().filter(move |(_, of)| *of == names).map(|(kind, _)| *kind);
    let of = |names: Names| Condition::all().add(Column::Kind.is_in(kinds(names)));
    Condition::any()
        .add(of(Names::Release).add(Column::PackId.is_not_null()).add(Column::ReleaseId.is_not_null()))
        .add(of(Names::Pack).add(Column::PackId.is_not_null()))
        .add(of(Names::Account).add(Column::AccountId.is_not_null()))
}

impl Work {
    /// The stored name of its kind.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Offer(..) => "OFFER",
            Self::RollOut(..) => "ROLL_OUT",
            Self::Retry(..) => "RETRY",
            Self::GiveUp(..) => "GIVE_UP",
            Self::Withdraw(..) => "WITHDRAW",
            Self::GrantsOfPack(_) => "GRANTS_OF_PACK",
            Self::GrantsOfAccount(_) => "GRANTS_OF_ACCOUNT",
            Self::CatchUp(_) => "CATCH_UP",
            Self::Rename(_) => "RENAME",
            Self::Delete(_) => "DELETE",
        }
    }

    /// What a row asks for; `None` for what this program can't do.
    pub(in crate::store) fn of(row: &Model) -> Option<Self> {
        let pack = row.pack_id.map(PackId::from);
        let release = row.release_id.map(ReleaseId::from);
        let account = row.account_id.map(AccountId::from);
        Some(match (row.kind.as_str(), pack, release, account) {
            ("OFFER", Some(pack), Some(release), _) => Self::Offer(pack, release),
            ("ROLL_OUT", Some(pack), Some(release), _) => Self::RollOut(pack, release),
            ("RETRY", Some(pack), Some(release), _) => Self::Retry(pack, release),
            ("GIVE_UP", Some(pack), Some(release), _) => Self::GiveUp(pack, release),
            ("WITHDRAW", Some(pack), Some(release), _) => Self::Withdraw(pack, release),
            ("GRANTS_OF_PACK", Some(pack), ..) => Self::GrantsOfPack(pack),
            ("GRANTS_OF_ACCOUNT", .., Some(account)) => Self::GrantsOfAccount(account),
            ("CATCH_UP", .., Some(account)) => Self::CatchUp(account),
            ("RENAME", Some(pack), ..) => Self::Rename(pack),
            ("DELETE", Some(pack), ..) => Self::Delete(pack),
            _ => return None,
        })
    }

    /// The pack, release and account that it names.
    fn names(self) -> (Option<Uuid>, Option<Uuid>, Option<Uuid>) {
        match self {
            Self::Offer(pack, release)
            | Self::RollOut(pack, release)
            | Self::Retry(pack, release)
            | Self::GiveUp(pack, release)
            | Self::Withdraw(pack, release) => (Some(pack.into()), Some(release.into()), None),
            Self::GrantsOfPack(pack) | Self::Rename(pack) | Self::Delete(pack) => (Some(pack.into()), None, None),
            Self::GrantsOfAccount(account) | Self::CatchUp(account) => (None, None, Some(account.into())),
        }
    }

    /// Whether a task of it does the same whenever it begins: it compares what is so with what was told or
    /// done. Then a second one that waits beside a first has nothing to do.
    fn compares(self) -> bool {
        match self {
            Self::GrantsOfPack(_) | Self::GrantsOfAccount(_) | Self::CatchUp(_) | Self::Rename(_) => true,
            Self::Offer(..)
            | Self::RollOut(..)
            | Self::Retry(..)
            | Self::GiveUp(..)
            | Self::Withdraw(..)
            | Self::Delete(_) => false,
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
    /// How many objects batches have come to.
    pub done: i64,
    /// How many updates its release has when all installations were come to, once that was counted.
    pub update_count: Option<i64>,
    pub failures: i32,
}

impl Task {
    pub(super) fn of(row: &Model) -> Option<Self> {
        Some(Self {
            id: row.id,
            work: Work::of(row)?,
            publisher_id: row.publisher_id.into(),
            done_to: row.done_to,
            done: row.done,
            update_count: row.update_count,
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
        update_count: Set(None),
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
    Ok(skipping_locked(select).one(tx.conn()).await?)
}

/// Locks the first row that nobody else has.
pub(super) fn skipping_locked(select: Select<Entity>) -> Select<Entity> {
    select.limit(1).lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
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
pub(super) fn due(now: Instant) -> Condition {
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

/// Remembers how many updates the release of a task has when all installations were come to.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn save_update_count(tx: &Tx, id: Uuid, count: i64) -> StoreResult<()> {
    Entity::update(ActiveModel { id: Set(id), update_count: Set(Some(count)), ..Default::default() })
        .exec(tx.conn())
        .await?;
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

/// The release of a pack whose installations are being moved by an open task, if there is one.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn moving(tx: &Tx, pack: PackId) -> StoreResult<Option<ReleaseId>> {
    let open = Entity::find()
        .filter(Column::PackId.eq(uuid::Uuid::from(pack)))
        .filter(Column::Moves.eq(true))
        .one(tx.conn())
        .await?;
    Ok(open.and_then(|task| task.release_id).map(Into::into))
}
