//! Receivers that take long to answer: what was taken before is saved meanwhile, and others don't wait for them.

use std::time::{Duration, Instant};

use entity::webhook_endpoint;
use packwright::outbound::OutboundOptions;
use packwright::webhooks::DispatchOptions;
use sea_orm::EntityTrait as _;
use serde_json::json;
use uuid::Uuid;

use crate::program::kill::until;
use crate::releases::stuck::{allow, refuse};
use crate::support::rows::tables;
use crate::support::{At as _, Setup, TestApp, uuid_of};
use crate::webhooks::receiver::{Dispatching, Receiver, Reply};
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
async fn r63_an_attempt_goes_on_while_what_was_taken_can_not_be_saved() {
    let world = World::new().await;
    let (id, _) = world.endpoint(json!({})).await;
    // The third event must come before the first two are saved: no further event is sent while that fails.
    let options = DispatchOptions { save_after: Duration::from_secs(4), ..DispatchOptions::default() };
    let server = world.app.another_server_dispatching(options).await;
    world.receiver.reply([Reply::Status(204), Reply::Status(204), Reply::After(Duration::from_secs(6))]);
    refuse(&world.app, "no_place", "UPDATE OF place ON webhook_endpoint", "NEW.place <> OLD.place").await;
    world.happen(2).await;
    let dispatching = Dispatching::of(&server);
    world.receiver.wait_for(3).await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    allow(&world.app, "no_place", "webhook_endpoint").await;
    until("the attempts are saved", async || world.app.deliveries(&world.app.publisher, &id).await.len() >= 3).await;
    let told = world.app.deliveries(&world.app.publisher, &id).await;
    let slowest = told.iter().map(|one| one.int("/milliseconds")).max().expect("an attempt");
    assert!((6_000..11_000).contains(&slowest), "{told:#?}");
    dispatching.kill();
}

#[tokio::test]
async fn r66_a_server_that_ends_saves_what_was_taken_and_waits_for_no_receiver_without_end() {
    let world = World::new().await;
    let (id, _) = world.endpoint(json!({})).await;
    let last_attempts = Duration::from_secs(5);
    let options = DispatchOptions { save_after: NEVER, last_attempts, ..DispatchOptions::default() };
    let server = world.app.another_server_dispatching(options).await;
    let before = place(&world.app, &id).await;
    world.receiver.reply([Reply::Status(204), Reply::Status(204), Reply::Silence]);
    let dispatching = Dispatching::of(&server);
    world.happen(2).await;
    world.receiver.wait_for(3).await;
    let asked = Instant::now();
    dispatching.end().await;
    assert!(asked.elapsed() < ATTEMPT - Duration::from_secs(2), "it ended after {:?}", asked.elapsed());
    assert_eq!(place(&world.app, &id).await, before + 2);
    let dispatching = Dispatching::of(&world.app.app);
    world.receiver.wait_for(5).await;
    dispatching.end().await;
    let ids = world.publisher_ids().await;
    assert_eq!(world.receiver.ids(), [0, 1, 2, 2, 3].map(|n: usize| ids[n].clone()), "only the one in progress again");
}

#[tokio::test]
async fn r66_receivers_that_take_events_late_delay_no_fast_one() {
    // Eight turns, of which four are for slow receivers.
    let outbound = OutboundOptions { limit: ATTEMPT, at_once: 8, ..Setup::default().outbound };
    let app = TestApp::with(Setup { outbound, ..Setup::default() }).await;
    let (slow, fast) = (Receiver::start().await, Receiver::start().await);
    slow.otherwise(Reply::After(Duration::from_millis(1_500)));
    let mut accounts = Vec::new();
    for number in 0..6 {
        accounts.push(app.managed(&format!("Account {number}")).await);
    }
    let pack = app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await.pack;
    let (quick, late) = accounts.split_first().expect("accounts");
    let started = json!({ "kinds": ["RELEASE_STARTED"] });
    for account in late {
        for name in ["One", "Two"] {
            app.endpoint(&account.token, &slow.url(), json!({ "name": name, "filter": started })).await;
        }
    }
    let kinds = json!({ "kinds": ["RELEASE_STARTED", "INSTALLATION_UPDATED", "RELEASE_COMPLETED"] });
    app.endpoint(&quick.token, &fast.url(), json!({ "filter": kinds })).await;
    let dispatching = Dispatching::of(&app.app);
    // From now on the server knows who is slow.
    app.update_now(&pack).await;
    slow.wait_for(10).await;
    let first = fast.wait_for(3).await.len();
    tokio::time::sleep(Duration::from_secs(2)).await;
    slow.otherwise(Reply::After(Duration::from_secs(12)));
    app.update_now(&pack).await;
    slow.wait_for(11).await;
    let asked = Instant::now();
    fast.wait_for(first + 3).await;
    assert!(asked.elapsed() < Duration::from_secs(8), "it waited for others: {:?}", asked.elapsed());
    assert!(slow.received().len() <= 14, "slow receivers have half of the turns");
    dispatching.kill();
}

/// How many endpoints each server serves; those that nobody serves are left out.
async fn parts(app: &TestApp) -> Vec<usize> {
    let rows = webhook_endpoint::Entity::find().all(tables(app)).await.expect("endpoints");
    let servers: Vec<Uuid> = rows.into_iter().filter_map(|row| row.server_id).collect();
    let mut distinct = servers.clone();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.into_iter().map(|one| servers.iter().filter(|server| **server == one).count()).collect()
}

#[tokio::test]
async fn r66_a_server_that_is_added_takes_its_part_of_the_endpoints() {
    let world = World::new().await;
    let mut receivers = Vec::new();
    for _ in 0..6 {
        let receiver = Receiver::start().await;
        world.app.endpoint(&world.app.publisher, &receiver.url(), json!({})).await;
        receivers.push(receiver);
    }
    let options = DispatchOptions { look: Duration::from_millis(100), ..DispatchOptions::default() };
    let (one, other) =
        (world.app.another_server_dispatching(options).await, world.app.another_server_dispatching(options).await);
    let first = Dispatching::of(&one);
    until("one server serves all", async || parts(&world.app).await == [6]).await;
    let second = Dispatching::of(&other);
    world.happen(2).await;
    until("both have the same part", async || parts(&world.app).await == [3, 3]).await;
    first.end().await;
    until("the other one takes over", async || parts(&world.app).await == [6]).await;
    world.happen(2).await;
    let ids = world.publisher_ids().await;
    for receiver in &receivers {
        receiver.wait_for(ids.len()).await;
        assert_eq!(receiver.ids(), ids, "each event once, in order");
    }
    second.end().await;
}
