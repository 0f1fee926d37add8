//! Immediate releases: every installation moves, in batches, and a failing one holds up no other (R25, R27).

use packwright::domain::installations::FailureCode;
use serde_json::json;

use crate::support::{At as _, TestApp, immediately, on_date, refusal};

#[tokio::test]
async fn r25_every_installation_moves_at_once() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.advance_by(3600).await;
    let release = app.update_now(&world.pack).await;
    assert_eq!(
        app.release_state(&release).await,
        "SUCCEEDED",
        "a small install base is finished when the call answers"
    );
    for (account, installation) in [&acme, &globex].into_iter().zip(&world.installations) {
        let read =
            app.read_installation(account, installation, "version { number } movedAt pendingUpdate { id }").await;
        let now = app.now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        assert_eq!(read, json!({ "version": { "number": 2 }, "movedAt": now, "pendingUpdate": null }));
        let updates = app.updates(account, installation).await;
        assert_eq!(updates.len(), 1, "the first release was none for it");
        assert_eq!((updates[0].text("/state"), updates[0].text("/how")), ("APPLIED".into(), "IMMEDIATE".into()));
        assert_eq!((updates[0].int("/fromVersion/number"), updates[0].int("/toVersion/number")), (1, 2));
        assert_eq!((updates[0].text("/settledAt"), updates[0].at("/appliedBy")), (now, &json!(null)));
    }
    let expected = json!({ "total": 2, "offered": 0, "applied": 2, "appliedEarly": 0, "skipped": 0, "failed": 0, "withdrawn": 0, "percent": 100.0 });
    assert_eq!(app.progress(&release).await, expected);
}

#[tokio::test]
async fn r25_the_work_is_done_in_batches_and_its_progress_can_be_read() {
    // The call moves the first installation, ticks move the others.
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["A", "B", "C"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let release = app.update_now(&world.pack).await;
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS");
    let progress = app.progress(&release).await;
    assert_eq!(
        (progress.int("/total"), progress.int("/applied"), progress.int("/offered")),
        (3, 1, 2),
        "the first batch is done"
    );
    assert_eq!(
        app.read_pack(&world.pack.id, "state runningRelease { id }").await,
        json!({ "state": "RELEASING", "runningRelease": { "id": release } })
    );
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    for (account, installation) in accounts.iter().zip(&world.installations) {
        assert_eq!(app.installed_number(account, installation).await, 2);
        assert_eq!(app.mover.attempts(installation), 1);
    }
    assert_eq!(
        app.read_pack(&world.pack.id, "state runningRelease { id }").await,
        json!({ "state": "CURRENT", "runningRelease": null })
    );
}

#[tokio::test]
async fn r29_while_a_rollout_runs_the_pack_is_not_released_again() {
    // The call moves the first installation, ticks move the others.
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["A", "B", "C"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let release = app.update_now(&world.pack).await;
    app.package_newer(&world.pack).await;
    for input in [immediately(&world.pack.id), on_date(&world.pack.id, "2026-12-01")] {
        let refused = refusal(&app.try_release(input).await);
        assert_eq!(refused.code, "RELEASE_IN_PROGRESS");
        assert_eq!(refused.errors[0].text("/blockingRelease/id"), release);
    }
    for mutation in ["promoteRelease", "cancelRelease"] {
        let refused =
            refusal(&app.mutate(&app.publisher, mutation, json!({ "releaseId": release }), "release { id }").await);
        assert_eq!(refused.code, "RELEASE_IN_PROGRESS", "{mutation}");
    }
    app.tick().await;
    app.release_now(&world.pack.id).await;
}

#[tokio::test]
async fn r27_an_installation_made_during_a_rollout_gets_the_new_version() {
    // The call moves the first installation, ticks move the others.
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["A", "B", "C"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let late = app.managed("Late").await;
    let release = app.update_now(&world.pack).await;
    let installation = app.install(&late, "Orders").await;
    assert_eq!(app.installed_number(&late, &installation).await, 2);
    app.tick().await;
    assert!(app.updates(&late, &installation).await.is_empty(), "there was nothing to move");
    assert_eq!((app.release_state(&release).await.as_str(), app.mover.attempts(&installation)), ("SUCCEEDED", 0));
    assert_eq!(app.progress(&release).await.int("/total"), 3);
}

#[tokio::test]
async fn r25_one_failing_installation_holds_up_no_other() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.mover.fail(&world.installations[0], u32::MAX, FailureCode::Temporary);
    let release = app.update_now(&world.pack).await;
    assert_eq!(app.installed_number(&globex, &world.installations[1]).await, 2);
    let progress = app.progress(&release).await;
    assert_eq!(
        (progress.int("/applied"), progress.int("/offered"), progress.int("/failed")),
        (1, 1, 0),
        "it is tried again"
    );
    app.live_until("2026-11-22T09:10:00Z").await;
    assert_eq!(app.mover.attempts(&world.installations[0]), 5);
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    assert_eq!(app.progress(&release).await.int("/failed"), 1);
    let update = app.updates(&acme, &world.installations[0]).await.remove(0);
    assert_eq!(update.at("/failure"), &json!({ "code": "TEMPORARY", "attempts": 5 }));
    assert_eq!((update.text("/state"), update.at("/how")), ("FAILED".into(), &json!(null)));
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 1, "it stays where it was");
}

#[tokio::test]
async fn r25_a_fault_that_passes_leaves_no_trace() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.mover.fail(&world.installations[0], 3, FailureCode::Temporary);
    let release = app.update_now(&world.pack).await;
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS");
    app.live_until("2026-11-22T09:10:00Z").await;
    assert_eq!(
        (app.release_state(&release).await.as_str(), app.mover.attempts(&world.installations[0])),
        ("SUCCEEDED", 4)
    );
    let update = app.updates(&acme, &world.installations[0]).await.remove(0);
    assert_eq!((update.text("/state"), update.at("/failure")), ("APPLIED".into(), &json!(null)));
}

