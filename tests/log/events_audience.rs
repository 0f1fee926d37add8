//! Which accounts get which events (R33, R50), and when a subscription ends.

use serde_json::{Value, json};

use crate::support::rows::LogMark;
use crate::support::{At, Managed, TestApp};

const ANNOUNCED: &str = "subscription($after: String, $pack: ID) { releaseAnnounced(after: $after, packId: $pack) {
    id cursor kind packId packName actor { kind name } pack { id name } release { notes version { number } }
    window { date startsAt } previousWindow { date } supersededBy { version { number } } progress { total applied } } }";
const UPDATED: &str = "subscription($after: String) { installationUpdated(after: $after) {
    kind state versionNumber packName actor { kind name } installation { id } update { id state } } }";
const NEWER: &str = "subscription($after: String, $pack: ID) { newerShareablePackaged(after: $after, packId: $pack) { packName pack { id } version { version shareable } } }";
const PROGRESS: &str = "subscription($id: ID!) { releaseProgress(releaseId: $id) { cursor release { id state } progress { total applied offered percent } } }";

/// A pack that all accounts have installed. Its next release marks the end of the earlier events.
async fn fence(app: &TestApp, accounts: &[&Managed]) -> crate::support::Pack {
    app.installed_pack("Fence", accounts).await.pack
}

/// The events of `field` after `after` that `token` gets, up to the release of the fence.
async fn items_after(app: &TestApp, token: &str, document: &str, field: &str, after: &str) -> Vec<Value> {
    let mut subscription = app.subscribe(token, document, json!({ "after": after })).await;
    let mut items = Vec::new();
    loop {
        let item = subscription.next().await.at(&format!("/{field}")).clone();
        if item.text("/packName") == "Fence" {
            return items;
        }
        items.push(item);
    }
}

fn kinds(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item.text("/kind")).collect()
}

#[tokio::test]
async fn r50_a_managed_account_gets_release_events_of_installed_packs_only() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let fence = fence(&app, &[&acme, &globex]).await;
    let (a, b, p) = (app.cursor(&acme.token).await, app.cursor(&globex.token).await, app.cursor(&app.publisher).await);
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.reschedule(&release, "2026-12-02").await;
    app.update_now(&installed.pack).await;
    app.update_now(&fence).await;
    let to_publisher = items_after(&app, &app.publisher, ANNOUNCED, "releaseAnnounced", &p).await;
    let to_acme = items_after(&app, &acme.token, ANNOUNCED, "releaseAnnounced", &a).await;
    let expected =
        ["RELEASE_SCHEDULED", "RELEASE_RESCHEDULED", "RELEASE_SUPERSEDED", "RELEASE_STARTED", "RELEASE_COMPLETED"];
    assert_eq!(kinds(&to_publisher), expected);
    assert_eq!(kinds(&to_acme), expected);
    assert_eq!(items_after(&app, &globex.token, ANNOUNCED, "releaseAnnounced", &b).await, Vec::<Value>::new());
    let available = app.available(&acme, "Orders").await;
    for item in &to_acme {
        assert_eq!(item.at("/actor"), &Value::Null, "it wasn't one of its own tokens");
        assert_eq!(item.at("/progress"), &Value::Null, "tells nothing of other accounts");
        assert_eq!(
            (item.text("/packId"), item.text("/pack/id")),
            (available.clone(), available.clone()),
            "its own view of the pack"
        );
    }
    for item in &to_publisher {
        assert_eq!(
            (item.text("/actor/kind"), item.text("/packId")),
            (
                if item.text("/kind") == "RELEASE_COMPLETED" { "SCHEDULER" } else { "API_TOKEN" }.into(),
                installed.pack.id.clone()
            )
        );
    }
    assert_eq!(to_publisher[4].at("/progress"), &json!({ "total": 1, "applied": 1 }));
    for items in [&to_acme, &to_publisher] {
        assert_eq!(
            items[0].at("/window"),
            &json!({ "date": "2026-12-01", "startsAt": "2026-11-30T23:00:00.000000Z" }),
            "as it was then"
        );
        assert_eq!(
            (items[1].text("/previousWindow/date"), items[1].text("/window/date")),
            ("2026-12-01".into(), "2026-12-02".into())
        );
        assert_eq!(items[2].int("/supersededBy/version/number"), 3);
    }
}

#[tokio::test]
async fn r33_an_announcement_brings_the_release_notes() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let cursor = app.cursor(&acme.token).await;
    app.package_newer(&installed.pack).await;
    let notes = "## Faster\n\n*Twice* as fast.";
    let input = json!({ "packId": installed.pack.id, "schedule": { "onDate": "2026-12-01" }, "notes": notes });
    app.ok(&app.publisher, "releaseIntegrationPack", input, "release { id }").await;
    let mut subscription = app.subscribe(&acme.token, ANNOUNCED, json!({ "after": cursor })).await;
    assert_eq!(subscription.next().await.text("/releaseAnnounced/release/notes"), notes);
}

