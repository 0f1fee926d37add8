//! How long events are kept, and the error for older cursors (R49).

use packwright::app::App;
use packwright::service::Settings;
use serde_json::{Value, json};

use crate::log::event_log::kinds;
use crate::support::rows::{code_of, events_after};
use crate::support::{At, Setup, TestApp};

const EVENTS: &str = "query($after: String, $before: String) { events(after: $after, before: $before, first: 100) { edges { node { kind } } } }";
const LIVE: &str = "subscription($after: String) { events(after: $after) { cursor kind } }";
const NEWER: &str =
    "subscription($after: String) { newerShareablePackaged(after: $after) { cursor version { version } } }";

/// Every field that takes a cursor, and whether managed accounts may use it.
const WAYS: [(&str, bool); 6] = [
    (EVENTS, true),
    ("query($after: String) { events(before: $after, last: 10) { edges { cursor } } }", true),
    (LIVE, true),
    ("subscription($after: String) { releaseAnnounced(after: $after) { cursor } }", true),
    ("subscription($after: String) { installationUpdated(after: $after) { cursor } }", true),
    (NEWER, false),
];

/// An app that keeps events for so many days.
async fn keeping(days: u16) -> TestApp {
    let settings = Settings { keep_events_days: days, ..Settings::default() };
    TestApp::with(Setup { settings, ..Setup::default() }).await
}

/// The first answer to a document with a cursor.
async fn answer(app: &App, token: &str, document: &str, after: &str) -> Value {
    let variables = async_graphql::Variables::from_json(json!({ "after": after }));
    let request = async_graphql::Request::new(document).variables(variables);
    let mut stream = app.execute_stream(Some(token), request).await.expect("let in");
    let patience = std::time::Duration::from_secs(20);
    let first = tokio::time::timeout(patience, futures_util::StreamExt::next(&mut stream)).await.expect("an answer");
    serde_json::to_value(first.expect("an item")).expect("JSON")
}

/// The cursor that the error CURSOR_EXPIRED suggests.
async fn oldest(app: &App, token: &str, document: &str, after: &str) -> String {
    let answer = answer(app, token, document, after).await;
    assert_eq!(code_of(&answer).as_deref(), Some("CURSOR_EXPIRED"), "{document}: {answer:#}");
    answer.text("/errors/0/extensions/oldestCursor")
}

#[tokio::test]
async fn r49_old_events_are_pruned_and_a_cursor_from_before_is_refused_with_the_oldest() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let (p, a) = (app.cursor(&app.publisher).await, app.cursor(&acme.token).await);
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.half_days_to("2026-12-22T09:00:00Z").await;
    app.update_now(&installed.pack).await;
    app.half_days_to("2027-02-20T09:00:00Z").await;
    assert_eq!(kinds(&app.events_since(&acme.token, &a, Value::Null).await)[0], "PACK_SHARED", "90 days: still there");
    app.advance_to("2027-02-20T10:00:01Z").await;
    let kept = ["RELEASE_STARTED", "INSTALLATION_UPDATED", "RELEASE_COMPLETED"];
    for (token, cursor, publisher) in [(&acme.token, &a, false), (&app.publisher, &p, true)] {
        for (document, _) in WAYS.iter().filter(|(_, managed)| *managed || publisher) {
            let oldest = oldest(&app.app, token, document, cursor).await;
            let mut left = kinds(&app.events_since(token, &oldest, Value::Null).await);
            left.retain(|kind| !["COMPONENT_PACKAGED", "NEWER_SHAREABLE_PACKAGED"].contains(&kind.as_str()));
            assert_eq!(left, kept, "nothing that is kept is missed after it");
            let live = app.subscribe(token, LIVE, json!({ "after": oldest })).await.next().await;
            let first = if publisher { "COMPONENT_PACKAGED" } else { kept[0] };
            assert_eq!(live.text("/events/kind"), first, "a stream goes on there too");
        }
    }
    let begin = app.gql(&acme.token, EVENTS, json!({})).await;
    assert_eq!(begin.texts("/events", "/kind"), kept, "without a cursor it begins where the log does");
}

