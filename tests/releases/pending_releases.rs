//! Rescheduling and promoting a pending release, when both are refused (R30), and the way back (R32).

use serde_json::{Value, json};

use crate::support::{At as _, TestApp, refusal};

const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// The three commands with their inputs.
fn commands(release: &str) -> [(&'static str, Value); 3] {
    [
        ("rescheduleRelease", json!({ "releaseId": release, "onDate": "2026-12-24" })),
        ("promoteRelease", json!({ "releaseId": release })),
        ("cancelRelease", json!({ "releaseId": release })),
    ]
}

#[tokio::test]
async fn r30_a_pending_release_can_be_moved_to_another_date() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    let input = json!({ "releaseId": release, "onDate": "2026-12-24" });
    let selection = "release { state version { number } window { date timeZone startsAt endsAt } testingPeriod { startsAt endsAt isOpen } }";
    let moved = app.ok(&app.publisher, "rescheduleRelease", input, selection).await;
    let expected = json!({
        "state": "SCHEDULED", "version": { "number": 2 },
        "window": { "date": "2026-12-24", "timeZone": "Europe/Berlin", "startsAt": "2026-12-23T23:00:00.000000Z", "endsAt": "2026-12-24T00:00:00.000000Z" },
        "testingPeriod": { "startsAt": "2026-11-22T09:00:00.000000Z", "endsAt": "2026-12-23T23:00:00.000000Z", "isOpen": true },
    });
    assert_eq!(moved.at("/release"), &expected);
    app.advance_to(OPENS).await;
    assert_eq!(app.release_state(&release).await, "SCHEDULED", "the old window does nothing");
    app.apply(&acme, &world.installations[0]).await;
    app.advance_to("2026-12-23T23:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn r30_it_can_be_moved_closer_too() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.reschedule(&release, "2026-11-23").await;
    app.advance_to("2026-11-22T23:00:00Z").await;
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 2);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn r30_rescheduling_minds_the_rules_of_dates() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    let input = |date: &str| json!({ "releaseId": release, "onDate": date });
    let past = app.refused(&app.publisher, "rescheduleRelease", input("2026-11-22")).await;
    assert_eq!((past.code.as_str(), past.field.as_str()), ("RELEASE_DATE_NOT_IN_FUTURE", "onDate"));
    assert_eq!(
        (past.errors[0].text("/earliestDate"), past.errors[0].text("/timeZone")),
        ("2026-11-23".into(), "Europe/Berlin".into())
    );
    let far = app.refused(&app.publisher, "rescheduleRelease", input("2027-11-23")).await;
    assert_eq!((far.code.as_str(), far.errors[0].text("/latestDate")), ("RELEASE_DATE_TOO_FAR", "2027-11-22".into()));
    app.reschedule(&release, "2027-11-22").await;
}

#[tokio::test]
async fn r30_a_pending_release_can_be_promoted_to_now() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.apply(&acme, &world.installations[0]).await;
    app.advance_by(3600).await;
    app.promote(&release).await;
    let selection = "state schedule promotedAt startedAt endedAt testingPeriod { endsAt isOpen } window { date late } progress { applied appliedEarly }";
    let now = "2026-11-22T10:00:00.000000Z";
    let expected = json!({
        "state": "SUCCEEDED", "schedule": "RELEASE_ON_SPECIFIED_DATE", "promotedAt": now, "startedAt": now, "endedAt": now,
        "testingPeriod": { "endsAt": now, "isOpen": false }, "window": { "date": "2026-12-01", "late": false },
        "progress": { "applied": 2, "appliedEarly": 1 },
    });
    assert_eq!(app.read_release(&release, selection).await, expected);
    let update = app.updates(&globex, &world.installations[1]).await.remove(0);
    assert_eq!((update.text("/state"), update.text("/how")), ("APPLIED".into(), "IMMEDIATE".into()));
    assert_eq!(app.updates(&acme, &world.installations[0]).await[0].text("/how"), "EARLY", "not touched again");
    let before = app.world().await;
    app.advance_to(OPENS).await;
    app.assert_unchanged(&before).await;
}

#[tokio::test]
async fn r30_a_pending_first_release_can_be_promoted() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    app.promote(&release).await;
    assert_eq!(
        (app.release_state(&release).await.as_str(), app.current_number(&pack.id).await),
        ("SUCCEEDED", Some(1))
    );
}

