//! The task that reads new events once for all listeners. Each of its reads is called a look.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::time::Instant;

use super::hub::Hub;
use super::listener::Listener;
use super::recent::{Announced, Audiences, RECENT_MAX};
use crate::domain::id::AccountId;
use crate::domain::log::{Audience, Event, Position};
use crate::service::error::Failure;
use crate::store::log::feed::{Feed, Listening};
use crate::store::log::{event_log, feed};
use crate::store::{StoreError, StoreResult, WholeServer};

/// How long a commit of another server can go unnoticed if no hint comes.
const POLL: Duration = Duration::from_secs(1);
/// The pause between two looks while events come, so that a look finds several.
const PAUSE: Duration = Duration::from_millis(5);
/// The most events of a look. If there are more, a look leaves out the publisher with the most events, whose listeners
/// then read the log themselves.
const LOOK_MAX: u32 = RECENT_MAX as u32;
/// The most publishers that a look leaves out because they have too many events.
const LEFT_OUT_MAX: usize = 16;
/// After so many failures in a row, the listeners read the log themselves.
const FAILURES_MAX: u32 = 3;
/// The time between two warnings that events can't be read.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Why a look failed.
enum Failed {
    /// The database can't be read at all. The listeners couldn't read it either.
    Away(StoreError),
    /// The look read the end of the log, but couldn't read the events before it.
    Stuck(StoreError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Stuck(error)
    }
}

/// The failures of the looks.
#[derive(Default)]
struct Failures {
    /// How many looks in a row were stuck.
    stuck: u32,
    warned: Option<Instant>,
}

impl Failures {
    /// Records a failure. Returns whether the listeners must read the log themselves.
    fn record(&mut self, failed: Failed) -> bool {
        let is_stuck = matches!(failed, Failed::Stuck(_));
        let (Failed::Away(error) | Failed::Stuck(error)) = failed;
        if self.warned.is_none_or(|warned| warned.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            let failure = Failure::from(error);
            tracing::warn!(failure = %failure.for_operators(), "new events can't be read; subscribers wait, and it is tried again");
        }
        self.stuck += u32::from(is_stuck);
        self.stuck >= FAILURES_MAX
    }
}

/// Reads new events until there are no listeners. It looks after commits of this process, after hints of other servers,
/// and every second.
pub(super) async fn follow_log(hub: Arc<Hub>, mut changes: watch::Receiver<u64>) {
    let mut hints = hub.db.hints();
    let (mut only_end, mut failures) = (true, Failures::default());
    loop {
        {
            let mut recent = hub.recent();
            if !recent.has_listeners() {
                recent.is_followed = false;
                return;
            }
        }
        changes.borrow_and_update();
        let looked = AssertUnwindSafe(read_new(&hub, only_end)).catch_unwind().await;
        // The panic hook logs a panic's message, so the error needs no details.
        match looked.unwrap_or_else(|_| Err(Failed::Stuck(StoreError::Fault("a look at the log panicked".into())))) {
            Ok(()) => {
                (only_end, failures.stuck) = (false, 0);
                hub.record_look(true);
            }
            Err(failed) => {
                hub.record_look(false);
                // With `only_end`, the next look makes the listeners read the log themselves.
                only_end |= failures.record(failed);
                tokio::time::sleep(POLL).await;
            }
        }
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    tokio::time::sleep(POLL).await;
                }
            }
            () = hints.after(|| hub.recent().head.sequence) => {}
            () = tokio::time::sleep(POLL) => continue,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads the events since the last look, and wakes the listeners that they are for. With `only_end`, it reads only the
