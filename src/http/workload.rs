//! Limits the work that is in progress, in total and per account. Each operation takes as many units as it costs, and
//! returns them when its answer was sent. This bounds the memory of answers, and keeps room for other accounts when one
//! sends all it can.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::timeout;
use uuid::Uuid;

/// How many operations of one owner may wait for a turn. Further ones are refused at once.
const WAITING_MAX: usize = 100;
/// How many bytes of an unsent answer count as one unit.
const BYTES_PER_UNIT: usize = 1024;
/// The divisor for one owner's share of all units.
const SHARE: u32 = 4;
/// The divisor for the units that answers to events have beside operations: those of subscriptions, and those of webhooks.
const EVENTS_PART: u32 = 2;
/// The number of owners from which on unused shares are removed. An unused share is kept until then, because its owner
/// usually asks again.
const OWNERS: usize = 1_000;

/// The limits of concurrent work.
#[derive(Clone, Copy, Debug)]
pub struct WorkOptions {
    /// The total cost of all operations in progress.
    pub cost: u32,
    /// The most concurrent queries of one owner, and likewise of mutations.
    pub operations: u32,
    /// The most KiB of waiting requests and open subscriptions, in total.
    pub memory_kib: u32,
}

impl Default for WorkOptions {
    fn default() -> Self {
        Self { cost: 400_000, operations: 16, memory_kib: 512 * 1024 }
    }
}

/// The owner of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    Account(Uuid),
    /// A client without a token.
    Peer(IpAddr),
}

/// Why an operation got no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Its owner has as much work in progress as it may.
    Owner,
    /// All owners together have as much work in progress as the server allows.
    Server,
}

/// The work in progress.
pub struct Workload {
    options: WorkOptions,
    cost: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    subscriptions: Arc<Semaphore>,
    webhooks: Arc<Semaphore>,
    shares: Mutex<HashMap<Owner, Arc<Share>>>,
}

/// The remaining share of one owner.
struct Share {
    queries: Limits,
    mutations: Limits,
    memory: Arc<Semaphore>,
    subscriptions: Arc<Semaphore>,
    webhooks: Arc<Semaphore>,
}

