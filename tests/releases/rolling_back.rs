//! Rolling a release back: the former version takes its place again (R59).

use packwright::domain::installations::FailureCode;
use serde_json::{Value, json};

use crate::support::releasing::back;
use crate::support::rows::LogMark;
use crate::support::{At, Installed, Managed, TestApp, immediately, on_date, refusal};

const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// Three accounts have Orders installed, and an immediate release has moved them to version 2.
async fn released() -> (TestApp, [Managed; 3], Installed, String) {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let release = app.update_now(&world.pack).await;
    app.tick().await;
    (app, accounts, world, release)
}

/// The same, but batches have one installation each, and so the rollout has moved only the first one.
async fn half_released() -> (TestApp, [Managed; 3], Installed, String) {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    app.tick().await;
    let release = app.update_now(&world.pack).await;
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS");
    (app, accounts, world, release)
}

/// The number of each installation's version.
async fn numbers(app: &TestApp, world: &Installed) -> Vec<i64> {
    let mut numbers = Vec::new();
    for installation in &world.installations {
        numbers.push(app.as_publisher(installation, "version { number }").await.int("/version/number"));
    }
    numbers
}

/// State and method of each update of a release, by account name.
async fn states(app: &TestApp, release: &str) -> Vec<String> {
    let told = |update: &Value| match update.at("/how") {
        Value::Null => update.text("/state"),
        how => format!("{} {}", update.text("/state"), how.text("")),
    };
    app.updates_of(release).await.iter().map(told).collect()
}

#[tokio::test]
async fn r59_rolling_back_puts_the_former_version_in_its_place_everywhere() {
    let (app, accounts, world, release) = released().await;
    let mark = LogMark::now(&app).await;
    app.advance_by(60).await;
    assert_eq!(app.roll_back(&release).await, 3);
    let read =
        "state reason startedAt endedAt viewerCanRollBack viewerCanRetryFailed pack { state currentVersion { number }
        runningRelease { id } } progress { total offered applied withdrawn percent }";
    let expected = json!({
        "state": "ROLLED_BACK", "reason": "It breaks imports.", "startedAt": "2026-11-22T09:00:00.000000Z",
        "endedAt": "2026-11-22T09:01:00.000000Z", "viewerCanRollBack": false, "viewerCanRetryFailed": false,
        "pack": { "state": "CURRENT", "currentVersion": { "number": 1 }, "runningRelease": null },
        "progress": { "total": 3, "offered": 0, "applied": 0, "withdrawn": 3, "percent": 100.0 },
    });
    assert_eq!(app.read_release(&release, read).await, expected);
    assert_eq!(numbers(&app, &world).await, [1, 1, 1]);
    assert_eq!(states(&app, &release).await, ["WITHDRAWN ROLLED_BACK"; 3]);
    let seen = app.updates(&accounts[0], &world.installations[0]).await.remove(0);
    assert_eq!(
        (seen.int("/fromVersion/number"), seen.int("/toVersion/number"), seen.text("/settledAt")),
        (1, 2, "2026-11-22T09:01:00.000000Z".into())
    );
    let moved = app.read_installation(&accounts[0], &world.installations[0], "movedAt").await;
    assert_eq!(moved.text("/movedAt"), "2026-11-22T09:01:00.000000Z");
    let kinds = mark.kinds(&app).await;
    let updated = "INSTALLATION_UPDATED";
    assert_eq!(kinds, ["RELEASE_ROLLING_BACK", updated, updated, updated, "RELEASE_ROLLED_BACK"]);
    let actions = mark.actions(&app).await;
    let withdrawn = "scheduler.withdrawUpdate";
    assert_eq!(actions, ["rollBackRelease", withdrawn, withdrawn, withdrawn, "scheduler.completeRollBack"]);
    let before = app.world().await;
    app.advance_by(86_400).await;
    app.assert_unchanged(&before).await;
}

