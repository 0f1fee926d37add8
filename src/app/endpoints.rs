//! Connects webhook endpoints with the engine, which knows the gate and the schema.

use std::sync::{Arc, OnceLock, Weak};

use futures_util::StreamExt as _;

use crate::domain::webhooks::Endpoint;
use crate::events::hub::Hub;
use crate::graphql::{CheckDocument, EventInterest};
use crate::http::{EndpointAnswer, EndpointEnd, Engine};
use crate::service::access::Viewer;
use crate::webhooks::{Item, Source, SourceEnd};

/// The engine, once it is built, for parts that the engine owns: resolvers check documents with it, and a scrape reads its
/// numbers.
#[derive(Clone, Default)]
pub(super) struct LateEngine(Arc<OnceLock<Weak<Engine>>>);

impl LateEngine {
    pub(super) fn is(&self, engine: &Arc<Engine>) {
        // Only the first one counts.
        let _ = self.0.set(Arc::downgrade(engine));
    }

    /// The engine, from when it is built until the server ends.
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

/// Opens the streams of endpoints' events: those of subscriptions.
pub(super) fn source(engine: Arc<Engine>, hub: Arc<Hub>) -> Source {
    Box::new(move |viewer: Viewer, endpoint: &Endpoint| {
        let after = hub.sealer().seal(endpoint.account_id, endpoint.place);
        let interest = EventInterest::from(&endpoint.filter);
        let answers = engine.follow_for_endpoint(viewer, endpoint.document.as_deref(), after, interest);
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
        Err(EndpointEnd::Ended) => Err(SourceEnd::Ended),
    }
}
