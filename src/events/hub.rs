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
use crate::domain::event::{Event, Position};
use crate::service::error::Failure;
use crate::store::event_floor;
use crate::store::event_log::{self, Extent, Route};
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
    /// The position is older than what is kept, or isn't the event's any more. From `oldest` on everything that is
    /// there is told.
    Expired {
        oldest: Position,
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
    head: Position,
    /// How often the log was found to have lost its end: a backup was restored, or a failover lost commits.
    losses: u64,
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
        let head = event_log::extent(&db).await?.head();
        let tail = Tail { from: head.sequence, head, losses: 0, routes: VecDeque::new(), change: 0, looked_at: None };
        Ok(Self { db, sealer, tail: Mutex::new(tail) })
    }

    /// What seals and opens cursors.
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Where the log ends for a reader: at the newest event that it may hear of.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn position(&self, scope: Scope) -> Result<Position, Failure> {
        self.position_in(&self.db, scope).await
    }

    /// The same in the state that `db` reads: what is read there beside it has no later event.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn position_in(&self, db: &Db, scope: Scope) -> Result<Position, Failure> {
        Ok(events::position(db, scope).await?)
    }

    /// Whether a position still stands, and all that came after it is there. Asked after reading from it, so that
    /// what was pruned meanwhile is noticed.
    ///
    /// # Errors
    /// [`Halt::Expired`] when it doesn't; [`Halt::Failed`].
    pub async fn check(&self, scope: Scope, position: Position) -> Result<(), Halt> {
        self.check_in(&self.db, scope, position).await
    }

    /// The same in the state that `db` reads.
    ///
    /// # Errors
    /// [`Halt::Expired`] when it doesn't; [`Halt::Failed`].
    pub async fn check_in(&self, db: &Db, scope: Scope, position: Position) -> Result<(), Halt> {
        let stands = event_floor::stands(db, scope, position).await?;
        stands.map_err(|oldest| Halt::Expired { oldest })
    }

    /// The same for a place of which it is known that it stands.
    async fn check_kept(&self, scope: Scope, place: i64) -> Result<(), Halt> {
        match event_floor::floor(&self.db, scope).await? {
            oldest if place < oldest.sequence => Err(Halt::Expired { oldest }),
            _ => Ok(()),
        }
    }

    /// The events after a position that a reader may see and wants, and then those to come; without a position,
    /// those to come alone. Never ends by itself but with what halts it: pruning, too, that overtakes a
    /// reader who is slow, and a log that lost what the reader was told.
    ///
    /// # Errors
    /// [`Halt`] when the position doesn't stand, or the log can't be read.
    pub async fn follow(
        self: &Arc<Self>,
        scope: Scope,
        after: Option<Position>,
        interest: Interest,
    ) -> Result<BoxStream<'static, Result<Event, Halt>>, Halt> {
        let hub = self.clone();
        let mut changes = self.db.changes();
        let mut losses = self.tail.lock().await.losses;
        // Subscribed before the log's end is read, so that nothing falls between.
        let mut told = match after {
            Some(position) => {
                self.check(scope, position).await?;
                position
            }
            None => event_log::extent(&self.db).await?.head(),
        };
        let mut last = told.sequence;
        Ok(Box::pin(async_stream::try_stream! {
            loop {
                let change = *changes.borrow_and_update();
                let mut looked = hub.look(change, scope, &interest, last).await?;
                if looked.losses != losses {
                    // What this reader was told may be among what is lost; if not, it goes on from there.
                    hub.check(scope, told).await?;
                    losses = looked.losses;
                    last = told.sequence;
                    looked.concerned = true;
                }
                let mut more = looked.concerned;
                while more {
                    let next = events::after(&hub.db, scope, last, &interest, PAGE).await?;
                    hub.check_kept(scope, last).await?;
                    for event in next.events {
                        last = event.sequence;
                        told = event.position();
                        yield event;
                    }
                    more = next.more_after.is_some();
                    last = last.max(next.more_after.unwrap_or(last));
                }
                last = last.max(looked.head);
                tokio::select! {
                    _ = changes.changed() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }))
    }

    /// Looks at the log for a reader that knows it up to `last`.
    async fn look(&self, change: u64, scope: Scope, interest: &Interest, last: i64) -> StoreResult<Looked> {
        let mut tail = self.tail.lock().await;
        let fresh = tail.change == change && tail.looked_at.is_some_and(|at| at.elapsed() < POLL / 2);
        if !fresh {
            tail.look(&self.db).await?;
            tail.change = change;
            tail.looked_at = Some(Tick::now());
        }
        let head = tail.head.sequence;
        let unknown = last < tail.from && last < head;
        let concerned = unknown
            || tail
                .routes
                .iter()
                .rev()
                .take_while(|route| route.sequence > last)
                .any(|r| interest.may_concern(scope, r));
        Ok(Looked { head, concerned, losses: tail.losses })
    }
}

/// What a reader learns of a look at the log.
struct Looked {
    /// Where the log ends.
    head: i64,
    /// Whether an event may concern the reader that it doesn't know.
    concerned: bool,
    losses: u64,
}

impl Tail {
    /// Takes in what has come since the last look; of what is far more than is kept, nothing.
    async fn look(&mut self, db: &Db) -> StoreResult<()> {
        let looked_to = self.head.sequence;
        let extent = event_log::extent(db).await?;
        let end = extent.head();
        if self.is_lost(db, &extent).await? {
            self.losses += 1;
            self.begin_at(end);
            return Ok(());
        }
        if usize::try_from(end.sequence - looked_to).is_ok_and(|new| new > TAIL) {
            self.begin_at(end);
            return Ok(());
        }
        let mut read_to = looked_to;
        while read_to < end.sequence {
            let (new, last) = event_log::routes_after(db, read_to, 1_000).await?;
            let Some(last) = last else { break };
            read_to = last;
            self.routes.extend(new.into_iter().filter(|route| route.sequence <= end.sequence));
        }
        self.head = end;
        if end.sequence > looked_to && event_log::extent(db).await?.begin > looked_to {
            // Some of it was pruned before it was looked at: whom that concerned is not known.
            self.begin_at(end);
        }
        while self.routes.len() > TAIL {
            if let Some(dropped) = self.routes.pop_front() {
                self.from = dropped.sequence;
            }
        }
        Ok(())
    }

    /// Whether the event at which the log was last seen to end isn't there any more, and wasn't pruned: what came
    /// with it is lost, and its place may be another's.
    async fn is_lost(&self, db: &Db, extent: &Extent) -> StoreResult<bool> {
        let head = self.head;
        if head.event == Position::ORIGIN.event || head == extent.head() {
            return Ok(head.sequence > extent.end);
        }
        if event_log::event_at(db, head.sequence).await? == Some(head.event) {
            return Ok(false);
        }
        // Asked anew: it may have been pruned since.
        Ok(head.sequence > event_log::extent(db).await?.begin)
    }

    fn begin_at(&mut self, head: Position) {
        self.routes.clear();
        self.from = head.sequence;
        self.head = head;
    }
}
