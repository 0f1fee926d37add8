//! What follows from a decision for installations and accounts, in batches (R49). Each batch is one
//! transaction with its own changes, events and entries, and remembers how far it came, so that whoever
//! is killed, the next one goes on there.

mod catch_up;
mod completion;
mod delete;
mod eligibility;
mod grants;
mod mover;
mod offer;
mod rename;
mod retry;
mod roll_out;
mod runner;
mod withdraw;

use uuid::Uuid;

use crate::domain::Instant;

pub use mover::{Mover, NoFaults};
pub use runner::{BatchFailure, Claimed, Turns};

/// How far one batch brought a task.
pub(super) enum Batch {
    /// There is more; it goes on after this object.
    More(Uuid),
    /// All objects were come to, but some are tried again at this instant.
    Again(Instant, Option<Uuid>),
    /// The task is done.
    Done,
}

/// What a rollout does with the installations that it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It moves them.
    Move,
    /// It was given up: they have failed.
    GiveUp,
}
