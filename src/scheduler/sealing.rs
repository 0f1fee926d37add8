//! Seals new audit entries about a second after their commit (R51), beside the passes of the scheduler: a long rollout
//! must not keep its entries unsealed, and no writer waits for a seal.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Scheduler;
use super::backoffs;
use crate::service::Shared;
use crate::service::error::Failure;
use crate::service::log::seal_entries;

/// When this server looks for new entries. Tests have other times.
#[derive(Clone, Copy, Debug)]
pub struct SealTimes {
    /// The time between two looks while this server writes entries, so that a look finds several.
    pub look: Duration,
    /// The time between two looks while it writes none. It bounds how long entries stay unsealed whose own server has
    /// died, or that a command wrote.
    pub idle: Duration,
}

impl Default for SealTimes {
    fn default() -> Self {
        Self { look: Duration::from_secs(1), idle: Duration::from_secs(5) }
    }
}

impl SealTimes {
    /// The pause between the first new entry and the look that finds it, for a last look that began at `looked`. A
    /// commit is often followed by others, so it is never zero.
    fn pause(&self, looked: Instant) -> Duration {
        self.look.saturating_sub(looked.elapsed()).max(self.look / 4)
    }
}

impl Scheduler {
    /// Runs the scheduler, and seals entries beside it.
    pub async fn run_and_seal(self: Arc<Self>, ending: watch::Receiver<bool>) {
        let sealing = seal_in_turn(self.services.clone(), SealTimes::default(), ending.clone());
        tokio::join!(self.clone().run(ending), sealing);
    }
}

/// Seals entries until `ending` is true. Another server, or this one after its next start, seals the remaining entries.
pub async fn seal_in_turn(services: Shared, times: SealTimes, mut ending: watch::Receiver<bool>) {
    let mut new_entries = services.db.new_entries();
    let mut failures = 0;
    loop {
        // Entries that are committed from here on are found by a later look.
        new_entries.borrow_and_update();
        let begun = Instant::now();
        let sealed = tokio::select! {
            // A panic here must not end the scheduler's other work.
            sealed = AssertUnwindSafe(seal_entries(&services)).catch_unwind() =>
                sealed.unwrap_or_else(|_| Err(Failure::bug("sealing panicked"))),
            // Stopping here leaves nothing half done: a transaction without a commit is rolled back.
            _ = ending.wait_for(|ending| *ending) => return,
        };
        let next = async {
            match sealed {
                Ok(true) => {
                    failures = 0;
                    // After an hour without a server there are many entries to seal. A pause as long as the work leaves
                    // half of a processor to other work.
                    sleep(begun.elapsed().min(times.look)).await;
                }
                Ok(false) => {
                    failures = 0;
                    if timeout(times.idle, new_entries.changed()).await.is_ok() {
                        sleep(times.pause(begun)).await;
                    }
                }
                Err(failure) => {
                    failures = (failures + 1).min(16);
                    let pause = backoffs::pause_of_loop(failures);
                    tracing::error!(failure = %failure.for_operators(), ?pause, "audit entries can't be sealed; it is tried again after a pause");
                    sleep(pause).await;
                }
            }
        };
        tokio::select! {
            _ = ending.wait_for(|ending| *ending) => return,
            () = next => {}
        }
    }
}