#[tokio::test]
async fn r25_a_release_that_moves_nobody_has_failed_and_the_next_one_mends_it() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.mover.fail(&world.installations[0], u32::MAX, FailureCode::Temporary);
    let release = app.update_now(&world.pack).await;
    app.live_until("2026-11-22T09:10:00Z").await;
    assert_eq!(app.release_state(&release).await, "FAILED");
    app.mover.repair();
    let next = app.update_now(&world.pack).await;
    assert_eq!(app.release_state(&next).await, "SUCCEEDED");
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 3);
    let updates = app.updates(&acme, &world.installations[0]).await;
    assert_eq!((updates[0].int("/fromVersion/number"), updates[1].text("/state")), (1, "FAILED".into()));
}

#[tokio::test]
async fn r25_each_of_several_installations_of_an_account_moves() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    let north = app.install_as(&acme, "Orders", "North").await;
    let south = app.install_as(&acme, "Orders", "South").await;
    let release = app.update_now(&pack).await;
    assert_eq!(app.progress(&release).await.int("/applied"), 2);
    for installation in [north, south] {
        assert_eq!(app.installed_number(&acme, &installation).await, 2);
    }
}

#[tokio::test]
async fn r25_the_updates_of_a_release_are_listed_by_account() {
    let app = TestApp::new().await;
    let [globex, acme, initech] = app.managed_accounts(["Globex", "Acme", "Initech"]).await;
    let world = app.installed_pack("Orders", &[&globex, &acme, &initech]).await;
    app.mover.fail(&world.installations[0], u32::MAX, FailureCode::Temporary);
    let release = app.update_now(&world.pack).await;
    let query = "query($id: ID!, $filter: InstallationUpdateFilter, $first: Int, $after: String) { release(id: $id) {
        updates(filter: $filter, first: $first, after: $after) { edges { node { state installation { account { name } } } } pageInfo { endCursor } totalCount } } }";
    let accounts = async |variables: serde_json::Value| {
        let mut all = json!({ "id": release });
        all.as_object_mut().unwrap().extend(variables.as_object().unwrap().clone());
        let data = app.gql(&app.publisher, query, all).await;
        (
            data.texts("/release/updates", "/installation/account/name"),
            data.at("/release/updates/pageInfo/endCursor").clone(),
        )
    };
    assert_eq!(accounts(json!({})).await.0, ["Acme", "Globex", "Initech"]);
    assert_eq!(accounts(json!({ "filter": { "states": ["OFFERED"] } })).await.0, ["Globex"]);
    assert_eq!(accounts(json!({ "filter": { "how": ["IMMEDIATE"] } })).await.0, ["Acme", "Initech"]);
    let (first, cursor) = accounts(json!({ "first": 2 })).await;
    let (second, _) = accounts(json!({ "first": 2, "after": cursor })).await;
    assert_eq!((first, second), (vec!["Acme".into(), "Globex".into()], vec!["Initech".to_owned()]));
}
