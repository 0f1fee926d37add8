//! Refused releases (R21), the content of a release (R22), and first releases (R23, R24).

use serde_json::json;

use crate::support::rows::LogMark;
use crate::support::{At as _, NOTES, TestApp, immediately, on_date};

#[tokio::test]
async fn r21_an_empty_pack_is_not_released() {
    let app = TestApp::new().await;
    let pack = app.pack("Orders").await;
    for input in [immediately(&pack), on_date(&pack, "2026-12-01")] {
        assert_eq!(app.refused(&app.publisher, "releaseIntegrationPack", input).await.code, "EMPTY_PACK");
    }
}

#[tokio::test]
async fn r21_a_pack_whose_rows_are_all_marked_is_empty() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    app.remove(&pack.id, &pack.components[0]).await;
    assert_eq!(app.refused(&app.publisher, "releaseIntegrationPack", immediately(&pack.id)).await.code, "EMPTY_PACK");
}

#[tokio::test]
async fn r21_the_current_content_is_not_released_again() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    for input in [immediately(&pack.id), on_date(&pack.id, "2026-12-01")] {
        assert_eq!(app.refused(&app.publisher, "releaseIntegrationPack", input).await.code, "NOTHING_TO_RELEASE");
    }
    app.package_newer(&pack).await;
    app.pin(&pack.id, &pack.components[0], &pack.packages[0].id).await;
    assert_eq!(
        app.refused(&app.publisher, "releaseIntegrationPack", immediately(&pack.id)).await.code,
        "NOTHING_TO_RELEASE"
    );
}

#[tokio::test]
async fn r21_unreleased_changes_are_relative_to_pending_else_current() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let changes = async || app.read_pack(&pack.id, "hasUnreleasedChanges").await.at("/hasUnreleasedChanges") == true;
    assert!(changes().await);
    app.release_now(&pack.id).await;
    assert!(!changes().await);
    app.package_newer(&pack).await;
    assert!(changes().await);
    let release = app.release_on(&pack.id, "2026-12-01").await;
    assert!(!changes().await, "the same as pending");
    app.pin(&pack.id, &pack.components[0], &pack.packages[0].id).await;
    assert!(changes().await, "the same as current is not the same as pending");
    app.cancel(&release).await;
    assert!(!changes().await, "now it is current that counts");
}

#[tokio::test]
async fn r22_a_release_freezes_the_draft() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    let frozen = "version { number contents { key name version } components { inThisContent { id version } } }";
    let before = app.read_release(&release, frozen).await;
    app.package_newer(&pack).await;
    app.remove(&pack.id, &pack.components[1]).await;
    let (late, _) = app.packaged("Late").await;
    app.add(&pack.id, &[&late]).await;
    assert_eq!(app.read_release(&release, frozen).await, before);
    app.advance_to("2026-11-30T23:00:00Z").await;
    assert_eq!(app.read_release(&release, frozen).await, before);
    let current = app.read_pack(&pack.id, "currentVersion { contents { name version } } hasUnreleasedChanges").await;
    let expected = json!([{ "name": "Export", "version": "1.0" }, { "name": "Import", "version": "1.0" }]);
    assert_eq!(current.at("/currentVersion/contents"), &expected);
    assert_eq!(current.at("/hasUnreleasedChanges"), true);
}

#[tokio::test]
async fn r22_versions_are_numbered_one_by_one() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let first = app.release_now(&pack.id).await;
    let second = app.update_now(&pack).await;
    let third = app.update_now(&pack).await;
    let read = app
        .read_pack(
            &pack.id,
            "versions(first: 10) { edges { node { number release { id } } } } version(number: 4) { id }",
        )
        .await;
    let made: Vec<_> = read.nodes("/versions").iter().map(|v| (v.int("/number"), v.text("/release/id"))).collect();
    assert_eq!(made, [(3, third), (2, second), (1, first)], "newest first");
    assert!(read.at("/version").is_null());
}

