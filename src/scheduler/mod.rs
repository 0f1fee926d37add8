//! The scheduler: opens windows and does what follows from decisions, whoever made them (R27, R39, R40).
//!
//! There is no leader: any number of servers run one, each takes what is due in the transaction that does
//! it. A wake-up is a hint, the poll is the truth.

pub mod advance;
mod tick;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::Instant;
use crate::service::Shared;

/// How long what another process has made can go unnoticed.
const POLL: Duration = Duration::from_secs(15);
/// How long to leave alone what is due but in the hands of another server.
const PATIENCE: Duration = Duration::from_secs(1);

/// Opens windows and runs tasks.
pub struct Scheduler {
    services: Shared,
    /// One pass at a time, also when a demo moves the clock while the loop runs.
    pass: tokio::sync::Mutex<tick::Housekeeping>,
}

impl Scheduler {
    /// A scheduler; [`Scheduler::run`] starts it.
    #[must_use]
    pub fn new(services: Shared) -> Self {
        Self { services, pass: tokio::sync::Mutex::new(tick::Housekeeping::default()) }
    }

    /// Does what is due, waits until something is, and so on, until `ending` says so.
    pub async fn run(self: Arc<Self>, mut ending: watch::Receiver<bool>) {
        let mut changes = self.services.db.changes();
        loop {
            changes.borrow_and_update();
            let next = match self.tick().await {
                Ok(next) => next,
                Err(failure) => {
                    tracing::error!(?failure, "the scheduler's pass failed; it is tried again");
                    None
                }
            };
            tokio::select! {
                _ = ending.wait_for(|ending| *ending) => return,
                () = self.wait(next) => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// Waits until `next`, but not longer than the poll, and never so short that it would spin.
    async fn wait(&self, next: Option<Instant>) {
        let clock = &self.services.clock;
        match next {
            Some(at) if at <= clock.now() => tokio::time::sleep(PATIENCE).await,
            Some(at) => {
                tokio::select! {
                    () = clock.sleep_until(at) => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            None => tokio::time::sleep(POLL).await,
        }
    }
}
