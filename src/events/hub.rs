//! Follows the event log for any number of subscribers.
//!
//! The hub reads the log when this process commits something, and polls it for commits of other processes. One read
//! serves all subscribers: it loads the routes of the new events, and only a subscriber that an event may concern reads
//! the events themselves, with its own scope. Each subscriber keeps its own position, so a slow one delays nobody, and
//! no queue grows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::BoxStream;
use tokio::sync::Mutex;
use tokio::time::Instant as Tick;

use super::cursor::Sealer;
use crate::clock::Clock;
use crate::domain::log::event::{Event, Position};
use crate::service::error::Failure;
use crate::store::log::event_log::{Extent, Route};
pub use crate::store::log::events::Interest;
use crate::store::log::{event_floor, event_log, events};
use crate::store::scope::Scope;
use crate::store::{Db, Snapshot, StoreResult, WholeServer};

/// How long a commit of another process can go unnoticed.
const POLL: Duration = Duration::from_secs(1);
/// How many events a subscriber reads at once.
const PAGE: u32 = 100;
/// How many routes are kept. A subscriber that is further behind reads the log instead.
const RECENT_MAX: usize = 10_240;

/// Why a subscriber gets no further events.
#[derive(Clone, Debug)]
pub enum StreamEnd {
    /// Events after the position were pruned, or the position belongs to another event since a backup was restored. All
    /// events after `oldest` are still there.
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

pub struct Hub {
    db: Db,
    clock: Clock,
    sealer: Sealer,
    recent: Mutex<RecentEvents>,
    followers: Arc<AtomicUsize>,
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

/// The routes of the newest events.
struct RecentEvents {
    /// `routes` has all events after this sequence number.
    from: i64,
    /// The end of the log at the last look.
    head: Position,
    /// How often the log's end was found missing, because a backup was restored or a failover lost commits.
    losses: u64,
    routes: VecDeque<Route>,
    /// The change of the last look, and its time.
    change: u64,
    read_at: Option<Tick>,
}

impl Hub {
    /// A hub for the log of a migrated database.
    pub async fn open(db: Db, clock: Clock) -> StoreResult<Self> {
        let server = db.whole_server();
        let sealer = Sealer::new(event_log::cursor_secret(&server).await?);
        let head = event_log::extent(&server).await?.head();
        let recent =
            RecentEvents { from: head.sequence, head, losses: 0, routes: VecDeque::new(), change: 0, read_at: None };
        Ok(Self { db, clock, sealer, recent: Mutex::new(recent), followers: Arc::default() })
    }

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

    /// The present state of the log for a reader.
    fn snapshot(&self, scope: Scope) -> Snapshot {
        self.db.snapshot(scope, self.clock.now())
    }

    /// The position of the newest event that a reader may see, in the present state. A subscription's own snapshot has
    /// ended, so its statements could see different states.
    pub async fn position(&self, scope: Scope) -> Result<Position, Failure> {
        Ok(events::position(&self.snapshot(scope)).await?)
    }

    /// Checks that a position still belongs to its event and that no event after it was pruned. A caller that reads the
    /// events after the position reads them from the same snapshot, so that no pruning comes between.
    ///
    /// # Errors
    /// [`StreamEnd::Expired`] when the check fails; [`StreamEnd::Failed`] when the log can't be read.
    pub async fn check(&self, snapshot: &Snapshot, position: Position) -> Result<(), StreamEnd> {
        let validity = event_floor::validity(snapshot, position).await?;
        validity.map_err(|oldest| StreamEnd::Expired { oldest })
    }

    /// Checks only the pruning, for a position that is known to belong to its event.
    async fn check_kept(&self, snapshot: &Snapshot, last_sequence: i64) -> Result<(), StreamEnd> {
        match event_floor::floor(snapshot).await? {
            oldest if last_sequence < oldest.sequence => Err(StreamEnd::Expired { oldest }),
            _ => Ok(()),
        }
    }

