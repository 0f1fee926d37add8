//! Follow-ups: the consequences of a decision for installations and accounts, carried out in batches (R49). Each batch
//! is one transaction. It contains the changes, their events and audit entries, and the task's progress, so that after
//! a crash any process continues with the next batch.

mod batch_sizes;
mod catch_up;
mod class_change;
mod completion;
mod delete;
mod eligibility;
mod grants;
mod judging;
mod mover;
mod offer;
mod ranges;
mod rename;
mod retry;
mod roll_back;
mod roll_out;
mod runner;
mod stage;
mod tasks;
mod updates;
mod withdraw;

pub(in crate::service) use catch_up::offer_to;
pub(in crate::service) use grants::run_first_grants;
pub(crate) use runner::has_one_writer;
pub(in crate::service) use runner::run_first_batch;
pub use runner::{BatchFailure, Claimed, Turns, batches_at_once, claim_batch, run_claimed, run_one_batch};
pub(crate) use tasks::due_at_the_start;
pub use tasks::{Dropped, Retried, drop_task, open_tasks, retry_task};
pub(in crate::service) use updates::{VersionChange, hide, offered, record_update, withdraw_row};

use uuid::Uuid;

use crate::domain::Instant;
use crate::store::Tx;
use crate::store::followup::tasks::{Task, Work};

use super::Services;
use super::error::Failure;
use super::journal::Journal;

pub use batch_sizes::{BatchCounts, BatchSizes};
pub use mover::{Mover, NoFaults};

/// One kind of follow-up. A new kind needs a file with a type that implements this trait, a variant of
/// [`Work`](crate::store::followup::tasks::Work), and a line in the runner.
pub(super) trait FollowUp {
    /// Does one batch, and returns how the task continues. All changes belong to the batch's transaction.
    fn run_batch(self, batch: &mut Batch<'_>) -> impl Future<Output = Result<Next, Failure>> + Send;
}

/// The context of one batch of a task.
pub(super) struct Batch<'a> {
    pub services: &'a Services,
    pub tx: &'a Tx,
    pub journal: Journal<'a>,
    pub task: &'a Task,
    /// The most objects that the batch may process.
    pub size: u64,
    /// Whether the batch must not do other tasks, too, because some of this server's tasks pause after a failure.
    pub alone: bool,
    /// Whether the batch of a range must lock its pack, because it was overtaken when it only held the pack.
    pub locks_pack: bool,
    /// The number of objects that the batch has processed.
    pub processed: u64,
}

impl Batch<'_> {
    /// Counts processed objects. Returns the last one's id if the batch was full: the next batch begins after it.
    fn processed(&mut self, found: usize, last: Option<Uuid>) -> Option<Uuid> {
        let found = u64::try_from(found).unwrap_or(u64::MAX);
        self.processed = self.processed.saturating_add(found);
        last.filter(|_| found >= self.size)
    }
}

/// How a task continues after a batch.
pub(super) enum Next {
    /// There are more objects, after this one.
    More(Uuid),
    /// All objects were processed, but some must be tried again at this instant. The id is the last processed object's.
    Again(Instant, Option<Uuid>),
    /// The batch has processed all objects up to the first one. The rest is split into ranges: the next one begins
    /// there, and further ones after each of these objects.
    Split(Uuid, Vec<Uuid>),
    /// The task was the last range. It becomes the whole work again, for the batch that ends it.
    Join,
    /// The task goes on with other work, from its first object on.
    Then(Work),
    /// The task is done.
    Done,
}

impl Next {
    /// The next batch begins after this object; without one the task is done.
    fn after(last: Option<Uuid>) -> Self {
        last.map_or(Self::Done, Self::More)
    }
}
