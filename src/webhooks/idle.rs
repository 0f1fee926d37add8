//! What a worker does between events: it saves the progress, and moves the position of an endpoint that is sent nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::worker::{End, State, Worker};
use crate::service::access::Viewer;
use crate::service::error::Failure;
use crate::service::webhooks::{advance_place, next_waits_since};
use crate::store::log::events::Interest;
use crate::store::webhooks::serving;

impl Worker {
    /// After which time without an event [`Worker::keep_up`] is called though there is no progress to save.
    pub(super) fn tidies_after(&self) -> Duration {
        let options = self.dispatcher.options;
        // An event that waits since the stream failed comes soon, or its account can't see it any more.
        if self.wait.lasts() { (10 * options.look).min(options.tidy) } else { options.tidy }
    }

    /// Saves the progress. If there is none, moves the position forward. Otherwise it would expire.
    pub(super) async fn keep_up(&self, viewer: &Viewer, state: &mut State) -> Result<(), End> {
        if state.unsaved_since.is_none() {
            self.tidy(viewer, state).await?;
        }
        self.save(state).await
    }

    async fn tidy(&self, viewer: &Viewer, state: &mut State) -> Result<(), End> {
        let interest = Interest::from(&state.endpoint.filter);
        let (services, place) = (&self.dispatcher.services, state.progress.place.sequence);
        if self.wait.lasts() && next_waits_since(services, viewer, &interest, place).await?.is_none() {
            self.wait.ends();
        }
        if let Some(place) = advance_place(services, viewer, &interest, place).await? {
            if serving::is_outdated(&services.db.whole_server()).await.map_err(Failure::from)? {
                return Err(End::Over);
            }
            state.progress.place = place;
            state.unsaved_since = Some(Instant::now());
        }
        Ok(())
    }

    /// Lets the next event wait, for the metrics, although the stream doesn't give it: the gate may refuse the endpoint's
    /// document, for example. If the event can't be read now, it is looked for after the next failure.
    pub(super) async fn wait_for_next(&self, viewer: &Viewer, state: &State) {
        if self.wait.lasts() {
            return;
        }
        let (services, progress) = (&self.dispatcher.services, &state.progress);
        let interest = Interest::from(&state.endpoint.filter);
        if let Ok(Some(since)) = next_waits_since(services, viewer, &interest, progress.place.sequence).await {
            self.wait.begins(since, progress.failed_attempts > 0);
        }
    }
}
