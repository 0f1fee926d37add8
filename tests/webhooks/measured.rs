//! What the metrics tell of webhooks.

use std::time::Duration;

use packwright::http::EngineOptions;
use packwright::outbound::OutboundOptions;
use serde_json::json;

use crate::metrics::scrape;
use crate::support::{At as _, Setup, TestApp};
use crate::webhooks::receiver::{Dispatching, Receiver, Reply};

fn attempts(outcome: &str) -> String {
    format!("packwright_webhook_attempt_duration_seconds_count{{outcome=\"{outcome}\"}}")
}

fn oldest(state: &str) -> String {
    format!("packwright_webhook_oldest_waiting_seconds{{state=\"{state}\"}}")
}

fn endpoints(state: &str) -> String {
    format!("packwright_webhook_endpoints{{state=\"{state}\"}}")
}

const UNSERVED: &str = "packwright_webhook_endpoints_unserved";
const ACTIVE: &str = "packwright_webhook_attempts_active";
const WAITING: &str = "packwright_webhook_attempts_waiting";
const LAGS: &str = "packwright_webhook_delivery_lag_seconds_count";

/// A publisher with an endpoint, a group and a pack.
async fn world() -> (TestApp, Receiver, String, (String, String)) {
    let outbound = OutboundOptions { limit: Duration::from_secs(3), ..Setup::default().outbound };
    let app = TestApp::with(Setup { outbound, ..Setup::default() }).await;
    let acme = app.managed("Acme").await;
    let pack = app.installed_pack("Orders", &[&acme]).await.pack.id;
    let group = app.group("Gold", &[&acme]).await;
    let receiver = Receiver::start().await;
    let (id, _) = app.endpoint(&app.publisher, &receiver.url(), json!({})).await;
    (app, receiver, id, (group, pack))
}

#[tokio::test]
async fn attempts_are_counted_by_outcome_and_the_oldest_event_that_waits_is_told() {
    let (app, receiver, id, (group, pack)) = world().await;
    let publisher = &app.publisher;
    let before = scrape(&app).await;
    assert_eq!((before.get(&endpoints("active")), before.get(UNSERVED)), (1.0, 1.0), "no server delivers yet");
    assert!(before.has(&endpoints("disabled")) && before.has(&oldest("active")), "a state without an endpoint has 0");
    receiver.reply([Reply::Status(500)]);
    let dispatching = Dispatching::of(&app.app);
    app.happen(&group, &pack, 1).await;
    app.until_state(publisher, &id, "FAILING").await;
    app.clock_only_by(3);
    let failing = scrape(&app).await;
    assert_eq!((failing.get(&attempts("status")), failing.get(&attempts("taken"))), (1.0, 0.0));
    assert_eq!((failing.get(&oldest("failing")), failing.get(&oldest("active"))), (3.0, 0.0));
    assert_eq!((failing.get(&endpoints("failing")), failing.get(UNSERVED)), (1.0, 0.0));
    assert_eq!((failing.get(ACTIVE), failing.get(WAITING), failing.get(LAGS)), (0.0, 0.0, 0.0));

    receiver.reply([Reply::Silence]);
    app.clock_only_by(4);
    receiver.wait_for(2).await;
    assert_eq!(scrape(&app).await.get(ACTIVE), 1.0);
    // It is saved a moment after it has ended.
    while app.deliveries(publisher, &id).await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(scrape(&app).await.get(&attempts("timeout")), 1.0);
    app.clock_only_by(60);
    receiver.wait_for(4).await;
    dispatching.end().await;
    let taken = scrape(&app).await;
    assert_eq!((taken.get(&attempts("taken")), taken.get(LAGS)), (2.0, 2.0));
    assert_eq!(taken.get("packwright_webhook_delivery_lag_seconds_sum"), 134.0, "67 seconds each");
    assert_eq!((taken.get(&oldest("failing")), taken.get(&oldest("active"))), (0.0, 0.0));
    assert_eq!((taken.get(&endpoints("active")), taken.get(ACTIVE), taken.get(UNSERVED)), (1.0, 0.0, 1.0));
}

#[tokio::test]
async fn endpoints_that_are_given_up_are_counted_by_the_reason() {
    let (app, receiver, id, (group, pack)) = world().await;
    receiver.reply([Reply::Status(410)]);
    let dispatching = Dispatching::of(&app.app);
    app.happen(&group, &pack, 1).await;
    app.until_state(&app.publisher, &id, "DISABLED").await;
    dispatching.end().await;
    let scrape = scrape(&app).await;
    let given_up =
        |reason: &str| scrape.get(&format!("packwright_webhook_endpoints_disabled_total{{reason=\"{reason}\"}}"));
    assert_eq!((given_up("gone"), given_up("attempts_exhausted"), given_up("cursor_expired")), (1.0, 0.0, 0.0));
    assert_eq!((scrape.get(&endpoints("disabled")), scrape.get(&endpoints("active"))), (1.0, 0.0));
    assert_eq!((scrape.get(UNSERVED), scrape.get(&oldest("active"))), (0.0, 0.0), "nobody waits for it");
}

#[tokio::test]
async fn an_attempt_that_waits_for_its_turn_is_counted() {
    let (app, receiver, _, (group, pack)) = world().await;
    let slots = app.app.services.webhooks.slots.acquire_many(64).await.unwrap();
    let dispatching = Dispatching::of(&app.app);
    app.happen(&group, &pack, 1).await;
    while scrape(&app).await.get(WAITING) < 1.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app.clock_only_by(9);
    assert_eq!(scrape(&app).await.get(&oldest("active")), 9.0);
    drop(slots);
    receiver.wait_for(2).await;
    dispatching.end().await;
    assert_eq!(scrape(&app).await.get(WAITING), 0.0);
}

#[tokio::test]
async fn r66_a_test_has_one_deadline_for_its_turn_and_the_answer() {
    // The turn may take 4.2 seconds, and all of it 12.6.
    let execution = Duration::from_secs(14);
    let setup = Setup {
        engine: EngineOptions { execution, ..Setup::default().engine },
        outbound: OutboundOptions { limit: Duration::from_secs(30), ..Setup::default().outbound },
        ..Setup::default()
    };
    let app = TestApp::with(setup).await;
    let receiver = Receiver::start().await;
    receiver.otherwise(Reply::Silence);
    let (id, _) = app.endpoint(&app.publisher, &receiver.url(), json!({})).await;
    let input = json!({ "endpointId": id });
    let selection = "delivery { failure milliseconds }";
    let slots = app.app.services.webhooks.slots.acquire_many(64).await.unwrap();
    let release = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(slots);
    };
    let began = std::time::Instant::now();
    let sent = app.ok(&app.publisher, "sendTestEvent", input.clone(), selection);
    let (sent, ()) = tokio::join!(sent, release);
    assert!(began.elapsed() < execution, "{:?}", began.elapsed());
    assert_eq!(sent.text("/delivery/failure"), "TIMEOUT");
    assert!(sent.at("/delivery/milliseconds").as_u64().unwrap() < 11_500, "it began two seconds late: {sent:#}");
    let _slots = app.app.services.webhooks.slots.acquire_many(64).await.unwrap();
    let began = std::time::Instant::now();
    let test = "mutation($input: SendTestEventInput!) { sendTestEvent(input: $input) { delivery { failure } } }";
    assert_eq!(app.error_code(Some(&app.publisher), test, json!({ "input": input })).await, "UNAVAILABLE");
    assert!(began.elapsed() < execution, "{:?}", began.elapsed());
    assert_eq!(receiver.received().len(), 1, "without a turn nothing is sent");
}
