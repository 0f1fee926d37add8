//! The newest events in memory, and the listeners that wait for new events.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::domain::id::AccountId;
use crate::domain::log::{Audience, Event, Position};
use crate::store::log::events::Interest;
use crate::store::log::feed::Listening;
use crate::store::scope::Scope;

use super::listener::Listener;
use super::shown::SharedState;

/// How many events are kept in memory. A listener that is further behind reads the log instead.
pub(super) const RECENT_MAX: usize = 10_240;
/// How many account ids the kept events may hold in all, because an event can be for ten thousand accounts.
const HEARERS: usize = 500_000;
/// How many events a listener takes at once.
const PAGE: usize = 100;

/// An event that is shared by all listeners that get it.
#[derive(Debug)]
pub struct Announced {
    pub event: Event,
    /// The listening accounts that get the event. Only filled if the event is for all accounts that have its pack
    /// installed.
    pub(super) readers: HashSet<AccountId>,
    /// The event's pack and releases as these accounts may see them.
    pub(super) seen: Mutex<Option<SharedState>>,
    news: AtomicU64,
    /// See [`Announced::shared`].
    shared: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Announced {
    pub(super) fn new(event: Event, readers: HashSet<AccountId>) -> Arc<Self> {
        let (seen, news, shared) = (Mutex::default(), AtomicU64::new(0), OnceLock::new());
        Arc::new(Self { event, readers, seen, news, shared })
    }

    /// An event that one reader has read from the log.
    #[must_use]
    pub fn of(event: Event) -> Arc<Self> {
        Self::new(event, HashSet::new())
    }

    /// An event that a listener has read from the log, with the number of its news.
    pub(super) fn read(event: Event, news: u64) -> Arc<Self> {
        let read = Self::of(event);
        read.belongs_to(news);
        read
    }

    /// Sets the number of the event's news.
    pub(super) fn belongs_to(&self, news: u64) {
        self.news.store(news, Ordering::Release);
    }

    /// The number that [`OnNews`](super::hub::OnNews) gave for the read that found this event. Before a subscription
    /// sends the event, it checks its token, unless it checked the token for this number already.
    #[must_use]
    pub fn news(&self) -> u64 {
        self.news.load(Ordering::Acquire)
    }

    /// Whether the event is for the publisher and all accounts that have its pack installed.
    pub(super) fn is_for_installed(&self) -> bool {
        self.event.event.audience == Audience::PublisherAndInstalled
    }

    /// Whether the account of `scope` gets an event that is for all accounts with its pack: the publisher does, and
    /// each of `readers`.
    pub(super) fn is_visible_to(&self, scope: Scope) -> bool {
        matches!(scope, Scope::Publisher(_)) || self.readers.contains(&scope.account_id())
    }

    /// A value that the subscriptions share when they send this event. The first caller makes it. `None` if the first
    /// caller made a value of another type.
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
    /// How often a look found that the log had lost the event at `head`, because a backup was restored or a failover
    /// lost commits.
    pub(super) losses: u64,
    events: VecDeque<Arc<Announced>>,
    /// The number of account ids in the `readers` of all `events`.
    hearers: usize,
    /// The listeners of each account, by their numbers.
    listeners: HashMap<AccountId, BTreeMap<u64, Arc<Listener>>>,
    /// The number of the next listener.
    pub(super) next_number: u64,
    /// The listening accounts in the form in which the store takes them; `None` after a listener was added or removed.
    audience: Option<Arc<Audiences>>,
    /// Whether the task that reads the log runs.
    pub(super) is_followed: bool,
}

/// The accounts with listeners, for reads of the log.
#[derive(Default)]
pub(super) struct Audiences {
    /// The accounts that listen to events that are stored as records.
    pub(super) records: Listening,
    /// The managed accounts of each publisher that listen to events of releases.
    pub(super) of_releases: HashMap<AccountId, Vec<AccountId>>,
}

/// The next step of a listener.
pub(super) enum Step {
    /// Reads the log.
    ReadLog(FromLog),
    /// Shows these events.
    Show(Vec<Arc<Announced>>),
    /// Waits for an event.
    Wait,
}

/// The part of the log that a listener reads.
pub(super) struct FromLog {
    /// The listener has got all of its events up to this sequence number.
    pub(super) after: i64,
    /// The sequence number of the last event that memory covers. When the listener has read the log, it has got all of
    /// its events up to here.
    pub(super) end: i64,
    /// See [`RecentEvents::losses`].
    pub(super) losses: u64,
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

