//! One attempt of a worker: it waits for its turn, and what was taken before is saved meanwhile.

use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::worker::{End, State, Worker};
use crate::domain::id::AccountId;
use crate::service::error::Failure;
use crate::service::webhooks::{Pace, Payload, Tried, try_once};

/// What came of an event's turn: its attempt, or `None` if the worker was stopped before the attempt began.
type Outcome = Result<Option<Tried>, End>;

/// Notes how fast the receiver was.
fn paced(state: &mut State, tried: Outcome) -> Outcome {
    if let Ok(Some(tried)) = &tried {
        let took = Duration::from_millis(tried.delivery.milliseconds.into());
        state.last_pace = Pace::of(tried.attempted.failure.is_none(), took);
    }
    tried
}

impl Worker {
    /// Tries an event once.
    ///
    /// A receiver may take long to answer. So what was taken before is saved in time, and at once when the worker is
    /// stopped: the process may end before the answer comes.
    pub(super) async fn attempt(&self, state: &mut State, payload: &Payload) -> Outcome {
        let (account, pace) = (state.endpoint.account_id, state.pace());
        let mut attempt = pin!(self.try_in_turn(account, pace, state.progress.failed_attempts, payload));
        let mut is_stopped = false;
        loop {
            let save_at = state.unsaved_since.filter(|_| !is_stopped);
            let save_at = save_at.map(|since| since + self.dispatcher.options.save_after);
            tokio::select! {
                tried = &mut attempt => return paced(state, tried),
                () = self.ended(), if !is_stopped => is_stopped = true,
                () = sleep_until(save_at.unwrap_or_else(Instant::now)), if save_at.is_some() => {}
            }
            if let Some(tried) = self.save_during(attempt.as_mut(), state).await {
                return paced(state, tried);
            }
        }
    }

    /// Saves what was taken. Returns the outcome of the attempt if it came meanwhile.
    ///
    /// The attempt goes on, however long the database takes: it has a turn that others wait for, and its time runs. An
    /// endpoint that was changed meanwhile still waits for its outcome.
    async fn save_during(
        &self,
        mut attempt: Pin<&mut (impl Future<Output = Outcome> + Send)>,
        state: &mut State,
    ) -> Option<Outcome> {
        let mut save = pin!(self.save(state));
        tokio::select! {
            tried = &mut attempt => {
                let _ = save.await;
                Some(tried)
            }
            _ = &mut save => None,
        }
    }

    async fn try_in_turn(&self, account: AccountId, pace: Pace, failed_attempts: u32, payload: &Payload) -> Outcome {
        let services = &self.dispatcher.services;
        let waiting = services.metrics.webhook_attempts_waiting.enter(());
        let _turn = tokio::select! {
            () = self.ended() => return Ok(None),
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