#[tokio::test]
async fn r59_the_log_says_who_rolled_back_and_why_and_an_account_hears_no_reason() {
    let (app, [acme, ..], world, release) = released().await;
    let (cursor, of_acme) = (app.cursor(&app.publisher).await, app.cursor(&acme.token).await);
    app.roll_back(&release).await;
    let query = "query($after: String!) { events(after: $after, first: 50) { edges { node { kind
        ... on ReleaseEvent { reason actor { name } release { ... on Release { state } ... on AnnouncedRelease { seen: state } } }
        ... on InstallationEvent { state versionNumber } } } } }";
    let told = app.gql(&app.publisher, query, json!({ "after": cursor })).await.nodes("/events");
    let reasons: Vec<_> = told.iter().filter(|event| event.get("reason").is_some()).collect();
    assert_eq!(reasons.len(), 2);
    assert_eq!(reasons[0].text("/reason"), "It breaks imports.");
    assert_eq!((reasons[0].text("/release/state"), reasons[1].at("/reason")), ("ROLLED_BACK".into(), &json!(null)));
    let told = app.gql(&acme.token, query, json!({ "after": of_acme })).await.nodes("/events");
    let rolling =
        json!({ "kind": "RELEASE_ROLLING_BACK", "reason": null, "actor": null, "release": { "seen": "ROLLED_BACK" } });
    let rolled =
        json!({ "kind": "RELEASE_ROLLED_BACK", "reason": null, "actor": null, "release": { "seen": "ROLLED_BACK" } });
    let updated = json!({ "kind": "INSTALLATION_UPDATED", "state": "WITHDRAWN", "versionNumber": 1 });
    assert_eq!(told, [rolling, updated, rolled]);
    let entries =
        "{ auditLog(filter: { actions: [\"rollBackRelease\"] }) { edges { node { actor { name } subject { id }
        changes { field before after } } } } }";
    let entries = app.gql(&app.publisher, entries, json!(null)).await.nodes("/auditLog");
    let expected = json!([
        { "field": "state", "before": "SUCCEEDED", "after": "ROLLING_BACK" },
        { "field": "reason", "before": null, "after": "It breaks imports." },
        { "field": "installations", "before": null, "after": "3" },
    ]);
    assert_eq!((entries.len(), entries[0].at("/changes")), (1, &expected));
    assert_eq!(entries[0].text("/subject/id"), release);
    let own = app.gql(&acme.token, "{ auditLog { edges { node { action changes { after } } } } }", json!(null)).await;
    assert!(!own.to_string().contains("breaks"), "{own:#}");
    let _ = world;
}

#[tokio::test]
async fn r59_of_a_running_rollout_the_moved_ones_go_back_and_the_others_stay() {
    let (app, accounts, world, release) = half_released().await;
    let offered = app.updates(&accounts[2], &world.installations[2]).await.remove(0);
    assert_eq!(offered.text("/state"), "OFFERED");
    assert_eq!(app.roll_back(&release).await, 1);
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    assert_eq!(numbers(&app, &world).await, [1, 1, 1]);
    let of_first = app.updates(&accounts[0], &world.installations[0]).await.remove(0);
    assert_eq!((of_first.text("/state"), of_first.text("/how")), ("WITHDRAWN".into(), "ROLLED_BACK".into()));
    for (account, installation) in accounts.iter().zip(&world.installations) {
        assert_eq!(app.offered(account, installation).await, None);
    }
    assert_eq!(app.progress(&release).await.int("/offered"), 0);
    // The rollout's own task is gone, and the next release isn't held up.
    assert_eq!(app.release_state(&app.release_now(&world.pack.id).await).await, "IN_PROGRESS");
    app.tick().await;
    assert_eq!(numbers(&app, &world).await, [3, 3, 3]);
}

#[tokio::test]
async fn r59_offers_of_a_dated_release_end_when_its_rollout_is_rolled_back() {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.tick().await;
    let update = app.apply(&accounts[1], &world.installations[1]).await;
    app.clock_only(OPENS);
    // The window is carried out by the call itself; its rollout has not begun.
    assert_eq!(app.roll_back(&release).await, 1, "who applied early");
    let mark = LogMark::now(&app).await;
    for (account, installation) in accounts.iter().zip(&world.installations) {
        assert_eq!(app.offered(account, installation).await, None, "before a batch has come to it");
    }
    app.tick().await;
    assert_eq!(states(&app, &release).await, ["WITHDRAWN", "WITHDRAWN ROLLED_BACK", "WITHDRAWN"]);
    assert_eq!(numbers(&app, &world).await, [1, 1, 1]);
    assert!(mark.kinds(&app).await.ends_with(&["RELEASE_ROLLED_BACK".to_owned()]));
    assert_eq!(refusal(&app.try_apply(&accounts[1], &update).await).code, "UPDATE_WITHDRAWN");
}

