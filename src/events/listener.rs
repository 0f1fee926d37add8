//! A listener: the state that the hub and one subscription share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::log::Event;
use crate::store::log::events::Interest;
use crate::store::scope::Scope;

use super::recent::Announced;

/// One subscription as the hub knows it. The hub wakes it only for an event that is for it.
pub(super) struct Listener {
    /// Each listener of the process has a greater number than the listeners before it.
    pub(super) number: u64,
    pub(super) scope: Scope,
    pub(super) interest: Interest,
    waiting: Mutex<Waiting>,
    woken: Notify,
}

/// The events that a listener must still take. They change only under the lock of the [newest
/// events](super::recent::RecentEvents).
#[derive(Default)]
struct Waiting {
    /// The sequence number of the first event in memory that is for the listener and that it hasn't taken.
    pending: Option<i64>,
    /// The sequence number of the last event that was marked for the listener.
    last_marked: i64,
    /// The listener must read the log after this sequence number, because memory lacks events for it. The listener has
    /// taken all earlier events, or is taking them.
    behind: Option<i64>,
}

impl Listener {
    /// A listener that begins after a position of the log; without a position, with the next event.
    pub(super) fn new(number: u64, scope: Scope, interest: Interest, after: Option<i64>) -> Self {
        let waiting = Mutex::new(Waiting { behind: after, ..Waiting::default() });
        Self { number, scope, interest, waiting, woken: Notify::new() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an event in memory is for this listener.
    pub(super) fn concerns(&self, announced: &Announced) -> bool {
        self.may_receive(&announced.event) && (!announced.is_for_installed() || announced.is_visible_to(self.scope))
    }

    /// Whether an event can be for this listener. If the event is for all accounts that have a pack installed, only the
    /// database knows whether the listener's account is one of them.
    pub(super) fn may_receive(&self, event: &Event) -> bool {
        self.interest.may_concern(self.scope, &event.event)
    }

    /// Marks an event in memory as not taken. If an earlier event is marked, that mark stays.
    pub(super) fn mark(&self, sequence: i64) {
        let mut waiting = self.waiting();
        waiting.pending = Some(waiting.pending.map_or(sequence, |pending| pending.min(sequence)));
        waiting.last_marked = waiting.last_marked.max(sequence);
    }

    /// The last event that was marked for the listener. No later event in memory is for it.
    pub(super) fn last_marked(&self) -> i64 {
        self.waiting().last_marked
    }

    /// Makes the listener read the log from its first untaken event on. Memory has all of its events up to
    /// `complete_to`, so without an untaken event it reads after this sequence number.
    pub(super) fn send_to_log(&self, complete_to: i64) {
        let mut waiting = self.waiting();
        let after = waiting.pending.take().map_or(complete_to, |pending| pending - 1);
        waiting.behind.get_or_insert(after);
        drop(waiting);
        self.wake();
    }

    /// Takes the position after which the listener must read the log; `None` if it needn't. Also forgets the marked
    /// event, because the listener will find it in the log.
    pub(super) fn take_behind(&self) -> Option<i64> {
        let mut waiting = self.waiting();
        let behind = waiting.behind.take();
        if behind.is_some() {
            waiting.pending = None;
        }
        behind
    }

    /// Takes the sequence number of the first event that the listener hasn't taken.
    pub(super) fn take_pending(&self) -> Option<i64> {
        self.waiting().pending.take()
    }

    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }

    /// Waits for an event.
    pub(super) async fn wait(&self) {
        self.woken.notified().await;
    }
}
