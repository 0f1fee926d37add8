//! Dated re-releases: the testing period, applying early, and the window that moves the rest (R26, R27, R31).

use serde_json::json;

use crate::support::rows::LogMark;
use crate::support::{At as _, TestApp, refusal, uuid_of};

/// The start of the window of 2026-12-01 in Berlin.
const OPENS: &str = "2026-11-30T23:00:00.000000Z";

#[tokio::test]
async fn r26_the_testing_period_opens_with_the_call() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    let period = json!({ "startsAt": "2026-11-22T09:00:00.000000Z", "endsAt": OPENS, "isOpen": true });
    let read = app.read_release(&release, "state schedule startedAt testingPeriod { startsAt endsAt isOpen }").await;
    let expected = json!({ "state": "SCHEDULED", "schedule": "RELEASE_ON_SPECIFIED_DATE", "startedAt": null, "testingPeriod": period });
    assert_eq!(read, expected);
    let state =
        app.read_pack(&world.pack.id, "state currentVersion { number } pendingRelease { version { number } }").await;
    assert_eq!(
        state,
        json!({ "state": "TESTING", "currentVersion": { "number": 1 }, "pendingRelease": { "version": { "number": 2 } } })
    );
    let seen = app.read_installation(
        &acme,
        &world.installations[0],
        "viewerCanApply version { number } pendingUpdate { state how viewerCanApply offeredAt settledAt
         release { testingPeriod { startsAt endsAt isOpen } window { startsAt } } fromVersion { number } toVersion { number }
         diff { fromNumber toNumber changed { from { version } to { version } } } }",
    );
    let expected = json!({
        "viewerCanApply": true, "version": { "number": 1 },
        "pendingUpdate": {
            "state": "OFFERED", "how": null, "viewerCanApply": true, "offeredAt": "2026-11-22T09:00:00.000000Z", "settledAt": null,
            "release": { "testingPeriod": period, "window": { "startsAt": OPENS } },
            "fromVersion": { "number": 1 }, "toVersion": { "number": 2 },
            "diff": { "fromNumber": 1, "toNumber": 2, "changed": [{ "from": { "version": "1.0" }, "to": { "version": "2.0" } }] },
        },
    });
    assert_eq!(seen.await, expected);
}

#[tokio::test]
async fn r26_only_accounts_that_have_the_pack_get_events_of_a_pending_release() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    let query = "query($id: ID!) { availablePack(id: $id) { currentVersion { number } pendingRelease { id } } pendingUpdates { edges { node { id } } } }";
    let pending = async |account| {
        let id = app.available(account, "Orders").await;
        let data = app.gql(&account.token, query, json!({ "id": id })).await;
        (data.at("/availablePack/pendingRelease").clone(), data.nodes("/pendingUpdates").len())
    };
    let (announced, updates) = pending(&acme).await;
    assert_eq!(updates, 1);
    assert_ne!(announced.text("/id"), release, "the two readers know it by different IDs");
    assert_eq!(pending(&globex).await, (json!(null), 0));
}

#[tokio::test]
async fn r26_an_account_applies_early_for_each_installation_itself() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    let north = app.install_as(&acme, "Orders", "North").await;
    let south = app.install_as(&acme, "Orders", "South").await;
    let release = app.update_on(&pack, "2026-12-01").await;
    app.advance_by(3600).await;
    let update = app.offered(&acme, &north).await.unwrap();
    let selection =
        "alreadyApplied update { state how settledAt appliedBy { name } installation { version { number } movedAt } }";
    let payload = app.ok(&acme.token, "applyPendingUpdate", json!({ "updateId": update }), selection).await;
    let expected = json!({
        "state": "APPLIED", "how": "EARLY", "settledAt": "2026-11-22T10:00:00.000000Z", "appliedBy": { "name": "first" },
        "installation": { "version": { "number": 2 }, "movedAt": "2026-11-22T10:00:00.000000Z" },
    });
    assert_eq!((payload.at("/update"), payload.at("/alreadyApplied")), (&expected, &json!(false)));
    assert_eq!((app.installed_number(&acme, &south).await, app.offered(&acme, &north).await), (1, None));
    assert!(app.offered(&acme, &south).await.is_some());
    let progress = app.progress(&release).await;
    assert_eq!(["/total", "/offered", "/applied", "/appliedEarly"].map(|at| progress.int(at)), [2, 1, 1, 1]);
}

