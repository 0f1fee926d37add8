//! One attempt of a worker: it waits for its turn, and what was taken before is saved meanwhile.

use std::pin::pin;

use tokio::time::{Instant, sleep_until};

use super::worker::{End, State, Worker, ended};
use crate::service::error::Failure;
use crate::service::webhooks::{Payload, Tried, try_once};

impl Worker {
    /// Tries an event once. `None` if the worker was stopped before the attempt began.
    ///
    /// A receiver may take long to answer. So what was taken before is saved in time, and at once when the worker is
    /// stopped: the process may end before the answer comes.
    pub(super) async fn attempt(&self, state: &mut State, payload: &Payload) -> Result<Option<Tried>, End> {
        let mut attempt = pin!(self.try_in_turn(state.progress.failed_attempts, payload));
        let mut is_stopped = false;
        loop {
            let save_at = state.unsaved_since.filter(|_| !is_stopped);
            let save_at = save_at.map(|since| since + self.dispatcher.options.save_after);
            tokio::select! {
                tried = &mut attempt => return tried,
                () = ended(self.stopped.clone()), if !is_stopped => is_stopped = true,
                () = sleep_until(save_at.unwrap_or_else(Instant::now)), if save_at.is_some() => {}
            }
            // An endpoint that was changed meanwhile still waits for the outcome of this attempt.
            let _ = self.save(state).await;
        }
    }

    async fn try_in_turn(&self, failed_attempts: u32, payload: &Payload) -> Result<Option<Tried>, End> {
        let services = &self.dispatcher.services;
        let waiting = services.metrics.webhook_attempts_waiting.enter(());
        let turn = async {
            let after_failure = match failed_attempts {
                0 => None,
                // The semaphores are never closed.
                _ => self.dispatcher.turns_after_failure.acquire().await.ok(),
            };
            (after_failure, services.webhooks.slots.acquire().await)
        };
        let _turn = tokio::select! {
            () = ended(self.stopped.clone()) => return Ok(None),
            turn = turn => turn,
        };
        drop(waiting);
        let served = self.load().await?;
        if *self.stopped.borrow() || !self.dispatcher.is_alive() {
            return Err(End::Again(Failure::Unavailable("another server may serve the endpoint".into())));
        }
        Ok(Some(try_once(services, &served, payload, failed_attempts + 1, services.clock.now(), None).await?))
    }
}
