//! The scheduler: opens windows and does what follows from decisions, whoever made them (R27, R39, R40).
//!
//! There is no leader: any number of servers run one, each takes what is due in the transaction that does
//! it. A wake-up is a hint, the poll is the truth. What fails rests, each time for longer, and keeps nothing else
//! from its turn.

pub mod advance;
mod complaints;
mod rests;
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
/// The longest pause after passes that came to nothing at all: the database can't be reached, or takes no writes.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Opens windows and runs tasks.
pub struct Scheduler {
    services: Shared,
    /// One pass at a time, also when a demo moves the clock while the loop runs.
    state: tokio::sync::Mutex<tick::State>,
    /// How many batches are at work.
    at_work: watch::Sender<usize>,
}

impl Scheduler {
    /// A scheduler; [`Scheduler::run`] starts it.
    #[must_use]
    pub fn new(services: Shared) -> Self {
        Self { services, state: tokio::sync::Mutex::default(), at_work: watch::Sender::new(0) }
    }

    /// Does what is due, waits until something is, and so on, until `ending` says so. The batch at work then comes
    /// to its end; what only waits for the database is left.
    pub async fn run(self: Arc<Self>, mut ending: watch::Receiver<bool>) {
        let mut changes = self.services.db.changes();
        let mut halts = 0;
        loop {
            changes.borrow_and_update();
            let passed = tokio::select! {
                passed = self.pass(&ending) => passed,
                () = self.idle_at_the_end(ending.clone()) => return,
            };
            if let Some(failure) = passed.halted {
                halts = (halts + 1).min(16);
                let pause = rests::pause_after(halts).to_std().unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
                tracing::error!(?failure, ?pause, "the scheduler can't get on; it tries again after a pause");
                // Also when something changes meanwhile: whoever calls must not make it spin.
                tokio::select! {
                    _ = ending.wait_for(|ending| *ending) => return,
                    () = tokio::time::sleep(pause) => {}
                }
                continue;
            }
            halts = 0;
            tokio::select! {
                _ = ending.wait_for(|ending| *ending) => return,
                () = self.wait(passed.next) => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// Waits until the server ends and no batch is at work.
    async fn idle_at_the_end(&self, mut ending: watch::Receiver<bool>) {
        let mut at_work = self.at_work.subscribe();
        // An error says that the sender is gone, and the server with it.
        let _ = ending.wait_for(|ending| *ending).await;
        let _ = at_work.wait_for(|at_work| *at_work == 0).await;
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