/// Queries and mutations have separate shares, so that reads don't wait for writes that wait for locks.
struct Limits {
    cost: Arc<Semaphore>,
    operations: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Limits {
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

/// The turn of an operation. Dropping it returns its units.
#[derive(Debug)]
pub struct WorkPermit {
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

impl WorkPermit {
    /// The operation has ended. Keeps only the units for its answer of `bytes` bytes, until that was sent.
    pub fn answered(&mut self, bytes: usize) {
        self.operation = None;
        keep(bytes, [&mut self.of_server, &mut self.of_owner]);
    }
}

/// The reserved memory of a waiting request or an open subscription. Dropping it returns the memory.
#[derive(Debug)]
pub struct ReservedMemory {
    _of_server: OwnedSemaphorePermit,
    _of_owner: OwnedSemaphorePermit,
    _share: Arc<Share>,
}

/// Whose events are answered. A client that doesn't read its subscriptions delays no webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventsOf {
    Subscriptions,
    Webhooks,
}

/// The units that answers to an owner's events may take. An event is never refused: it waits.
#[derive(Debug)]
pub struct EventShare {
    of_server: Arc<Semaphore>,
    of_owner: Arc<Semaphore>,
    most: u32,
    _share: Arc<Share>,
}

impl EventShare {
    fn units(&self, cost: u64) -> u32 {
        u32::try_from(cost).unwrap_or(u32::MAX).clamp(1, self.most)
    }

    /// The turn of an answer with a cost; `None` if it must wait. A cost above an owner's share takes the whole share.
    #[must_use]
    pub fn try_take(&self, cost: u64) -> Option<EventPermit> {
        let units = self.units(cost);
        let of_owner = self.of_owner.clone().try_acquire_many_owned(units).ok()?;
        let of_server = self.of_server.clone().try_acquire_many_owned(units).ok()?;
        Some(EventPermit { of_server, of_owner })
    }

    /// Waits for the turn of an answer.
    ///
    /// # Errors
    /// Never: the semaphores aren't closed.
    pub async fn take(&self, cost: u64) -> Result<EventPermit, AcquireError> {
        let units = self.units(cost);
        let of_owner = self.of_owner.clone().acquire_many_owned(units).await?;
        let of_server = self.of_server.clone().acquire_many_owned(units).await?;
        Ok(EventPermit { of_server, of_owner })
    }
}

/// The turn of an answer to an event. Dropping it returns its units.
#[derive(Debug)]
pub struct EventPermit {
    of_server: OwnedSemaphorePermit,
    of_owner: OwnedSemaphorePermit,
}

impl EventPermit {
    /// The answer was made. Keeps only the units for its `bytes` bytes.
    pub fn answered(&mut self, bytes: usize) {
        keep(bytes, [&mut self.of_server, &mut self.of_owner]);
    }
}

/// Returns the units beyond those of an answer of `bytes` bytes.
fn keep(bytes: usize, permits: [&mut OwnedSemaphorePermit; 2]) {
    let left = (bytes / BYTES_PER_UNIT).max(1);
    for permit in permits {
        let unneeded = permit.num_permits().saturating_sub(left);
        drop(permit.split(unneeded));
    }
}

/// Counts a waiting operation.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workload {
    /// No work yet.
    #[must_use]
    pub fn new(options: WorkOptions) -> Self {
        let semaphore = |permits: u32| Arc::new(Semaphore::new(permits.max(1) as usize));
        let events = options.cost / EVENTS_PART;
        Self {
            options,
            cost: semaphore(options.cost),
            memory: semaphore(options.memory_kib),
            subscriptions: semaphore(events),
            webhooks: semaphore(events),
            shares: Mutex::default(),
        }
    }

    /// Waits up to `patience` for the turn of an operation with a cost. A cost above an owner's share takes the whole
    /// share.
    ///
    /// # Errors
    /// [`Busy`] when there was no turn in time, or when too many operations wait already.
    pub async fn acquire(
        &self,
        owner: Owner,
        mutates: bool,
        cost: u64,
        patience: Duration,
    ) -> Result<WorkPermit, Busy> {
        let share = self.share(owner);
        let limits = if mutates { &share.mutations } else { &share.queries };
        if limits.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            limits.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Busy::Owner);
        }
        let waiting = Waiting(&limits.waiting);
        let units = u32::try_from(cost).unwrap_or(u32::MAX).clamp(1, self::share(self.options.cost));
        // Most operations have their turn at once, and need no clock. One that waits comes before this one: what it
        // waits for isn't free.
        let at_once = |of: &Arc<Semaphore>, units: u32| of.clone().try_acquire_many_owned(units).ok();
        if let Some(operation) = at_once(&limits.operations, 1)
            && let Some(of_owner) = at_once(&limits.cost, units)
            && let Some(of_server) = at_once(&self.cost, units)
        {
            drop(waiting);
            return Ok(WorkPermit { of_server, of_owner, operation: Some(operation), _share: share.clone() });
        }
        let of_owner = async {
            let operation = limits.operations.clone().acquire_owned().await?;
            Ok::<_, AcquireError>((operation, limits.cost.clone().acquire_many_owned(units).await?))
        };
        let began = tokio::time::Instant::now();
        // The semaphores are never closed.
        let Ok(Ok((operation, of_owner))) = timeout(patience, of_owner).await else { return Err(Busy::Owner) };
        let left = patience.saturating_sub(began.elapsed());
        let of_server = self.cost.clone().acquire_many_owned(units);
        let Ok(Ok(of_server)) = timeout(left, of_server).await else { return Err(Busy::Server) };
        drop(waiting);
        Ok(WorkPermit { of_server, of_owner, operation: Some(operation), _share: share.clone() })
    }

    /// The cost of the operations in progress, and its limit.
    #[must_use]
    pub fn in_progress(&self) -> (usize, usize) {
        let most = self.options.cost.max(1) as usize;
        (most.saturating_sub(self.cost.available_permits()), most)
    }

    /// Reserves memory for an owner, without waiting.
    ///
    /// # Errors
    /// [`Busy`] when there isn't enough.
    pub fn reserve(&self, owner: Owner, bytes: usize) -> Result<ReservedMemory, Busy> {
        let share = self.share(owner);
        let most = self::share(self.options.memory_kib);
        let units = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).clamp(1, most);
        let take = |from: &Arc<Semaphore>, busy: Busy| {
            from.clone().try_acquire_many_owned(units).map_err(|_: TryAcquireError| busy)
        };
        let of_owner = take(&share.memory, Busy::Owner)?;
        let of_server = take(&self.memory, Busy::Server)?;
        Ok(ReservedMemory { _of_server: of_server, _of_owner: of_owner, _share: share })
    }

    /// The units that answers to an owner's events may take.
    #[must_use]
    pub fn events(&self, owner: Owner, of: EventsOf) -> EventShare {
        let share = self.share(owner);
        let (of_server, of_owner) = match of {
            EventsOf::Subscriptions => (&self.subscriptions, &share.subscriptions),
            EventsOf::Webhooks => (&self.webhooks, &share.webhooks),
        };
        let most = self::share(self.options.cost / EVENTS_PART);
        EventShare { of_server: of_server.clone(), of_owner: of_owner.clone(), most, _share: share.clone() }
    }

    fn share(&self, owner: Owner) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&owner) {
            return share.clone();
        }
        if shares.len() >= OWNERS {
            // A share in use has a second reference.
            shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let events = self::share(self.options.cost / EVENTS_PART) as usize;
        let share = Arc::new(Share {
            queries: Limits::new(&self.options),
            mutations: Limits::new(&self.options),
            memory: Arc::new(Semaphore::new(self::share(self.options.memory_kib) as usize)),
            subscriptions: Arc::new(Semaphore::new(events)),
            webhooks: Arc::new(Semaphore::new(events)),
        });
        shares.insert(owner, share.clone());
        share
    }
}