#[tokio::test]
async fn r49_a_log_that_was_pruned_to_its_end_goes_on_where_it_ended() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let (p, a) = (app.cursor(&app.publisher).await, app.cursor(&acme.token).await);
    let mut live = app.subscribe(&acme.token, LIVE, json!({ "after": a })).await;
    app.half_days_to("2027-04-01T09:00:00Z").await;
    assert_eq!(events_after(&app, 0).await, Vec::new(), "all of it is old");
    assert_eq!(
        (app.cursor(&app.publisher).await, app.cursor(&acme.token).await),
        (p.clone(), a.clone()),
        "the end stays"
    );
    assert_eq!(app.events_since(&app.publisher, &p, Value::Null).await, Vec::<Value>::new());
    app.install(&globex, "Orders").await;
    app.update_now(&installed.pack).await;
    let expected = ["RELEASE_STARTED", "INSTALLATION_UPDATED", "RELEASE_COMPLETED"];
    for (token, cursor) in [(&acme.token, &a), (&globex.token, &app.cursor(&globex.token).await)] {
        let since = if token == &acme.token {
            app.events_since(token, cursor, Value::Null).await
        } else {
            app.gql(token, EVENTS, json!({})).await.nodes("/events")
        };
        let mut since = kinds(&since);
        since.retain(|kind| kind != "INSTALLATION_CREATED");
        assert_eq!(since, expected);
    }
    let received = live.collect(3).await;
    assert_eq!(received.iter().map(|item| item.text("/events/kind")).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn r49_a_subscriber_overtaken_by_pruning_gets_cursor_expired() {
    let app = keeping(1).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let cursor = app.cursor(&app.publisher).await;
    let mut slow = app.subscribe(&app.publisher, NEWER, json!({ "after": cursor })).await;
    let package = json!({ "componentId": pack.components[0], "shareable": true });
    app.ok(&app.publisher, "createPackagedComponents", json!({ "packages": vec![package.clone(); 150] }), "").await;
    assert_eq!(slow.next().await.text("/newerShareablePackaged/version/version"), "2.0");
    app.half_days_to("2026-11-24T09:00:00Z").await;
    let mut other = app.subscribe(&app.publisher, NEWER, json!({})).await;
    app.ok(&app.publisher, "createPackagedComponents", json!({ "packages": [package] }), "").await;
    // Once somebody has heard of it, the server knows that events were pruned.
    other.next().await;
    let items = slow.until_the_end().await;
    let (last, before) = items.split_last().expect("items");
    let labels: Vec<_> = before.iter().map(|item| item.text("/data/newerShareablePackaged/version/version")).collect();
    assert_eq!(labels, (3..3 + labels.len()).map(|n| format!("{n}.0")).collect::<Vec<_>>(), "no gap that isn't told");
    assert_eq!(code_of(last).as_deref(), Some("CURSOR_EXPIRED"), "{last:#}");
    let oldest = last.text("/errors/0/extensions/oldestCursor");
    let next = app.subscribe(&app.publisher, NEWER, json!({ "after": oldest })).await.next().await;
    assert_eq!(next.text("/newerShareablePackaged/version/version"), "152.0");
}

#[tokio::test]
async fn r49_more_than_a_batch_is_pruned_by_one_pass() {
    let app = keeping(1).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let package = json!({ "componentId": pack.components[0], "shareable": true });
    for _ in 0..5 {
        app.ok(&app.publisher, "createPackagedComponents", json!({ "packages": vec![package.clone(); 250] }), "").await;
    }
    assert!(events_after(&app, 0).await.len() > 1_000);
    app.half_days_to("2026-11-24T09:00:00Z").await;
    assert_eq!(events_after(&app, 0).await.len(), 0);
}

#[tokio::test]
async fn r49_two_servers_prune_one_log_together() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let old = app.cursor(&acme.token).await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let other = app.another_server().await;
    let young = app.cursor(&acme.token).await;
    let request =
        async_graphql::Request::new(LIVE).variables(async_graphql::Variables::from_json(json!({ "after": young })));
    let mut live = other.execute_stream(Some(&acme.token), request).await.expect("let in");
    app.half_days_to("2027-02-20T09:00:00Z").await;
    app.clock_only("2027-02-20T21:00:00Z");
    let (one, two) = tokio::join!(app.app.scheduler.tick(), other.scheduler.tick());
    one.and(two).expect("both tick");
    assert_eq!(events_after(&app, 0).await.len(), 0);
    for server in [&app.app, &other] {
        assert_eq!(oldest(server, &acme.token, EVENTS, &old).await, young);
        assert_eq!(oldest(server, &acme.token, LIVE, &old).await, young);
    }
    app.update_now(&installed.pack).await;
    let mut received = Vec::new();
    for _ in 0..3 {
        let patience = std::time::Duration::from_secs(20);
        let next =
            tokio::time::timeout(patience, futures_util::StreamExt::next(&mut live)).await.expect("nothing came");
        received.push(serde_json::to_value(next.expect("an item")).expect("JSON").text("/data/events/kind"));
    }
    assert_eq!(received, ["RELEASE_STARTED", "INSTALLATION_UPDATED", "RELEASE_COMPLETED"]);
}

