//! The data that is attached to a request, and its access for resolvers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use async_graphql::{ContextBase, Result};

use super::error::{ResultExt as _, bug};
use super::loaders::Loaders;
use super::written::Rendered;
use crate::domain;
use crate::domain::log::Event;
use crate::events::hub::{Announced, Hub, is_fresh};
use crate::graphql::log::StreamCursor;
use crate::graphql::webhooks::CheckDocument;
use crate::scheduler::Scheduler;
use crate::service::access::{Caller, Managed, Publisher, Viewer};
use crate::service::{Services, Shared};
use crate::store::Snapshot;
use crate::store::scope::{PublisherScope, Scope};

/// The data that is attached to each request.
pub struct RequestData {
    pub services: Shared,
    pub hub: Arc<Hub>,
    pub scheduler: Arc<Scheduler>,
    pub caller: Arc<Caller>,
    pub rendered: Arc<Rendered>,
    pub(super) check_document: CheckDocument,
    slot: Mutex<Slot>,
}

/// The loaders in use.
struct Slot {
    loaders: Arc<Loaders>,
    /// Whether other subscriptions use the same loaders, or the data behind them.
    is_shared: bool,
    /// Whether the last answer was dropped, because its event must be shown again.
    is_dropped: bool,
    /// An instant after every read for this subscription so far.
    shown_at: Instant,
}

impl RequestData {
    /// The data for a request of `caller`, with its first loaders.
    #[must_use]
    pub fn new(
        services: Shared,
        hub: Arc<Hub>,
        scheduler: Arc<Scheduler>,
        rendered: Arc<Rendered>,
        check_document: CheckDocument,
        caller: Arc<Caller>,
    ) -> Self {
        let loaders = Arc::new(Loaders::new(&services, &caller));
        let slot = Mutex::new(Slot { loaders, is_shared: false, is_dropped: false, shown_at: Instant::now() });
        Self { services, hub, scheduler, caller, rendered, check_document, slot }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the loaders. Later reads see the new time and a new state of the database.
    pub fn renew(&self) {
        self.replace(Arc::new(Loaders::new(&self.services, &self.caller)), false);
    }

    fn replace(&self, loaders: Arc<Loaders>, is_shared: bool) {
        let mut slot = self.slot();
        (slot.loaders, slot.is_shared, slot.is_dropped) = (loaders, is_shared, false);
    }

    /// Releases the connection that the snapshot holds. Reads until the next [`RequestData::renew`] use no snapshot.
    pub fn end_snapshot(&self) {
        if let Some(snapshot) = self.loaders().snapshot() {
            snapshot.end();
        }
    }

    /// Chooses the loaders with which an event is shown, so that many subscribers cost few reads. There are three cases:
    ///
    /// - A managed account that hears of the event because it has the pack installed gets loaders over data that the
    ///   hub has read for all such accounts at once. `needs_pack` says whether the document selects anything of the
    ///   pack.
    /// - Subscriptions of the event's publisher share one set of loaders, and so do those of the account that the event
    ///   names.
    /// - Any other subscription gets loaders of its own.
    ///
    /// Shared data are never older than anything that this subscription was shown before.
    pub async fn show(&self, announced: &Announced, needs_pack: bool) {
        let not_before = self.slot().shown_at;
        let seen = match self.caller.viewer().map(Viewer::scope) {
            Ok(Scope::Managed(_)) if needs_pack => self.hub.visible_to_readers(announced, not_before).await,
            _ => None,
        };
        let shared = match seen {
            Some(seen) => Some(Arc::new(Loaders::of_event(&self.services, &self.caller, seen))),
            None => announced.shared(SharedLoaders::default).and_then(|shared| {
                let make = || Loaders::new(&self.services, &self.caller);
                shared.of(&self.caller, &announced.event, not_before, make)
            }),
        };
        match shared {
            Some(shared) => self.replace(shared, true),
            None => self.renew(),
        }
    }

    /// Whether other subscriptions use the same loaders, or the data behind them. A read that fails may then have
    /// failed because of another subscription.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.slot().is_shared
    }

    /// Called with each answer of a subscription. Returns whether the answer is dropped: with shared loaders it has
    /// errors, or lacks data that wasn't shared. The event is then [shown again](Self::is_shown_again) with loaders of
    /// the subscription's own.
    pub fn drops_answer(&self, has_errors: bool) -> bool {
        let mut slot = self.slot();
        slot.shown_at = slot.loaders.read_by();
        slot.is_dropped = slot.is_shared && (has_errors || slot.loaders.lacks_something());
        slot.is_dropped
    }

