//! Whose task is done next. Publishers take turns, and so do the tasks of each: whoever has made a thousand
//! tasks keeps nobody else waiting for longer than one batch.

use std::collections::BTreeMap;

use entity::task::{Column, Entity};
use sea_orm::{
    ColumnTrait, ConnectionTrait as _, EntityTrait, QueryFilter, QueryOrder as _, QueryResult, QuerySelect as _,
    QueryTrait as _, Select,
};
use uuid::Uuid;

use crate::domain::Instant;
use crate::store::followup::tasks::{Task, due, first_locked};
use crate::store::followup::work::can_be_done;
use crate::store::{Db, StoreError, StoreResult, Tx, legible};

/// Of how many publishers a server remembers which task was done last.
const PUBLISHERS: usize = 10_000;

/// Who had the last turns. Each server keeps its own: what another one works on is passed over.
#[derive(Debug, Default)]
pub struct Turns {
    publisher: Option<Uuid>,
    tasks: BTreeMap<Uuid, Uuid>,
    /// What isn't to be taken now, whatever its row says.
    pub resting: Vec<Uuid>,
    /// The rows that can't be read.
    illegible: Vec<Uuid>,
}

impl Turns {
    /// Forgets which rows can't be read: somebody may have mended them.
    pub fn look_again(&mut self) {
        self.illegible.clear();
    }

    /// The rows that were passed over since, because they can't be read.
    #[must_use]
    pub fn illegible(&self) -> &[Uuid] {
        &self.illegible
    }

    fn due(&self, now: Instant) -> Select<Entity> {
        let resting = self.resting.iter().chain(&self.illegible).copied();
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
async fn next_publisher(tx: &Tx, now: Instant, turns: &mut Turns, after: Option<Uuid>) -> StoreResult<Option<Uuid>> {
    loop {
        let mut select = turns.due(now).select_only().columns([Column::Id, Column::PublisherId]);
        if let Some(after) = after {
            select = select.filter(Column::PublisherId.gt(after));
        }
        let select = select.order_by_asc(Column::PublisherId).limit(1).into_query();
        let Some(row) = tx.conn().query_one(&select).await? else { return Ok(None) };
        match legible::column(&row, "publisher_id") {
            Ok(publisher) => return Ok(Some(publisher)),
            Err(why) => turns.illegible.push(passed_over(&row, &why)?),
        }
    }
}

/// Tells of a row that can't be read, and gives its id.
fn passed_over(row: &QueryResult, why: &StoreError) -> StoreResult<Uuid> {
    let id: Uuid = legible::column(row, "id")?;
    legible::pass_over("task", id, why);
    Ok(id)
}

async fn claim_of(tx: &Tx, now: Instant, turns: &mut Turns, publisher: Uuid) -> StoreResult<Option<Task>> {
    let mut last = turns.tasks.get(&publisher).copied();
    loop {
        let mut due = turns.due(now).filter(Column::PublisherId.eq(publisher)).order_by_asc(Column::Id);
        if let Some(last) = last {
            due = due.filter(Column::Id.gt(last));
        }
        match first_locked(tx, due).await? {
            Some(Ok(task)) => return Ok(Task::of(&task)),
            Some(Err(illegible)) => turns.illegible.push(illegible),
            None if last.is_none() => return Ok(None),
            None => last = None,
        }
    }
}

/// When the next task is due that this program can do and that isn't resting; `None` when there is none.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn next_due(db: &Db, resting: &[Uuid]) -> StoreResult<Option<Instant>> {
    let mut resting = resting.to_vec();
    loop {
        let select = Entity::find()
            .filter(can_be_done())
            .filter(Column::Id.is_not_in(resting.iter().copied()))
            .select_only()
            .columns([Column::Id, Column::NotBefore])
            .order_by_asc(Column::NotBefore)
            .order_by_asc(Column::Id)
            .limit(1)
            .into_query();
        let Some(row) = db.reader().query_one(&select).await? else { return Ok(None) };
        match legible::column(&row, "not_before") {
            Ok(at) => return Ok(Some(at)),
            Err(why) => resting.push(passed_over(&row, &why)?),
        }
    }
}
