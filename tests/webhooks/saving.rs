//! A worker that saves its progress while the stream of its events reads the next one (R66).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use packwright::domain::webhooks::Endpoint;
use packwright::events::hub::Interest;
use packwright::service::access::Viewer;
use packwright::webhooks::{DispatchOptions, Dispatcher, Item, Source, SourceEnd};
use serde_json::json;
use tokio::sync::watch;

use crate::program::kill::until;
use crate::releases::stuck::{allow, refuse};
use crate::support::TestApp;
use crate::webhooks::serving::World;

/// As long as a source takes to read an event.
const READING: Duration = Duration::from_secs(3);

/// A source that counts the events that it has read.
fn source(app: &TestApp, read: Arc<AtomicUsize>) -> Source {
    let hub = app.app.hub.clone();
    Box::new(move |viewer: Viewer, endpoint: &Endpoint| {
        let (hub, read) = (hub.clone(), read.clone());
        let (place, interest) = (endpoint.place, Interest::from(&endpoint.filter));
        let events = async move { hub.follow(viewer.scope(), Some(place), interest).await.expect("the events") };
        let item = move |event: Result<Arc<_>, _>| {
            let read = read.clone();
            async move {
                tokio::time::sleep(READING).await;
                read.fetch_add(1, Ordering::SeqCst);
                let event: Arc<packwright::events::hub::Announced> = event.map_err(|_| SourceEnd::Ended)?;
                Ok(Item { event: event.event.clone(), cursor: "a-cursor".into(), data: Some("{}".into()) })
            }
        };
        futures_util::stream::once(events).flatten().then(item).boxed()
    })
}

#[tokio::test]
async fn r66_an_event_is_read_to_its_end_though_the_progress_before_it_can_not_be_saved() {
    let world = World::new().await;
    world.endpoint(json!({})).await;
    let read = Arc::new(AtomicUsize::new(0));
    let options = DispatchOptions { save_after: READING / 30, ..DispatchOptions::default() };
    let services = world.app.app.services.clone();
    let dispatcher = Arc::new(Dispatcher::new(services, source(&world.app, read.clone()), options));
    refuse(&world.app, "no_place", "UPDATE OF place ON webhook_endpoint", "NEW.place <> OLD.place").await;
    let (end, ending) = watch::channel(false);
    let task = tokio::spawn(dispatcher.run(ending));
    world.happen(1).await;
    world.receiver.wait_for(1).await;
    until("the second event is read", async || read.load(Ordering::SeqCst) == 2).await;
    assert_eq!(world.receiver.received().len(), 1, "it is sent when the first one's place is saved");
    allow(&world.app, "no_place", "webhook_endpoint").await;
    world.receiver.wait_for(2).await;
    end.send_replace(true);
    task.await.expect("it ends");
    assert_eq!(world.receiver.ids(), world.publisher_ids().await);
}