    /// Whether the last answer was dropped, so that its event must be shown again. If so, this also replaces the shared
    /// loaders by the subscription's own.
    pub fn is_shown_again(&self) -> bool {
        let is_dropped = self.slot().is_dropped;
        if is_dropped {
            self.renew();
        }
        is_dropped
    }

    /// Drops what was loaded, and the connection that the snapshot holds. A subscription keeps nothing of an event
    /// until the next one.
    pub fn rest(&self) {
        let loaders = Arc::new(Loaders::new(&self.services, &self.caller));
        if let Some(snapshot) = loaders.snapshot() {
            snapshot.end();
        }
        let mut slot = self.slot();
        (slot.loaders, slot.is_shared) = (loaders, false);
    }

    /// The current loaders.
    #[must_use]
    pub fn loaders(&self) -> Arc<Loaders> {
        self.slot().loaders.clone()
    }
}

/// Loaders that subscriptions share for an event, with the time at which they were made.
type InUse = Mutex<Option<(Instant, Weak<Loaders>)>>;

/// The loaders that subscriptions share for an event: one set for its publisher, and one for the account that it names.
#[derive(Default)]
struct SharedLoaders([InUse; 2]);

impl SharedLoaders {
    fn of(
        &self,
        caller: &Caller,
        event: &Event,
        not_before: Instant,
        make: impl FnOnce() -> Loaders,
    ) -> Option<Arc<Loaders>> {
        let viewer = caller.viewer().ok()?;
        let reader = viewer.account.id;
        let slot = match viewer.scope() {
            Scope::Publisher(_) if reader == event.event.publisher_id => &self.0[0],
            Scope::Managed(_) if Some(reader) == event.event.account_id => &self.0[1],
            _ => return None,
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = slot.as_ref().filter(|(made_at, _)| is_fresh(*made_at, not_before));
        let fresh = fresh.and_then(|(_, loaders)| loaders.upgrade());
        Some(fresh.unwrap_or_else(|| {
            let (made_at, made) = (Instant::now(), Arc::new(make()));
            *slot = Some((made_at, Arc::downgrade(&made)));
            made
        }))
    }
}

/// The access of resolvers to a request's data.
pub trait ContextExt {
    fn data_of_request(&self) -> &RequestData;

    /// The subscriber's position in the event log, if its transport tracks it.
    fn stream_cursor(&self) -> Option<&StreamCursor>;

    fn services(&self) -> &Services {
        &self.data_of_request().services
    }

    fn caller(&self) -> &Caller {
        &self.data_of_request().caller
    }

    /// The sender of a request with an API token or a JWT.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN (R1, R4).
    fn viewer(&self) -> Result<&Viewer> {
        self.caller().viewer().or_failure()
    }

    /// The viewer as a publisher.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN (R1, R4).
    fn publisher(&self) -> Result<Publisher> {
        self.viewer()?.publisher().or_failure()
    }

    /// The viewer as a managed account.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN (R1, R4).
    fn managed(&self) -> Result<Managed> {
        self.viewer()?.managed().or_failure()
    }

    /// The data that the viewer may read.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN (R1, R4).
    fn scope(&self) -> Result<Scope> {
        Ok(self.viewer()?.scope())
    }

    /// The snapshot from which the current loaders read, in the viewer's scope.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN (R1, R4).
    fn snapshot(&self) -> Result<Snapshot> {
        self.viewer()?;
        self.loaders().snapshot().cloned().ok_or_else(|| bug("a viewer has no snapshot"))
    }

    /// Like [`ContextExt::snapshot`], for reads that only publishers have.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN (R1, R4).
    fn publisher_snapshot(&self) -> Result<Snapshot<PublisherScope>> {
        self.publisher()?;
        self.snapshot()?.of_publisher().ok_or_else(|| bug("a publisher has no snapshot"))
    }

    /// The current loaders.
    fn loaders(&self) -> Arc<Loaders> {
        self.data_of_request().loaders()
    }

    /// Called after a mutation and before each event of a subscription, so that later reads see the new state.
    fn renew(&self) {
        self.data_of_request().renew();
    }

    /// Called before a mutation, which takes a connection of its own. A request that held one connection and waited for
    /// another could deadlock with requests that do the same.
    fn end_snapshot(&self) {
        self.data_of_request().end_snapshot();
    }

    /// The time that all reads of the current loaders refer to.
    fn now(&self) -> domain::Instant {
        self.loaders().now()
    }
}

impl<T> ContextExt for ContextBase<'_, T> {
    fn data_of_request(&self) -> &RequestData {
        self.data_unchecked::<Arc<RequestData>>()
    }

    fn stream_cursor(&self) -> Option<&StreamCursor> {
        self.data_opt::<Arc<StreamCursor>>().map(AsRef::as_ref)
    }
}