    /// Adds a listener that begins after a position of the log; without a position, with the next event.
    pub(super) fn add(&mut self, scope: Scope, interest: Interest, after: Option<i64>) -> Arc<Listener> {
        let number = self.next_number;
        self.next_number += 1;
        let listener = Arc::new(Listener::new(number, scope, interest, after));
        self.listeners.entry(scope.account_id()).or_default().insert(number, listener.clone());
        self.audience = None;
        listener
    }

    pub(super) fn remove(&mut self, listener: &Listener) {
        let account = listener.scope.account_id();
        if let Some(of_account) = self.listeners.get_mut(&account) {
            of_account.remove(&listener.number);
            if of_account.is_empty() {
                self.listeners.remove(&account);
            }
            self.audience = None;
        }
    }

    /// The listening accounts, computed again after a listener was added or removed.
    pub(super) fn audience(&mut self) -> Arc<Audiences> {
        if let Some(audience) = &self.audience {
            return audience.clone();
        }
        let mut audience = Audiences::default();
        for (account, listeners) in &self.listeners {
            let Some(scope) = listeners.values().next().map(|listener| listener.scope) else { continue };
            let wants = |of_releases: bool| listeners.values().any(|listener| listener.interest.wants(of_releases));
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

    /// Marks new events for their listeners, and returns these listeners. Each event is marked before it is
    /// [added](Self::extend).
    pub(super) fn mark(&self, events: &[Arc<Announced>]) -> Vec<Arc<Listener>> {
        let mut marked: HashMap<u64, Arc<Listener>> = HashMap::new();
        for announced in events {
            let sequence = announced.event.sequence;
            let event = &announced.event.event;
            let accounts = event.account_id.iter().chain([&event.publisher_id]).chain(&announced.readers);
            for (number, listener) in accounts.filter_map(|account| self.listeners.get(account)).flatten() {
                if listener.concerns(announced) {
                    listener.mark(sequence);
                    marked.entry(*number).or_insert_with(|| listener.clone());
                }
            }
        }
        marked.into_values().collect()
    }

    /// Adds the events of a look that read the log up to `head`.
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

    /// Forgets all events, continues at the end of the log, and makes all listeners read the log.
    pub(super) fn begin_at(&mut self, head: Position) {
        self.send_to_log(|_| true);
        self.events.clear();
        self.hearers = 0;
        self.from = head.sequence;
        self.head = head;
    }

    /// Makes the listeners for which `is_sent` is true read the log, for the events after the last look.
    pub(super) fn send_to_log(&self, is_sent: impl Fn(&Listener) -> bool) {
        let listeners = self.listeners.values().flat_map(BTreeMap::values);
        listeners.filter(|listener| is_sent(listener)).for_each(|listener| listener.send_to_log(self.head.sequence));
    }

    /// The next step of a listener that has got its events up to `last`.
    pub(super) fn next_step(&self, listener: &Listener, last: i64) -> Step {
        let read_log =
            |from: i64| Step::ReadLog(FromLog { after: last.max(from), end: self.head.sequence, losses: self.losses });
        if let Some(from) = listener.take_behind() {
            return read_log(from);
        }
        let Some(pending) = listener.take_pending() else { return Step::Wait };
        let after = last.max(pending - 1);
        // Some of the listener's events were dropped from memory.
        if after < self.from {
            return read_log(after);
        }
        Step::Show(self.take(listener, after))
    }

    /// A listener's next events after a position, at most [`PAGE`]. Marks the first of its events that is left.
    fn take(&self, listener: &Listener, after: i64) -> Vec<Arc<Announced>> {
        let begin = self.events.partition_point(|announced| announced.event.sequence <= after);
        // No later event is for the listener, so the filter needn't go on.
        let last = listener.last_marked();
        let mut for_listener = self
            .events
            .range(begin..)
            .take_while(|announced| announced.event.sequence <= last)
            .filter(|announced| listener.concerns(announced));
        let taken = for_listener.by_ref().take(PAGE).cloned().collect();
        if let Some(left) = for_listener.next() {
            listener.mark(left.event.sequence);
        }
        taken
    }
}
