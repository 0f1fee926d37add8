//! Pausing and resuming a release that waits for its date (R56). `pausing_rollouts` tests those that are being rolled
//! out.

use serde_json::{Value, json};

use crate::support::rows::LogMark;
use crate::support::{At, Installed, Managed, TestApp, refusal};

pub(crate) const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// Tries to pause a release.
pub(crate) async fn try_pause(app: &TestApp, release: &str, reason: &str) -> Value {
    let input = json!({ "releaseId": release, "reason": reason });
    app.mutate(&app.publisher, "pauseRelease", input, "release { id state pause { at reason by { kind name } } }").await
}

pub(crate) async fn pause(app: &TestApp, release: &str) {
    let input = json!({ "releaseId": release, "reason": "Something is wrong." });
    app.ok(&app.publisher, "pauseRelease", input, "release { id }").await;
}

pub(crate) async fn resume(app: &TestApp, release: &str) -> Value {
    let input = json!({ "releaseId": release });
    app.ok(&app.publisher, "resumeRelease", input, "release { id state pause { at } }").await.at("/release").clone()
}

/// Two accounts have Orders installed, and a release waits for its date.
async fn waiting() -> (TestApp, Managed, Managed, Installed, String) {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    (app, acme, globex, installed, release)
}

#[tokio::test]
async fn r56_the_window_of_a_paused_release_opens_when_it_is_resumed() {
    let (app, acme, globex, installed, release) = waiting().await;
    pause(&app, &release).await;
    app.advance_to("2026-12-01T09:00:00Z").await;
    let read = app.read_release(&release, "state startedAt testingPeriod { isOpen } viewerCanReschedule").await;
    let expected = json!({ "state": "SCHEDULED", "startedAt": null, "testingPeriod": { "isOpen": false }, "viewerCanReschedule": true });
    assert_eq!(read, expected, "its window has passed, and nothing came of it");
    let pack = app
        .read_pack(&installed.pack.id, "state currentVersion { number } pendingRelease { id } runningRelease { id }")
        .await;
    let expected = json!({ "state": "TESTING", "currentVersion": { "number": 1 }, "pendingRelease": { "id": release }, "runningRelease": null });
    assert_eq!(pack, expected);
    for filter in ["SCHEDULED", "IN_PROGRESS"] {
        let query =
            "query($states: [ReleaseState!]) { releases(filter: { states: $states }) { edges { node { id } } } }";
        let found = app.gql(&app.publisher, query, json!({ "states": [filter] })).await.texts("/releases", "/id");
        assert_eq!(found.contains(&release), filter == "SCHEDULED", "{filter}: {found:?}");
    }
    for filter in [json!({ "states": ["TESTING"] }), json!({ "hasPendingRelease": true })] {
        let query =
            "query($filter: IntegrationPackFilter) { integrationPacks(filter: $filter) { edges { node { id } } } }";
        let found = app.gql(&app.publisher, query, json!({ "filter": filter })).await;
        assert_eq!(found.texts("/integrationPacks", "/id"), [installed.pack.id.as_str()], "{filter}");
    }
    let late = app.managed("Late").await;
    let of_late = app.install(&late, "Orders").await;
    assert_eq!(app.installed_number(&late, &of_late).await, 1, "the former version is the current one still");
    let mark = LogMark::now(&app).await;
    let resumed = resume(&app, &release).await;
    assert_eq!(resumed, json!({ "id": release, "state": "IN_PROGRESS", "pause": null }), "it opens at once");
    app.tick().await;
    for (account, installation) in
        [(&acme, &installed.installations[0]), (&globex, &installed.installations[1]), (&late, &of_late)]
    {
        assert_eq!(app.installed_number(account, installation).await, 2);
    }
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(mark.kinds(&app).await[..2], ["RELEASE_RESUMED", "RELEASE_STARTED"]);
    let entries = mark.entries(&app).await;
    let start = entries.iter().find(|entry| entry.action == "scheduler.startRelease").expect("an entry of its start");
    // The window ended at 00:00 UTC, and the release was resumed nine hours later.
    assert!(start.changes.contains("latenessSeconds") && start.changes.contains("32400"), "{start:?}");
}

