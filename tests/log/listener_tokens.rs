//! The tokens of open subscriptions: whatever a subscription is shown, its token was checked before (R4).

use std::time::Duration;

use futures_util::StreamExt as _;
use packwright::service::accounts::authenticate;
use packwright::store::DatabaseKind;
use packwright::store::log::events;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::accounts::jwt::{World, claims, world};
use crate::accounts::jwt_issuer::{SigningKey, key_set};
use crate::log::listeners::is_check_of_tokens;
use crate::support::rows::{code_of, tables};
use crate::support::{At, TestApp};

/// How long to wait before a test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

const KINDS: &str = "subscription { releaseAnnounced { kind } }";

async fn revoke(app: &TestApp, admin: &str, token: &str) {
    let id = app.gql(token, "{ viewer { token { id } } }", json!({})).await.text("/viewer/token/id");
    app.ok(admin, "revokeApiToken", json!({ "tokenId": id }), "apiToken { id }").await;
}

#[tokio::test]
async fn r04_an_event_that_is_read_from_the_log_is_not_shown_to_a_token_that_was_revoked_before_it() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let token = app.token(&acme.token, "SUPPORT").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let cursor = app.cursor(&token).await;
    // The token's last check belongs to an event of another subscription.
    let document = "subscription { events(filter: { kinds: [PACK_SHARED] }) { kind } }";
    let mut other = app.subscribe(&token, document, json!({})).await;
    app.installed_pack("Invoices", &[&acme]).await;
    other.next().await;
    // The stream reads the log when it is awaited for the first time.
    let document = "subscription($after: String) { releaseAnnounced(after: $after) { kind packName } }";
    let variables = async_graphql::Variables::from_json(json!({ "after": cursor }));
    let request = async_graphql::Request::new(document).variables(variables);
    let mut behind = app.app.execute_stream(Some(&token), request).await.expect("let in");
    app.package_newer(&installed.pack).await;
    revoke(&app, &acme.token, &token).await;
    app.release_on(&installed.pack.id, "2026-12-01").await;
    let item = tokio::time::timeout(TIME_LIMIT, behind.next()).await.expect("an answer").expect("an item");
    let item = serde_json::to_value(item).expect("JSON");
    assert_eq!(code_of(&item).as_deref(), Some("UNAUTHENTICATED"), "{item}");
}

#[tokio::test]
async fn r04_tokens_are_checked_again_after_a_check_that_panicked() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let token = app.token(&acme.token, "SUPPORT").await;
    let subscription = app.subscribe(&token, KINDS, json!({})).await;
    let (panicked, mut panics) = tokio::sync::mpsc::unbounded_channel();
    let mut is_first = true;
    app.after_statements(move |sql| {
        if is_check_of_tokens(sql) && std::mem::take(&mut is_first) {
            panicked.send(()).expect("the test waits");
            panic!("as the driver does at a value that it can't hold");
        }
    });
    tokio::time::timeout(TIME_LIMIT, panics.recv()).await.expect("the tokens are checked");
    revoke(&app, &acme.token, &token).await;
    let items = subscription.until_the_end().await;
    assert_eq!(items[0].text("/errors/0/extensions/code"), "UNAUTHENTICATED");
}

#[tokio::test]
async fn r04_an_account_whose_status_is_unknown_stops_no_other_subscription() {
    let key = SigningKey::ed("ed");
    let World { app, .. } = &world(&key_set(&[&key]), |_| {}).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let of_acme = app.subscribe(&key.jwt(&claims(app, &acme.token, "SUPPORT").await), KINDS, json!({})).await;
    let mut of_globex = app.subscribe(&key.jwt(&claims(app, &globex.token, "SUPPORT").await), KINDS, json!({})).await;
    let named = "UPDATE account SET status = 'MERGED' WHERE name = 'Acme'";
    tables(app).execute_unprepared(named).await.expect("a newer status");
    app.update_on(&installed.pack, "2026-12-01").await;
    assert_eq!(of_globex.next().await.text("/releaseAnnounced/kind"), "RELEASE_SCHEDULED");
    let items = of_acme.until_the_end().await;
    assert!(code_of(&items[0]).is_some(), "{items:#?}");
}

#[tokio::test]
async fn r04_after_a_reactivation_a_token_works_though_a_refused_subscription_was_not_read() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let unread = app.subscribe(&acme.token, KINDS, json!({})).await;
    let read = app.subscribe(&acme.token, KINDS, json!({})).await;
    app.suspend(&acme).await;
    assert_eq!(read.until_the_end().await[0].text("/errors/0/extensions/code"), "FORBIDDEN");
    app.reactivate(&acme).await;
    let mut again = app.subscribe(&acme.token, KINDS, json!({})).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    assert_eq!(again.next().await.text("/releaseAnnounced/kind"), "RELEASE_SCHEDULED");
    assert_eq!(unread.until_the_end().await[0].text("/errors/0/extensions/code"), "FORBIDDEN");
}

#[tokio::test]
async fn r04_tokens_are_checked_though_others_use_all_connections() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let token = app.token(&acme.token, "SUPPORT").await;
    let subscription = app.subscribe(&token, KINDS, json!({})).await;
    // As somebody else changes the table, so that nothing of the server is needed for it.
    let named = "UPDATE api_token SET revoked_at = created_at WHERE name = 'a token of role SUPPORT'";
    let changed = tables(&app).execute_unprepared(named).await.expect("revoked");
    assert_eq!(changed.rows_affected(), 1);
    let caller = authenticate(&app.app.services, Some(&app.publisher), None).await.expect("let in");
    let db = &app.app.services.db;
    let readers = if db.kind() == DatabaseKind::Postgresql { 2 } else { 3 };
    let mut held = Vec::new();
    for _ in 0..readers {
        let snapshot = db.snapshot(caller.viewer().expect("a viewer").scope(), app.now());
        events::position(&snapshot).await.expect("read");
        held.push(snapshot);
    }
    let items = subscription.until_the_end().await;
    assert_eq!(items[0].text("/errors/0/extensions/code"), "UNAUTHENTICATED");
    drop(held);
}
