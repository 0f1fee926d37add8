//! One pass of the scheduler. Tests call it directly, after they have moved the clock.

use chrono::Duration;

use super::Scheduler;
use crate::domain::Instant;
use crate::service::error::Failure;
use crate::service::windows::AskedBy;
use crate::store::write::{requests, tasks, windows};

/// How many due packs are read at a time.
const PAGE: u64 = 100;

/// What is done now and then.
#[derive(Default)]
pub(super) struct Housekeeping {
    forgot_at: Option<Instant>,
    pruned_at: Option<Instant>,
    /// Up to where the pass at hand removes events.
    pruning_until: Option<Instant>,
    zones_read_at: Option<Instant>,
    windows_computed_at: Option<Instant>,
}

/// Whether something was done lately. A clock that was set back makes nothing recent.
fn within(span: Duration, at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| at <= now && now - at < span)
}

fn recent(at: Option<Instant>, now: Instant) -> bool {
    within(Duration::hours(1), at, now)
}

impl Scheduler {
    /// Does everything that is due now: opens windows, the oldest first, and runs tasks until none is due. Gives
    /// when it wants to be called next; `None` when nothing waits for a time.
    ///
    /// # Errors
    /// The first [`Failure`], after everything else was tried; what failed is tried again by the next pass.
    pub async fn tick(&self) -> Result<Option<Instant>, Failure> {
        let mut housekeeping = self.pass.lock().await;
        let begun = self.services.clock.now();
        // First, so that a window that newer data moved into the past opens at once.
        let zones = self.follow_zones(&mut housekeeping, begun).await;
        let worked = self.work().await;
        let now = self.services.clock.now();
        let saved = self.services.save_token_uses().await;
        let forgot = match housekeeping.forgot_at {
            at if recent(at, now) => Ok(()),
            _ => requests::forget_old(&self.services.db, now).await.map(|_| housekeeping.forgot_at = Some(now)),
        };
        let pruned = match housekeeping.pruned_at {
            at if recent(at, now) => Ok(()),
            _ => self.prune(&mut housekeeping, now).await,
        };
        worked.and(saved)?;
        zones?;
        forgot?;
        pruned?;
        let (window, task) = (windows::next(&self.services.db).await?, tasks::next_due(&self.services.db).await?);
        Ok(window.into_iter().chain(task).min())
    }

    /// Reads the time zone data once an hour, and moves the pending windows that it moves. Once a minute it looks for
    /// releases that a server with older data has made.
    async fn follow_zones(&self, housekeeping: &mut Housekeeping, now: Instant) -> Result<(), Failure> {
        let by = AskedBy::Scheduler;
        if !recent(housekeeping.zones_read_at, now) {
            self.services.look_at_time_zones(by).await?;
            housekeeping.zones_read_at = Some(now);
        } else if within(Duration::minutes(1), housekeeping.windows_computed_at, now) {
            return Ok(());
        } else {
            self.services.compute_windows_anew(by).await?;
        }
        housekeeping.windows_computed_at = Some(now);
        Ok(())
    }

    /// Removes old events. What is left of them is removed by the next ticks, up to the same instant.
    async fn prune(&self, housekeeping: &mut Housekeeping, now: Instant) -> Result<(), Failure> {
        if housekeeping.pruning_until.is_none() {
            housekeeping.pruning_until = self.services.prune_until().await?;
        }
        let all = match housekeeping.pruning_until {
            Some(until) => self.services.prune_events(until).await?,
            None => true,
        };
        if all {
            (housekeeping.pruned_at, housekeeping.pruning_until) = (Some(now), None);
        }
        Ok(())
    }

    /// Opens windows and runs tasks in turn, so that no window waits for the end of a long rollout.
    async fn work(&self) -> Result<(), Failure> {
        let mut failed = None;
        loop {
            if let Err(failure) = self.open_windows().await {
                failed.get_or_insert(failure);
            }
            match self.services.run_one_batch().await {
                Ok(true) => {}
                Ok(false) => return failed.map_or(Ok(()), Err),
                // The task was put off, so that the others get their turn; unless not even that went.
                Err(failure @ (Failure::Unavailable(_) | Failure::Timeout(_))) => return Err(failure),
                Err(failure) => {
                    tracing::error!(?failure, "a batch failed; it is tried again");
                    failed.get_or_insert(failure);
                }
            }
        }
    }

    async fn open_windows(&self) -> Result<(), Failure> {
        if !self.services.clock.is_trusted() {
            return Ok(());
        }
        loop {
            let now = self.services.clock.now();
            let due = windows::due(&self.services.db, None, now, PAGE).await?;
            let (mut opened, mut failed) = (0, None);
            for pack in due {
                match self.services.open_if_due(None, pack, now).await {
                    Ok(Some(_)) => opened += 1,
                    Ok(None) => {}
                    Err(failure) => {
                        tracing::error!(pack = %pack.0, ?failure, "a window could not be opened; it is tried again");
                        failed.get_or_insert(failure);
                    }
                }
            }
            match (opened, failed) {
                (0, Some(failure)) => return Err(failure),
                (0, None) => return Ok(()),
                _ => {}
            }
        }
    }
}