#[tokio::test]
async fn r30_an_ended_or_canceled_release_is_not_pending() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let immediate = app.release_now(&pack.id).await;
    let canceled = app.update_on(&pack, "2026-12-01").await;
    app.cancel(&canceled).await;
    let ended = app.release_on(&pack.id, "2026-12-01").await;
    app.advance_to(OPENS).await;
    for release in [&immediate, &canceled, &ended] {
        for (mutation, input) in commands(release) {
            assert_eq!(app.refused(&app.publisher, mutation, input).await.code, "NOT_PENDING", "{mutation}");
        }
        let may = app.read_release(release, "viewerCanReschedule viewerCanPromote viewerCanCancel").await;
        assert_eq!(may, json!({ "viewerCanReschedule": false, "viewerCanPromote": false, "viewerCanCancel": false }));
    }
}

#[tokio::test]
async fn r30_from_the_window_s_start_until_the_rollout_has_ended_it_is_in_progress() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    let may = async || app.read_release(&release, "viewerCanReschedule viewerCanPromote viewerCanCancel").await;
    assert_eq!(may().await, json!({ "viewerCanReschedule": true, "viewerCanPromote": true, "viewerCanCancel": true }));
    app.mover.fail(&world.installations[0], u32::MAX, packwright::domain::installations::FailureCode::Temporary);
    app.clock_only(OPENS);
    assert_eq!(
        may().await,
        json!({ "viewerCanReschedule": false, "viewerCanPromote": false, "viewerCanCancel": false })
    );
    for (mutation, input) in commands(&release) {
        let refused = refusal(&app.mutate(&app.publisher, mutation, input, "release { id }").await);
        assert_eq!(refused.code, "RELEASE_IN_PROGRESS", "{mutation}, with the scheduler still asleep");
    }
    app.tick().await;
    for (mutation, input) in commands(&release) {
        let refused = refusal(&app.mutate(&app.publisher, mutation, input, "release { id }").await);
        assert_eq!(refused.code, "RELEASE_IN_PROGRESS", "{mutation}, while it is tried again");
    }
    app.live_until("2026-11-30T23:10:00Z").await;
    for (mutation, input) in commands(&release) {
        assert_eq!(app.refused(&app.publisher, mutation, input).await.code, "NOT_PENDING", "{mutation}, after");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_of_two_commands_at_once_one_is_refused() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    let call = |mutation: &'static str| {
        app.mutate(&app.publisher, mutation, json!({ "releaseId": release }), "release { id }")
    };
    let (promoted, canceled) = tokio::join!(call("promoteRelease"), call("cancelRelease"));
    let refused: Vec<_> =
        [promoted, canceled].into_iter().filter(|payload| !payload.list("/errors").is_empty()).collect();
    assert_eq!(refused.len(), 1);
    let code = refusal(&refused[0]).code;
    assert!(["NOT_PENDING", "RELEASE_IN_PROGRESS"].contains(&code.as_str()), "{code}");
    app.tick().await;
    let expected = if app.release_state(&release).await == "CANCELED" { 1 } else { 2 };
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, expected);
}

#[tokio::test]
async fn r32_publishing_an_older_set_again_is_the_way_back() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.update_now(&world.pack).await;
    app.pin(&world.pack.id, &world.pack.components[0], &world.pack.packages[0].id).await;
    let back = app.release_now(&world.pack.id).await;
    let read = app
        .read_release(
            &back,
            "version { number contents { version } } diff { changed { isDowngrade from { version } to { version } } }",
        )
        .await;
    let change = json!({ "isDowngrade": true, "from": { "version": "2.0" }, "to": { "version": "1.0" } });
    let expected =
        json!({ "version": { "number": 3, "contents": [{ "version": "1.0" }] }, "diff": { "changed": [change] } });
    assert_eq!(read, expected, "a new, higher version");
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 3);
    let update = app.updates(&acme, &world.installations[0]).await.remove(0);
    assert_eq!((update.int("/fromVersion/number"), update.int("/toVersion/number")), (2, 3));
    assert_eq!(
        app.rows(&world.pack.id).await[0].at("/newerShareableAvailable"),
        true,
        "2.0 is newer than what is in force"
    );
}

#[tokio::test]
async fn r32_the_way_back_can_be_dated_too() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.update_now(&world.pack).await;
    app.pin(&world.pack.id, &world.pack.components[0], &world.pack.packages[0].id).await;
    app.release_on(&world.pack.id, "2026-12-01").await;
    let offer = app
        .read_installation(&acme, &world.installations[0], "pendingUpdate { diff { changed { isDowngrade } } }")
        .await;
    assert_eq!(offer.at("/pendingUpdate/diff/changed"), &json!([{ "isDowngrade": true }]));
    app.advance_to(OPENS).await;
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 3);
}
