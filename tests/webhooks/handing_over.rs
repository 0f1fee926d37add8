//! What one task has taken of an endpoint, and how another one goes on (R62, R63, R66).

use std::time::Duration;

use packwright::app::App;
use packwright::webhooks::DispatchOptions;
use serde_json::json;

use crate::webhooks::receiver::{Dispatching, Reply};
use crate::webhooks::serving::World;

const LOOK: Duration = Duration::from_millis(100);
/// Longer than any test: taken events are saved when something else makes the server save them.
const NEVER: Duration = Duration::from_secs(600);

async fn server(world: &World, save_after: Duration) -> App {
    let options = DispatchOptions { look: LOOK, save_after, ..DispatchOptions::default() };
    world.app.another_server_dispatching(options).await
}

#[tokio::test]
async fn r63_events_are_sent_again_though_an_earlier_attempt_ends_afterwards() {
    let world = World::new().await;
    let (id, _) = world.endpoint(json!({})).await;
    let dispatching = Dispatching::of(&server(&world, NEVER).await);
    let taken = Reply::Status(204);
    world.receiver.reply([taken.clone(), taken.clone(), taken, Reply::After(Duration::from_secs(2))]);
    world.happen(2).await;
    world.receiver.wait_for(4).await;
    // Three events were taken, and nothing is saved yet: the place is still where the endpoint began.
    let publisher = &world.app.publisher;
    world.app.ok(publisher, "pauseWebhookEndpoint", json!({ "endpointId": id }), "endpoint { id }").await;
    let input = json!({ "endpointId": id, "after": world.start });
    world.app.ok(publisher, "resumeWebhookEndpoint", input, "endpoint { id }").await;
    world.receiver.wait_for(8).await;
    dispatching.end().await;
    let ids = world.publisher_ids().await;
    assert_eq!(world.receiver.ids(), [&ids[..], &ids[..]].concat());
    assert_eq!(world.app.deliveries(publisher, &id).await.len(), 8, "each attempt is told of");
}
