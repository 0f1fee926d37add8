//! The scheduler opens release windows and runs the tasks that follow from decisions (R27, R39, R40).
//!
//! There is no leader. Every server runs a scheduler. A scheduler takes due work in the same transaction that does the
//! work. It polls the database; wake-ups only make it poll sooner. Failed work rests, longer after each failure, and
//! delays no other work.

pub mod advance;
mod backoffs;
mod failure_log;
pub mod sealing;
mod tick;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::Instant;
use crate::metrics::WorkOutcome;
use crate::service::Shared;
use crate::stop::ended_or_gone;

/// The longest pause between two passes.
const POLL: Duration = Duration::from_secs(15);
/// How long this server may fail to notice a task that another process created. That process may have died before the
/// task's first batch.
const LOOK: Duration = Duration::from_secs(1);
/// The pause when work is due but another server is doing it. If that server dies in the middle of a statement,
/// PostgreSQL notices it within half a second, so this server takes the work over after about a second.
const PATIENCE: Duration = Duration::from_millis(500);

/// The scheduler of this server.
pub struct Scheduler {
    services: Shared,
    /// The lock keeps a second pass waiting: the demo's clock can start one while the loop runs another.
    state: tokio::sync::Mutex<tick::State>,
    /// The number of batches in progress.
    running: watch::Sender<usize>,
}

impl Scheduler {
    /// A scheduler that does nothing until [`Scheduler::run`] is called.
    #[must_use]
    pub fn new(services: Shared) -> Self {
        Self { services, state: tokio::sync::Mutex::default(), running: watch::Sender::new(0) }
    }

    /// Does due work, waits for more, and repeats that until `ending` is true. Then it finishes the batches in
    /// progress, and abandons work that hasn't begun but waits for the database.
    pub async fn run(self: Arc<Self>, mut ending: watch::Receiver<bool>) {
        let mut changes = self.services.db.changes();
        let mut halts = 0;
        loop {
            changes.borrow_and_update();
            let began = tokio::time::Instant::now();
            let passed = tokio::select! {
                passed = self.pass(&ending) => passed,
                () = self.idle_at_the_end(ending.clone()) => return,
            };
            let outcome = if passed.halted.is_some() { WorkOutcome::Failed } else { WorkOutcome::Done };
            self.services.metrics.passes.took(outcome, began.elapsed());
            if let Some(failure) = passed.halted {
                halts = (halts + 1).min(16);
                let pause = backoffs::pause_of_loop(halts);
                tracing::error!(failure = %failure.for_operators(), ?pause, "the scheduler can't continue; it tries again after a pause");
                // The pause doesn't end on changes. Otherwise busy callers would make the loop spin.
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

    /// Waits until the server ends and no batch is in progress.
    async fn idle_at_the_end(&self, mut ending: watch::Receiver<bool>) {
        let mut running = self.running.subscribe();
        ended_or_gone(&mut ending).await;
        let _ = running.wait_for(|running| *running == 0).await;
    }

    /// Waits until `next` or until another process has created a task, at most for [`POLL`]. If work is due already,
    /// another server is doing it; then it waits for [`PATIENCE`].
    async fn wait(&self, next: Option<Instant>) {
        let clock = &self.services.clock;
        match next {
            Some(at) if at <= clock.now() => tokio::time::sleep(PATIENCE).await,
            Some(at) => {
                tokio::select! {
                    () = clock.sleep_until(at) => {}
                    () = self.wait_for_a_task() => {}
                }
            }
            None => self.wait_for_a_task().await,
        }
    }

    /// Waits until a task is due, at most for [`POLL`].
    async fn wait_for_a_task(&self) {
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < POLL {
            tokio::time::sleep(LOOK).await;
            // The next pass reports a failure.
            if self.next_task().await.is_ok_and(|next| next.is_some_and(|at| at <= self.services.clock.now())) {
                return;
            }
        }
    }
}
