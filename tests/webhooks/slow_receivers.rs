//! Receivers that take long to answer: what was taken before is saved meanwhile, and others don't wait for them.

use std::time::{Duration, Instant};

use entity::webhook_endpoint;
use packwright::webhooks::DispatchOptions;
use sea_orm::EntityTrait as _;
use serde_json::json;

use crate::program::kill::until;
use crate::support::rows::tables;
use crate::support::{TestApp, uuid_of};
use crate::webhooks::receiver::{Dispatching, Reply};
use crate::webhooks::serving::World;

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(600);
/// As long as an attempt may take.
const ATTEMPT: Duration = Duration::from_secs(15);

async fn place(app: &TestApp, id: &str) -> i64 {
    let found = webhook_endpoint::Entity::find_by_id(uuid_of(id)).one(tables(app)).await.expect("read");
    found.expect("an endpoint").place
}

#[tokio::test]
async fn r63_what_was_taken_is_saved_while_the_next_attempt_lasts() {
    let world = World::new().await;
    let (id, _) = world.endpoint(json!({})).await;
    let options = DispatchOptions { save_after: Duration::from_millis(100), ..DispatchOptions::default() };
    let server = world.app.another_server_dispatching(options).await;
    let before = place(&world.app, &id).await;
    world.receiver.reply([Reply::Status(204), Reply::Status(204), Reply::Silence]);
    let dispatching = Dispatching::of(&server);
    world.happen(2).await;
    world.receiver.wait_for(3).await;
    let asked = Instant::now();
    until("the place is saved", async || place(&world.app, &id).await == before + 2).await;
    assert!(asked.elapsed() < ATTEMPT, "not before the attempt ended: {:?}", asked.elapsed());
    dispatching.kill();
}

#[tokio::test]
async fn r66_a_server_that_ends_saves_what_was_taken_and_waits_for_no_receiver_without_end() {
    let world = World::new().await;
    let (id, _) = world.endpoint(json!({})).await;
    let last_attempts = Duration::from_millis(500);
    let options = DispatchOptions { save_after: NEVER, last_attempts, ..DispatchOptions::default() };
    let server = world.app.another_server_dispatching(options).await;
    let before = place(&world.app, &id).await;
    world.receiver.reply([Reply::Status(204), Reply::Status(204), Reply::Silence]);
    let dispatching = Dispatching::of(&server);
    world.happen(2).await;
    world.receiver.wait_for(3).await;
    let asked = Instant::now();
    dispatching.end().await;
    assert!(asked.elapsed() < ATTEMPT / 2, "it ended after {:?}", asked.elapsed());
    assert_eq!(place(&world.app, &id).await, before + 2);
    let dispatching = Dispatching::of(&world.app.app);
    world.receiver.wait_for(5).await;
    dispatching.end().await;
    let ids = world.publisher_ids().await;
    assert_eq!(world.receiver.ids(), [0, 1, 2, 2, 3].map(|n: usize| ids[n].clone()), "only the one in progress again");
}