#[tokio::test]
async fn r26_applying_twice_is_a_no_op_that_says_so() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&world.pack, "2026-12-01").await;
    let update = app.apply(&acme, &world.installations[0]).await;
    let before = app.world().await;
    app.clock_only("2026-11-25T00:00:00Z");
    let again = app.try_apply(&acme, &update).await;
    assert_eq!(
        again,
        json!({ "update": { "id": update, "state": "APPLIED", "how": "EARLY" }, "alreadyApplied": true, "errors": [] })
    );
    app.assert_unchanged(&before).await;
    app.advance_to(OPENS).await;
    let after = app.try_apply(&acme, &update).await;
    assert_eq!(after.at("/alreadyApplied"), true, "also when the window has passed");
    assert_eq!(app.mover.attempts(&world.installations[0]), 1);
}

#[tokio::test]
async fn r26_an_update_that_the_window_applied_is_applied_already() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&world.pack, "2026-12-01").await;
    let update = app.offered(&acme, &world.installations[0]).await.unwrap();
    app.advance_to(OPENS).await;
    let payload = app.try_apply(&acme, &update).await;
    assert_eq!((payload.at("/alreadyApplied"), payload.text("/update/how")), (&json!(true), "AUTOMATIC".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_applying_twice_at_once_moves_once() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&world.pack, "2026-12-01").await;
    let update = app.offered(&acme, &world.installations[0]).await.unwrap();
    let (one, other) = tokio::join!(app.try_apply(&acme, &update), app.try_apply(&acme, &update));
    let mut already = [one, other].map(|payload| payload.at("/alreadyApplied") == true);
    already.sort_unstable();
    assert_eq!((already, app.mover.attempts(&world.installations[0])), ([false, true], 1));
}

#[tokio::test]
async fn r26_nobody_applies_for_another() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.update_on(&world.pack, "2026-12-01").await;
    let update = app.offered(&acme, &world.installations[0]).await.unwrap();
    let input = json!({ "updateId": update });
    assert_eq!(app.denied(&globex.token, "applyPendingUpdate", input.clone()).await, "NOT_FOUND");
    assert_eq!(app.denied(&app.publisher, "applyPendingUpdate", input.clone()).await, "FORBIDDEN");
    let support = app.token(&acme.token, "SUPPORT").await;
    assert_eq!(app.denied(&support, "applyPendingUpdate", input).await, "FORBIDDEN");
    for id in [&world.installations[0], "nonsense"] {
        assert_eq!(app.denied(&acme.token, "applyPendingUpdate", json!({ "updateId": id })).await, "NOT_FOUND");
    }
    let production = app.token(&acme.token, "PRODUCTION_SUPPORT").await;
    app.ok(&production, "applyPendingUpdate", json!({ "updateId": update }), "alreadyApplied").await;
}

#[tokio::test]
async fn r27_the_window_moves_all_who_have_not_applied_and_touches_no_other() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.advance_to("2026-11-25T12:00:00Z").await;
    app.apply(&acme, &world.installations[0]).await;
    let early = app.updates(&acme, &world.installations[0]).await;
    app.advance_to(OPENS).await;
    assert_eq!(app.updates(&acme, &world.installations[0]).await, early, "not touched again");
    let moved =
        async |account, installation| app.read_installation(account, installation, "version { number } movedAt").await;
    assert_eq!(
        moved(&acme, &world.installations[0]).await,
        json!({ "version": { "number": 2 }, "movedAt": "2026-11-25T12:00:00.000000Z" })
    );
    assert_eq!(moved(&globex, &world.installations[1]).await, json!({ "version": { "number": 2 }, "movedAt": OPENS }));
    let update = app.updates(&globex, &world.installations[1]).await.remove(0);
    let facts = ["/state", "/how", "/offeredAt", "/settledAt"].map(|at| update.text(at));
    assert_eq!(facts, ["APPLIED", "AUTOMATIC", "2026-11-22T09:00:00.000000Z", OPENS]);
    let expected = json!({ "total": 2, "offered": 0, "applied": 2, "appliedEarly": 1, "skipped": 0, "failed": 0, "withdrawn": 0, "percent": 100.0 });
    assert_eq!(app.progress(&release).await, expected);
    let read =
        app.read_release(&release, "state startedAt endedAt testingPeriod { endsAt isOpen } window { late }").await;
    let ended = json!({ "endsAt": OPENS, "isOpen": false });
    assert_eq!(
        read,
        json!({ "state": "SUCCEEDED", "startedAt": OPENS, "endedAt": OPENS, "testingPeriod": ended, "window": { "late": false } })
    );
    assert_eq!(app.mover.attempts(&world.installations[0]), 1);
}

