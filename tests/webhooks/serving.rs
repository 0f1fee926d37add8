//! Deliveries: in order, each until it is taken, by one server at a time (R62, R63, R66).

use std::time::Duration;

use entity::webhook_endpoint;
use futures_util::StreamExt as _;
use packwright::signing::signatures;
use packwright::webhooks::DispatchOptions;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::program::kill::until;
use crate::releases::release_log::Log;
use crate::support::rows::tables;
use crate::support::{At, Managed, TestApp, uuid_of};
use crate::webhooks::receiver::{Dispatching, Receiver, Reply};

pub(super) struct World {
    pub(super) app: TestApp,
    pub(super) acme: Managed,
    group: String,
    pack: String,
    pub(super) start: String,
    pub(super) receiver: Receiver,
}

impl World {
    pub(super) async fn new() -> Self {
        let app = TestApp::new().await;
        let acme = app.managed("Acme").await;
        let installed = app.installed_pack("Orders", &[&acme]).await;
        let group = app.group("Gold", &[&acme]).await;
        let (start, receiver) = (app.cursor(&app.publisher).await, Receiver::start().await);
        Self { app, acme, group, pack: installed.pack.id, start, receiver }
    }

    /// Lets so many times two events happen.
    pub(super) async fn happen(&self, times: usize) {
        self.app.happen(&self.group, &self.pack, times).await;
    }

    pub(super) async fn publisher_ids(&self) -> Vec<String> {
        self.app.event_ids(&self.app.publisher, &self.start, json!({})).await
    }

    pub(super) async fn endpoint(&self, more: Value) -> (String, String) {
        self.app.endpoint(&self.app.publisher, &self.receiver.url(), more).await
    }
}

#[tokio::test]
async fn r62_what_an_endpoint_was_sent_is_what_events_answers() {
    let world = World::new().await;
    let (id, secret) = world.endpoint(json!({})).await;
    let dispatching = Dispatching::of(&world.app.app);
    world.happen(3).await;
    let expected = world.publisher_ids().await;
    assert_eq!(expected.len(), 6);
    let received = world.receiver.wait_for(6).await;
    assert_eq!(world.receiver.ids(), expected);
    assert_eq!(world.receiver.most_open(), 1, "one at a time");
    for one in &received {
        let body = one.json();
        let mut names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["cursor", "data", "timestamp", "type"]);
        assert!(["pack.shared", "pack.unshared"].contains(&body.text("/type").as_str()), "{body:#}");
        assert_eq!(body.text("/timestamp"), "2026-11-22T09:00:00.000000Z");
        assert_eq!(body.text("/data/events/id"), one.id());
        assert_eq!(body.text("/data/events/cursor"), body.text("/cursor"));
        assert_eq!(body.text("/data/events/packId"), world.pack);
        assert_eq!(one.header("content-type"), "application/json");
        let timestamp: i64 = one.header("webhook-timestamp").parse().unwrap();
        assert_eq!(timestamp, world.app.now().timestamp());
        let signed = signatures([secret.as_str()], &one.id(), timestamp, one.body.as_bytes());
        assert_eq!(one.header("webhook-signature"), signed);
    }
    dispatching.end().await;
    let endpoint = world.app.read_endpoint(&world.app.publisher, &id).await;
    assert_eq!(endpoint.text("/lastDeliveredCursor"), received[5].json().text("/cursor"));
    assert_eq!((endpoint.text("/state"), endpoint.at("/waitingCount")), ("ACTIVE".into(), &json!(0)));
    let deliveries = world.app.deliveries(&world.app.publisher, &id).await;
    let newest_first: Vec<_> = deliveries.iter().map(|one| one.text("/eventId")).rev().collect();
    assert_eq!(newest_first, expected);
    for one in deliveries {
        assert_eq!((one.at("/attempt"), one.at("/status"), one.at("/failure")), (&json!(1), &json!(204), &Value::Null));
    }
}