#[tokio::test]
async fn r49_a_server_that_slept_while_another_pruned_ends_subscriptions_with_cursor_expired() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let cursor = app.cursor(&acme.token).await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let other = app.another_server().await;
    let variables = async_graphql::Variables::from_json(json!({ "after": cursor }));
    let request = async_graphql::Request::new(LIVE).variables(variables);
    let mut live = other.execute_stream(Some(&acme.token), request).await.expect("let in");
    let mut next = async || {
        let patience = std::time::Duration::from_secs(20);
        let next =
            tokio::time::timeout(patience, futures_util::StreamExt::next(&mut live)).await.expect("nothing came");
        serde_json::to_value(next.expect("an item")).expect("JSON")
    };
    assert_eq!(next().await.text("/data/events/kind"), "PACK_SHARED");
    assert_eq!(next().await.text("/data/events/kind"), "INSTALLATION_CREATED");
    app.update_now(&installed.pack).await;
    // No event has come since that the subscription could return instead.
    app.half_days_to("2027-03-01T09:00:00Z").await;
    // The server may have read the events before they were pruned. Then the subscription gets all of them.
    let ended = next().await;
    if code_of(&ended).as_deref() != Some("CURSOR_EXPIRED") {
        let kinds = [ended, next().await, next().await].map(|item| item.text("/data/events/kind"));
        assert_eq!(kinds, ["RELEASE_STARTED", "INSTALLATION_UPDATED", "RELEASE_COMPLETED"], "none is missed");
    }
}

#[tokio::test]
async fn r49_events_from_before_a_freeze_stay_readable_until_they_are_pruned() {
    let app = keeping(1).await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme]).await;
    app.half_days_to("2026-11-22T20:00:00Z").await;
    app.package_newer(&installed.pack).await;
    app.half_days_to("2026-11-23T12:00:00Z").await;
    app.release_now(&installed.pack.id).await;
    app.unshare(&installed.pack.id, &[&gold]).await;
    app.share(&installed.pack.id, &[&gold]).await;
    app.half_days_to("2026-11-23T21:00:00Z").await;
    let left = app.gql(&acme.token, EVENTS, json!({})).await.texts("/events", "/kind");
    let received =
        ["RELEASE_STARTED", "INSTALLATION_UPDATED", "RELEASE_COMPLETED", "PACK_UNSHARED", "INSTALLATION_FROZEN"];
    assert_eq!(left, [received.as_slice(), &["PACK_SHARED"]].concat());
}
