//! The newest events in memory, and the listeners that are told of new ones.

use std::any::Any;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, OnceLock, Weak};

use tokio::sync::OnceCell;

use crate::domain::id::AccountId;
use crate::domain::log::{Audience, Event, Position};
use crate::store::log::events::Interest;
use crate::store::log::feed::Listening;
use crate::store::scope::Scope;
use crate::store::sharing::many::VisibleToMany;

use super::listener::Listener;

/// How many events are kept. A listener that is further behind reads the log instead.
pub(super) const RECENT_MAX: usize = 10_240;
/// How many hearers the kept events name in all, because ten thousand accounts can hear one event.
const HEARERS: usize = 500_000;
/// How many events a listener takes at once.
const PAGE: usize = 100;

/// An event as all of its listeners get it.
#[derive(Debug)]
pub struct Announced {
    pub event: Event,
    /// The listening accounts that hear it, if it is for all that have its pack installed.
    pub(super) readers: HashSet<AccountId>,
    /// What the hearers see of the event's pack and releases.
    pub(super) seen: OnceCell<Weak<VisibleToMany>>,
    /// What showing the event to its listeners shares.
    shared: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Announced {
    pub(super) fn new(event: Event, readers: HashSet<AccountId>) -> Arc<Self> {
        Arc::new(Self { event, readers, seen: OnceCell::new(), shared: OnceLock::new() })
    }

    /// An event that one reader has read from the log.
    #[must_use]
    pub fn of(event: Event) -> Arc<Self> {
        Self::new(event, HashSet::new())
    }

    /// Whether the event is for the publisher and all accounts that have its pack installed.
    pub(super) fn is_for_installed(&self) -> bool {
        self.event.event.audience == Audience::PublisherAndInstalled
    }

    pub(super) fn is_visible_to(&self, scope: Scope) -> bool {
        matches!(scope, Scope::Publisher(_)) || self.readers.contains(&scope.account_id())
    }

    /// The value that everybody who is shown this event shares. The first caller makes it.
    pub fn shared<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> Option<Arc<T>> {
        self.shared.get_or_init(|| Arc::new(make())).clone().downcast().ok()
    }
}

/// The newest events and the listeners.
pub(super) struct RecentEvents {
    /// `events` has all events after this sequence number that were for a listener.
    from: i64,
    /// The end of the log at the last look.
    pub(super) head: Position,
    /// How often the log's end was found missing, because a backup was restored or a failover lost commits.
    pub(super) losses: u64,
    events: VecDeque<Arc<Announced>>,
    /// How many hearers `events` name.
    hearers: usize,
    listeners: HashMap<AccountId, Vec<Arc<Listener>>>,
    /// The number of the next listener.
    pub(super) next_number: u64,
    /// The listeners as the store needs to know them; `None` after a change.
    audience: Option<Arc<Audiences>>,
    /// Whether the task that reads the log runs.
    pub(super) is_followed: bool,
}

/// Who listens, for reads of the log.
#[derive(Default)]
pub(super) struct Audiences {
    /// Who listens to events that are stored as records.
    pub(super) records: Listening,
    /// The managed accounts of each publisher that listen to events of releases.
    pub(super) of_releases: HashMap<AccountId, Vec<AccountId>>,
}

/// The events that a listener takes from the tail.
pub(super) enum Taken {
    Events(Vec<Arc<Announced>>),
    /// The tail doesn't have all events any more.
    TooOld,
}

impl RecentEvents {
    pub(super) fn new(head: Position) -> Self {
        Self {
            from: head.sequence,
            head,
            losses: 0,
            events: VecDeque::new(),
            hearers: 0,
            listeners: HashMap::new(),
            next_number: 0,
            audience: None,
            is_followed: false,
        }
    }

    pub(super) fn has_listeners(&self) -> bool {
        !self.listeners.is_empty()
    }

    pub(super) fn add(&mut self, scope: Scope, interest: Interest, is_behind: bool) -> Arc<Listener> {
        let listener = Arc::new(Listener::new(self.next_number, scope, interest, is_behind));
        self.next_number += 1;
        self.listeners.entry(scope.account_id()).or_default().push(listener.clone());
        self.audience = None;
        listener
    }

