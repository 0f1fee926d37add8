//! What follows from a decision for installations and accounts, in batches (R49). Each batch is one
//! transaction with its own changes, events and entries, and remembers how far it came, so that whoever
//! is killed, the next one goes on there.

pub mod catch_up;
pub mod completion;
pub mod delete;
mod eligibility;
pub mod grants;
mod mover;
mod offer;
mod pace;
mod rename;
pub mod retry;
mod roll_out;
pub mod runner;
pub mod tasks;
mod told;
pub mod updates;
pub mod withdraw;

use uuid::Uuid;

use crate::domain::Instant;
use crate::store::Tx;
use crate::store::followup::tasks::Task;

use super::Services;
use super::error::Failure;
use super::journal::Journal;

pub use mover::{Mover, NoFaults};
pub use pace::{Done, Measures};
pub use runner::{BatchFailure, Claimed, Turns};

/// What follows from a decision, of one kind. Another kind is a file with a type of its own, a kind of
/// [`Work`](crate::store::followup::tasks::Work), and a line in the runner.
pub(super) trait FollowUp {
    /// Does one batch, and says what comes next. Whatever it changes, it changes in the batch's transaction.
    fn step(self, batch: &mut Batch<'_>) -> impl Future<Output = Result<Next, Failure>> + Send;
}

/// One batch of a task: what its step works with.
pub(super) struct Batch<'a> {
    pub services: &'a Services,
    pub tx: &'a Tx,
    pub journal: Journal<'a>,
    pub task: &'a Task,
    /// How many objects it comes to at most.
    pub size: u64,
    /// How many objects it has come to.
    pub came_to: u64,
}

impl Batch<'_> {
    /// Counts the objects that the batch has come to. Gives where the next batch begins, when this one was full.
    fn came_to(&mut self, found: usize, last: Option<Uuid>) -> Option<Uuid> {
        let found = u64::try_from(found).unwrap_or(u64::MAX);
        self.came_to = self.came_to.saturating_add(found);
        last.filter(|_| found >= self.size)
    }
}

/// What comes after a batch.
pub(super) enum Next {
    /// There is more; it goes on after this object.
    More(Uuid),
    /// All objects were come to, but some are tried again at this instant.
    Again(Instant, Option<Uuid>),
    /// The task is done.
    Done,
}

impl Next {
    /// More after an object, or the end.
    fn after(last: Option<Uuid>) -> Self {
        last.map_or(Self::Done, Self::More)
    }
}