#[tokio::test]
async fn r59_until_it_has_ended_nothing_else_of_the_pack_is_released_or_deleted() {
    let (app, accounts, world, release) = half_released().await;
    app.tick().await;
    assert_eq!(app.roll_back(&release).await, 3);
    let running = "state endedAt viewerCanRollBack viewerCanCancel pack { state runningRelease { id } }";
    let seen = app.read_release(&release, running).await;
    let expected = json!({ "state": "ROLLING_BACK", "endedAt": null, "viewerCanRollBack": false, "viewerCanCancel": false,
        "pack": { "state": "RELEASING", "runningRelease": { "id": release } } });
    assert_eq!(seen, expected);
    assert_eq!(app.current_number(&world.pack.id).await, Some(1), "from the call on");
    for input in [immediately(&world.pack.id), on_date(&world.pack.id, "2026-12-01")] {
        let refused = refusal(&app.try_release(input).await);
        assert_eq!(refused.code, "RELEASE_IN_PROGRESS");
        assert_eq!(refused.errors[0].text("/blockingRelease/id"), release);
    }
    assert_eq!(refusal(&app.try_roll_back(back(&release)).await).code, "RELEASE_IN_PROGRESS");
    assert_eq!(refusal(&app.try_roll_back(back(&world.first_release)).await).code, "NOT_ROLLABLE_BACK");
    let delete = json!({ "packId": world.pack.id, "confirmInstallations": 3 });
    let deleted = app.mutate(&app.publisher, "deleteIntegrationPack", delete, "deletedPackId").await;
    assert_eq!(refusal(&deleted).code, "RELEASE_IN_PROGRESS");
    // An installation that is made meanwhile gets the former version, and isn't touched.
    let umbrella = app.managed("Umbrella").await;
    let made = app.install(&umbrella, "Orders").await;
    assert_eq!(app.installed_number(&umbrella, &made).await, 1);
    app.uninstall(&accounts[2], &world.installations[2]).await;
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    assert_eq!(app.updates(&umbrella, &made).await, Vec::<Value>::new());
    assert_eq!(app.installed_number(&accounts[1], &world.installations[1]).await, 1);
}

#[tokio::test]
async fn r59_what_fails_is_tried_again_until_it_is_back() {
    let (app, accounts, world, release) = released().await;
    // One that was installed with the version has no update.
    let umbrella = app.managed("Umbrella").await;
    let since = app.install(&umbrella, "Orders").await;
    for installation in [&world.installations[0], &since] {
        app.mover.fail(installation, 7, FailureCode::Internal);
    }
    assert_eq!(app.roll_back(&release).await, 4);
    assert_eq!(app.release_state(&release).await, "ROLLING_BACK");
    assert_eq!(numbers(&app, &world).await, [2, 1, 1], "the others are not held up");
    assert_eq!(refusal(&app.try_release(immediately(&world.pack.id)).await).code, "RELEASE_IN_PROGRESS");
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    assert_eq!(numbers(&app, &world).await, [1, 1, 1]);
    assert_eq!(app.installed_number(&umbrella, &since).await, 1);
    assert_eq!(states(&app, &release).await, ["WITHDRAWN ROLLED_BACK"; 4]);
    assert_eq!(app.mover.attempts(&since), 8);
    let _ = accounts;
    app.release_now(&world.pack.id).await;
}

