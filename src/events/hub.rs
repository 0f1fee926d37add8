//! Follows the event log for any number of subscribers.
//!
//! One task reads each new event once, and wakes only the subscribers that the event is for. They take it from memory.
//! Each subscriber keeps its own position, so a slow one delays nobody, and no queue grows. A subscriber reads the log
//! itself when it begins at a cursor, and when the memory lacks an event for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::BoxStream;
use tokio::sync::Semaphore;

use super::cursor::Sealer;
use super::listener::Listener;
use super::read_new;
pub use super::recent::Announced;
use super::recent::{FromLog, RecentEvents, Step};
pub use super::shown::is_fresh;
use crate::clock::Clock;
use crate::domain::log::Position;
use crate::metrics::Metrics;
use crate::service::error::Failure;
pub use crate::store::log::events::Interest;
use crate::store::log::{event_floor, event_log, events};
use crate::store::scope::Scope;
use crate::store::{Db, Snapshot, StoreResult};

/// How many events a subscriber reads from the log at once.
const PAGE: u32 = 100;

/// How many subscribers read the log at the same time. The other database connections are left to queries.
const READERS: usize = 2;
/// The pause after a read of the log that failed because the database wasn't available.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a subscriber gets no further events.
#[derive(Clone, Debug)]
pub enum StreamEnd {
    /// Events after the subscriber's position were pruned, or a restored backup has another event at this position. The
    /// log still has all events after `oldest`.
    Expired {
        oldest: Position,
    },
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for StreamEnd {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A callback that the hub calls after it read new events and before the first subscriber gets them. It takes the
/// number of subscribers that are about to get events. It returns a number for these "news", which increases with each
/// call:
/// [`Announced::news`] gives it to each event, so that a subscription checks its token again once for all of them.
pub type OnNews = Box<dyn Fn(usize) -> u64 + Send + Sync>;

/// The event log's newest events and its subscribers, shared by all subscriptions of this server.
pub struct Hub {
    pub(super) db: Db,
    pub(super) clock: Clock,
    sealer: Sealer,
    recent: Mutex<RecentEvents>,
    followers: Arc<AtomicUsize>,
    /// Limits how many subscribers read the log at the same time.
    readers: Semaphore,
    pub(super) on_news: OnNews,
    pub(super) metrics: Arc<Metrics>,
    looked: Mutex<Looked>,
}

/// Whether the task that reads new events succeeds.
#[derive(Clone, Copy)]
struct Looked {
    /// The time of the last read that succeeded, or of the first failure after it.
    at: tokio::time::Instant,
    has_failed_since: bool,
}

/// Counts one follower while it lives.
struct Follower(Arc<AtomicUsize>);

impl Follower {
    fn new(followers: &Arc<AtomicUsize>) -> Self {
        followers.fetch_add(1, Ordering::AcqRel);
        Self(followers.clone())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A listener that is removed from the hub when its stream is dropped.
struct Registered {
    hub: Arc<Hub>,
    listener: Arc<Listener>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.hub.recent().remove(&self.listener);
    }
}

/// How far a subscriber has read.
struct Place {
    /// The last event that the subscriber got, or the position at which it began.
    got: Position,
    /// The subscriber has got all of its events up to this sequence number.
    last: i64,
    /// The value of [`RecentEvents::losses`] for which `got` was checked last.
    losses: u64,
}

impl Hub {
    /// A hub for the log of a migrated database.
    pub async fn open(db: Db, clock: Clock, metrics: Arc<Metrics>, on_news: OnNews) -> StoreResult<Self> {
        let server = db.whole_server();
        let sealer = Sealer::new(event_log::cursor_secret(&server).await?);
        let head = event_log::extent(&server).await?.head();
        let (recent, readers) = (Mutex::new(RecentEvents::new(head)), Semaphore::new(READERS));
        let looked = Mutex::new(Looked { at: tokio::time::Instant::now(), has_failed_since: false });
        Ok(Self { db, clock, sealer, recent, followers: Arc::default(), readers, on_news, metrics, looked })
    }

    /// The sealer of this database's event cursors.
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// How many open streams of [`Hub::follow`] have sent all older events and wait for new ones, or have waited once.
    /// An event that is written afterwards reaches them.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.followers.load(Ordering::Acquire)
    }

    /// The sequence number up to which the log was read for the subscribers; `None` while there are no subscribers.
    #[must_use]
    pub fn read_to(&self) -> Option<i64> {
        let recent = self.recent();
        recent.is_followed.then_some(recent.head.sequence)
    }

    /// Records whether a read of new events succeeded.
    pub(super) fn record_look(&self, succeeded: bool) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if succeeded || !looked.has_failed_since {
            looked.at = tokio::time::Instant::now();
        }
        looked.has_failed_since = !succeeded;
    }

    /// How long reads of new events have been failing; zero after a success, and while there are no subscribers.
    #[must_use]
    pub fn behind(&self) -> Duration {
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.has_failed_since && self.read_to().is_some() { looked.at.elapsed() } else { Duration::ZERO }
    }

    pub(super) fn recent(&self) -> MutexGuard<'_, RecentEvents> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present state of the log for a reader.
    fn snapshot(&self, scope: Scope) -> Snapshot {
        self.db.snapshot(scope, self.clock.now())
    }

    /// The position of the newest event that `scope` may see. It takes a new snapshot, because a subscription's own
    /// snapshot has ended.
    pub async fn position(&self, scope: Scope) -> Result<Position, Failure> {
        Ok(events::position(&self.snapshot(scope)).await?)
    }

    /// Checks that a position still belongs to its event and that no event after it was pruned. To read the events
    /// after the position, a caller uses the same snapshot, so that no pruning comes between.
    ///
    /// # Errors
    /// [`StreamEnd::Expired`] when the check fails; [`StreamEnd::Failed`] when the log can't be read.
    pub async fn check(&self, snapshot: &Snapshot, position: Position) -> Result<(), StreamEnd> {
        let validity = event_floor::validity(snapshot, position).await?;
        validity.map_err(|oldest| StreamEnd::Expired { oldest })
    }

    /// Checks only that no event after a position was pruned. The caller knows that the position belongs to its event.
    async fn check_kept(&self, snapshot: &Snapshot, last_sequence: i64) -> Result<(), StreamEnd> {
        match event_floor::floor(snapshot).await? {
            oldest if last_sequence < oldest.sequence => Err(StreamEnd::Expired { oldest }),
            _ => Ok(()),
        }
    }

    /// A stream of the events that `scope` may see and `interest` selects: first the stored events after the position
    /// `after`, then new events. Without a position it has only new events. The stream ends only with a [`StreamEnd`]:
    /// after a fault, when events were pruned before a slow reader got them, and when the log lost events that the
    /// reader has got. While the database isn't available, the stream waits.
    ///
    /// # Errors
    /// [`StreamEnd`] when the position isn't valid any more, or the log can't be read.
    pub async fn follow(
        self: &Arc<Self>,
        scope: Scope,
        after: Option<Position>,
        interest: Interest,
    ) -> Result<BoxStream<'static, Result<Arc<Announced>, StreamEnd>>, StreamEnd> {
        // The listener is registered before the log's end is read. Otherwise the stream could miss an event between
        // both.
        let (registered, losses) = self.register(scope, interest, after.map(|position| position.sequence));
        let got = match after {
            Some(position) => {
                self.check(&self.snapshot(scope), position).await?;
                position
            }
            None => event_log::extent(&self.db.whole_server()).await?.head(),
        };
        let mut place = Place { got, last: got.sequence, losses };
        let mut waits = None;
        Ok(Box::pin(async_stream::try_stream! {
            'steps: loop {
                let (hub, listener) = (&registered.hub, &*registered.listener);
                let step = hub.recent().next_step(listener, place.last);
                match step {
                    Step::ReadLog(FromLog { after, end, losses }) => {
                        place.last = after;
                        // The futures of the reads are boxed, so that a waiting subscriber needs no memory for them.
                        Box::pin(hub.take_losses_into_account(listener, losses, &mut place)).await?;
                        loop {
                            // If the log has lost events, the next step looks whether the reader has got one of them.
                            if hub.recent().losses != place.losses {
                                continue 'steps;
                            }
                            let (next, news) = Box::pin(hub.read_log(listener, place.last)).await?;
                            for event in next.events {
                                place.last = event.sequence;
                                place.got = event.position();
                                yield Announced::read(event, news);
                            }
                            let Some(more_after) = next.more_after else { break };
                            place.last = place.last.max(more_after);
                        }
                        place.last = place.last.max(end);
                    }
                    Step::Show(events) => {
                        for announced in events {
                            place.last = announced.event.sequence;
                            place.got = announced.event.position();
                            yield announced;
                        }
                    }
                    Step::Wait => {
                        waits.get_or_insert_with(|| Follower::new(&hub.followers));
                        listener.wait().await;
                    }
                }
            }
        }))
    }

    /// Registers a listener, and starts the task that reads new events unless it runs already. Also returns
    /// [`RecentEvents::losses`].
    fn register(self: &Arc<Self>, scope: Scope, interest: Interest, after: Option<i64>) -> (Registered, u64) {
        let mut recent = self.recent();
        let listener = recent.add(scope, interest, after);
        if !std::mem::replace(&mut recent.is_followed, true) {
            self.record_look(true);
            // The task gets a receiver that was made before it started, so that it notices each later commit.
            tokio::spawn(read_new::follow_log(self.clone(), self.db.changes()));
        }
        let losses = recent.losses;
        drop(recent);
        (Registered { hub: self.clone(), listener }, losses)
    }

    /// After the log lost events, checks that it still has the last event that the reader got. The reader then
    /// continues after this event.
    async fn take_losses_into_account(
        &self,
        listener: &Listener,
        losses: u64,
        place: &mut Place,
    ) -> Result<(), StreamEnd> {
        if losses != place.losses {
            self.check_got(listener, place.got).await?;
            place.losses = losses;
            place.last = place.got.sequence;
        }
        Ok(())
    }

    async fn check_got(&self, listener: &Listener, got: Position) -> Result<(), StreamEnd> {
        loop {
            let turn = self.readers.acquire().await;
            let checked = self.check(&self.snapshot(listener.scope), got).await;
            drop(turn);
            if !is_tried_again(&checked) {
                return checked;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The listener's next page of events after a position of the log, and the number of their news. Waits while the
    /// database isn't available.
    async fn read_log(&self, listener: &Listener, last: i64) -> Result<(events::Next, u64), StreamEnd> {
        loop {
            let turn = self.readers.acquire().await;
            let read = self.read_page(listener, last).await;
            drop(turn);
            if !is_tried_again(&read) {
                return read;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn read_page(&self, listener: &Listener, last: i64) -> Result<(events::Next, u64), StreamEnd> {
        // One snapshot reads the events and checks for pruning, so that no pruning comes between. It ends before the
        // events are sent, and gives its connection back.
        let snapshot = self.snapshot(listener.scope);
        let next = events::after(&snapshot, last, &listener.interest, PAGE).await?;
        self.check_kept(&snapshot, last).await?;
        let news = if next.events.is_empty() { 0 } else { (self.on_news)(1) };
        Ok((next, news))
    }
}

/// Whether a read for a subscriber failed only because the database isn't available. Then it is tried again.
fn is_tried_again<T>(read: &Result<T, StreamEnd>) -> bool {
    matches!(read, Err(StreamEnd::Failed(Failure::Unavailable(_))))
}
