//! The end of what a pipeline's JWT has opened: it expires, or its trusted publisher is taken away (R70).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::accounts::authority::after_a_statement;
use crate::accounts::jwt::lets_in;
use crate::accounts::jwt_issuer::SigningKey;
use crate::accounts::pipeline_issuer::PipelineIssuer;
use crate::log::events_socket::{Socket, greeted, receive, send, serve};
use crate::support::rows::LogMark;
use crate::support::{At as _, TestApp};

const EVENTS: &str = "subscription($after: String) { events(after: $after) { kind } }";

/// An app, the JWT of a pipeline of the publisher, and the ID of the trusted publisher.
async fn world() -> (PipelineIssuer, TestApp, String, String) {
    let key = SigningKey::ed("ed");
    let issuer = PipelineIssuer::start(&[&key]).await;
    let app = issuer.app().await;
    let claims = [("repository", "acme/orders")];
    let trusted = app.trust(&app.publisher, "Deploy", &issuer.url, &claims, "STANDARD_USER").await;
    let jwt = key.jwt(&issuer.claims(&app));
    (issuer, app, jwt, trusted)
}

#[tokio::test]
async fn r70_a_subscription_ends_when_its_jwt_expires() {
    let (_issuer, app, jwt, _) = world().await;
    let after = json!({ "after": app.cursor(&jwt).await });
    let mut listener = app.subscribe(&jwt, EVENTS, after).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    while listener.next().await.text("/events/kind") != "PACK_SHARED" {}
    // After ten minutes and the leeway.
    app.clock_only("2026-11-22T09:10:30Z");
    app.release_now(&pack.id).await;
    let rest = listener.until_the_end().await;
    assert!(rest.iter().all(|item| item.pointer("/errors").is_some()), "{rest:#?}");
    assert!(!lets_in(&app, &jwt).await);
}

#[tokio::test]
async fn r70_what_a_pipeline_has_opened_ends_within_five_seconds_when_it_is_no_longer_trusted() {
    let (_issuer, app, jwt, trusted) = world().await;
    let cursor = app.cursor(&jwt).await;
    let listener = app.subscribe(&jwt, EVENTS, json!({ "after": cursor })).await;
    let mut others = app.subscribe(&app.publisher, EVENTS, json!({ "after": cursor })).await;
    let began = Instant::now();
    app.ok(&app.publisher, "deleteTrustedPublisher", json!({ "trustedPublisherId": trusted }), "").await;
    assert!(!lets_in(&app, &jwt).await, "at once");
    let rest = listener.until_the_end().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(rest.iter().all(|item| item.pointer("/errors").is_some()), "{rest:#?}");
    let pack = app.pack_with("Orders", &["Import"]).await;
    assert!(!pack.id.is_empty());
    assert_eq!(others.next().await.text("/events/kind"), "PACK_CREATED", "a token goes on");
}

#[tokio::test]
async fn r70_an_idle_socket_is_closed_when_its_jwt_expires() {
    let (_issuer, app, jwt, _) = world().await;
    let address = serve(&app).await;
    let (mut idle, mut of_token) = (greeted(address, &jwt).await, greeted(address, &app.publisher).await);
    app.clock_only("2026-11-22T09:10:30Z");
    let began = Instant::now();
    assert_eq!(receive(&mut idle).await, json!({ "closed": 4403 }));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    still_answers(&mut of_token).await;
}

#[tokio::test]
async fn r70_an_idle_socket_is_closed_when_its_pipeline_is_no_longer_trusted() {
    let (_issuer, app, jwt, trusted) = world().await;
    let address = serve(&app).await;
    let mut idle = greeted(address, &jwt).await;
    // A subscription has its own end first: its client is told why.
    let mut busy = greeted(address, &jwt).await;
    send(&mut busy, json!({ "id": "1", "type": "subscribe", "payload": { "query": EVENTS } })).await;
    let mut of_token = greeted(address, &app.publisher).await;
    still_answers(&mut of_token).await;
    app.ok(&app.publisher, "deleteTrustedPublisher", json!({ "trustedPublisherId": trusted }), "").await;
    let began = Instant::now();
    assert_eq!(receive(&mut idle).await, json!({ "closed": 4403 }));
    let told = receive(&mut busy).await;
    assert_eq!(told.text("/type"), "error", "{told:#}");
    assert_eq!(receive(&mut busy).await, json!({ "closed": 4403 }));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    still_answers(&mut of_token).await;
}

#[tokio::test]
async fn r04_an_idle_socket_is_closed_when_its_token_is_revoked() {
    let app = TestApp::new().await;
    let input = json!({ "name": "leaked", "role": "SUPPORT" });
    let made = app.ok(&app.publisher, "createApiToken", input, "secret apiToken { id }").await;
    let mut idle = greeted(serve(&app).await, &made.text("/secret")).await;
    app.ok(&app.publisher, "revokeApiToken", json!({ "tokenId": made.text("/apiToken/id") }), "").await;
    assert_eq!(receive(&mut idle).await, json!({ "closed": 4403 }));
}

async fn still_answers(socket: &mut Socket) {
    send(socket, json!({ "id": "q", "type": "subscribe", "payload": { "query": "{ viewer { account { name } } }" } }))
        .await;
    assert_eq!(receive(socket).await.text("/type"), "next");
    assert_eq!(receive(socket).await.text("/type"), "complete");
}

#[tokio::test]
async fn r70_a_pipeline_that_is_no_longer_trusted_is_shown_nothing_new() {
    let (_issuer, app, jwt, trusted) = world().await;
    let after = json!({ "after": app.cursor(&jwt).await });
    let listener = app.subscribe(&jwt, EVENTS, after).await;
    app.ok(&app.publisher, "deleteTrustedPublisher", json!({ "trustedPublisherId": trusted }), "").await;
    app.pack_with("Orders", &["Import"]).await;
    let rest = listener.until_the_end().await;
    assert!(rest.iter().all(|item| item.pointer("/errors").is_some()), "{rest:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r70_a_pipeline_that_is_no_longer_trusted_while_its_call_waits_makes_nothing() {
    let (_issuer, app, jwt, _) = world().await;
    assert!(lets_in(&app, &jwt).await);
    let mark = LogMark::now(&app).await;
    after_a_statement(&app, "\"t_lookup_key\"", "DELETE FROM trusted_publisher").await;
    let denied = app.denied(&jwt, "createComponent", json!({ "name": "Import", "type": "PROCESS" })).await;
    assert_eq!(denied, "UNAUTHENTICATED");
    assert!(mark.entries(&app).await.is_empty() && mark.events(&app).await.is_empty());
}