    pub(super) fn remove(&mut self, listener: &Listener) {
        let account = listener.scope.account_id();
        if let Some(of_account) = self.listeners.get_mut(&account) {
            of_account.retain(|other| other.number != listener.number);
            if of_account.is_empty() {
                self.listeners.remove(&account);
            }
            self.audience = None;
        }
    }

    pub(super) fn audience(&mut self) -> Arc<Audiences> {
        if let Some(audience) = &self.audience {
            return audience.clone();
        }
        let mut audience = Audiences::default();
        for (account, listeners) in &self.listeners {
            let Some(scope) = listeners.first().map(|listener| listener.scope) else { continue };
            let wants = |of_releases: bool| listeners.iter().any(|listener| listener.interest.wants(of_releases));
            let of_records = match scope {
                Scope::Publisher(_) => &mut audience.records.publishers,
                Scope::Managed(_) => &mut audience.records.accounts,
            };
            if wants(false) {
                of_records.push(*account);
            }
            if let Scope::Managed(scope) = scope
                && wants(true)
            {
                audience.of_releases.entry(scope.publisher_id()).or_default().push(*account);
            }
        }
        self.audience.insert(Arc::new(audience)).clone()
    }

    /// The listeners of events, each with its first event.
    pub(super) fn listeners_of(&self, events: &[Arc<Announced>]) -> Vec<(Arc<Listener>, i64)> {
        let mut first: HashMap<u64, (Arc<Listener>, i64)> = HashMap::new();
        for announced in events {
            let sequence = announced.event.sequence;
            let event = &announced.event.event;
            let accounts = event.account_id.iter().chain([&event.publisher_id]).chain(&announced.readers);
            for listener in accounts.filter_map(|account| self.listeners.get(account)).flatten() {
                if listener.concerns(announced) {
                    first.entry(listener.number).or_insert_with(|| (listener.clone(), sequence));
                }
            }
        }
        first.into_values().collect()
    }

    /// Adds new events up to a new end of the log.
    pub(super) fn extend(&mut self, events: Vec<Arc<Announced>>, head: Position) {
        self.hearers += events.iter().map(|announced| announced.readers.len()).sum::<usize>();
        self.events.extend(events);
        while self.events.len() > RECENT_MAX || self.hearers > HEARERS {
            self.drop_first();
        }
        self.head = head;
    }

    fn drop_first(&mut self) {
        if let Some(dropped) = self.events.pop_front() {
            self.from = self.from.max(dropped.event.sequence);
            self.hearers -= dropped.readers.len();
        }
    }

    /// Drops the events up to a position, because the log was pruned up to there.
    pub(super) fn prune(&mut self, to: i64) {
        while self.events.front().is_some_and(|announced| announced.event.sequence <= to) {
            self.drop_first();
        }
    }

    /// Begins anew at the end of the log, and sends all listeners to the log.
    pub(super) fn begin_at(&mut self, head: Position) {
        self.events.clear();
        self.hearers = 0;
        self.from = head.sequence;
        self.head = head;
        self.send_to_log(0);
    }

    /// Sends the listeners to the log that have this number or a later one.
    pub(super) fn send_to_log(&self, number: u64) {
        let later = self.listeners.values().flatten().filter(|listener| listener.number >= number);
        later.for_each(|listener| listener.send_to_log());
    }

    /// A listener's next events after a position. Marks the first that is left.
    pub(super) fn take(&self, listener: &Listener, after: i64) -> Taken {
        if after < self.from {
            return Taken::TooOld;
        }
        let begin = self.events.partition_point(|announced| announced.event.sequence <= after);
        let mut for_listener = self.events.range(begin..).filter(|announced| listener.concerns(announced));
        let taken = for_listener.by_ref().take(PAGE).cloned().collect();
        if let Some(left) = for_listener.next() {
            listener.mark(left.event.sequence);
        }
        Taken::Events(taken)
    }
}
