//! Canceling a pending release moves early appliers back (R30).

use packwright::domain::installations::FailureCode;
use packwright::service::followup::run_one_batch;
use serde_json::json;

use crate::program::kill::until;
use crate::support::{At as _, TestApp, refusal};

const OPENS: &str = "2026-11-30T23:00:00.000000Z";

#[tokio::test]
async fn r30_canceling_moves_early_appliers_back() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.apply(&acme, &world.installations[0]).await;
    app.advance_by(3600).await;
    app.cancel(&release).await;
    for (account, installation) in [&acme, &globex].into_iter().zip(&world.installations) {
        assert_eq!(app.installed_number(account, installation).await, 1);
        assert_eq!(app.offered(account, installation).await, None);
    }
    let back = app.updates(&acme, &world.installations[0]).await.remove(0);
    assert_eq!(
        (back.text("/state"), back.text("/how"), back.text("/settledAt")),
        ("WITHDRAWN".into(), "CANCELED_BACK".into(), "2026-11-22T10:00:00.000000Z".into())
    );
    let withdrawn = app.updates(&globex, &world.installations[1]).await.remove(0);
    assert_eq!((withdrawn.text("/state"), withdrawn.at("/how")), ("WITHDRAWN".into(), &json!(null)));
    let moved = app.read_installation(&acme, &world.installations[0], "movedAt").await;
    assert_eq!(moved.text("/movedAt"), "2026-11-22T10:00:00.000000Z");
    let read = app
        .read_release(&release, "state endedAt startedAt testingPeriod { endsAt isOpen } progress { total withdrawn }")
        .await;
    let expected = json!({
        "state": "CANCELED", "endedAt": "2026-11-22T10:00:00.000000Z", "startedAt": null,
        "testingPeriod": { "endsAt": "2026-11-22T10:00:00.000000Z", "isOpen": false }, "progress": { "total": 2, "withdrawn": 2 },
    });
    assert_eq!(read, expected);
    let before = app.world().await;
    app.advance_to(OPENS).await;
    app.assert_unchanged(&before).await;
}

/// A version that was taken back stays nowhere, not even until the account is active again.
#[tokio::test]
async fn r30_canceling_moves_an_early_applier_back_that_was_suspended_meanwhile() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.apply(&acme, &world.installations[0]).await;
    app.suspend(&acme).await;
    app.cancel(&release).await;
    let back = app.update_of(&release, &world.installations[0]).await;
    assert_eq!((back.text("/state"), back.text("/how")), ("WITHDRAWN".into(), "CANCELED_BACK".into()));
    app.reactivate(&acme).await;
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 1);
}

#[tokio::test]
async fn r30_early_appliers_are_moved_back_in_batches_and_until_then_nothing_is_released() {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["A", "B", "C"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    for (account, installation) in accounts.iter().zip(&world.installations) {
        app.apply(account, installation).await;
    }
    app.cancel(&release).await;
    let refused = refusal(&app.try_release(crate::support::immediately(&world.pack.id)).await);
    assert_eq!(refused.code, "RELEASE_IN_PROGRESS");
    app.tick().await;
    for (account, installation) in accounts.iter().zip(&world.installations) {
        assert_eq!(app.installed_number(account, installation).await, 1);
    }
    app.release_now(&world.pack.id).await;
}

#[tokio::test]
async fn r30_a_failed_move_back_is_retried_before_anything_else_is_released() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    for (account, installation) in [&acme, &globex].into_iter().zip(&world.installations) {
        app.apply(account, installation).await;
    }
    app.mover.fail(&world.installations[0], 2, packwright::domain::installations::FailureCode::Temporary);
    app.cancel(&release).await;
    assert_eq!(app.release_state(&release).await, "CANCELED");
    assert_eq!(app.installed_number(&globex, &world.installations[1]).await, 1, "the other is not held up");
    let update = app.updates(&acme, &world.installations[0]).await.remove(0);
    assert_eq!(
        (update.text("/state"), update.at("/failure")),
        ("APPLIED".into(), &json!(null)),
        "nothing has come of it yet"
    );
    assert_eq!(
        refusal(&app.try_release(crate::support::immediately(&world.pack.id)).await).code,
        "RELEASE_IN_PROGRESS"
    );
    app.live_until("2026-11-22T09:10:00Z").await;
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 1);
    let update = app.updates(&acme, &world.installations[0]).await.remove(0);
    assert_eq!((update.text("/state"), update.text("/how")), ("WITHDRAWN".into(), "CANCELED_BACK".into()));
    app.release_now(&world.pack.id).await;
}

