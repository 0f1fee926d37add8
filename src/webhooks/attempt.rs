//! One attempt of a worker: it waits for its turn, and what was taken before is saved meanwhile.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::worker::{End, State, Worker, ended};
use crate::domain::id::AccountId;
use crate::service::error::Failure;
use crate::service::webhooks::{Pace, Payload, Tried, try_once};

impl Worker {
    /// Tries an event once. `None` if the worker was stopped before the attempt began.
    ///
    /// A receiver may take long to answer. So what was taken before is saved in time, and at once when the worker is
    /// stopped: the process may end before the answer comes.
    pub(super) async fn attempt(&self, state: &mut State, payload: &Payload) -> Result<Option<Tried>, End> {
        let (account, pace) = (state.endpoint.account_id, state.pace());
        let mut attempt = pin!(self.try_in_turn(account, pace, state.progress.failed_attempts, payload));
        let mut is_stopped = false;
        loop {
            let save_at = state.unsaved_since.filter(|_| !is_stopped);
            let save_at = save_at.map(|since| since + self.dispatcher.options.save_after);
            tokio::select! {
                tried = &mut attempt => {
                    if let Ok(Some(tried)) = &tried {
                        let took = Duration::from_millis(tried.delivery.milliseconds.into());
                        state.last_pace = Pace::of(tried.attempted.failure.is_none(), took);
                    }
                    return tried;
                }
                () = ended(self.stopped.clone()), if !is_stopped => is_stopped = true,
                () = sleep_until(save_at.unwrap_or_else(Instant::now)), if save_at.is_some() => {}
            }
            // An endpoint that was changed meanwhile still waits for the outcome of this attempt.
            let _ = self.save(state).await;
        }
    }

    async fn try_in_turn(
        &self,
        account: AccountId,
        pace: Pace,
        failed_attempts: u32,
        payload: &Payload,
    ) -> Result<Option<Tried>, End> {
        let services = &self.dispatcher.services;
        let waiting = services.metrics.webhook_attempts_waiting.enter(());
        let _turn = tokio::select! {
            () = ended(self.stopped.clone()) => return Ok(None),
            turn = services.webhooks.turns.take(account, pace) => turn,
        };
        drop(waiting);
        let served = self.load().await?;
        if *self.stopped.borrow() || !self.dispatcher.is_alive() {
            return Err(End::Again(Failure::Unavailable("another server may serve the endpoint".into())));
        }
        Ok(Some(try_once(services, &served, payload, failed_attempts + 1, services.clock.now(), None).await?))
    }
}