#[tokio::test]
async fn r50_an_account_gets_a_packs_events_from_installing_to_uninstalling() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.installed_pack("Orders", &[]).await.pack;
    let fence = fence(&app, &[&acme]).await;
    let cursor = app.cursor(&acme.token).await;
    app.update_now(&pack).await;
    let installation = app.install(&acme, "Orders").await;
    app.update_now(&pack).await;
    app.uninstall(&acme, &installation).await;
    app.update_now(&pack).await;
    app.update_now(&fence).await;
    let items = items_after(&app, &acme.token, ANNOUNCED, "releaseAnnounced", &cursor).await;
    let numbers: Vec<_> = items.iter().map(|item| item.text("/kind")).collect();
    assert_eq!(numbers, ["RELEASE_STARTED", "RELEASE_COMPLETED"], "of the second of three releases");
}

#[tokio::test]
async fn r50_announcements_can_be_narrowed_to_one_pack() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let (one, other) = (app.installed_pack("One", &[&acme]).await, app.installed_pack("Other", &[&acme]).await);
    let available = app.available(&acme, "One").await;
    let (p, a) = (app.cursor(&app.publisher).await, app.cursor(&acme.token).await);
    app.update_now(&other.pack).await;
    app.update_now(&one.pack).await;
    for (token, after, pack) in [(&app.publisher, p, &one.pack.id), (&acme.token, a, &available)] {
        let mut subscription = app.subscribe(token, ANNOUNCED, json!({ "after": after, "pack": pack })).await;
        assert_eq!(subscription.next().await.text("/releaseAnnounced/packName"), "One");
    }
}

#[tokio::test]
async fn r50_the_account_and_the_publisher_get_an_event_for_each_change_of_an_update() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&acme, &globex]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme, &globex]).await;
    let fence = fence(&app, &[&acme, &globex]).await;
    app.tick().await;
    let (a, p) = (app.cursor(&acme.token).await, app.cursor(&app.publisher).await);
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.apply(&acme, &installed.installations[0]).await;
    app.cancel(&release).await;
    app.update_now(&installed.pack).await;
    app.unshare(&installed.pack.id, &[&gold]).await;
    app.tick().await;
    app.update_now(&fence).await;
    let to_acme = items_after(&app, &acme.token, UPDATED, "installationUpdated", &a).await;
    let story: Vec<_> = to_acme
        .iter()
        .map(|item| (item.text("/kind"), item.at("/state").clone(), item.int("/versionNumber")))
        .collect();
    let row = |kind: &str, state: Value, version: i64| (kind.to_owned(), state, version);
    let expected = [
        row("UPDATE_OFFERED", json!("OFFERED"), 1),
        row("INSTALLATION_UPDATED", json!("APPLIED"), 2),
        row("INSTALLATION_UPDATED", json!("WITHDRAWN"), 1),
        row("INSTALLATION_UPDATED", json!("APPLIED"), 3),
        row("INSTALLATION_FROZEN", Value::Null, 3),
    ];
    assert_eq!(story, expected);
    assert!(
        to_acme.iter().all(|item| item.text("/installation/id") == installed.installations[0]),
        "its own alone: {to_acme:#?}"
    );
    assert_eq!(to_acme[1].text("/actor/name"), "first", "its own token did it");
    assert_eq!(to_acme[3].at("/actor"), &Value::Null);
    assert_eq!(to_acme[4].at("/update"), &Value::Null, "freezing is no update");
    let to_publisher = items_after(&app, &app.publisher, UPDATED, "installationUpdated", &p).await;
    let of_acme =
        to_publisher.iter().filter(|item| item.text("/installation/id") == installed.installations[0]).count();
    // Globex applied nothing early: its events are offered, withdrawn, applied, frozen.
    assert_eq!((of_acme, to_publisher.len()), (5, 9));
}

#[tokio::test]
async fn r50_the_publisher_gets_an_event_of_a_newer_version_for_each_pack_that_has_the_component() {
    let app = TestApp::new().await;
    let (component, _) = app.packaged("Import").await;
    let mut packs = Vec::new();
    for name in ["One", "Other"] {
        let pack = app.pack(name).await;
        app.add(&pack, &[&component]).await;
        app.release_now(&pack).await;
        packs.push(pack);
    }
    let cursor = app.cursor(&app.publisher).await;
    app.package_not_shareable(&component).await;
    let newer = app.package(&component).await;
    let items = app.subscribe(&app.publisher, NEWER, json!({ "after": cursor })).await.collect(2).await;
    let mut names: Vec<_> = items.iter().map(|item| item.text("/newerShareablePackaged/packName")).collect();
    names.sort();
    assert_eq!(names, ["One", "Other"]);
    for item in &items {
        assert_eq!(item.at("/newerShareablePackaged/version"), &json!({ "version": newer.version, "shareable": true }));
    }
    let mut narrowed = app.subscribe(&app.publisher, NEWER, json!({ "after": cursor, "pack": packs[1] })).await;
    assert_eq!(narrowed.next().await.text("/newerShareablePackaged/pack/id"), packs[1]);
}

