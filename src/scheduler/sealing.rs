//! Seals new audit entries about once a second (R51), beside the passes of the scheduler: a long rollout must not keep
//! its entries unsealed, and no writer waits for a seal.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;

use super::Scheduler;
use super::backoffs;
use crate::service::Shared;
use crate::service::error::Failure;
use crate::service::log::seal_entries;

/// The pause between two looks for new entries.
const LOOK: Duration = Duration::from_secs(1);

impl Scheduler {
    /// Runs the scheduler, and seals entries beside it.
    pub async fn run_and_seal(self: Arc<Self>, ending: watch::Receiver<bool>) {
        tokio::join!(self.clone().run(ending.clone()), seal_in_turn(self.services.clone(), ending));
    }
}

/// Seals entries until `ending` is true. Another server, or this one after its next start, seals the remaining entries.
async fn seal_in_turn(services: Shared, mut ending: watch::Receiver<bool>) {
    let mut failures = 0;
    loop {
        let begun = tokio::time::Instant::now();
        let sealed = tokio::select! {
            // A panic here must not end the scheduler's other work.
            sealed = AssertUnwindSafe(seal_entries(&services)).catch_unwind() =>
                sealed.unwrap_or_else(|_| Err(Failure::bug("sealing panicked"))),
            // Stopping here leaves nothing half done: a transaction without a commit is rolled back.
            _ = ending.wait_for(|ending| *ending) => return,
        };
        let pause = match sealed {
            Ok(is_behind) => {
                failures = 0;
                // After an hour without a server there are many entries to seal. A pause as long as the work leaves
                // half of a processor to other work.
                if is_behind { begun.elapsed().min(LOOK) } else { LOOK }
            }
            Err(failure) => {
                failures = (failures + 1).min(16);
                let pause = backoffs::pause_of_loop(failures);
                tracing::error!(failure = %failure.for_operators(), ?pause, "audit entries can't be sealed; it is tried again after a pause");
                pause
            }
        };
        tokio::select! {
            _ = ending.wait_for(|ending| *ending) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