#[tokio::test]
async fn r22_a_version_says_what_it_changed() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export", "Same"]).await;
    let first = app.release_now(&pack.id).await;
    app.package_newer(&pack).await;
    app.remove(&pack.id, &pack.components[1]).await;
    let (new, _) = app.packaged("New").await;
    app.add(&pack.id, &[&new]).await;
    let second = app.release_now(&pack.id).await;
    let selection = "diff { fromNumber toNumber added { name version } removed { name version } unchangedCount
        changed { isDowngrade from { name version } to { version } } } previousVersion { number }";
    let from_nothing = app.read_release(&first, selection).await;
    assert_eq!((from_nothing.at("/diff/fromNumber"), from_nothing.list("/diff/added").len()), (&json!(null), 3));
    assert!(from_nothing.at("/previousVersion").is_null());
    let expected = json!({
        "fromNumber": 1, "toNumber": 2, "added": [{ "name": "New", "version": "1.0" }], "removed": [{ "name": "Export", "version": "1.0" }],
        "changed": [{ "isDowngrade": false, "from": { "name": "Import", "version": "1.0" }, "to": { "version": "2.0" } }], "unchangedCount": 1,
    });
    assert_eq!(
        app.read_release(&second, selection).await,
        json!({ "diff": expected, "previousVersion": { "number": 1 } })
    );
    let between =
        "diff(from: 1, to: 2) { fromNumber toNumber added { name version } removed { name version } unchangedCount
        changed { isDowngrade from { name version } to { version } } }";
    assert_eq!(app.read_pack(&pack.id, between).await.at("/diff"), &expected);
    let back = app
        .read_pack(&pack.id, "diff(from: 2, to: 1) { changed { isDowngrade } } none: diff(from: 1, to: 9) { toNumber }")
        .await;
    assert_eq!((back.at("/diff/changed/0/isDowngrade"), back.at("/none")), (&json!(true), &json!(null)));
}

#[tokio::test]
async fn r23_an_immediate_first_release_is_current_at_once() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_now(&pack.id).await;
    let read = app
        .read_release(
            &release,
            "state schedule startedAt endedAt testingPeriod { isOpen } window { date } progress { total percent }",
        )
        .await;
    let now = app.now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let expected = json!({
        "state": "SUCCEEDED", "schedule": "IMMEDIATELY", "startedAt": now, "endedAt": now, "testingPeriod": null, "window": null,
        "progress": { "total": 0, "percent": 100.0 },
    });
    assert_eq!(read, expected);
    let state = app.read_pack(&pack.id, "state currentVersion { number } runningRelease { id }").await;
    assert_eq!(state, json!({ "state": "CURRENT", "currentVersion": { "number": 1 }, "runningRelease": null }));
}

#[tokio::test]
async fn r23_a_dated_first_release_is_current_when_its_window_opens() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    let state =
        app.read_pack(&pack.id, "state currentVersion { number } pendingRelease { id testingPeriod { isOpen } }").await;
    let expected = json!({ "state": "FIRST_RELEASE_SCHEDULED", "currentVersion": null, "pendingRelease": { "id": release, "testingPeriod": null } });
    assert_eq!(state, expected, "there is no testing period");
    app.advance_to("2026-11-30T22:59:59Z").await;
    assert_eq!((app.current_number(&pack.id).await, app.find_available(&acme, "Orders").await), (None, None));
    app.advance_to("2026-11-30T23:00:00Z").await;
    assert_eq!(
        (app.current_number(&pack.id).await, app.release_state(&release).await.as_str()),
        (Some(1), "SUCCEEDED")
    );
    let installation = app.install(&acme, "Orders").await;
    assert_eq!(app.installed_number(&acme, &installation).await, 1);
    assert!(app.updates(&acme, &installation).await.is_empty(), "nobody had the pack, so nothing was applied");
}

#[tokio::test]
async fn r24_a_pack_may_be_shared_before_its_first_release() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    assert_eq!(app.find_available(&acme, "Orders").await, None);
    app.release_now(&pack.id).await;
    assert!(app.find_available(&acme, "Orders").await.is_some());
}

