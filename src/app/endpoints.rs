//! Connects webhook endpoints with the engine, which checks their documents and answers their subscriptions.

use std::sync::{Arc, OnceLock, Weak};

use futures_util::StreamExt as _;

use crate::domain::webhooks::{Endpoint, PAYLOAD_MAX};
use crate::events::hub::Hub;
use crate::graphql::{CheckDocument, EventInterest};
use crate::http::{EndpointAnswer, EndpointEnd, Engine};
use crate::service::access::Viewer;
use crate::webhooks::{Item, Source, SourceEnd};

/// The engine, for parts that the engine owns and that are built before it: resolvers check documents with it, and a
/// scrape reads its numbers.
#[derive(Clone, Default)]
pub(super) struct LateEngine(Arc<OnceLock<Weak<Engine>>>);

impl LateEngine {
    /// Sets the engine, once.
    pub(super) fn set(&self, engine: &Arc<Engine>) {
        // A second call would fail, and there is none.
        let _ = self.0.set(Arc::downgrade(engine));
    }

    /// The engine; `None` before it is built, and when the server ends.
    pub(super) fn get(&self) -> Option<Arc<Engine>> {
        self.0.get().and_then(Weak::upgrade)
    }

    /// The check of endpoints' documents.
    pub(super) fn check(&self) -> CheckDocument {
        let late = self.clone();
        CheckDocument::new(move |text| match late.get() {
            Some(engine) => engine.check_endpoint_document(text),
            None => Err("The server ends.".into()),
        })
    }
}

/// A function that opens the stream of an endpoint's events, answered as by a subscription.
pub(super) fn source(engine: Arc<Engine>, hub: Arc<Hub>) -> Source {
    Box::new(move |viewer: Viewer, endpoint: &Endpoint| {
        let after = hub.sealer().seal(endpoint.account_id, endpoint.place);
        let interest = EventInterest::from(&endpoint.filter);
        let answers = engine.follow_for_endpoint(viewer, endpoint.document.as_deref(), after, interest, PAYLOAD_MAX);
        answers.map(item).boxed()
    })
}

fn item(answer: Result<EndpointAnswer, EndpointEnd>) -> Result<Item, SourceEnd> {
    match answer {
        Ok(EndpointAnswer { advanced, data }) => {
            let event = advanced.event.ok_or(SourceEnd::Ended)?;
            Ok(Item { event: event.event.clone(), cursor: advanced.cursor, data })
        }
        Err(EndpointEnd::Expired) => Err(SourceEnd::Expired),
        Err(EndpointEnd::Refused) => Err(SourceEnd::Refused),
        Err(EndpointEnd::Ended) => Err(SourceEnd::Ended),
    }
}