#[tokio::test]
async fn r56_nobody_applies_a_paused_release_early() {
    let (app, acme, globex, installed, release) = waiting().await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    pause(&app, &release).await;
    assert_eq!(refusal(&app.try_apply(&acme, &update).await).code, "RELEASE_PAUSED");
    for at in ["2026-11-25T09:00:00Z", "2026-12-01T09:00:00Z"] {
        app.advance_to(at).await;
        let seen = app
            .gql(&acme.token, "{ pendingUpdates { edges { node { id isPaused viewerCanApply } } } }", json!(null))
            .await;
        let expected = json!([{ "id": update, "isPaused": true, "viewerCanApply": false }]);
        assert_eq!(json!(seen.nodes("/pendingUpdates")), expected, "still offered at {at}");
        assert_eq!(refusal(&app.try_apply(&acme, &update).await).code, "RELEASE_PAUSED");
    }
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 1);
    let newcomer = app.managed("Newcomer").await;
    let made = app.install(&newcomer, "Orders").await;
    assert!(app.offered(&newcomer, &made).await.is_some(), "offers go on");
    app.reschedule(&release, "2026-12-05").await;
    resume(&app, &release).await;
    assert_eq!(app.release_state(&release).await, "SCHEDULED", "its new date is to come");
    app.apply(&acme, &installed.installations[0]).await;
    let seen = app.read_installation(&globex, &installed.installations[1], "pendingUpdate { isPaused viewerCanApply }");
    assert_eq!(seen.await.at("/pendingUpdate"), &json!({ "isPaused": false, "viewerCanApply": true }));
    app.advance_to("2026-12-04T23:00:00Z").await;
    assert_eq!(app.installed_number(&globex, &installed.installations[1]).await, 2);
}

#[tokio::test]
async fn r56_a_paused_release_is_rescheduled_and_canceled_and_not_promoted() {
    let (app, acme, _, installed, release) = waiting().await;
    app.apply(&acme, &installed.installations[0]).await;
    pause(&app, &release).await;
    app.clock_only("2026-12-02T09:00:00Z");
    let promoted = app.refused(&app.publisher, "promoteRelease", json!({ "releaseId": release })).await;
    assert_eq!(promoted.code, "RELEASE_PAUSED");
    app.reschedule(&release, "2026-12-05").await;
    let read = app.read_release(&release, "state pause { reason } viewerCanPromote viewerCanCancel").await;
    let expected = json!({ "state": "SCHEDULED", "pause": { "reason": "Something is wrong." }, "viewerCanPromote": false, "viewerCanCancel": true });
    assert_eq!(read, expected, "a new date doesn't resume it");
    app.cancel(&release).await;
    app.tick().await;
    let read = app.read_release(&release, "state pause { reason } viewerCanResume").await;
    assert_eq!(read, json!({ "state": "CANCELED", "pause": null, "viewerCanResume": false }));
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 1, "moved back while it was paused");
    let next = app.release_on(&installed.pack.id, "2026-12-09").await;
    app.advance_to("2026-12-08T23:00:00Z").await;
    assert_eq!(app.release_state(&next).await, "SUCCEEDED", "the pause went with its release");
}

#[tokio::test]
async fn r56_an_immediate_release_supersedes_a_paused_one_that_waits() {
    let (app, acme, _, installed, release) = waiting().await;
    pause(&app, &release).await;
    app.advance_to(OPENS).await;
    let next = app.release_now(&installed.pack.id).await;
    assert_eq!(app.release_state(&release).await, "SUPERSEDED");
    assert_eq!(
        (app.release_state(&next).await.as_str(), app.installed_number(&acme, &installed.installations[0]).await),
        ("SUCCEEDED", 3)
    );
    let pause = app.read_release(&release, "pause { reason }").await;
    assert!(pause.at("/pause").is_null(), "{pause}");
}