#[tokio::test]
async fn r31_an_installation_made_in_a_testing_period_gets_current_and_is_offered_pending() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.advance_by(3600).await;
    let installation = app.install(&globex, "Orders").await;
    let seen = app
        .read_installation(
            &globex,
            &installation,
            "version { number } pendingUpdate { state offeredAt toVersion { number } }",
        )
        .await;
    let offer = json!({ "state": "OFFERED", "offeredAt": "2026-11-22T10:00:00.000000Z", "toVersion": { "number": 2 } });
    assert_eq!(seen, json!({ "version": { "number": 1 }, "pendingUpdate": offer }));
    assert_eq!(app.progress(&release).await.int("/total"), 2);
    app.advance_to(OPENS).await;
    assert_eq!(app.installed_number(&globex, &installation).await, 2);
}

#[tokio::test]
async fn r31_that_installation_can_apply_early_too() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&world.pack, "2026-12-01").await;
    let installation = app.install(&globex, "Orders").await;
    app.apply(&globex, &installation).await;
    assert_eq!(app.installed_number(&globex, &installation).await, 2);
}

#[tokio::test]
async fn r27_the_window_comes_to_more_than_a_batch() {
    let app = TestApp::in_batches_of(2).await;
    let accounts = app.managed_accounts(["A", "B", "C", "D", "E"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    for (account, installation) in accounts.iter().zip(&world.installations) {
        assert!(app.offered(account, installation).await.is_some(), "offered before a batch has come to it");
    }
    app.apply(&accounts[4], &world.installations[4]).await;
    app.advance_to(OPENS).await;
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/appliedEarly")), (5, 1));
    for (account, installation) in accounts.iter().zip(&world.installations) {
        assert_eq!(app.installed_number(account, installation).await, 2);
        assert_eq!(app.mover.attempts(installation), 1);
    }
}

#[tokio::test]
async fn r26_a_withdrawn_offer_can_not_be_applied() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    let update = app.offered(&acme, &world.installations[0]).await.unwrap();
    app.cancel(&release).await;
    assert_eq!(refusal(&app.try_apply(&acme, &update).await).code, "UPDATE_WITHDRAWN");
    assert_eq!(app.offered(&acme, &world.installations[0]).await, None);
}

#[tokio::test]
async fn r29_each_offer_that_a_superseding_release_ends_has_an_event_and_an_end() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    let pending = app.update_on(&world.pack, "2026-12-01").await;
    app.apply(&acme, &world.installations[0]).await;
    app.package_newer(&world.pack).await;
    let mark = LogMark::now(&app).await;
    app.release_now(&world.pack.id).await;
    app.tick().await;
    let events_since = mark.events(&app).await;
    let kinds: Vec<_> = events_since.iter().map(|event| event.kind.as_str()).collect();
    let moved = "INSTALLATION_UPDATED";
    assert_eq!(kinds, ["RELEASE_SUPERSEDED", "RELEASE_STARTED", moved, moved, moved, "RELEASE_COMPLETED"]);
    assert_eq!(
        (events_since[2].release_id, events_since[2].installation_id, events_since[2].update_state.as_deref()),
        (Some(uuid_of(&pending)), Some(uuid_of(&world.installations[1])), Some("WITHDRAWN"))
    );
    let update = app.updates(&globex, &world.installations[1]).await.remove(1);
    assert_eq!(
        (update.text("/state"), update.text("/settledAt")),
        ("WITHDRAWN".into(), "2026-11-22T09:00:00.000000Z".into())
    );
}

#[tokio::test]
async fn r31_the_offer_to_an_installation_made_in_the_testing_period_is_announced() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&world.pack, "2026-12-01").await;
    app.tick().await;
    let mark = LogMark::now(&app).await;
    let installation = app.install(&globex, "Orders").await;
    app.tick().await;
    let mut events_since = mark.events(&app).await;
    assert_eq!(events_since.remove(0).kind, "INSTALLATION_CREATED");
    assert_eq!(events_since.len(), 1, "once");
    assert_eq!(
        (events_since[0].kind.as_str(), events_since[0].audience.as_str()),
        ("UPDATE_OFFERED", "PUBLISHER_AND_ACCOUNT")
    );
    assert_eq!(events_since[0].installation_id, Some(uuid_of(&installation)));
}
