//! Endpoints whose events or documents the server can't read: none of them stops without a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use packwright::domain::webhooks::Endpoint;
use packwright::events::hub::Interest;
use packwright::gate::Limits;
use packwright::http::EngineOptions;
use packwright::service::access::Viewer;
use packwright::webhooks::{DispatchOptions, Dispatcher, Item, Source, SourceEnd};
use serde_json::json;
use tokio::sync::watch;

use crate::program::kill::until;
use crate::support::{At as _, TestApp};
use crate::webhooks::receiver::Dispatching;
use crate::webhooks::serving::World;

fn options() -> DispatchOptions {
    let (pause, refused_for) = (Duration::from_millis(10), Duration::from_millis(200));
    DispatchOptions { pause, refused_for, ..DispatchOptions::default() }
}

#[tokio::test]
async fn r63_an_endpoint_whose_document_is_refused_is_disabled_and_goes_on_with_another_one() {
    let world = World::new().await;
    let document = "subscription { events { id kind cursor occurredAt ... on PackEvent { packName packId } } }";
    let (id, _) = world.endpoint(json!({ "document": document })).await;
    let documents = Limits { cost: 5, ..Limits::default() };
    let engine = EngineOptions { documents, ..EngineOptions::default() };
    let server = world.app.another_server_dispatching_with(engine, options()).await;
    let dispatching = Dispatching::of(&server);
    world.happen(1).await;
    let publisher = &world.app.publisher;
    let disabled = world.app.until_state(publisher, &id, "DISABLED").await;
    assert_eq!(disabled.text("/disabledReason"), "DOCUMENT_REFUSED");
    assert!(world.receiver.received().is_empty());
    let input = json!({ "endpointId": id, "document": "subscription { events { id } }" });
    world.app.ok(publisher, "updateWebhookEndpoint", input, "endpoint { id }").await;
    world.app.ok(publisher, "resumeWebhookEndpoint", json!({ "endpointId": id }), "endpoint { id }").await;
    world.receiver.wait_for(2).await;
    dispatching.end().await;
    assert_eq!(world.receiver.ids()[..2], world.publisher_ids().await[..2], "nothing is lost");
}

#[tokio::test]
async fn an_event_waits_though_its_endpoints_document_is_refused() {
    let world = World::new().await;
    let document = "subscription { events { id kind cursor occurredAt ... on PackEvent { packName packId } } }";
    let filter = json!({ "kinds": ["PACK_UNSHARED"] });
    let (id, _) = world.endpoint(json!({ "document": document, "filter": filter })).await;
    let documents = Limits { cost: 5, ..Limits::default() };
    let engine = EngineOptions { documents, ..EngineOptions::default() };
    let options = DispatchOptions { refused_for: Duration::from_secs(600), ..options() };
    let server = world.app.another_server_dispatching_with(engine, options).await;
    let dispatching = Dispatching::of(&server);
    let waiting = || server.services.webhooks.waiting.oldest(false);
    assert_eq!(waiting(), None);
    world.happen(1).await;
    let since = world.app.now();
    world.app.clock_only_by(60);
    world.happen(1).await;
    until("the older event waits", async || waiting() == Some(since)).await;
    let input = json!({ "endpointId": id, "document": "subscription { events { id } }" });
    world.app.ok(&world.app.publisher, "updateWebhookEndpoint", input, "endpoint { id }").await;
    world.receiver.wait_for(2).await;
    until("nothing waits", async || waiting().is_none()).await;
    dispatching.end().await;
}

/// A source whose events can't be read so many times.
fn source(app: &TestApp, fails: usize, opened: Arc<AtomicUsize>) -> Source {
    let hub = app.app.hub.clone();
    Box::new(move |viewer: Viewer, endpoint: &Endpoint| {
        let (hub, opened) = (hub.clone(), opened.clone());
        let (place, interest) = (endpoint.place, Interest::from(&endpoint.filter));
        let is_readable = opened.fetch_add(1, Ordering::SeqCst) >= fails;
        let events = async move { hub.follow(viewer.scope(), Some(place), interest).await.expect("the events") };
        futures_util::stream::once(events)
            .flatten()
            .map(move |event| {
                let event = event.map_err(|_| SourceEnd::Ended)?.event.clone();
                let data = is_readable.then(|| r#"{"shown":true}"#.to_owned());
                Ok(Item { event, cursor: "a-cursor".into(), data })
            })
            .boxed()
    })
}

/// The `data` of the only event that is sent, and how often the server has opened the stream for it.
async fn sent(fails: usize) -> (String, usize) {
    let world = World::new().await;
    world.endpoint(json!({ "filter": { "kinds": ["PACK_SHARED"] } })).await;
    let opened = Arc::new(AtomicUsize::new(0));
    let services = world.app.app.services.clone();
    let dispatcher = Arc::new(Dispatcher::new(services, source(&world.app, fails, opened.clone()), options()));
    let (end, ending) = watch::channel(false);
    let task = tokio::spawn(dispatcher.run(ending));
    world.happen(1).await;
    let received = world.receiver.wait_for(1).await;
    end.send_replace(true);
    task.await.expect("it ends");
    (received[0].data().to_owned(), opened.load(Ordering::SeqCst))
}

#[tokio::test]
async fn r62_an_event_that_can_never_be_read_is_sent_without_data() {
    assert_eq!(sent(usize::MAX).await, ("null".to_owned(), 6));
}

#[tokio::test]
async fn r62_an_event_that_could_not_be_read_for_a_moment_is_sent_with_data() {
    assert_eq!(sent(3).await, (r#"{"shown":true}"#.to_owned(), 4));
}