#[tokio::test]
async fn r59_a_retry_of_failed_updates_ends_with_the_roll_back() {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    app.mover.fail(&world.installations[1], u32::MAX, FailureCode::Temporary);
    let release = app.update_now(&world.pack).await;
    app.live_until("2026-11-22T09:30:00Z").await;
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": release }), "retriedCount").await;
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS");
    let attempts = app.mover.attempts(&world.installations[1]);
    assert_eq!(app.roll_back(&release).await, 2);
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    app.live_until("2026-11-22T11:00:00Z").await;
    assert_eq!(app.mover.attempts(&world.installations[1]), attempts, "nobody moves it to the version any more");
    assert_eq!(numbers(&app, &world).await, [1, 1, 1]);
    assert_eq!(states(&app, &release).await, ["WITHDRAWN ROLLED_BACK", "FAILED", "WITHDRAWN ROLLED_BACK"]);
    let retry = json!({ "releaseId": release });
    let retried = app.mutate(&app.publisher, "retryFailedUpdates", retry, "retriedCount").await;
    assert_eq!(refusal(&retried).code, "NOTHING_TO_RETRY");
    app.release_now(&world.pack.id).await;
}

#[tokio::test]
async fn r59_a_release_that_failed_for_all_can_be_rolled_back_too() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.mover.fail(&world.installations[0], 5, FailureCode::Internal);
    let release = app.update_now(&world.pack).await;
    app.live_until("2026-11-22T09:30:00Z").await;
    assert_eq!(app.release_state(&release).await, "FAILED");
    assert_eq!(app.roll_back(&release).await, 0);
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    assert_eq!(app.current_number(&world.pack.id).await, Some(1));
    assert_eq!(states(&app, &release).await, ["FAILED"]);
}

#[tokio::test]
async fn r59_the_draft_is_left_alone_and_the_same_content_gets_a_new_number() {
    let (app, accounts, world, release) = released().await;
    let draft = "hasUnreleasedChanges components { component { id } next { version } current { version } }";
    assert_eq!(app.read_pack(&world.pack.id, draft).await.at("/hasUnreleasedChanges"), false);
    app.roll_back(&release).await;
    let after = app.read_pack(&world.pack.id, draft).await;
    assert_eq!(after.at("/hasUnreleasedChanges"), true);
    let row = &after.list("/components")[0];
    assert_eq!((row.text("/current/version"), row.text("/next/version")), ("1.0".into(), "2.0".into()));
    let again = app.release_now(&world.pack.id).await;
    let read = app.read_release(&again, "version { number } previousVersion { number } state").await;
    assert_eq!(read, json!({ "version": { "number": 3 }, "previousVersion": { "number": 1 }, "state": "SUCCEEDED" }));
    assert_eq!(numbers(&app, &world).await, [3, 3, 3]);
    let of_first = app.updates(&accounts[0], &world.installations[0]).await;
    let told: Vec<_> = of_first.iter().map(|update| (update.int("/toVersion/number"), update.text("/state"))).collect();
    assert_eq!(told, [(3, "APPLIED".into()), (2, "WITHDRAWN".into())]);
}

#[tokio::test]
async fn r59_one_release_after_the_other_can_be_rolled_back() {
    let (app, _, world, second) = released().await;
    let third = app.update_now(&world.pack).await;
    assert_eq!(refusal(&app.try_roll_back(back(&second)).await).code, "NOT_ROLLABLE_BACK", "not while 3 is current");
    app.roll_back(&third).await;
    assert_eq!(numbers(&app, &world).await, [2, 2, 2]);
    assert_eq!(states(&app, &second).await, ["APPLIED IMMEDIATE"; 3]);
    assert_eq!(app.read_release(&second, "viewerCanRollBack").await.at("/viewerCanRollBack"), true);
    app.roll_back(&second).await;
    assert_eq!(numbers(&app, &world).await, [1, 1, 1]);
    assert_eq!(refusal(&app.try_roll_back(back(&world.first_release)).await).code, "NOT_ROLLABLE_BACK");
}

#[tokio::test]
async fn r59_who_applied_a_superseded_release_early_goes_back_to_the_version_before_both() {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let superseded = app.update_on(&world.pack, "2026-12-01").await;
    app.apply(&accounts[0], &world.installations[0]).await;
    let release = app.update_now(&world.pack).await;
    assert_eq!(numbers(&app, &world).await, [3, 3]);
    assert_eq!(app.roll_back(&release).await, 2);
    assert_eq!(numbers(&app, &world).await, [1, 1]);
    assert_eq!(app.release_state(&superseded).await, "SUPERSEDED");
    app.advance_to("2026-12-01T12:00:00Z").await;
    assert_eq!(numbers(&app, &world).await, [1, 1], "its window does nothing");
}

