//! `/readyz`: each reason why a server isn't ready, by its name.

use std::time::Duration;

use packwright::http::connections::ConnectionOptions;
use packwright::http::workload::WorkOptions;
use packwright::http::{EngineOptions, HttpOptions, QUIET, Shed};
use packwright::metrics::NotReadyReason;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use super::scrape;
use crate::support::rows::tables;
use crate::support::{Ask, Server, Setup, TestApp};

/// The longest wait for something that must happen. Reached only if a test fails.
const TIME_LIMIT: Duration = Duration::from_secs(60);

fn names(reasons: &[packwright::http::NotReady]) -> Vec<&'static str> {
    reasons.iter().map(|of| of.reason.name()).collect()
}

/// Waits until the server isn't ready for this reason.
async fn not_ready(app: &TestApp, reason: NotReadyReason) {
    let begun = std::time::Instant::now();
    loop {
        let reasons = app.app.not_ready().await;
        if reasons.iter().any(|of| of.reason == reason) {
            return;
        }
        assert!(begun.elapsed() < TIME_LIMIT, "{:?}", names(&reasons));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the server is ready.
async fn ready(app: &TestApp) {
    let begun = std::time::Instant::now();
    loop {
        let reasons = app.app.not_ready().await;
        if reasons.is_empty() {
            return;
        }
        assert!(begun.elapsed() < TIME_LIMIT, "{reasons:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_server_that_lacks_nothing_is_ready() {
    let app = TestApp::new().await;
    assert_eq!(app.app.not_ready().await, []);
    let server = Server::start(&app).await;
    let reply = server.send(&Ask::new("GET", "/readyz")).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "status": "ok" })));
    let scrape = scrape(&app).await;
    assert_eq!((scrape.get("packwright_ready"), scrape.get("packwright_not_ready{reason=\"load\"}")), (1.0, 0.0));
}

#[tokio::test]
async fn a_server_that_has_shed_load_is_not_ready_for_a_while() {
    let shed = Shed::default();
    let work = WorkOptions { memory_kib: 4, ..WorkOptions::default() };
    let engine = EngineOptions { work, shed: shed.clone(), ..EngineOptions::default() };
    let app = TestApp::with(Setup { engine, ..Setup::default() }).await;
    let connections = ConnectionOptions { shed: shed.clone(), max: 1, ..ConnectionOptions::default() };
    let server = Server::with(&app, HttpOptions::default(), connections).await;
    assert_eq!(app.app.not_ready().await, []);
    let _taken = server.connect().await;
    let refused = async {
        while server.send(&Ask::query("{ __typename }")).await.status != 503 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TIME_LIMIT, refused).await.expect("a connection over the limit");
    let reply = server.send(&Ask::new("GET", "/readyz")).await;
    assert_eq!(reply.status, 503);
    let body = reply.json();
    assert_eq!(body["reasons"][0]["code"], "load", "{body:#}");
    assert_eq!(body["reason"], body["reasons"][0]["message"]);
    assert_eq!(scrape(&app).await.get("packwright_not_ready{reason=\"load\"}"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn load_that_was_shed_is_forgotten_after_a_while() {
    let shed = Shed::default();
    assert!(!shed.is_recent());
    shed.refused();
    assert!(shed.is_recent() && shed.clone().is_recent());
    tokio::time::advance(QUIET).await;
    assert!(!shed.is_recent());
}

#[tokio::test]
async fn a_database_that_takes_no_writes_or_lacks_a_migration_is_named() {
    let app = TestApp::new().await;
    let db = tables(&app);
    db.execute_unprepared("ALTER TABLE seaql_migrations RENAME TO hidden_migrations").await.expect("renamed");
    let reasons = app.app.not_ready().await;
    assert!(names(&reasons).contains(&"migrations") || names(&reasons).contains(&"database"), "{reasons:?}");
    db.execute_unprepared("ALTER TABLE hidden_migrations RENAME TO seaql_migrations").await.expect("renamed");
    // What a server has found out about writes is good for a moment.
    db.execute_unprepared("ALTER TABLE event_log RENAME TO hidden_log").await.expect("renamed");
    not_ready(&app, NotReadyReason::Writes).await;
}

#[tokio::test]
async fn a_log_that_can_not_be_read_for_the_subscribers_is_named() {
    let app = TestApp::with(Setup { events_behind: Duration::from_millis(200), ..Setup::default() }).await;
    let acme = app.managed("Acme").await;
    let hear = app.subscribe(&acme.token, "subscription { releaseAnnounced { kind } }", json!(null)).await;
    // A busy machine may keep the server from its first look at the log.
    ready(&app).await;
    let db = tables(&app);
    db.execute_unprepared("ALTER TABLE log_batch RENAME TO hidden_batch").await.expect("renamed");
    not_ready(&app, NotReadyReason::EventLog).await;
    db.execute_unprepared("ALTER TABLE hidden_batch RENAME TO log_batch").await.expect("renamed");
    ready(&app).await;
    db.execute_unprepared("ALTER TABLE log_batch RENAME TO hidden_batch").await.expect("renamed");
    not_ready(&app, NotReadyReason::EventLog).await;
    drop(hear);
    // Without a subscriber nobody waits.
    ready(&app).await;
}

#[tokio::test]
async fn a_server_that_ends_is_not_ready() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    server.end.send_replace(true);
    assert_eq!(names(&app.app.not_ready().await), ["ending"]);
}