#[tokio::test]
async fn r24_a_pack_that_is_not_shared_is_seen_by_nobody() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let group = app.group("Partners", &[&globex]).await;
    app.share(&pack.id, &[&group]).await;
    app.release_now(&pack.id).await;
    assert_eq!(app.find_available(&acme, "Orders").await, None);
    assert!(app.find_available(&globex, "Orders").await.is_some());
}

#[tokio::test]
async fn r33_notes_are_what_managed_accounts_read() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let available = app.available(&acme, "Orders").await;
    let query = "query($id: ID!) { availablePack(id: $id) { currentVersion { notes } pendingRelease { notes version { notes } } } }";
    let read = app.gql(&acme.token, query, json!({ "id": available })).await;
    assert_eq!(read.at("/availablePack"), &json!({ "currentVersion": { "notes": NOTES }, "pendingRelease": null }));
    app.package_newer(&world.pack).await;
    let notes = "# 2.0\r\n\n* faster\n\t* *much* faster";
    let mut input = on_date(&world.pack.id, "2026-12-01");
    input["notes"] = json!(notes);
    app.ok(&app.publisher, "releaseIntegrationPack", input, "release { id }").await;
    let read = app.gql(&acme.token, query, json!({ "id": available })).await;
    let expected = json!({ "currentVersion": { "notes": NOTES }, "pendingRelease": { "notes": notes, "version": { "notes": notes } } });
    assert_eq!(read.at("/availablePack"), &expected);
    let update = app
        .read_installation(&acme, &world.installations[0], "pendingUpdate { release { notes } toVersion { notes } }")
        .await;
    assert_eq!(update.at("/pendingUpdate"), &json!({ "release": { "notes": notes }, "toVersion": { "notes": notes } }));
}

#[tokio::test]
async fn r33_notes_have_1_to_20000_characters() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let input = |notes: &str| json!({ "packId": pack.id, "schedule": { "immediately": true }, "notes": notes });
    for (notes, code) in [("", "NOTES_REQUIRED"), (" \n\t ", "NOTES_REQUIRED"), (&"ü".repeat(20_001), "NOTES_TOO_LONG")]
    {
        let refusal = app.refused(&app.publisher, "releaseIntegrationPack", input(notes)).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), (code, "notes"));
    }
    assert_eq!(app.denied(&app.publisher, "releaseIntegrationPack", input("a\u{0}b")).await, "BAD_USER_INPUT");
    app.ok(&app.publisher, "releaseIntegrationPack", input(&"ü".repeat(20_000)), "release { id }").await;
}

#[tokio::test]
async fn r30_an_immediate_release_comes_after_a_first_one_whose_window_has_opened_unnoticed() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let first = app.release_on(&pack.id, "2026-12-01").await;
    app.package_newer(&pack).await;
    app.clock_only("2026-11-30T23:00:00Z");
    let mark = LogMark::now(&app).await;
    let second = app.release_now(&pack.id).await;
    let started_and_ended = ["RELEASE_STARTED", "RELEASE_COMPLETED", "RELEASE_STARTED", "RELEASE_COMPLETED"];
    assert_eq!(mark.kinds(&app).await, started_and_ended);
    let read = app.read_release(&first, "state startedAt window { late }").await;
    let expected =
        json!({ "state": "SUCCEEDED", "startedAt": "2026-11-30T23:00:00.000000Z", "window": { "late": false } });
    assert_eq!(read, expected);
    assert_eq!(app.read_release(&second, "previousVersion { number }").await.int("/previousVersion/number"), 1);
}

#[tokio::test]
async fn r51_the_end_of_a_first_release_is_the_schedulers_step_in_whoevers_call_it_comes() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let mark = LogMark::now(&app).await;
    app.release_now(&pack.id).await;
    let entries = mark.entries(&app).await;
    let who: Vec<_> = entries.iter().map(|entry| (entry.action.as_str(), entry.actor_kind.as_str())).collect();
    assert_eq!(who, [("releaseIntegrationPack", "API_TOKEN"), ("scheduler.completeRelease", "SCHEDULER")]);
}