/// end of the log, and all listeners read the events themselves: at the first look after a time without listeners, and
/// after several failures to read the events here.
async fn read_new(hub: &Hub, only_end: bool) -> Result<(), Failed> {
    let server = &hub.db.whole_server();
    let extent = event_log::extent(server).await.map_err(Failed::Away)?;
    let (read_from, audience, newcomer) = {
        let mut recent = hub.recent();
        recent.prune(extent.begin);
        (recent.head, recent.audience(), recent.next_number)
    };
    if extent.head() == read_from {
        return Ok(());
    }
    if only_end {
        // Listeners that continue after an event which was lost meanwhile would wait for as many events as were lost.
        let is_lost = feed::is_lost(server, read_from, &extent).await.map_err(Failed::Away)?;
        let mut recent = hub.recent();
        recent.losses += u64::from(is_lost);
        recent.begin_at(extent.head());
        return Ok(());
    }
    let (found, left_out) = read_most(server, read_from, &audience.records).await?;
    let head = found.extent.head();
    // If events were pruned before they were read, any listener may have missed one.
    let is_pruned = found.extent.begin > read_from.sequence && head != read_from;
    if found.is_lost || is_pruned || found.busiest.is_some() {
        let mut recent = hub.recent();
        recent.losses += u64::from(found.is_lost);
        recent.begin_at(head);
        return Ok(());
    }
    let mut readers = readers_of(server, &found.events, &audience).await?;
    let announced: Vec<_> = found
        .events
        .into_iter()
        .map(|event| {
            let readers = readers.remove(&event.sequence).unwrap_or_default();
            Announced::new(event, readers)
        })
        .collect();
    let now = hub.clock.now();
    for announced in &announced {
        let lag = (now - announced.event.event.occurred_at).to_std().unwrap_or_default();
        hub.metrics.event_lags.took((), lag);
    }
    let woken = announce(hub, announced, head, newcomer, &left_out);
    woken.iter().for_each(|listener| listener.wake());
    Ok(())
}

/// Reads the events after a position. If there are too many, leaves out the publishers with the most events, and
/// returns these publishers too; after [`LEFT_OUT_MAX`] of them it gives up, and the feed names the next one.
async fn read_most(
    server: &WholeServer,
    read_from: Position,
    listening: &Listening,
) -> StoreResult<(Feed, Vec<AccountId>)> {
    let mut left_out = Vec::new();
    loop {
        let found = feed::read_after(server, read_from, listening, &left_out, LOOK_MAX).await?;
        match found.busiest {
            Some(publisher) if left_out.len() < LEFT_OUT_MAX => left_out.push(publisher),
            _ => return Ok((found, left_out)),
        }
    }
}

/// Adds the events of a look that read the log up to `head`. Returns the listeners that must be woken. `newcomer` is the
/// number of the first listener that was added since the look began.
fn announce(
    hub: &Hub,
    announced: Vec<Arc<Announced>>,
    head: Position,
    newcomer: u64,
    left_out: &[AccountId],
) -> Vec<Arc<Listener>> {
    let mut recent = hub.recent();
    // The look doesn't have the events for listeners that were added meanwhile, or for publishers that it left out.
    if recent.next_number > newcomer || !left_out.is_empty() {
        recent.send_to_log(|listener| listener.number >= newcomer || left_out.contains(&listener.scope.publisher_id()));
    }
    let marked = recent.mark(&announced);
    // The events get their number before the lock is released, because a listener that is awake takes an event as soon
    // as it can.
    if !marked.is_empty() {
        let news = (hub.on_news)(marked.len());
        announced.iter().for_each(|announced| announced.belongs_to(news));
    }
    recent.extend(announced, head);
    marked
}

/// The listening accounts that have an event's pack installed, by the event's sequence number. Only events for all
/// accounts with the pack have an entry. Runs one statement for each publisher.
async fn readers_of(
    server: &WholeServer,
    events: &[Event],
    audience: &Audiences,
) -> StoreResult<HashMap<i64, HashSet<AccountId>>> {
    let mut of_publishers: HashMap<AccountId, Vec<&Event>> = HashMap::new();
    for event in events.iter().filter(|event| event.event.audience == Audience::PublisherAndInstalled) {
        of_publishers.entry(event.event.publisher_id).or_default().push(event);
    }
    let mut readers = HashMap::new();
    for (publisher, events) in of_publishers {
        if let Some(accounts) = audience.of_releases.get(&publisher) {
            readers.extend(feed::hearers(server, &events, accounts).await?);
        }
    }
    Ok(readers)
}
