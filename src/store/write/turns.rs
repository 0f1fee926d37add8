//! Whose task is done next. Publishers take turns, and so do the tasks of each: whoever has made a thousand
//! tasks keeps nobody else waiting for longer than one batch.

use std::collections::BTreeMap;

use entity::task::{Column, Entity};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _, Select};
use uuid::Uuid;

use super::tasks::{Task, can_be_done, due, skipping_locked};
use crate::domain::Instant;
use crate::store::{Db, StoreResult, Tx};

/// Of how many publishers a server remembers which task was done last.
const PUBLISHERS: usize = 10_000;

/// Who had the last turns. Each server keeps its own: what another one works on is passed over.
#[derive(Debug, Default)]
pub struct Turns {
    publisher: Option<Uuid>,
    tasks: BTreeMap<Uuid, Uuid>,
    /// What isn't to be taken now, whatever its row says.
    pub resting: Vec<Uuid>,
}

impl Turns {
    fn due(&self, now: Instant) -> Select<Entity> {
        let resting = self.resting.iter().copied();
        Entity::find().filter(can_be_done()).filter(due(now)).filter(Column::Id.is_not_in(resting))
    }

    fn had(&mut self, task: &Task) {
        let publisher = Uuid::from(task.publisher_id);
        if self.tasks.len() >= PUBLISHERS {
            self.tasks.clear();
        }
        self.tasks.insert(publisher, task.id);
        self.publisher = Some(publisher);
    }
}

/// Takes one task that is due for this transaction: of the publisher whose turn it is, the one after that which
/// it had last. A task that another server works on is passed over, and so is one that this program doesn't know.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn claim(tx: &Tx, now: Instant, turns: &mut Turns) -> StoreResult<Option<Task>> {
    let last = turns.publisher;
    let (mut after, mut from_the_start) = (last, last.is_none());
    loop {
        let Some(publisher) = next_publisher(tx, now, turns, after).await? else {
            if from_the_start {
                return Ok(None);
            }
            (after, from_the_start) = (None, true);
            continue;
        };
        if from_the_start && last.is_some_and(|last| publisher > last) {
            // Each was asked once.
            return Ok(None);
        }
        if let Some(task) = claim_of(tx, now, turns, publisher).await? {
            turns.had(&task);
            return Ok(Some(task));
        }
        after = Some(publisher);
    }
}

/// The next publisher after one that has a task which is due.
async fn next_publisher(tx: &Tx, now: Instant, turns: &Turns, after: Option<Uuid>) -> StoreResult<Option<Uuid>> {
    let mut select = turns.due(now).select_only().column(Column::PublisherId);
    if let Some(after) = after {
        select = select.filter(Column::PublisherId.gt(after));
    }
    Ok(select.order_by_asc(Column::PublisherId).limit(1).into_tuple().one(tx.conn()).await?)
}

async fn claim_of(tx: &Tx, now: Instant, turns: &Turns, publisher: Uuid) -> StoreResult<Option<Task>> {
    let due = || turns.due(now).filter(Column::PublisherId.eq(publisher)).order_by_asc(Column::Id);
    if let Some(last) = turns.tasks.get(&publisher) {
        let next = skipping_locked(due().filter(Column::Id.gt(*last))).one(tx.conn()).await?;
        if let Some(task) = next.as_ref().and_then(Task::of) {
            return Ok(Some(task));
        }
    }
    let first = skipping_locked(due()).one(tx.conn()).await?;
    Ok(first.as_ref().and_then(Task::of))
}

/// When the next task is due that this program can do and that isn't resting; `None` when there is none.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn next_due(db: &Db, resting: &[Uuid]) -> StoreResult<Option<Instant>> {
    let select = Entity::find()
        .filter(can_be_done())
        .filter(Column::Id.is_not_in(resting.iter().copied()))
        .select_only()
        .column(Column::NotBefore)
        .order_by_asc(Column::NotBefore)
        .order_by_asc(Column::Id)
        .limit(1);
    Ok(select.into_tuple().one(db.reader()).await?)
}
