//! Serves one endpoint: takes its events one after the other, and sends each until the receiver accepts it (R62, R63).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::dispatcher::Dispatcher;
use super::items::Items;
use super::trouble::Trouble;
use super::{Item, SourceEnd};
use crate::domain;
use crate::domain::accounts::Account;
use crate::domain::id::WebhookId;
use crate::domain::log::Position;
use crate::domain::webhooks::{DisabledReason, Endpoint, Next, WebhookState, after_attempt, rests};
use crate::ids;
use crate::service::access::Viewer;
use crate::service::error::Failure;
use crate::service::webhooks::{Pace, Payload, Wait, disable, save_progress};
use crate::stop::ended_or_gone;
use crate::store::convert::Stored;
use crate::store::log::event_traces;
use crate::store::webhooks::serving::{self, Progress, Served};
use crate::traces::Context;

/// The pause after a statement failed that saves what was taken.
const PAUSE: Duration = Duration::from_secs(1);
/// The most attempts whose result is unsaved.
const UNSAVED_MAX: usize = 20;

/// Serves one revision of an endpoint. A change of the endpoint ends the worker, and another worker follows.
pub(super) struct Worker {
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) id: WebhookId,
    revision: i32,
    pub(super) stopped: watch::Receiver<bool>,
    /// The wait of the endpoint's next event.
    pub(super) wait: Wait,
}

/// Why a worker stops serving its endpoint.
pub(super) enum End {
    /// This server no longer serves the endpoint, or no longer in this revision.
    Over,
    /// A failure. The worker tries again after a pause.
    Again(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Again(failure)
    }
}

/// The endpoint's progress since the worker loaded it.
pub(super) struct State {
    /// The id and the name of the endpoint's account, for log lines.
    account: (String, String),
    pub(super) endpoint: Endpoint,
    /// How fast the receiver was in the last attempt of this task.
    pub(super) last_pace: Pace,
    pub(super) progress: Progress,
    /// Since when `progress` has an unsaved position.
    pub(super) unsaved_since: Option<Instant>,
}

impl State {
    fn of(endpoint: Endpoint, account: &Account) -> Self {
        let account = (account.shown_id(), account.name.clone());
        let progress = Progress {
            state: endpoint.state,
            place: endpoint.place,
            saved: endpoint.place,
            delivered: endpoint.delivered,
            failed_attempts: endpoint.failed_attempts,
            failing_since: endpoint.failing_since,
            next_attempt_at: endpoint.next_attempt_at,
            attempts: Vec::new(),
        };
        Self { account, endpoint, last_pace: Pace::default(), progress, unsaved_since: None }
    }

    /// How fast the receiver is taken to be.
    pub(super) fn pace(&self) -> Pace {
        if self.progress.failed_attempts > 0 { Pace::Failing } else { self.last_pace }
    }
}

impl Worker {
    /// A worker for one revision of an endpoint. It stops when `stopped` is true.
    pub(super) fn new(
        dispatcher: Arc<Dispatcher>,
        id: WebhookId,
        revision: i32,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let wait = dispatcher.services.webhooks.waiting.of(id);
        Self { dispatcher, id, revision, stopped, wait }
    }

    /// Waits until the worker is stopped.
    pub(super) async fn ended(&self) {
        ended_or_gone(&mut self.stopped.clone()).await;
    }

