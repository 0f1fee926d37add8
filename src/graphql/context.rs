//! What a request carries along, and how a resolver gets at it.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{ContextBase, Result};

use super::error::ResultExt as _;
use super::loaders::Loaders;
use super::written::Rendered;
use crate::domain::Instant;
use crate::events::hub::Hub;
use crate::graphql::log::place::Place;
use crate::scheduler::Scheduler;
use crate::service::access::{Caller, Managed, Publisher, Viewer};
use crate::service::{Services, Shared};
use crate::store::scope::Scope;

/// What is attached to each request.
pub struct RequestData {
    pub services: Shared,
    pub hub: Arc<Hub>,
    pub scheduler: Arc<Scheduler>,
    pub caller: Arc<Caller>,
    pub rendered: Arc<Rendered>,
    slot: Mutex<Arc<Loaders>>,
}

impl RequestData {
    /// For a request of `caller`, with a first set of loaders.
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

    /// A new set of loaders: what is read from now on is read anew, at a new instant and in a new state.
    pub fn renew(&self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Loaders::new(&self.services, &self.caller));
    }

    /// Gives the connection back that reads hold. What is read until the next [`RequestData::renew`] is read for
    /// itself.
    pub fn end_snapshot(&self) {
        self.loaders().db().end_snapshot();
    }

    /// The loaders at hand.
    #[must_use]
    pub fn loaders(&self) -> Arc<Loaders> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a resolver asks of its context.
pub trait ContextExt {
    fn data_of_request(&self) -> &RequestData;

    /// Where the listener is in the event log, when its transport keeps account of it.
    fn place(&self) -> Option<&Place>;

    fn services(&self) -> &Services {
        &self.data_of_request().services
    }

    fn caller(&self) -> &Caller {
        &self.data_of_request().caller
    }

    /// Who sends the request with an API token.
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

    /// What the viewer may read.
    ///
    /// # Errors
    /// UNAUTHENTICATED, FORBIDDEN (R1, R4).
    fn scope(&self) -> Result<Scope> {
        Ok(self.viewer()?.scope())
    }

    /// The loaders at hand.
    fn loaders(&self) -> Arc<Loaders> {
        self.data_of_request().loaders()
    }

    /// After a mutation, and before each event of a subscription: what follows reads what is so then.
    fn renew(&self) {
        self.data_of_request().renew();
    }

    /// Before a mutation: it needs connections of its own, and whoever holds one must not wait for another.
    fn end_snapshot(&self) {
        self.data_of_request().end_snapshot();
    }

    /// The instant that everything of this read is told at.
    fn now(&self) -> Instant {
        self.loaders().now()
    }
}

impl<T> ContextExt for ContextBase<'_, T> {
    fn data_of_request(&self) -> &RequestData {
        self.data_unchecked::<Arc<RequestData>>()
    }

    fn place(&self) -> Option<&Place> {
        self.data_opt::<Arc<Place>>().map(AsRef::as_ref)
    }
}
