//! What one task has taken of an endpoint, and how another one goes on (R62, R63, R66).

use std::time::Duration;

use entity::{webhook_endpoint, webhook_server};
use packwright::app::App;
use packwright::webhooks::DispatchOptions;
use sea_orm::{ActiveValue::Set, DatabaseBackend, EntityTrait as _};
use serde_json::json;

use crate::log::unexpected_events::lose;
use crate::program::kill::until;
use crate::support::rows::tables;
use crate::support::{At as _, uuid_of};
use crate::webhooks::receiver::{Dispatching, Receiver, Reply};
use crate::webhooks::serving::{World, pack_of, place};

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

#[tokio::test]
async fn r66_the_work_for_a_deleted_endpoint_ends() {
    let world = World::new().await;
    let failing = Receiver::start().await;
    failing.otherwise(Reply::Status(500));
    let publisher = &world.app.publisher;
    let (failing_id, _) = world.app.endpoint(publisher, &failing.url(), json!({})).await;
    let mut ids = vec![failing_id.clone()];
    for number in 0..3 {
        let input = json!({ "name": format!("Quiet {number}"), "filter": { "kinds": ["PACK_DELETED"] } });
        ids.push(world.endpoint(input).await.0);
    }
    let server = server(&world, LOOK).await;
    let dispatching = Dispatching::of(&server);
    until("all endpoints are served", async || server.hub.followers() == 4).await;
    world.happen(1).await;
    world.app.until_state(publisher, &failing_id, "FAILING").await;
    let waits = || server.services.webhooks.waiting.oldest(true).is_some();
    until("an event waits for its next attempt", async || waits()).await;
    for id in ids {
        world.app.ok(publisher, "deleteWebhookEndpoint", json!({ "endpointId": id }), "deletedEndpointId").await;
    }
    until("nothing listens for the endpoints", async || server.hub.followers() == 0).await;
    assert!(!waits(), "a deleted endpoint waits for nothing");
    dispatching.end().await;
}

#[tokio::test]
async fn r63_an_attempt_that_failed_while_the_clock_was_ahead_is_made_again_when_it_is_right() {
    let world = World::new().await;
    world.receiver.reply([Reply::Status(500)]);
    let (id, _) = world.endpoint(json!({})).await;
    let server = server(&world, LOOK).await;
    let right = world.app.now();
    server.services.clock.set_to(right + chrono::Duration::hours(20));
    let dispatching = Dispatching::of(&server);
    world.happen(1).await;
    let failing = world.app.until_state(&world.app.publisher, &id, "FAILING").await;
    assert!(failing.text("/nextAttemptAt").as_str() > "2026-11-23T05:00:00", "{failing:#}");
    server.services.clock.set_to(right);
    world.receiver.wait_for(3).await;
    dispatching.end().await;
    let ids = world.publisher_ids().await;
    assert_eq!(world.receiver.ids(), [&ids[0], &ids[0], &ids[1]].map(String::clone));
}

/// On SQLite there is one server, and one writer.
#[tokio::test]
async fn r66_a_server_whose_connections_are_all_in_use_keeps_its_endpoints() {
    let world = World::new().await;
    if tables(&world.app).get_database_backend() == DatabaseBackend::Sqlite {
        return;
    }
    world.endpoint(json!({})).await;
    let lease = Duration::from_secs(4);
    let options = DispatchOptions { look: LOOK, lease, ..DispatchOptions::default() };
    let one = world.app.another_server_dispatching(options).await;
    let other = world.app.another_server_dispatching(options).await;
    let first = Dispatching::of(&one);
    world.receiver.reply([Reply::After(3 * lease)]);
    world.happen(1).await;
    world.receiver.wait_for(1).await;
    let mut held = Vec::new();
    for _ in 0..one.services.db.writers() {
        held.push(one.services.db.begin().await.expect("a transaction"));
    }
    let second = Dispatching::of(&other);
    tokio::time::sleep(2 * lease).await;
    assert_eq!(world.receiver.ids().len(), 1, "the other server sends nothing while the first one's attempt lasts");
    drop(held);
    world.receiver.wait_for(2).await;
    first.end().await;
    second.end().await;
    assert_eq!(world.receiver.ids(), world.publisher_ids().await);
}

#[tokio::test]
async fn r62_a_server_leaves_endpoints_to_one_that_may_know_more_kinds_of_events() {
    let world = World::new().await;
    let (id, _) = world.endpoint(json!({})).await;
    let dispatching = Dispatching::of(&server(&world, LOOK).await);
    world.happen(1).await;
    world.receiver.wait_for(2).await;
    // A server of a newer version has begun. It may write events between the following ones that only it can read.
    let rows = tables(&world.app);
    let servers = webhook_server::Entity::find().all(rows).await.expect("servers");
    let newer = webhook_server::ActiveModel {
        id: Set(uuid_of(&id)),
        alive_until: Set(servers[0].alive_until + 50.0),
        takes_until: Set(servers[0].alive_until + 50.0),
        vocabulary: Set(servers[0].vocabulary + 1),
        ends: Set(false),
    };
    webhook_server::Entity::insert(newer).exec_without_returning(rows).await.expect("a row");
    world.happen(1).await;
    let of_endpoint = async || {
        let found = webhook_endpoint::Entity::find_by_id(uuid_of(&id)).one(rows).await.expect("read");
        found.expect("an endpoint").server_id
    };
    until("the endpoint is given back", async || of_endpoint().await.is_none()).await;
    tokio::time::sleep(5 * LOOK).await;
    assert_eq!(of_endpoint().await, None, "it isn't taken again");
    assert_eq!(world.receiver.ids().len(), 2, "nothing is sent past an event that this server may not know");
    webhook_server::Entity::delete_by_id(uuid_of(&id)).exec(rows).await.expect("the newer server has ended");
    world.receiver.wait_for(4).await;
    dispatching.end().await;
    assert_eq!(world.receiver.ids(), world.publisher_ids().await);
}

#[tokio::test]
async fn r63_a_quiet_endpoint_survives_a_failover_though_its_beginning_is_no_longer_kept() {
    let world = World::new().await;
    let acme = &world.acme.token;
    let quiet = json!({ "filter": { "kinds": ["PACK_DELETED"] } });
    let (id, _) = world.app.endpoint(acme, &world.receiver.url(), quiet).await;
    let options = DispatchOptions { look: LOOK, save_after: LOOK, tidy: LOOK, ..DispatchOptions::default() };
    let server = world.app.another_server_dispatching(options).await;
    let dispatching = Dispatching::of(&server);
    until("the endpoint is served", async || server.hub.followers() == 1).await;
    let began_at = place(&world.app, &id).await;
    world.app.update_now(&pack_of(&world).await).await;
    until("the place moves on", async || place(&world.app, &id).await > began_at).await;
    world.app.tick().await;
    tokio::time::sleep(5 * LOOK).await;
    // The events up to the place are pruned, and then an event is lost that the account never saw.
    world.app.half_days_to("2027-02-22T00:00:00Z").await;
    let end = server.hub.read_to().expect("a follower");
    world.happen(1).await;
    until("the server has read the log", async || server.hub.read_to() >= Some(end + 2)).await;
    lose(&world.app, 1).await;
    world.happen(2).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.app.read_endpoint(acme, &id).await.text("/state"), "ACTIVE");
    dispatching.end().await;
}