#[tokio::test]
async fn r25_progress_is_sent_from_the_current_state_to_the_end() {
    let app = TestApp::in_batches_of(3).await;
    let acme = app.managed("Acme").await;
    let pack = app.installed_times("Orders", &acme, 10).await.pack;
    let release = app.update_now(&pack).await;
    let mut subscription = app.subscribe(&app.publisher, PROGRESS, json!({ "id": release })).await;
    let first = subscription.next().await;
    let progress = json!({ "total": 10, "applied": 3, "offered": 7, "percent": 30.0 });
    assert_eq!(
        (first.at("/releaseProgress/progress"), first.text("/releaseProgress/release/state")),
        (&progress, "IN_PROGRESS".into())
    );
    app.advance_by(5).await;
    let items = subscription.until_the_end().await;
    let applied: Vec<_> = items.iter().map(|item| item.int("/data/releaseProgress/progress/applied")).collect();
    assert!(applied.is_sorted() && applied.last() == Some(&10), "{applied:?}");
    assert_eq!(items.last().expect("an item").text("/data/releaseProgress/release/state"), "SUCCEEDED");
    let over = app.subscribe(&app.publisher, PROGRESS, json!({ "id": release })).await.until_the_end().await;
    assert_eq!(over.len(), 1, "where it stands now, and it has ended: {over:#?}");
    assert_eq!(over[0].int("/data/releaseProgress/progress/applied"), 10);
}

#[tokio::test]
async fn r25_progress_of_a_pending_release_ends_with_its_cancel() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    let mut subscription = app.subscribe(&app.publisher, PROGRESS, json!({ "id": release })).await;
    assert_eq!(subscription.next().await.text("/releaseProgress/release/state"), "SCHEDULED");
    app.cancel(&release).await;
    let items = subscription.until_the_end().await;
    assert_eq!(items.last().expect("an item").text("/data/releaseProgress/release/state"), "CANCELED");
}

/// Fails unless the subscription ends without another item, apart from an error with the reason.
async fn ends(mut subscription: crate::support::Subscription) {
    while let Some(item) = subscription.next_raw().await {
        let code = item.pointer("/errors/0/extensions/code").and_then(Value::as_str);
        assert!(matches!(code, Some("UNAUTHENTICATED" | "FORBIDDEN")), "{item:#}");
    }
}

#[tokio::test]
async fn r49_a_subscription_ends_when_its_token_is_revoked() {
    let app = TestApp::new().await;
    let made = app
        .ok(
            &app.publisher,
            "createApiToken",
            json!({ "name": "listener", "role": "SUPPORT" }),
            "apiToken { id } secret",
        )
        .await;
    let (id, secret) = (made.text("/apiToken/id"), made.text("/secret"));
    let pack = app.pack_with("Orders", &["Import"]).await;
    let cursor = app.cursor(&secret).await;
    app.release_now(&pack.id).await;
    let mut subscription = app.subscribe(&secret, ANNOUNCED, json!({ "after": cursor })).await;
    subscription.collect(2).await;
    app.ok(&app.publisher, "revokeApiToken", json!({ "tokenId": id }), "apiToken { id }").await;
    app.update_now(&pack).await;
    ends(subscription).await;
}

#[tokio::test]
async fn r49_a_subscription_ends_when_its_account_is_suspended_or_its_token_expires() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let input = json!({ "name": "for an hour", "role": "SUPPORT", "expiresAt": "2026-11-22T10:00:00.000000Z" });
    let expiring = app.ok(&acme.token, "createApiToken", input, "secret").await.text("/secret");
    let cursor = app.cursor(&acme.token).await;
    app.update_now(&installed.pack).await;
    let mut subscription = app.subscribe(&expiring, ANNOUNCED, json!({ "after": cursor })).await;
    subscription.collect(2).await;
    app.clock_only("2026-11-22T10:00:00Z");
    app.update_now(&installed.pack).await;
    ends(subscription).await;
    let mut subscription = app.subscribe(&acme.token, ANNOUNCED, json!({ "after": cursor })).await;
    subscription.collect(4).await;
    app.suspend(&acme).await;
    app.update_now(&installed.pack).await;
    ends(subscription).await;
}

#[tokio::test]
async fn r50_only_the_publisher_gets_the_event_of_an_installation_skipped_without_a_grant() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme]).await;
    let fence = fence(&app, &[&acme]).await;
    app.unshare(&installed.pack.id, &[&gold]).await;
    app.tick().await;
    let (a, p) = (app.cursor(&acme.token).await, app.cursor(&app.publisher).await);
    let mark = LogMark::now(&app).await;
    app.update_now(&installed.pack).await;
    app.update_now(&fence).await;
    assert_eq!(items_after(&app, &acme.token, UPDATED, "installationUpdated", &a).await, Vec::<Value>::new());
    let received = items_after(&app, &app.publisher, UPDATED, "installationUpdated", &p).await;
    assert_eq!(received.iter().map(|item| item.text("/state")).collect::<Vec<_>>(), ["SKIPPED"]);
    assert_eq!(mark.events(&app).await.iter().filter(|e| e.update_state.as_deref() == Some("SKIPPED")).count(), 1);
}
