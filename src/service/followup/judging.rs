//! Judges the steps of a batch by the release's halt rule (R58).

use uuid::Uuid;

use crate::domain::packs::Pack;
use crate::domain::releases::{Halt, Release};
use crate::service::error::Failure;
use crate::service::releases::{judge_given_up, judge_step, waits_for_attempts};
use crate::store::followup::tasks::LONGEST_PAUSE;

use super::roll_out::{Mode, Rollout};
use super::{Batch, Next};

/// Judges a step. Returns how the task continues if the release was halted; `None` if the task may go on. After a pause
/// the task continues behind `resume_after`.
pub(super) async fn judged(
    batch: &mut Batch<'_>,
    pack: &mut Pack,
    release: &mut Release,
    resume_after: Option<Uuid>,
) -> Result<Option<Next>, Failure> {
    let halt = judge_step(batch.services, batch.tx, &mut batch.journal, pack, release).await?;
    Ok(match halt {
        None | Some(Halt::Announce) => None,
        Some(Halt::Pause) => Some(Next::Again(batch.journal.now + LONGEST_PAUSE, resume_after)),
        Some(Halt::Cancel | Halt::RollBack) => Some(Next::Done),
    })
}

/// Judges a step of a rollout that was given up. Returns how the task continues if the halt ended it; `None` if the
/// task may go on.
pub(super) async fn given_up(
    batch: &mut Batch<'_>,
    pack: &mut Pack,
    release: &mut Release,
) -> Result<Option<Next>, Failure> {
    let halt = judge_given_up(batch.services, batch.tx, &mut batch.journal, pack, release).await?;
    Ok(halt.filter(|halt| *halt != Halt::Announce).map(|_| Next::Done))
}

/// Tries failed moves again while their failures alone would halt the release. No other installation is moved
/// meanwhile; otherwise a rollout whose moves fail would reach every installation before the rule can halt it. Returns
/// how the task continues; `None` if the rollout may go on.
pub(super) async fn try_again_first(
    batch: &mut Batch<'_>,
    pack: &mut Pack,
    release: &mut Release,
    mode: Mode,
    limit: u64,
) -> Result<Option<Next>, Failure> {
    let (services, tx, resume_after) = (batch.services, batch.tx, batch.task.resume_after);
    if !waits_for_attempts(tx, release, batch.journal.now).await? {
        return Ok(None);
    }
    let rollout = Rollout { services, tx, pack, release, mode };
    let next = rollout.try_again(&mut batch.journal, limit).await?;
    let halted = judged(batch, pack, release, resume_after).await?;
    Ok(Some(halted.unwrap_or(Next::Again(next.unwrap_or(batch.journal.now), resume_after))))
}