#[tokio::test]
async fn r59_a_package_that_was_deleted_since_is_no_obstacle() {
    let (app, [acme, ..], world, release) = released().await;
    app.delete_package(&world.pack.packages[0].id).await;
    app.roll_back(&release).await;
    assert_eq!(numbers(&app, &world).await, [1, 1, 1]);
    let content = app.read_installation(&acme, &world.installations[0], "version { contents { version } }").await;
    assert_eq!(content.text("/version/contents/0/version"), "1.0");
    let row = app
        .read_pack(
            &world.pack.id,
            "components { current { version ... on PackagedComponent { deletedAt } } newerShareableAvailable }",
        )
        .await;
    assert_eq!(row.at("/components/0/newerShareableAvailable"), true);
    assert!(row.at("/components/0/current/deletedAt").is_string(), "it stays deleted: {row:#}");
    let restored = json!({ "packagedComponentId": world.pack.packages[0].id });
    app.ok(&app.publisher, "restorePackagedComponent", restored, "").await;
    let held = json!({ "packagedComponentId": world.pack.packages[0].id });
    let deleted = app.mutate(&app.publisher, "deletePackagedComponent", held, "").await;
    assert_eq!(deleted.text("/errors/0/code"), "PACKAGE_IN_USE", "once restored, it is held (R8)");
}

#[tokio::test]
async fn r59_the_curve_keeps_what_was_applied_and_the_counts_follow_the_installations() {
    let (app, _, world, release) = released().await;
    app.advance_by(3600).await;
    app.roll_back(&release).await;
    app.advance_by(3600).await;
    let adoption = "adoption { installationCount byVersion { version { number } installationCount }
        at(instant: \"2026-11-22T09:30:00Z\") { version { number } installationCount }
        curve(points: 2) { at offered appliedImmediately skipped failed } }";
    let read = app.read_release(&release, adoption).await;
    let expected = json!({ "adoption": {
        "installationCount": 3, "byVersion": [{ "version": { "number": 1 }, "installationCount": 3 }],
        "at": [{ "version": { "number": 2 }, "installationCount": 3 }],
        "curve": [
            { "at": "2026-11-22T09:00:00.000000Z", "offered": 3, "appliedImmediately": 3, "skipped": 0, "failed": 0 },
            { "at": "2026-11-22T10:00:00.000000Z", "offered": 3, "appliedImmediately": 3, "skipped": 0, "failed": 0 },
        ],
    }});
    assert_eq!(read, expected);
    let of_pack = app.read_pack(&world.pack.id, "currentVersion { number installationCount }").await;
    assert_eq!(of_pack, json!({ "currentVersion": { "number": 1, "installationCount": 3 } }));
}

#[tokio::test]
async fn r59_a_report_of_an_update_that_was_rolled_back_no_longer_counts() {
    let (app, [acme, ..], world, release) = released().await;
    let update = app.updates(&acme, &world.installations[0]).await.remove(0).text("/id");
    let input = json!({ "updateId": update, "outcome": "BROKEN", "comment": "It breaks." });
    app.ok(&acme.token, "reportUpdateOutcome", input.clone(), "report { id }").await;
    let counts = async || app.read_release(&release, "outcomes { works broken unreported }").await;
    assert_eq!(counts().await, json!({ "outcomes": { "works": 0, "broken": 1, "unreported": 2 } }));
    app.roll_back(&release).await;
    assert_eq!(counts().await, json!({ "outcomes": { "works": 0, "broken": 0, "unreported": 0 } }));
    let refused = app.mutate(&acme.token, "reportUpdateOutcome", input, "report { id }").await;
    assert_eq!(refusal(&refused).code, "OUTCOME_NOT_ALLOWED");
    let kept = app.update_of(&release, &world.installations[0]).await;
    assert_eq!(kept.text("/state"), "WITHDRAWN");
}