#[tokio::test]
async fn r56_a_pause_tells_since_when_why_and_by_whom() {
    let (app, _, _, _, release) = waiting().await;
    app.advance_by(60).await;
    let mark = LogMark::now(&app).await;
    let paused = try_pause(&app, &release, "  The invoices of Acme are empty.\n").await;
    let expected = json!({ "at": "2026-11-22T09:01:00.000000Z", "reason": "The invoices of Acme are empty.",
        "by": { "kind": "API_TOKEN", "name": "northwind-admin" } });
    assert_eq!(paused.at("/release/pause"), &expected);
    assert_eq!(paused.text("/release/state"), "SCHEDULED", "pausing is no state");
    assert_eq!(
        (mark.kinds(&app).await, mark.actions(&app).await),
        (vec!["RELEASE_PAUSED".into()], vec!["pauseRelease".into()])
    );
    let entry = mark.entries(&app).await.remove(0);
    assert!(entry.changes.contains("The invoices of Acme are empty."), "{entry:?}");
}

#[tokio::test]
async fn r56_accounts_hear_of_a_pause_without_its_reason() {
    let (app, acme, _, installed, release) = waiting().await;
    let stranger = app.managed("Stranger").await;
    let mark = LogMark::now(&app).await;
    pause(&app, &release).await;
    resume(&app, &release).await;
    let events = mark.events(&app).await;
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["RELEASE_PAUSED", "RELEASE_RESUMED"]);
    let selection = "... on ReleaseEvent { kind reason actor { name } }";
    let seen = async |token: &str| {
        let read = app.read_event(token, &events[0], selection).await;
        json!([read.at("/kind"), read.at("/reason"), read.at("/actor")])
    };
    let publisher = json!(["RELEASE_PAUSED", "Something is wrong.", { "name": "northwind-admin" }]);
    assert_eq!(seen(&app.publisher).await, publisher);
    assert_eq!(seen(&acme.token).await, json!(["RELEASE_PAUSED", null, null]));
    assert!(app.read_event(&stranger.token, &events[0], selection).await.is_null(), "it hasn't the pack");
    let update = app.read_installation(&acme, &installed.installations[0], "pendingUpdate { isPaused }").await;
    assert_eq!(update.at("/pendingUpdate/isPaused"), &json!(false));
}

#[tokio::test]
async fn r56_what_cant_be_paused_or_resumed_is_refused() {
    let (app, _, _, installed, release) = waiting().await;
    let refused = async |mutation: &str, release: &str, reason: &str| {
        let input = match mutation {
            "pauseRelease" => json!({ "releaseId": release, "reason": reason }),
            _ => json!({ "releaseId": release }),
        };
        let before = app.world().await;
        let refusal = app.refused(&app.publisher, mutation, input).await;
        app.assert_unchanged(&before).await;
        refusal.code
    };
    assert_eq!(refused("resumeRelease", &release, "").await, "NOT_PAUSED");
    for reason in ["", " \n", &"x".repeat(2_001)] {
        assert_eq!(refused("pauseRelease", &release, reason).await, "REASON_REQUIRED");
    }
    let longest = "x".repeat(2_000);
    assert!(try_pause(&app, &release, &longest).await.at("/errors").as_array().is_some_and(Vec::is_empty));
    assert_eq!(refused("pauseRelease", &release, "Again").await, "ALREADY_PAUSED");
    let flags = "viewerCanPause viewerCanResume";
    assert_eq!(app.read_release(&release, flags).await, json!({ "viewerCanPause": false, "viewerCanResume": true }));
    resume(&app, &release).await;
    assert_eq!(app.read_release(&release, flags).await, json!({ "viewerCanPause": true, "viewerCanResume": false }));
    app.cancel(&release).await;
    let fresh = app.pack_with("Fresh", &["Import"]).await;
    let first = app.release_on(&fresh.id, "2026-12-01").await;
    for release in [&release, &first, &installed.first_release] {
        assert_eq!(refused("pauseRelease", release, "No").await, "NOT_PAUSABLE");
        assert_eq!(
            app.read_release(release, flags).await,
            json!({ "viewerCanPause": false, "viewerCanResume": false })
        );
    }
}
