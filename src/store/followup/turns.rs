//! Chooses the next task. Publishers take turns, and so do the tasks of each publisher, so a publisher with a thousand
//! tasks delays another's by at most one batch.

use std::collections::BTreeMap;

use entity::task::{Column, Entity};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait as _, EntityTrait, QueryFilter, QueryOrder as _, QueryResult,
    QuerySelect as _, QueryTrait as _, Select,
};
use uuid::Uuid;

use crate::domain::Instant;
use crate::store::followup::tasks::{Task, due, first_locked};
use crate::store::followup::work::{RANGES, can_be_done};
use crate::store::{StoreError, StoreResult, Tx, WholeServer, tolerant};

/// The number of publishers whose last task a server remembers.
const PUBLISHERS: usize = 10_000;

/// The last turns. Each server has its own, and skips tasks that another server works on.
#[derive(Debug, Default)]
pub struct Turns {
    publisher: Option<Uuid>,
    tasks: BTreeMap<Uuid, Had>,
    /// Tasks that must not be chosen now, even if their rows say that they are due.
    pub excluded: Vec<Uuid>,
    /// Rows that can't be read.
    unreadable: Vec<Uuid>,
}

impl Turns {
    /// Forgets the rows that couldn't be read, because an operator may have repaired them.
    pub fn retry_unreadable(&mut self) {
        self.unreadable.clear();
    }

    /// The rows that were skipped because they can't be read, since the last [`Turns::retry_unreadable`].
    #[must_use]
    pub fn unreadable(&self) -> &[Uuid] {
        &self.unreadable
    }

    fn due(&self, now: Instant) -> Select<Entity> {
        let excluded = self.excluded.iter().chain(&self.unreadable).copied();
        Entity::find().filter(can_be_done()).filter(due(now)).filter(Column::Id.is_not_in(excluded))
    }

    fn had(&mut self, task: &Task) {
        let publisher = Uuid::from(task.publisher_id);
        if self.tasks.len() >= PUBLISHERS {
            self.tasks.clear();
        }
        let (_, release, _) = task.work.names();
        let split = release.filter(|_| task.work.is_range());
        self.tasks.insert(publisher, Had { task: task.id, split });
        self.publisher = Some(publisher);
    }
}

/// The last task of a publisher that had a turn.
#[derive(Clone, Copy, Debug)]
struct Had {
    task: Uuid,
    /// The release of a range. All ranges of a release have one turn together.
    split: Option<Uuid>,
}

/// Locks one due task. The publishers take turns, and so do the tasks of a publisher; the ranges of one release count as
/// one task. Skips tasks that another server works on, and tasks of kinds that this program doesn't know.
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
            // All publishers have had their turn.
            return Ok(None);
        }
        if let Some(task) = claim_of(tx, now, turns, publisher).await? {
            turns.had(&task);
            return Ok(Some(task));
        }
        after = Some(publisher);
    }
}

/// The next publisher with a due task, in the order of ids.
async fn next_publisher(tx: &Tx, now: Instant, turns: &mut Turns, after: Option<Uuid>) -> StoreResult<Option<Uuid>> {
    loop {
        let mut select = turns.due(now).select_only().columns([Column::Id, Column::PublisherId]);
        if let Some(after) = after {
            select = select.filter(Column::PublisherId.gt(after));
        }
        let select = select.order_by_asc(Column::PublisherId).limit(1).into_query();
        let Some(row) = tx.conn().query_one(&select).await? else { return Ok(None) };
        match tolerant::column(&row, "publisher_id") {
            Ok(publisher) => return Ok(Some(publisher)),
            Err(why) => turns.unreadable.push(skip_unreadable(&row, &why)?),
        }
    }
}

/// Logs a row that can't be read, and returns its id.
fn skip_unreadable(row: &QueryResult, why: &StoreError) -> StoreResult<Uuid> {
    let id: Uuid = tolerant::column(row, "id")?;
    tolerant::skip("task", id, why);
    Ok(id)
}

async fn claim_of(tx: &Tx, now: Instant, turns: &mut Turns, publisher: Uuid) -> StoreResult<Option<Task>> {
    let mut last = turns.tasks.get(&publisher).copied();
    loop {
        let mut due = turns.due(now).filter(Column::PublisherId.eq(publisher)).order_by_asc(Column::Id);
        if let Some(Had { task, split }) = last {
            due = due.filter(Column::Id.gt(task));
            if let Some(release) = split {
                let is_other = Condition::any()
                    .add(Column::ReleaseId.is_null())
                    .add(Column::ReleaseId.ne(release))
                    .add(Column::Kind.is_not_in(RANGES));
                due = due.filter(is_other);
            }
        }
        match first_locked(tx, due).await? {
            Some(Ok(task)) => return Ok(Task::of(&task)),
            Some(Err(unreadable)) => turns.unreadable.push(unreadable),
            None if last.is_none() => return Ok(None),
            None => last = None,
        }
    }
}

/// The earliest turn of a task that this program can do and that isn't in `excluded`; `None` without such a task.
pub async fn next_due(server: &WholeServer, excluded: &[Uuid]) -> StoreResult<Option<Instant>> {
    let mut excluded = excluded.to_vec();
    loop {
        let select = Entity::find()
            .filter(can_be_done())
            .filter(Column::Id.is_not_in(excluded.iter().copied()))
            .select_only()
            .columns([Column::Id, Column::NotBefore])
            .order_by_asc(Column::NotBefore)
            .order_by_asc(Column::Id)
            .limit(1)
            .into_query();
        let Some(row) = server.conn().query_one(&select).await? else { return Ok(None) };
        match tolerant::column(&row, "not_before") {
            Ok(at) => return Ok(Some(at)),
            Err(why) => excluded.push(skip_unreadable(&row, &why)?),
        }
    }
}
