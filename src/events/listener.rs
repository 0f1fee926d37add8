//! A listener: the state that the hub and one subscription share.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::sync::Notify;

use crate::domain::log::Event;
use crate::store::log::events::Interest;
use crate::store::scope::Scope;

use super::recent::Announced;

/// The mark for no event.
const NONE: i64 = 0;

/// One subscription's part in the hub. It isn't woken before there is an event for it.
pub(super) struct Listener {
    /// Increases with each listener of the process.
    pub(super) number: u64,
    pub(super) scope: Scope,
    pub(super) interest: Interest,
    /// The sequence number of the first event in the tail that is for the listener and that it hasn't taken.
    pending: AtomicI64,
    /// Whether the listener must read the log, because the tail lacks events for it.
    is_behind: AtomicBool,
    woken: Notify,
}

impl Listener {
    pub(super) fn new(number: u64, scope: Scope, interest: Interest, is_behind: bool) -> Self {
        let pending = AtomicI64::new(NONE);
        Self { number, scope, interest, pending, is_behind: AtomicBool::new(is_behind), woken: Notify::new() }
    }

    /// Whether an event in the tail is for this listener.
    pub(super) fn concerns(&self, announced: &Announced) -> bool {
        self.may_receive(&announced.event) && (!announced.is_for_installed() || announced.is_visible_to(self.scope))
    }

    /// Whether an event can be for this listener. For an event to all that have a pack installed, only the database
    /// knows.
    pub(super) fn may_receive(&self, event: &Event) -> bool {
        self.interest.may_concern(self.scope, &event.event)
    }

    /// Marks an event in the tail as not taken, unless an earlier one is.
    pub(super) fn mark(&self, sequence: i64) {
        let earlier = |pending| (pending == NONE || sequence < pending).then_some(sequence);
        // An error means that an earlier event is marked.
        let _ = self.pending.fetch_update(Ordering::AcqRel, Ordering::Acquire, earlier);
    }

    /// Wakes the listener for an event in the tail.
    pub(super) fn wake_for(&self, sequence: i64) {
        self.mark(sequence);
        self.woken.notify_one();
    }

    /// Wakes the listener to read the log.
    pub(super) fn send_to_log(&self) {
        self.is_behind.store(true, Ordering::Release);
        self.woken.notify_one();
    }

    /// Whether the listener must read the log now. Forgets the marked event, because the log has it too.
    pub(super) fn take_behind(&self) -> bool {
        let is_behind = self.is_behind.swap(false, Ordering::AcqRel);
        if is_behind {
            self.pending.store(NONE, Ordering::Release);
        }
        is_behind
    }

    /// Takes the mark of the first event that wasn't taken.
    pub(super) fn take_pending(&self) -> Option<i64> {
        Some(self.pending.swap(NONE, Ordering::AcqRel)).filter(|sequence| *sequence != NONE)
    }

    /// Waits for an event.
    pub(super) async fn wait(&self) {
        self.woken.notified().await;
    }
}