#[tokio::test]
async fn r30_an_installation_that_applied_early_after_it_was_made_in_the_testing_period_is_moved_back_too() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    let installation = app.install(&globex, "Orders").await;
    app.apply(&globex, &installation).await;
    app.cancel(&release).await;
    assert_eq!(app.installed_number(&globex, &installation).await, 1);
}

#[tokio::test]
async fn r30_a_canceled_release_keeps_the_number_it_took() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let canceled = app.update_on(&pack, "2026-12-01").await;
    app.cancel(&canceled).await;
    let next = app.release_now(&pack.id).await;
    let number = async |release: &str| app.read_release(release, "version { number }").await.int("/version/number");
    assert_eq!((number(&canceled).await, number(&next).await), (2, 3));
    assert_eq!(app.current_number(&pack.id).await, Some(3));
    let diff = app.read_release(&next, "diff { fromNumber toNumber changed { from { version } } }").await;
    assert_eq!(
        diff.at("/diff"),
        &json!({ "fromNumber": 1, "toNumber": 3, "changed": [{ "from": { "version": "1.0" } }] })
    );
}

#[tokio::test]
async fn r30_a_canceled_first_release_leaves_the_pack_as_never_released() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    app.cancel(&release).await;
    let state =
        app.read_pack(&pack.id, "state currentVersion { number } pendingRelease { id } hasUnreleasedChanges").await;
    assert_eq!(
        state,
        json!({ "state": "NEVER_RELEASED", "currentVersion": null, "pendingRelease": null, "hasUnreleasedChanges": true })
    );
    app.advance_to(OPENS).await;
    assert_eq!(app.find_available(&acme, "Orders").await, None);
}

#[tokio::test]
async fn r30_after_a_cancel_another_date_can_be_had() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let canceled = app.update_on(&world.pack, "2026-12-01").await;
    app.apply(&acme, &world.installations[0]).await;
    app.cancel(&canceled).await;
    let release = app.release_on(&world.pack.id, "2026-12-01").await;
    assert!(app.offered(&acme, &world.installations[0]).await.is_some(), "offered anew");
    app.advance_to(OPENS).await;
    assert_eq!(
        (app.release_state(&release).await.as_str(), app.installed_number(&acme, &world.installations[0]).await),
        ("SUCCEEDED", 3)
    );
}

#[tokio::test]
async fn r44_an_account_that_applied_early_and_reinstalled_keeps_the_new_installation() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.apply(&acme, &world.installations[0]).await;
    app.uninstall(&acme, &world.installations[0]).await;
    let anew = app.install(&acme, "Orders").await;
    assert_eq!(app.installed_number(&acme, &anew).await, 1, "what was tested is gone with the installation");
    app.apply(&acme, &anew).await;
    app.cancel(&release).await;
    assert_eq!(app.installed_number(&acme, &anew).await, 1);
    assert_eq!(app.mover.attempts(&world.installations[0]), 1, "applied, and never touched again");
    assert_eq!(app.mover.attempts(&anew), 2);
    app.release_now(&world.pack.id).await;
    assert_eq!(app.installed_number(&acme, &anew).await, 3);
}

/// The move of the first installation back has failed, and is due again when the last batch comes to the last ones. Its
/// turn is a batch of its own: whoever holds a pack locks installations in the order of ids, and another one may have
/// locked the first installation and wait for the last one.
#[tokio::test]
async fn r30_attempts_that_are_due_are_no_part_of_a_batch_of_later_installations() {
    let app = TestApp::in_batches_of(2).await;
    let accounts = app.managed_accounts(["A", "B", "C"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    for (account, installation) in accounts.iter().zip(&world.installations) {
        app.apply(account, installation).await;
    }
    app.tick().await;
    app.mover.fail(&world.installations[0], 1, FailureCode::Temporary);
    app.cancel(&release).await;
    app.clock_only_by(10);
    let numbers = async || {
        let mut numbers = Vec::new();
        for (account, installation) in accounts.iter().zip(&world.installations) {
            numbers.push(app.installed_number(account, installation).await);
        }
        numbers
    };
    assert_eq!(numbers().await, [2, 1, 2]);
    let held = if app.has_one_writer() { None } else { Some(app.hold("installation", &world.installations[0]).await) };
    let waits = async {
        match &held {
            Some(_) => until("a lock", async || app.waiting().await > 0).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = run_one_batch(&app.app.services) => assert!(ended.expect("a batch")),
        () = waits => panic!("it waits for an earlier installation, and has locked a later one"),
    }
    assert_eq!(numbers().await, [2, 1, 1]);
    if let Some(held) = held {
        held.rollback().await.expect("it lets go");
    }
    app.tick().await;
    assert_eq!(numbers().await, [1, 1, 1]);
    app.release_now(&world.pack.id).await;
}
