//! Follows the event log for any number of subscribers.
//!
//! The log's table is the truth; a commit in this process is a hint to look, and so is a slow poll, for
//! commits of other processes. One look-up a change serves all subscribers: it reads the routes of what
//! is new, and only those whom an event may concern read it, each with its own scope. So a slow
//! subscriber keeps nobody waiting and no queue grows: it reads on where it was.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use tokio::sync::Mutex;
use tokio::time::Instant as Tick;

use super::cursor::Sealer;
use crate::domain::event::Event;
use crate::service::error::Failure;
use crate::store::event_log::{self, Route};
pub use crate::store::events::Interest;
use crate::store::scope::Scope;
use crate::store::{Db, StoreResult, events};

/// How long a commit of another process can go unnoticed.
const POLL: Duration = Duration::from_secs(1);
/// How many events a subscriber reads at a time.
const PAGE: u32 = 100;
/// Of how many events the routes are kept; who is further behind reads the log.
const TAIL: usize = 4_096;

/// Why events can't be told on.
#[derive(Clone, Debug)]
pub enum Halt {
    /// The place is older than what is kept. From `oldest` on nothing is missed any more.
    Expired {
        oldest: i64,
    },
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Follows the event log.
pub struct Hub {
    db: Db,
    sealer: Sealer,
    tail: Mutex<Tail>,
}

/// The routes of the newest events.
struct Tail {
    /// The routes of all events after this place are here.
    from: i64,
    /// Where the log ended when it was last looked at.
    head: i64,
    routes: VecDeque<Route>,
    /// Which change was last looked for, and when.
    change: u64,
    looked_at: Option<Tick>,
}

impl Hub {
    /// A hub for the log of a migrated database.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError).
    pub async fn open(db: Db) -> StoreResult<Self> {
        let sealer = Sealer::new(event_log::cursor_secret(&db).await?);
        let head = event_log::extent(&db).await?.end;
        let tail = Tail { from: head, head, routes: VecDeque::new(), change: 0, looked_at: None };
        Ok(Self { db, sealer, tail: Mutex::new(tail) })
    }

    /// What seals and opens cursors.
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Where the log ends.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn head(&self) -> Result<i64, Failure> {
        self.head_in(&self.db).await
    }

    /// Where the log ends in the state that `db` reads: what is read there beside it has no later event.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn head_in(&self, db: &Db) -> Result<i64, Failure> {
        Ok(event_log::extent(db).await?.end)
    }

    /// Whether all that came after a place is still there. Asked after reading from that place, so that
    /// what was pruned meanwhile is noticed.
    ///
    /// # Errors
    /// [`Halt::Expired`] when some of it was pruned; [`Halt::Failed`].
    pub async fn check_kept(&self, place: i64) -> Result<(), Halt> {
        self.check_kept_in(&self.db, place).await
    }

    /// The same in the state that `db` reads.
    ///
    /// # Errors
    /// [`Halt::Expired`] when some of it was pruned; [`Halt::Failed`].
    pub async fn check_kept_in(&self, db: &Db, place: i64) -> Result<(), Halt> {
        match event_log::extent(db).await?.begin {
            begin if place < begin => Err(Halt::Expired { oldest: begin }),
            _ => Ok(()),
        }
    }

    /// The events after a place that a reader may see and wants, and then those to come; without a place,
    /// those to come alone. Never ends by itself but with what halts it: pruning, too, that overtakes a
    /// reader who is slow.
    ///
    /// # Errors
    /// [`Halt`] when the place is older than what is kept, or the log can't be read.
    pub async fn follow(
        self: &Arc<Self>,
        scope: Scope,
        after: Option<i64>,
        interest: Interest,
    ) -> Result<BoxStream<'static, Result<Event, Halt>>, Halt> {
        let hub = self.clone();
        let mut changes = self.db.changes();
        // Subscribed before the log's end is read, so that nothing falls between.
        let mut last = match after {
            Some(place) => {
                self.check_kept(place).await?;
                place
            }
            None => self.head().await?,
        };
        Ok(Box::pin(async_stream::try_stream! {
            loop {
                let change = *changes.borrow_and_update();
                let (head, concerned) = hub.look(change, scope, &interest, last).await?;
                let mut more = concerned;
                while more {
                    let (page, left) = events::after(&hub.db, scope, last, &interest, PAGE).await?;
                    hub.check_kept(last).await?;
                    more = left;
                    for event in page {
                        last = event.sequence;
                        yield event;
                    }
                }
                last = last.max(head);
                tokio::select! {
                    _ = changes.changed() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }))
    }

    /// Where the log ends, and whether an event after `last` may concern the reader.
    async fn look(&self, change: u64, scope: Scope, interest: &Interest, last: i64) -> StoreResult<(i64, bool)> {
        let mut tail = self.tail.lock().await;
        let fresh = tail.change == change && tail.looked_at.is_some_and(|at| at.elapsed() < POLL / 2);
        if !fresh {
            tail.look(&self.db).await?;
            tail.change = change;
            tail.looked_at = Some(Tick::now());
        }
        let unknown = last < tail.from && last < tail.head;
        let concerned = unknown
            || tail
                .routes
                .iter()
                .rev()
                .take_while(|route| route.sequence > last)
                .any(|r| interest.may_concern(scope, r));
        Ok((tail.head, concerned))
    }
}

impl Tail {
    /// Takes in what has come since the last look; of what is far more than is kept, nothing.
    async fn look(&mut self, db: &Db) -> StoreResult<()> {
        let looked_to = self.head;
        let end = event_log::extent(db).await?.end;
        if usize::try_from(end - looked_to).is_ok_and(|new| new > TAIL) {
            self.begin_at(end);
            return Ok(());
        }
        while self.head < end {
            let new = event_log::routes_after(db, self.head, 1_000).await?;
            let Some(last) = new.last() else { break };
            self.head = last.sequence;
            self.routes.extend(new);
        }
        self.head = self.head.max(end);
        if self.head > looked_to && event_log::extent(db).await?.begin > looked_to {
            // Some of it was pruned before it was looked at: whom that concerned is not known.
            self.begin_at(self.head);
        }
        while self.routes.len() > TAIL {
            if let Some(dropped) = self.routes.pop_front() {
                self.from = dropped.sequence;
            }
        }
        Ok(())
    }

    fn begin_at(&mut self, place: i64) {
        self.routes.clear();
        self.from = place;
        self.head = place;
    }
}
