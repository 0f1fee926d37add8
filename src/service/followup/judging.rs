//! Judges the steps of a batch by the release's halt rule (R58).

use std::ops::ControlFlow::{self, Break, Continue};

use uuid::Uuid;

use crate::domain::installations::Installation;
use crate::domain::packs::Pack;
use crate::domain::releases::{Halt, Release, ReleaseState};
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::journal::Journal;
use crate::service::releases::{judge_step, waits_for_attempts};
use crate::store::Tx;
use crate::store::followup::tasks::LONGEST_PAUSE;
use crate::store::releases::write as releases;

use super::catch_up::CaughtUp;
use super::roll_out::{Mode, Rollout};
use super::{Batch, Next};

/// The result of a step that moved installations, or failed to move them. Only the functions of this file take the
/// result out, and they judge the step, so a batch can't go on after a step that nobody has judged. Each step is judged
/// for itself: a batch doesn't begin another step after the step that decides.
#[must_use = "a step that moved installations must be judged"]
pub(super) struct Step<T>(T);

impl<T> Step<T> {
    pub(super) fn of(result: T) -> Self {
        Self(result)
    }
}

/// Judges a step of a release of a locked pack. Returns the step's result, or how the task continues if the release was
/// halted: after a pause from `resume_after` on.
pub(super) async fn judged<T>(
    batch: &mut Batch<'_>,
    (pack, release): (&mut Pack, &mut Release),
    Step(result): Step<T>,
    resume_after: Option<Uuid>,
) -> Result<ControlFlow<Next, T>, Failure> {
    let halt = judge_step(batch.services, batch.tx, &mut batch.journal, pack, release).await?;
    Ok(match halt {
        None | Some(Halt::Announce) => Continue(result),
        Some(Halt::Pause) => Break(Next::Again(batch.journal.now + LONGEST_PAUSE, resume_after)),
        Some(Halt::Cancel | Halt::RollBack) => Break(Next::Done),
    })
}

/// Judges a step of a rollout that was given up. Returns the step's result, or how the task continues if the release was
/// rolled back.
pub(super) async fn given_up<T>(
    batch: &mut Batch<'_>,
    (pack, release): (&mut Pack, &mut Release),
    Step(result): Step<T>,
) -> Result<ControlFlow<Next, T>, Failure> {
    let halt = judge_step(batch.services, batch.tx, &mut batch.journal, pack, release).await?;
    Ok(if halt.is_none_or(|halt| halt == Halt::Announce) { Continue(result) } else { Break(Next::Done) })
}

/// Judges the releases of locked packs whose updates a catch-up has applied, if they are in progress or watched. Returns
/// the installations with their new versions.
pub(super) async fn judge_all(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    packs: &[Pack],
    Step(caught_up): Step<CaughtUp>,
) -> Result<Vec<Installation>, Failure> {
    let ids: Vec<_> = caught_up.applied_releases.into_iter().collect();
    if ids.is_empty() {
        return Ok(caught_up.installations);
    }
    for mut release in releases::get_all(tx, &ids).await? {
        // A scheduled release is judged when its window opens. If it were judged now although its window is due, it
        // could be paused, although readers already see it in progress (R30).
        let is_started = release.state != ReleaseState::Scheduled;
        if let Some(pack) = packs.iter().find(|pack| pack.id == release.pack_id && is_started) {
            judge_step(cx, tx, journal, &mut pack.clone(), &mut release).await?;
        }
    }
    Ok(caught_up.installations)
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
    let step = rollout.try_again(&mut batch.journal, limit).await?;
    Ok(Some(match judged(batch, (pack, release), step, resume_after).await? {
        Continue(next) => Next::Again(next.unwrap_or(batch.journal.now), resume_after),
        Break(next) => next,
    }))
}