    /// Serves the endpoint until the worker is stopped or the endpoint isn't its own any more. Then it gives the
    /// endpoint back.
    pub(super) async fn run(self) {
        let mut trouble = Trouble::new(self.dispatcher.options.pause);
        loop {
            let pause = match self.serve(&mut trouble).await {
                Ok(()) | Err(End::Over) => break,
                Err(End::Again(failure)) => trouble.fails(self.id, &failure),
            };
            tokio::select! {
                () = self.ended() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.wait.ends();
        // Any server may take the endpoint now. If its account is suspended, this happens after the reactivation.
        let (db, server) = (&self.dispatcher.services.db, self.dispatcher.id);
        if let Err(error) = serving::leave(db, server, self.id, self.revision).await {
            // The dispatcher finds an endpoint of this server that no task serves.
            tracing::debug!(endpoint = %self.id, %error, "a webhook endpoint was not given back");
        }
    }

    /// The endpoint as stored; [`End::Over`] if this server doesn't serve it in this revision any more.
    pub(super) async fn load(&self) -> Result<Served, End> {
        let server = self.dispatcher.services.db.whole_server();
        // Looked at after the event was read: an event that this server can't read may lie before it.
        if serving::is_outdated(&server).await.map_err(Failure::from)? {
            return Err(End::Over);
        }
        let found = serving::load(&server, self.id).await.map_err(Failure::from)?;
        let is_ours = |served: &Served| {
            served.server == Some(self.dispatcher.id) && served.endpoint.revision == self.revision && served.is_open()
        };
        found.filter(is_ours).ok_or(End::Over)
    }

    /// Serves the endpoint until it is stopped.
    async fn serve(&self, trouble: &mut Trouble) -> Result<(), End> {
        let served = self.load().await?;
        let endpoint = served.endpoint;
        let viewer = Viewer::of_endpoint(served.account, endpoint.id, &endpoint.created_by, endpoint.created_at);
        let mut state = State::of(endpoint, &viewer.account);
        let end = self.send_events(&viewer, &mut state, trouble).await;
        if let Err(End::Again(_)) = end {
            // Events that were accepted before the failure must not be sent again.
            self.save(&mut state).await?;
            self.wait_for_next(&viewer, &state).await;
        }
        end
    }

    /// Sends the endpoint its events until the worker is stopped. After a failure, the caller saves the progress.
    async fn send_events(&self, viewer: &Viewer, state: &mut State, trouble: &mut Trouble) -> Result<(), End> {
        let opened_at = state.endpoint.place;
        let mut items = Items::of((self.dispatcher.source)(viewer.clone(), &state.endpoint));
        let options = self.dispatcher.options;
        let mut tidy_at = Instant::now() + self.tidies_after();
        loop {
            let save_at = state.unsaved_since.map_or(tidy_at, |since| since + options.save_after);
            tokio::select! {
                () = self.ended() => {
                    drop(items);
                    return self.save(state).await;
                }
                item = items.next() => match item {
                    Ok(item) if item.data.is_none() && !trouble.gives_up(self.id, item.event.position()) => {
                        return Err(End::Again(Failure::Fault("what the document selects of an event can't be read".into())));
                    }
                    Ok(item) => {
                        if !self.deliver(state, item).await? {
                            return Ok(());
                        }
                        trouble.ends();
                    }
                    // The stream knows the place only where it was opened. The events up to the present one may be gone.
                    Err(SourceEnd::Expired) if state.progress.place != opened_at => {
                        return Err(End::Again(Failure::Unavailable("the stream's beginning is no longer kept".into())));
                    }
                    Err(SourceEnd::Expired) => return self.disable(state, DisabledReason::CursorExpired).await,
                    Err(SourceEnd::Refused) if trouble.refused_for() >= options.refused_for => {
                        return self.disable(state, DisabledReason::DocumentRefused).await;
                    }
                    Err(SourceEnd::Refused) => {
                        return Err(End::Again(Failure::Fault("the gate refuses the endpoint's document".into())));
                    }
                    Err(SourceEnd::Ended) => {
                        return Err(End::Again(Failure::Unavailable("the events of an endpoint ended".into())));
                    }
                },
                () = tokio::time::sleep_until(save_at) => {
                    items.during(self.keep_up(viewer, state)).await?;
                    tidy_at = Instant::now() + self.tidies_after();
                }
            }
        }
    }

    /// The trace of an event; `None` without traces.
    async fn trace_of(&self, position: Position) -> Result<Option<Context>, Failure> {
        let services = &self.dispatcher.services;
        if !services.traces.is_on() {
            return Ok(None);
        }
        Ok(event_traces::of_event(&services.db.whole_server(), position).await?)
    }

    /// Sends an event until the receiver accepts it. Returns false if the worker was stopped meanwhile, or the endpoint
    /// was disabled.
    async fn deliver(&self, state: &mut State, item: Item) -> Result<bool, End> {
        let services = self.dispatcher.services.clone();
        let Item { event, cursor, data } = item;
        let payload = Payload::new(event.event.id, event.event.kind, event.event.occurred_at, &cursor, data.as_deref());
        // An event may be tried for days.
        drop((cursor, data));
        let payload = payload.in_trace(self.trace_of(event.position()).await?);
        self.wait.begins(event.event.occurred_at, state.progress.failed_attempts > 0);
        loop {
            if let Some(at) = state.progress.next_attempt_at {
                tokio::select! {
                    () = self.ended() => {
                        self.save(state).await?;
                        return Ok(false);
                    }
                    () = self.rest(state.progress.failing_since, at) => {}
                }
            }
            let tried = match self.attempt(state, &payload).await {
                Ok(Some(tried)) => tried,
                stopped_or_failed => {
                    self.save(state).await?;
                    return stopped_or_failed.map(|_| false);
                }
            };
            state.progress.attempts.push(tried.delivery);
            let attempt = state.progress.failed_attempts + 1;
            let now = services.clock.now();
            // A clock that was set back has the event fail from now on.
            let since = state.progress.failing_since.filter(|since| *since <= now).unwrap_or(now);
            state.progress.failing_since = Some(since);
            match after_attempt(tried.attempted, attempt, since, now, dice()) {
                Next::GoOn => {
                    self.wait.ends();
                    let lag = (services.clock.now() - event.event.occurred_at).to_std().unwrap_or_default();
                    services.metrics.webhook_lags.took((), lag);
                    self.taken(state, event.position()).await?;
                    return Ok(true);
                }
                Next::TryAgain(at) => {
                    self.wait.fails();
                    self.plan_next(state, attempt, at).await?;
                }
                Next::Disable(reason) => {
                    state.progress.failed_attempts = attempt;
                    self.disable(state, reason).await?;
                    return Ok(false);
                }
            }
        }
    }

    /// Plans the next attempt of an event, after its newest attempt, the one with the number `failed`.
    async fn plan_next(&self, state: &mut State, failed: u32, at: domain::Instant) -> Result<(), End> {
        // The log has the first failure and the end of the failures. The failures between are among the endpoint's
        // deliveries.
        if failed == 1
            && let Some(delivery) = state.progress.attempts.last()
        {
            let (account, account_name) = &state.account;
            let (failure, status) = (delivery.failure.map(Stored::stored), delivery.status);
            tracing::warn!(endpoint = %self.id, account, account_name, failure, status, "an event was not delivered to a webhook endpoint; it is tried again");
        }
        let progress = &mut state.progress;
        (progress.state, progress.failed_attempts) = (WebhookState::Failing, failed);
        progress.next_attempt_at = Some(at);
        self.save_now(state).await
    }

    /// Waits until the time of the next attempt. The wait ends soon after the clock was set back.
    async fn rest(&self, since: Option<domain::Instant>, at: domain::Instant) {
        let clock = &self.dispatcher.services.clock;
        while rests(since, at, clock.now()) {
            let _ = tokio::time::timeout(10 * self.dispatcher.options.look, clock.sleep_until(at)).await;
        }
    }

    /// Moves the position past an event that was accepted. The position is saved after a moment; after a failure, at
    /// once.
    async fn taken(&self, state: &mut State, position: Position) -> Result<(), End> {
        let failed_attempts = state.progress.failed_attempts;
        let had_failed = failed_attempts > 0;
        if had_failed {
            let (account, account_name) = &state.account;
            tracing::info!(endpoint = %self.id, account, account_name, failed_attempts, "a webhook endpoint takes events again");
        }
        let progress = &mut state.progress;
        (progress.place, progress.delivered) = (position, Some(position));
        (progress.state, progress.failed_attempts) = (WebhookState::Active, 0);
        (progress.failing_since, progress.next_attempt_at) = (None, None);
        let since = *state.unsaved_since.get_or_insert_with(Instant::now);
        let is_late = since.elapsed() >= self.dispatcher.options.save_after;
        if had_failed || is_late || state.progress.attempts.len() >= UNSAVED_MAX {
            self.save_now(state).await?;
        }
        Ok(())
    }

    /// Saves the progress, unless it is saved already.
    pub(super) async fn save(&self, state: &mut State) -> Result<(), End> {
        if state.unsaved_since.is_some() || !state.progress.attempts.is_empty() {
            self.save_now(state).await
        } else {
            Ok(())
        }
    }

    /// Saves the progress, and tries that until it succeeds or the worker is stopped. [`End::Over`] if this server
    /// doesn't serve the endpoint any more.
    async fn save_now(&self, state: &mut State) -> Result<(), End> {
        let (services, id) = (&self.dispatcher.services, self.dispatcher.id);
        loop {
            match save_progress(services, id, &state.endpoint, &state.progress).await {
                Ok(is_ours) => {
                    state.progress.attempts.clear();
                    state.progress.saved = state.progress.place;
                    state.unsaved_since = None;
                    return if is_ours { Ok(()) } else { Err(End::Over) };
                }
                Err(_) if *self.stopped.borrow() => return Err(End::Over),
                // Accepted events must not be sent again because the database was away for a moment.
                Err(failure) => {
                    tracing::debug!(endpoint = %self.id, failure = %failure.for_operators(), "the progress of an endpoint is saved again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn disable(&self, state: &mut State, reason: DisabledReason) -> Result<(), End> {
        let (services, id) = (&self.dispatcher.services, self.dispatcher.id);
        tracing::debug!(endpoint = %self.id, reason = reason.stored(), "a webhook endpoint is given up");
        disable(services, id, &state.endpoint, &state.progress, reason).await?;
        Ok(())
    }
}

/// A random number from -1 to 1.
fn dice() -> f64 {
    f64::from(i32::from_be_bytes(ids::random())) / f64::from(i32::MAX)
}
