//! Moving the installations of early stages (R55).
//!
//! A release has one task for its stages. It processes the opened stages one after the other, the oldest first, so that
//! a later stage moves no installation while an earlier stage isn't complete. If the window has opened meanwhile, the
//! task then becomes the rollout.

use std::ops::ControlFlow::{Break, Continue};

use uuid::Uuid;

use crate::domain::id::{PackId, ReleaseId};
use crate::domain::releases::{Holds, ReleaseState};
use crate::service::error::Failure;
use crate::service::followup::completion::{announce_progress, pack_and_release};
use crate::service::followup::roll_out::{Mode, Rollout};
use crate::service::releases::{complete_stage, lets_stages_work, size_of_batch};
use crate::store::followup::tasks::{LONGEST_PAUSE, Work};
use crate::store::installations::staged::{self, Part};
use crate::store::packs::write as packs;
use crate::store::releases::stages;

use super::judging::{judged, try_again_first};
use super::{Batch, FollowUp, Next};

/// Moves the installations of a release's opened stages.
pub(super) struct OpenStages {
    pub pack: PackId,
    pub release: ReleaseId,
}

/// How far a batch has come in a stage.
struct Reached {
    /// How many installations the stage holds in the part of the pack that the batch has looked at.
    held: u64,
    /// The last one of them.
    last_held: Option<Uuid>,
    /// The id after which the stage goes on; `None` once the batch has reached the stage's end.
    goes_on_after: Option<Uuid>,
}

impl Reached {
    fn of(part: &Part, limit: u64) -> Self {
        let held = u64::try_from(part.held.installations.len()).unwrap_or(u64::MAX);
        let last_held = part.held.installations.last().map(|installation| installation.id.0);
        // With as many as the halt rule allows, the part may hold more.
        Self { held, last_held, goes_on_after: if held >= limit { last_held } else { part.last } }
    }
}

impl FollowUp for OpenStages {
    async fn run_batch(self, batch: &mut Batch<'_>) -> Result<Next, Failure> {
        let (services, tx, task, size) = (batch.services, batch.tx, batch.task, batch.size);
        // Locked, because the batch completes a stage, and its decisions depend on the pack.
        let pack = packs::lock_any(tx, self.pack).await?;
        // A window that is due opens first: the release is judged as readers see it (R30, R58).
        batch.journal.now = services.instant(tx, &pack)?;
        let Some((mut pack, mut release)) = pack_and_release(tx, pack, self.release, lets_stages_work).await? else {
            return Ok(Next::Done);
        };
        if release.is_paused() {
            // After the pause the stage begins anew, because accounts may become eligible meanwhile (R56).
            return Ok(Next::Again(batch.journal.now + LONGEST_PAUSE, None));
        }
        let found = stages::of(tx, &release).await?;
        let has_started = release.state == ReleaseState::InProgress;
        let is_open =
            |index: usize| found.get(index).is_some_and(|stage| !stage.waits() && stage.completed_at.is_none());
        let Some(index) = (0..found.len()).find(|index| is_open(*index)) else {
            return Ok(if has_started { Next::Then(Work::RollOut(pack.id, release.id)) } else { Next::Done });
        };
        let limit = size_of_batch(tx, &release, size).await?;
        if let Some(next) = try_again_first(batch, &mut pack, &mut release, Mode::Stage, limit).await? {
            return Ok(next);
        }
        let bounds = (size, limit);
        let by_groups = found.iter().take(index + 1).all(|stage| matches!(stage.holds, Holds::Groups(_)));
        let upto = (stages::position(index), by_groups);
        let part = staged::next_part(tx, &release, upto, task.resume_after, bounds).await?;
        let rollout = Rollout { services, tx, pack: &pack, release: &release, mode: Mode::Stage };
        let step = rollout.update_by_class(&mut batch.journal, &part.held).await?;
        let Reached { held, last_held, goes_on_after } = Reached::of(&part, limit);
        // The batch has looked at the whole part, of which the stage may hold few installations.
        let is_whole = held < limit && goes_on_after.is_some();
        batch.processed = batch.processed.saturating_add(if is_whole { size } else { held });
        if let Break(next) = judged(batch, (&mut pack, &mut release), step, None).await? {
            return Ok(next);
        }
        if let Some(last) = goes_on_after {
            // The first batch announces no progress, because it may run within a command's call.
            if task.resume_after.is_some() && held > 0 {
                announce_progress(tx, &mut batch.journal, &pack, &release, true).await?;
            }
            return Ok(Next::More(last));
        }
        let goes_on = is_open(index + 1) || has_started;
        // Installations that could not be moved yet don't hold up the next stage.
        let rollout = Rollout { services, tx, pack: &pack, release: &release, mode: Mode::Stage };
        let step = rollout.try_again(&mut batch.journal, limit).await?;
        let again = match judged(batch, (&mut pack, &mut release), step, None).await? {
            Continue(again) => again,
            Break(next) => return Ok(next),
        };
        if let Some(at) = again
            && !goes_on
        {
            return Ok(Next::Again(at, last_held.or(task.resume_after)));
        }
        if let Some(stage) = found.get(index) {
            complete_stage(tx, &mut batch.journal, &pack, &release, (stage, index)).await?;
        }
        Ok(if goes_on { Next::More(Uuid::nil()) } else { Next::Done })
    }
}