#[tokio::test]
async fn r61_a_filter_and_a_cursor_decide_what_is_sent() {
    let world = World::new().await;
    world.happen(2).await;
    let filter = json!({ "kinds": ["PACK_UNSHARED"] });
    world.endpoint(json!({ "filter": filter, "after": world.start })).await;
    let dispatching = Dispatching::of(&world.app.app);
    world.receiver.wait_for(2).await;
    world.happen(1).await;
    world.receiver.wait_for(3).await;
    dispatching.end().await;
    let expected = world.app.event_ids(&world.app.publisher, &world.start, filter).await;
    assert_eq!(world.receiver.ids(), expected);
}

#[tokio::test]
async fn r61_a_document_gives_the_data_of_a_subscription_byte_for_byte() {
    let world = World::new().await;
    let document = "subscription { events { kind id ... on SharingEvent { packName group { name isAllAccounts } pack { id ... on IntegrationPack { revision description } } } } }";
    world.endpoint(json!({ "document": document })).await;
    let dispatching = Dispatching::of(&world.app.app);
    world.happen(2).await;
    let received = world.receiver.wait_for(4).await;
    dispatching.end().await;
    let after = document.replacen("events", "events(after: $after)", 1).replacen(
        "subscription",
        "subscription($after: String)",
        1,
    );
    let request = async_graphql::Request::new(after)
        .variables(async_graphql::Variables::from_json(json!({ "after": world.start })));
    let mut answers = world.app.app.execute_stream(Some(&world.app.publisher), request).await.unwrap();
    for one in received {
        let answer = serde_json::to_string(&answers.next().await.unwrap()).unwrap();
        assert!(answer.contains(&format!(r#""data":{}"#, one.data())), "{answer} has not {}", one.data());
        assert!(one.data().contains(r#""group":{"name":"Gold""#), "{}", one.data());
    }
}

#[tokio::test]
async fn r61_a_managed_account_is_sent_what_it_may_see() {
    let world = World::new().await;
    let start = world.app.cursor(&world.acme.token).await;
    world.app.endpoint(&world.acme.token, &world.receiver.url(), json!({})).await;
    let dispatching = Dispatching::of(&world.app.app);
    let release = world.app.update_now(&pack_of(&world).await).await;
    assert!(!release.is_empty());
    let expected = world.app.event_ids(&world.acme.token, &start, json!({})).await;
    assert!(expected.len() >= 2, "{expected:?}");
    let received = world.receiver.wait_for(expected.len()).await;
    dispatching.end().await;
    assert_eq!(world.receiver.ids(), expected);
    for one in received {
        assert!(!one.body.contains("pack_") && !one.body.contains("rel_"), "a publisher's ID: {}", one.body);
        assert!(!one.body.contains("northwind-admin"), "{}", one.body);
    }
}

/// The pack of the world with its components.
pub(super) async fn pack_of(world: &World) -> crate::support::Pack {
    let rows = world.app.rows(&world.pack).await;
    let components = rows.iter().map(|row| row.text("/component/id")).collect();
    crate::support::Pack { id: world.pack.clone(), name: "Orders".into(), components, packages: Vec::new() }
}

#[tokio::test]
async fn r61_what_is_sent_without_a_document_names_its_object() {
    let world = World::new().await;
    let kinds = json!(["ACCOUNT_SUSPENDED", "GROUP_CHANGED", "COMPONENT_PACKAGED"]);
    world.endpoint(json!({ "filter": { "kinds": kinds } })).await;
    let dispatching = Dispatching::of(&world.app.app);
    world.app.suspend(&world.acme).await;
    let group = world.app.group("Silver", &[]).await;
    let (_, package) = world.app.packaged("Export").await;
    let received = world.receiver.wait_for(3).await;
    dispatching.end().await;
    let expected = [
        ("account.suspended", "/data/events/account/id", &world.acme.id),
        ("group.changed", "/data/events/group/id", &group),
        ("component.packaged", "/data/events/version/id", &package.id),
    ];
    for (one, (kind, path, id)) in received.iter().zip(expected) {
        let body = one.json();
        assert_eq!((body.text("/type"), &body.text(path)), (kind.to_owned(), id), "{body:#}");
    }
}

#[tokio::test]
async fn r63_a_failed_attempt_is_made_again_and_nothing_overtakes_it() {
    let world = World::new().await;
    world.receiver.reply([Reply::Status(500), Reply::Status(302), Reply::Silence]);
    let (id, _) = world.endpoint(json!({})).await;
    let dispatching = Dispatching::of(&world.app.app);
    world.happen(1).await;
    let publisher = &world.app.publisher;
    let ids = world.publisher_ids().await;
    for (attempt, seconds) in [(1, 6), (2, 36), (3, 144)] {
        world.receiver.wait_for(attempt).await;
        let failing = world.app.until_state(publisher, &id, "FAILING").await;
        // It is saved a moment after the answer.
        while world.app.deliveries(publisher, &id).await.len() < attempt {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(failing.at("/nextAttemptAt").is_string(), "{failing:#}");
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(world.receiver.received().len(), attempt, "nothing is sent before its time");
        world.app.clock_only_by(seconds);
    }
    world.receiver.wait_for(5).await;
    let active = world.app.until_state(publisher, &id, "ACTIVE").await;
    assert_eq!(active.at("/nextAttemptAt"), &Value::Null);
    dispatching.end().await;
    assert_eq!(world.receiver.ids(), [&ids[0], &ids[0], &ids[0], &ids[0], &ids[1]].map(String::clone));
    let received = world.receiver.received();
    assert!(received[..4].iter().all(|one| one.body == received[0].body), "each attempt has the same body");
    let mut told = world.app.deliveries(publisher, &id).await;
    told.reverse();
    let told: Vec<_> = told
        .iter()
        .map(|one| (one.at("/attempt").clone(), one.at("/status").clone(), one.at("/failure").clone()))
        .collect();
    assert_eq!(
        told,
        [
            (json!(1), json!(500), json!("STATUS")),
            (json!(2), json!(302), json!("STATUS")),
            (json!(3), Value::Null, json!("TIMEOUT")),
            (json!(4), json!(204), Value::Null),
            (json!(1), json!(204), Value::Null),
        ]
    );
}

#[tokio::test]
async fn r63_the_log_has_the_first_failure_of_an_endpoint_and_that_it_takes_events_again() {
    let (log, _here) = Log::of_this_thread();
    let world = World::new().await;
    world.receiver.reply([Reply::Status(500), Reply::Status(500)]);
    let (id, _) = world.endpoint(json!({})).await;
    let dispatching = Dispatching::of(&world.app.app);
    world.happen(1).await;
    for (attempt, seconds) in [(1, 6), (2, 36)] {
        world.receiver.wait_for(attempt).await;
        while world.app.deliveries(&world.app.publisher, &id).await.len() < attempt {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world.app.clock_only_by(seconds);
    }
    world.receiver.wait_for(4).await;
    world.app.until_state(&world.app.publisher, &id, "ACTIVE").await;
    dispatching.end().await;
    let lines = log.take_of("a webhook endpoint");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let endpoint = format!("endpoint={id}");
    for part in ["WARN", "was not delivered", &endpoint, "account=\"pub_", "account_name=\"Northwind\"", "status=500"] {
        assert!(lines[0].contains(part), "{part}: {lines:#?}");
    }
    for part in ["INFO", "takes events again", &endpoint, "failed_attempts=2"] {
        assert!(lines[1].contains(part), "{part}: {lines:#?}");
    }
}

#[tokio::test]
async fn r63_retries_end_after_thirteen_attempts_and_the_endpoint_goes_on_where_it_stopped() {
    let world = World::new().await;
    world.receiver.otherwise(Reply::Status(503));
    let (id, _) = world.endpoint(json!({})).await;
    let dispatching = Dispatching::of(&world.app.app);
    world.happen(1).await;
    let publisher = &world.app.publisher;
    for attempt in 1..=13 {
        world.receiver.wait_for(attempt).await;
        while world.app.deliveries(publisher, &id).await.len() < attempt {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world.app.clock_only_by(29 * 3_600);
    }
    let disabled = world.app.until_state(publisher, &id, "DISABLED").await;
    assert_eq!(disabled.text("/disabledReason"), "ATTEMPTS_EXHAUSTED");
    assert_eq!(disabled.at("/waitingCount"), &json!(3), "the two, and its own end");
    assert_eq!(world.receiver.received().len(), 13);
    world.receiver.otherwise(Reply::Status(204));
    let resumed = world
        .app
        .ok(publisher, "resumeWebhookEndpoint", json!({ "endpointId": id }), "endpoint { state disabledReason }")
        .await;
    assert_eq!(resumed.at("/endpoint"), &json!({ "state": "ACTIVE", "disabledReason": null }));
    world.receiver.wait_for(16).await;
    dispatching.end().await;
    assert_eq!(world.receiver.ids()[13..], world.publisher_ids().await[..]);
}

#[tokio::test]
async fn r63_gone_disables_at_once_and_its_own_account_hears_of_it() {
    let world = World::new().await;
    world.receiver.reply([Reply::Status(410)]);
    let acme = &world.acme.token;
    let (start_of_acme, start_of_publisher) =
        (world.app.cursor(acme).await, world.app.cursor(&world.app.publisher).await);
    let (id, _) = world.app.endpoint(acme, &world.receiver.url(), json!({})).await;
    let dispatching = Dispatching::of(&world.app.app);
    world.app.update_now(&pack_of(&world).await).await;
    let disabled = world.app.until_state(acme, &id, "DISABLED").await;
    assert_eq!(disabled.text("/disabledReason"), "GONE");
    dispatching.end().await;
    assert_eq!(world.receiver.received().len(), 1);
    let query = "query($after: String) { events(first: 100, after: $after) { edges { node { kind actor { kind } ... on WebhookEvent { endpoint { id } } } } } }";
    let heard = world.app.gql(acme, query, json!({ "after": start_of_acme })).await.nodes("/events");
    let own = heard.iter().find(|event| event.text("/kind") == "WEBHOOK_DISABLED").expect("it hears of it");
    assert_eq!(own.text("/endpoint/id"), id);
    let others = world.app.gql(&world.app.publisher, query, json!({ "after": start_of_publisher })).await;
    assert!(!others.to_string().contains("WEBHOOK_DISABLED"), "{others:#}");
    let log = "{ auditLog(first: 5, filter: { actions: [\"scheduler.disableWebhookEndpoint\"] }) { edges { node { actor { kind } subjectId subjectType changes { field before after } } } } }";
    let entry = &world.app.gql(acme, log, json!(null)).await.nodes("/auditLog")[0];
    assert_eq!((entry.text("/actor/kind"), entry.text("/subjectId")), ("SCHEDULER".into(), id));
    let seen_by_publisher = &world.app.gql(&world.app.publisher, log, json!(null)).await.nodes("/auditLog")[0];
    assert_eq!(seen_by_publisher.text("/subjectType"), "ManagedAccount");
    assert!(!seen_by_publisher.to_string().contains("127.0.0.1"));
}

#[tokio::test]
async fn r63_retry_after_decides_when_the_next_attempt_is_made() {
    let world = World::new().await;
    world.receiver.reply([Reply::Headers(503, "retry-after: 7200\r\n")]);
    let (id, _) = world.endpoint(json!({})).await;
    let dispatching = Dispatching::of(&world.app.app);
    world.happen(1).await;
    let failing = world.app.until_state(&world.app.publisher, &id, "FAILING").await;
    assert_eq!(failing.text("/nextAttemptAt"), "2026-11-22T11:00:00.000000Z");
    world.app.clock_only_by(7_200);
    world.receiver.wait_for(3).await;
    dispatching.end().await;
}

#[tokio::test]
async fn r63_a_receiver_that_asks_for_quick_attempts_is_not_disabled_after_seconds() {
    let world = World::new().await;
    world.receiver.otherwise(Reply::Headers(503, "retry-after: 1\r\n"));
    let (id, _) = world.endpoint(json!({})).await;
    let dispatching = Dispatching::of(&world.app.app);
    world.happen(1).await;
    let publisher = &world.app.publisher;
    for attempt in 1..=13 {
        world.receiver.wait_for(attempt).await;
        let told = async || world.app.deliveries(publisher, &id).await.len() >= attempt;
        until("the attempt is told", told).await;
        world.app.clock_only_by(1);
    }
    let failing = world.app.read_endpoint(publisher, &id).await;
    assert_eq!(failing.text("/state"), "FAILING", "it failed for twelve seconds");
    // Twelve seconds after the first failure the pause is half a minute, more or less by a fifth.
    let next = failing.text("/nextAttemptAt");
    assert!(("2026-11-22T09:00:36".."2026-11-22T09:00:48.1").contains(&next.as_str()), "{next}");
    world.receiver.otherwise(Reply::Status(204));
    world.app.clock_only_by(36);
    world.receiver.wait_for(15).await;
    world.app.until_state(publisher, &id, "ACTIVE").await;
    dispatching.end().await;
    let mut ids = world.receiver.ids();
    ids.dedup();
    assert_eq!(ids, world.publisher_ids().await);
}

#[tokio::test]
async fn r63_a_paused_endpoint_is_sent_nothing_until_it_is_resumed() {
    let world = World::new().await;
    let (id, _) = world.endpoint(json!({})).await;
    let publisher = &world.app.publisher;
    let dispatching = Dispatching::of(&world.app.app);
    world.happen(1).await;
    world.receiver.wait_for(2).await;
    let input = json!({ "endpointId": id });
    world.app.ok(publisher, "pauseWebhookEndpoint", input.clone(), "endpoint { state }").await;
    world.happen(1).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(world.receiver.received().len(), 2);
    world.app.ok(publisher, "resumeWebhookEndpoint", input.clone(), "endpoint { state }").await;
    world.receiver.wait_for(4).await;
    assert_eq!(world.receiver.ids(), world.publisher_ids().await);
    assert_eq!(world.app.refused(publisher, "resumeWebhookEndpoint", input.clone()).await.code, "NOT_PAUSED");
    // Events are sent again after an older cursor.
    world.app.ok(publisher, "pauseWebhookEndpoint", input.clone(), "endpoint { state }").await;
    let again = json!({ "endpointId": id, "after": world.start });
    world.app.ok(publisher, "resumeWebhookEndpoint", again, "endpoint { state }").await;
    world.receiver.wait_for(8).await;
    dispatching.end().await;
    let ids = world.publisher_ids().await;
    assert_eq!(world.receiver.ids()[4..], ids[..]);
}

#[tokio::test]
async fn r63_a_place_that_is_no_longer_kept_disables_an_endpoint() {
    let world = World::new().await;
    let (id, _) = world.endpoint(json!({})).await;
    world.happen(1).await;
    let publisher = &world.app.publisher;
    world.app.half_days_to("2027-03-01T00:00:00Z").await;
    let dispatching = Dispatching::of(&world.app.app);
    let disabled = world.app.until_state(publisher, &id, "DISABLED").await;
    assert_eq!(disabled.text("/disabledReason"), "CURSOR_EXPIRED");
    let refused = world.app.refused(publisher, "resumeWebhookEndpoint", json!({ "endpointId": id })).await;
    assert_eq!(refused.code, "CURSOR_EXPIRED");
    let now = world.app.cursor(publisher).await;
    let input = json!({ "endpointId": id, "after": now });
    world.app.ok(publisher, "resumeWebhookEndpoint", input, "endpoint { state }").await;
    world.happen(1).await;
    world.receiver.wait_for(2).await;
    dispatching.end().await;
}

#[tokio::test]
async fn r04_a_suspended_account_is_sent_nothing_until_it_is_active_again() {
    let world = World::new().await;
    let start = world.app.cursor(&world.acme.token).await;
    world.app.endpoint(&world.acme.token, &world.receiver.url(), json!({})).await;
    let dispatching = Dispatching::of(&world.app.app);
    world.app.suspend(&world.acme).await;
    world.app.update_now(&pack_of(&world).await).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.receiver.received().len(), 0);
    world.app.reactivate(&world.acme).await;
    let expected = world.app.event_ids(&world.acme.token, &start, json!({})).await;
    assert!(!expected.is_empty());
    world.receiver.wait_for(expected.len()).await;
    dispatching.end().await;
    assert_eq!(world.receiver.ids()[..expected.len()], expected[..]);
}

#[tokio::test]
async fn r66_another_server_goes_on_when_one_ends_or_dies() {
    let world = World::new().await;
    world.endpoint(json!({})).await;
    let (lease, look) = (Duration::from_millis(1_500), Duration::from_millis(100));
    let options = DispatchOptions { lease, look, save_after: look, ..DispatchOptions::default() };
    let other = world.app.another_server_dispatching(options).await;
    let first = Dispatching::of(&world.app.app);
    world.happen(1).await;
    world.receiver.wait_for(2).await;
    let second = Dispatching::of(&other);
    tokio::time::sleep(Duration::from_millis(300)).await;
    first.end().await;
    world.happen(1).await;
    world.receiver.wait_for(4).await;
    assert_eq!(world.receiver.ids(), world.publisher_ids().await, "no event is sent by both");
    // A server that dies says nothing: its endpoints are taken when it hasn't been heard of for a moment.
    drop_at_once(second);
    world.happen(1).await;
    let third = Dispatching::of(&world.app.app);
    world.receiver.wait_for(6).await;
    third.end().await;
    let mut ids = world.receiver.ids();
    ids.dedup();
    assert_eq!(ids, world.publisher_ids().await);
}

/// Ends a dispatcher as a server that is killed.
fn drop_at_once(dispatching: Dispatching) {
    dispatching.kill();
}

#[tokio::test]
async fn r66_two_servers_send_each_event_once() {
    let world = World::new().await;
    let mut others = Vec::new();
    for _ in 0..4 {
        let receiver = Receiver::start().await;
        world.app.endpoint(&world.app.publisher, &receiver.url(), json!({})).await;
        others.push(receiver);
    }
    let other = world.app.another_server().await;
    let both = [Dispatching::of(&world.app.app), Dispatching::of(&other)];
    world.happen(5).await;
    for receiver in &others {
        receiver.wait_for(10).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    for one in both {
        one.end().await;
    }
    let ids = world.publisher_ids().await;
    for receiver in others {
        assert_eq!(receiver.ids(), ids);
    }
}

#[tokio::test]
async fn r66_an_endpoint_that_does_not_answer_delays_no_other() {
    let world = World::new().await;
    let silent = Receiver::start().await;
    silent.otherwise(Reply::Silence);
    for number in 0..3 {
        let name = format!("Silent {number}");
        world.app.endpoint(&world.app.publisher, &silent.url(), json!({ "name": name })).await;
    }
    world.endpoint(json!({})).await;
    let dispatching = Dispatching::of(&world.app.app);
    let began = std::time::Instant::now();
    world.happen(5).await;
    world.receiver.wait_for(10).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    dispatching.end().await;
    assert!(silent.received().len() >= 3);
}

#[tokio::test]
async fn r64_a_former_secret_signs_too_until_its_end() {
    let world = World::new().await;
    let (id, former) = world.endpoint(json!({})).await;
    let publisher = &world.app.publisher;
    let input = json!({ "endpointId": id, "overlapSeconds": 3600 });
    let rotated = world.app.ok(publisher, "rotateWebhookSecret", input, "endpoint { formerSecretUntil } secret").await;
    assert_eq!(rotated.text("/endpoint/formerSecretUntil"), "2026-11-22T10:00:00.000000Z");
    let secret = rotated.text("/secret");
    assert_ne!(secret, former);
    let dispatching = Dispatching::of(&world.app.app);
    world.happen(1).await;
    world.receiver.wait_for(2).await;
    world.app.clock_only_by(3_600);
    world.happen(1).await;
    let received = world.receiver.wait_for(4).await;
    dispatching.end().await;
    for (index, one) in received.iter().enumerate() {
        let timestamp = one.header("webhook-timestamp").parse().unwrap();
        let secrets = if index < 2 { vec![secret.as_str(), former.as_str()] } else { vec![secret.as_str()] };
        let expected = signatures(secrets, &one.id(), timestamp, one.body.as_bytes());
        assert_eq!(one.header("webhook-signature"), expected, "{index}");
    }
}

#[tokio::test]
async fn r66_a_test_is_sent_at_once_and_is_in_no_log() {
    let world = World::new().await;
    let (id, secret) = world.endpoint(json!({})).await;
    let publisher = &world.app.publisher;
    let input = json!({ "endpointId": id });
    let selection = "delivery { eventId kind attempt status failure milliseconds }";
    let sent = world.app.ok(publisher, "sendTestEvent", input.clone(), selection).await;
    assert_eq!((sent.text("/delivery/kind"), sent.at("/delivery/status")), ("WEBHOOK_TEST".into(), &json!(204)));
    let received = world.receiver.wait_for(1).await;
    assert_eq!(received[0].id(), sent.text("/delivery/eventId"));
    let body = received[0].json();
    assert_eq!((body.text("/type"), body.text("/cursor")), ("webhook.test".into(), world.start.clone()));
    let timestamp = received[0].header("webhook-timestamp").parse().unwrap();
    let signed = signatures([secret.as_str()], &received[0].id(), timestamp, received[0].body.as_bytes());
    assert_eq!(received[0].header("webhook-signature"), signed);
    assert_eq!(world.publisher_ids().await, Vec::<String>::new());
    world.receiver.reply([Reply::Status(500)]);
    let failed = world.app.ok(publisher, "sendTestEvent", input.clone(), selection).await;
    assert_eq!((failed.text("/delivery/failure"), failed.at("/delivery/status")), ("STATUS".into(), &json!(500)));
    let state = world.app.read_endpoint(publisher, &id).await.text("/state");
    assert_eq!(state, "ACTIVE", "a test that fails changes nothing");
    assert_eq!(world.app.deliveries(publisher, &id).await.len(), 2);
}

#[tokio::test]
async fn r65_attempts_are_told_for_thirty_days_page_by_page() {
    let world = World::new().await;
    let (id, _) = world.endpoint(json!({})).await;
    let dispatching = Dispatching::of(&world.app.app);
    world.happen(62).await;
    world.receiver.wait_for(124).await;
    dispatching.end().await;
    let publisher = &world.app.publisher;
    let query = "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { node(id: $id) { ... on WebhookEndpoint { deliveries(first: $first, after: $after, last: $last, before: $before) { totalCount edges { cursor node { eventId } } pageInfo { hasNextPage hasPreviousPage endCursor startCursor } } } } }";
    let page = async |variables: Value| {
        let mut variables = variables;
        variables["id"] = json!(id);
        world.app.gql(publisher, query, variables).await.at("/node/deliveries").clone()
    };
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let found = page(json!({ "first": 30, "after": after })).await;
        assert_eq!(found.at("/totalCount"), &json!(124));
        all.extend(found.list("/edges").iter().map(|edge| edge.text("/node/eventId")));
        if found.at("/pageInfo/hasNextPage") == false {
            break;
        }
        after = found.at("/pageInfo/endCursor").clone();
    }
    let (mut back, mut before) = (Vec::new(), Value::Null);
    loop {
        let found = page(json!({ "last": 45, "before": before })).await;
        let ids: Vec<_> = found.list("/edges").iter().map(|edge| edge.text("/node/eventId")).collect();
        back = [ids, back].concat();
        if found.at("/pageInfo/hasPreviousPage") == false {
            break;
        }
        before = found.at("/pageInfo/startCursor").clone();
    }
    let mut expected = world.receiver.ids();
    expected.reverse();
    assert_eq!(all, expected);
    assert_eq!(back, expected);
    world.app.clock_only_by(30 * 24 * 3_600 + 1);
    assert_eq!(page(json!({ "first": 5 })).await.at("/totalCount"), &json!(0));
}

pub(super) async fn place(app: &TestApp, id: &str) -> i64 {
    let found = webhook_endpoint::Entity::find_by_id(uuid_of(id)).one(tables(app)).await.expect("read");
    found.expect("an endpoint").place
}

#[tokio::test]
async fn an_endpoint_that_is_sent_nothing_keeps_up_with_the_log() {
    let world = World::new().await;
    let filter = json!({ "kinds": ["PACK_DELETED"] });
    let (id, _) = world.endpoint(json!({ "filter": filter })).await;
    let publisher = &world.app.publisher;
    let soon = Duration::from_millis(100);
    let options = DispatchOptions { tidy: soon, save_after: soon, ..DispatchOptions::default() };
    let server = world.app.another_server_dispatching(options).await;
    let dispatching = Dispatching::of(&server);
    let before = place(&world.app, &id).await;
    world.happen(1).await;
    // Both events lie before the saved place, and the server has read them before they are pruned.
    until("the place moves on", async || place(&world.app, &id).await >= before + 2).await;
    until("the server reads the log", async || server.hub.read_to() >= Some(before + 2)).await;
    world.app.half_days_to("2027-02-22T00:00:00Z").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(world.app.read_endpoint(publisher, &id).await.text("/state"), "ACTIVE");
    dispatching.end().await;
    let again = Dispatching::of(&server);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.app.read_endpoint(publisher, &id).await.text("/state"), "ACTIVE");
    again.end().await;
}

#[tokio::test]
async fn r66_a_server_that_ends_keeps_its_endpoints_while_an_attempt_lasts() {
    let world = World::new().await;
    world.endpoint(json!({})).await;
    // Long enough for a busy machine, on which a server that lives says so late.
    let (lease, look, last_attempts) = (Duration::from_secs(4), Duration::from_millis(100), Duration::from_secs(14));
    let options = DispatchOptions { lease, look, last_attempts, ..DispatchOptions::default() };
    let one = world.app.another_server_dispatching(options).await;
    let other = world.app.another_server_dispatching(options).await;
    let first = Dispatching::of(&one);
    world.receiver.reply([Reply::After(2 * lease)]);
    world.happen(1).await;
    world.receiver.wait_for(1).await;
    let second = Dispatching::of(&other);
    first.end().await;
    world.receiver.wait_for(2).await;
    second.end().await;
    assert_eq!(world.receiver.ids(), world.publisher_ids().await);
}

#[tokio::test]
async fn r63_another_filter_gives_the_next_event_all_of_its_attempts() {
    let world = World::new().await;
    let (id, _) = world.endpoint(json!({})).await;
    let publisher = &world.app.publisher;
    world.receiver.otherwise(Reply::Status(500));
    let dispatching = Dispatching::of(&world.app.app);
    world.happen(1).await;
    world.app.until_state(publisher, &id, "FAILING").await;
    dispatching.end().await;
    let input = json!({ "endpointId": id, "filter": { "kinds": ["PACK_UNSHARED"] } });
    world.app.ok(publisher, "updateWebhookEndpoint", input, "endpoint { id }").await;
    let endpoint = world.app.read_endpoint(publisher, &id).await;
    assert_eq!((endpoint.text("/state"), endpoint.at("/nextAttemptAt")), ("ACTIVE".into(), &Value::Null));
}
