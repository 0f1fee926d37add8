//! What the server is at work on, and how much of it is one account's. Each operation takes as many units as it
//! costs, and gives them back when its answer has left: so what answers hold in memory is bounded, and an account
//! that asks for all that it can leaves room for the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::timeout;
use uuid::Uuid;

/// How many operations of one owner wait for their turn; more are refused at once.
const WAITING_MAX: usize = 100;
/// An answer that waits for its client counts as one unit for each so many bytes.
const BYTES_PER_UNIT: usize = 1024;
/// The part of all units that one owner may have.
const SHARE: u32 = 4;
/// How many owners are remembered before those that have nothing at work are forgotten.
const OWNERS: usize = 1_000;

/// How much is worked on at a time.
#[derive(Clone, Copy, Debug)]
pub struct WorkOptions {
    /// What all operations at work may cost together.
    pub cost: u32,
    /// The most operations of one owner at a time, queries and mutations each for themselves.
    pub operations: u32,
    /// The most KiB of requests that wait and of subscriptions that are open, in all.
    pub held_kib: u32,
}

impl Default for WorkOptions {
    fn default() -> Self {
        Self { cost: 400_000, operations: 16, held_kib: 512 * 1024 }
    }
}

/// Whose share an operation takes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    Account(Uuid),
    /// Without a token.
    Peer(IpAddr),
}

/// Why an operation has no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Its owner has as much at work as it may.
    Owner,
    /// All owners together have.
    Server,
}

/// All that is at work.
pub struct Workload {
    options: WorkOptions,
    cost: Arc<Semaphore>,
    held: Arc<Semaphore>,
    shares: Mutex<HashMap<Owner, Weak<Share>>>,
}

/// What one owner has left of its share.
struct Share {
    queries: Lane,
    mutations: Lane,
    held: Arc<Semaphore>,
}

/// Queries and mutations have shares of their own, so that reads don't wait for writes that wait for a lock.
struct Lane {
    cost: Arc<Semaphore>,
    operations: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Lane {
    fn new(options: &WorkOptions) -> Self {
        Self {
            cost: Arc::new(Semaphore::new(share(options.cost) as usize)),
            operations: Arc::new(Semaphore::new(options.operations as usize)),
            waiting: AtomicUsize::new(0),
        }
    }
}

fn share(of: u32) -> u32 {
    (of / SHARE).max(1)
}

/// An operation's turn; given back when it is dropped.
#[derive(Debug)]
pub struct Turn {
    of_server: OwnedSemaphorePermit,
    of_owner: OwnedSemaphorePermit,
    operation: Option<OwnedSemaphorePermit>,
    _share: Arc<Share>,
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Share")
    }
}

impl Turn {
    /// The operation has ended, and its answer of so many bytes waits to leave.
    pub fn answered(&mut self, bytes: usize) {
        self.operation = None;
        let left = (bytes / BYTES_PER_UNIT).max(1);
        for permit in [&mut self.of_server, &mut self.of_owner] {
            let surplus = permit.num_permits().saturating_sub(left);
            drop(permit.split(surplus));
        }
    }
}

/// What a request that waits or a subscription that is open takes of its owner's memory.
#[derive(Debug)]
pub struct Held {
    _of_server: OwnedSemaphorePermit,
    _of_owner: OwnedSemaphorePermit,
    _share: Arc<Share>,
}

/// One that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workload {
    /// Nothing yet.
    #[must_use]
    pub fn new(options: WorkOptions) -> Self {
        let semaphore = |permits: u32| Arc::new(Semaphore::new(permits.max(1) as usize));
        Self { options, cost: semaphore(options.cost), held: semaphore(options.held_kib), shares: Mutex::default() }
    }

    /// Waits for a turn of an operation that costs so much, for a while. What costs more than a share takes all
    /// of it.
    ///
    /// # Errors
    /// [`Busy`] when there is none by then, or when too many wait already.
    pub async fn turn(&self, owner: Owner, mutates: bool, cost: u64, patience: Duration) -> Result<Turn, Busy> {
        let share = self.share(owner);
        let lane = if mutates { &share.mutations } else { &share.queries };
        if lane.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            lane.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Busy::Owner);
        }
        let waiting = Waiting(&lane.waiting);
        let units = u32::try_from(cost).unwrap_or(u32::MAX).clamp(1, self::share(self.options.cost));
        let of_owner = async {
            let operation = lane.operations.clone().acquire_owned().await?;
            Ok::<_, AcquireError>((operation, lane.cost.clone().acquire_many_owned(units).await?))
        };
        let began = tokio::time::Instant::now();
        // Nobody closes these semaphores.
        let Ok(Ok((operation, of_owner))) = timeout(patience, of_owner).await else { return Err(Busy::Owner) };
        let left = patience.saturating_sub(began.elapsed());
        let of_server = self.cost.clone().acquire_many_owned(units);
        let Ok(Ok(of_server)) = timeout(left, of_server).await else { return Err(Busy::Server) };
        drop(waiting);
        Ok(Turn { of_server, of_owner, operation: Some(operation), _share: share.clone() })
    }

    /// Holds so many bytes for an owner. Nothing waits for them.
    ///
    /// # Errors
    /// [`Busy`] when there is no room.
    pub fn hold(&self, owner: Owner, bytes: usize) -> Result<Held, Busy> {
        let share = self.share(owner);
        let most = self::share(self.options.held_kib);
        let units = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).clamp(1, most);
        let take = |from: &Arc<Semaphore>, busy: Busy| {
            from.clone().try_acquire_many_owned(units).map_err(|_: TryAcquireError| busy)
        };
        let of_owner = take(&share.held, Busy::Owner)?;
        let of_server = take(&self.held, Busy::Server)?;
        Ok(Held { _of_server: of_server, _of_owner: of_owner, _share: share })
    }

    fn share(&self, owner: Owner) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&owner).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() >= OWNERS {
            // As long as a share is in use, somebody holds it.
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Share {
            queries: Lane::new(&self.options),
            mutations: Lane::new(&self.options),
            held: Arc::new(Semaphore::new(self::share(self.options.held_kib) as usize)),
        });
        shares.insert(owner, Arc::downgrade(&share));
        share
    }
}