    /// The events that a reader may see and wants: first those after the position `after`, then new ones; without a
    /// position, only new ones. The stream ends only with a [`StreamEnd`]: a fault, events pruned before a slow reader
    /// got them, or a log that lost events that the reader got.
    ///
    /// # Errors
    /// [`StreamEnd`] when the position isn't valid any more, or the log can't be read.
    pub async fn follow(
        self: &Arc<Self>,
        scope: Scope,
        after: Option<Position>,
        interest: Interest,
    ) -> Result<BoxStream<'static, Result<Event, StreamEnd>>, StreamEnd> {
        let hub = self.clone();
        let mut changes = self.db.changes();
        let mut losses = self.recent.lock().await.losses;
        // Subscribe to changes before reading the log's end; otherwise an event could come between both.
        let mut reported = match after {
            Some(position) => {
                self.check(&self.snapshot(scope), position).await?;
                position
            }
            None => event_log::extent(&self.db.whole_server()).await?.head(),
        };
        let mut last = reported.sequence;
        let mut waits = None;
        Ok(Box::pin(async_stream::try_stream! {
            loop {
                let change = *changes.borrow_and_update();
                let mut news = hub.read_new(change, scope, &interest, last).await?;
                if news.losses != losses {
                    // Check whether the last event that this reader got was lost. If not, the reader goes on from
                    // there.
                    hub.check(&hub.snapshot(scope), reported).await?;
                    losses = news.losses;
                    last = reported.sequence;
                    news.concerned = true;
                }
                let mut more = news.concerned;
                while more {
                    let next = {
                        // The events and the floor are of one state, so that no pruning comes between. The connection
                        // is returned before the events are sent.
                        let snapshot = hub.snapshot(scope);
                        let next = events::after(&snapshot, last, &interest, PAGE).await?;
                        hub.check_kept(&snapshot, last).await?;
                        next
                    };
                    for event in next.events {
                        last = event.sequence;
                        reported = event.position();
                        yield event;
                    }
                    more = next.more_after.is_some();
                    last = last.max(next.more_after.unwrap_or(last));
                }
                last = last.max(news.head);
                waits.get_or_insert_with(|| Follower::new(&hub.followers));
                tokio::select! {
                    _ = changes.changed() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }))
    }

    /// Looks at the log for a reader that has read it up to `last`.
    async fn read_new(&self, change: u64, scope: Scope, interest: &Interest, last: i64) -> StoreResult<News> {
        let mut recent = self.recent.lock().await;
        let fresh = recent.change == change && recent.read_at.is_some_and(|at| at.elapsed() < POLL / 2);
        if !fresh {
            recent.read_new(&self.db.whole_server()).await?;
            recent.change = change;
            recent.read_at = Some(Tick::now());
        }
        let head = recent.head.sequence;
        let unknown = last < recent.from && last < head;
        let concerned = unknown
            || recent
                .routes
                .iter()
                .rev()
                .take_while(|route| route.sequence > last)
                .any(|r| interest.may_concern(scope, r));
        Ok(News { head, concerned, losses: recent.losses })
    }
}

/// The result of a look, for one reader.
struct News {
    /// The sequence number at the log's end.
    head: i64,
    /// Whether an event after `last` may concern the reader.
    concerned: bool,
    losses: u64,
}

impl RecentEvents {
    /// Loads the routes of the events since the last look. When there are more than [`RECENT_MAX`], it loads none, and
    /// readers go to the log.
    async fn read_new(&mut self, server: &WholeServer) -> StoreResult<()> {
        let read_from = self.head.sequence;
        let extent = event_log::extent(server).await?;
        let end = extent.head();
        if self.is_lost(server, &extent).await? {
            self.losses += 1;
            self.begin_at(end);
            return Ok(());
        }
        if usize::try_from(end.sequence - read_from).is_ok_and(|new| new > RECENT_MAX) {
            self.begin_at(end);
            return Ok(());
        }
        let mut read_to = read_from;
        while read_to < end.sequence {
            let (new, last) = event_log::routes_after(server, read_to, 1_000).await?;
            let Some(last) = last else { break };
            read_to = last;
            self.routes.extend(new.into_iter().filter(|route| route.sequence <= end.sequence));
        }
        self.head = end;
        if end.sequence > read_from && event_log::extent(server).await?.begin > read_from {
            // Some events were pruned before their routes were loaded, so nobody knows whom they concern.
            self.begin_at(end);
        }
        while self.routes.len() > RECENT_MAX {
            if let Some(dropped) = self.routes.pop_front() {
                self.from = dropped.sequence;
            }
        }
        Ok(())
    }

    /// Whether the event at the former end of the log is gone without having been pruned. Events were lost then, and
    /// its sequence number may belong to another event.
    async fn is_lost(&self, server: &WholeServer, extent: &Extent) -> StoreResult<bool> {
        let head = self.head;
        if head.event == Position::ORIGIN.event || head == extent.head() {
            return Ok(head.sequence > extent.end);
        }
        if event_log::event_at(server, head.sequence).await? == Some(head.event) {
            return Ok(false);
        }
        // Read again: the event may have been pruned meanwhile.
        Ok(head.sequence > event_log::extent(server).await?.begin)
    }

    fn begin_at(&mut self, head: Position) {
        self.routes.clear();
        self.from = head.sequence;
        self.head = head;
    }
}
