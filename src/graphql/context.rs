//! The data that is attached to a request, and its access for resolvers.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_graphql::{ContextBase, Result};

use super::error::{ResultExt as _, bug};
use super::loaders::Loaders;
use super::written::Rendered;
use crate::domain::Instant;
use crate::domain::log::Event;
use crate::events::hub::{Announced, Hub};
use crate::graphql::log::StreamCursor;
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
    slot: Mutex<Arc<Loaders>>,
}

impl RequestData {
    /// The data for a request of `caller`, with its first loaders.
    #[must_use]
    pub fn new(
        services: Shared,
        hub: Arc<Hub>,
        scheduler: Arc<Scheduler>,
        rendered: Arc<Rendered>,
        caller: Arc<Caller>,
    ) -> Self {
        let slot = Mutex::new(Arc::new(Loaders::new(&services, &caller)));
        Self { services, hub, scheduler, caller, rendered, slot }
    }

    /// Replaces the loaders. Later reads see the new time and a new state of the database.
    pub fn renew(&self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Loaders::new(&self.services, &self.caller));
    }

    /// Releases the connection that the snapshot holds. Reads until the next [`RequestData::renew`] use no snapshot.
    pub fn end_snapshot(&self) {
        if let Some(snapshot) = self.loaders().snapshot() {
            snapshot.end();
        }
    }

    /// Takes loaders for an event that is shown. Everybody who is shown it at the same time in the same scope shares
    /// them, if the event names the account; to all that hear it for their installations, what they see was read at
    /// once.
    pub async fn show(&self, announced: &Announced) {
        let seen = match self.caller.viewer().map(Viewer::scope) {
            Ok(Scope::Managed(_)) => self.hub.visible_to_readers(announced).await,
            _ => None,
        };
        let make = || Arc::new(Loaders::of_event(&self.services, &self.caller, seen));
        let loaders = match announced.shared(SharedLoaders::default) {
            Some(shared) => shared.of(&self.caller, &announced.event, make),
            None => make(),
        };
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = loaders;
    }

    /// Drops what was loaded, and the connection that the snapshot holds. A subscription keeps nothing of an event until
    /// the next one.
    pub fn rest(&self) {
        let loaders = Arc::new(Loaders::new(&self.services, &self.caller));
        if let Some(snapshot) = loaders.snapshot() {
            snapshot.end();
        }
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = loaders;
    }

    /// The current loaders.
    #[must_use]
    pub fn loaders(&self) -> Arc<Loaders> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The loaders that are in use for an event, of its publisher and of the account that it names.
#[derive(Default)]
struct SharedLoaders([Mutex<Weak<Loaders>>; 2]);

impl SharedLoaders {
    fn of(&self, caller: &Caller, event: &Event, make: impl FnOnce() -> Arc<Loaders>) -> Arc<Loaders> {
        let Ok(viewer) = caller.viewer() else { return make() };
        let reader = viewer.account.id;
        let slot = match viewer.scope() {
            Scope::Publisher(_) if reader == event.event.publisher_id => &self.0[0],
            Scope::Managed(_) if Some(reader) == event.event.account_id => &self.0[1],
            _ => return make(),
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.upgrade().unwrap_or_else(|| {
            let made = make();
            *slot = Arc::downgrade(&made);
            made
        })
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

    /// What the viewer may read, as the current loaders read it.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN (R1, R4).
    fn snapshot(&self) -> Result<Snapshot> {
        self.viewer()?;
        self.loaders().snapshot().cloned().ok_or_else(|| bug("a viewer has no snapshot"))
    }

    /// The same for reads that only publishers have.
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

    /// Called before a mutation, which needs its own connections: to avoid deadlocks, nobody who holds one may wait for
    /// another.
    fn end_snapshot(&self) {
        self.data_of_request().end_snapshot();
    }

    /// The time that all reads of the current loaders refer to.
    fn now(&self) -> Instant {
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
