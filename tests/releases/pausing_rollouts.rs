//! Pausing a release while it is rolled out (R56): the batch at hand is the last one, until the release is resumed.

use packwright::domain::installations::FailureCode;
use serde_json::json;

use crate::releases::pausing::{pause, resume};
use crate::support::rows::LogMark;
use crate::support::{At, Installed, Managed, TestApp, immediately, on_date, refusal};

/// A MULTI pack that one account has installed ten times, and a release of which the first three are done.
async fn begun() -> (TestApp, Managed, Installed, String) {
    let app = TestApp::in_batches_of(3).await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_times("Orders", &acme, 10).await;
    app.tick().await;
    let release = app.update_now(&installed.pack).await;
    (app, acme, installed, release)
}

#[tokio::test]
async fn r56_of_a_paused_rollout_no_further_batch_is_done() {
    let (app, acme, installed, release) = begun().await;
    let other = app.another_server().await;
    pause(&app, &release).await;
    let mark = LogMark::now(&app).await;
    for _ in 0..3 {
        app.tick().await;
        other.scheduler.tick().await.expect("a tick");
        app.advance_by(1_000).await;
    }
    assert_eq!(app.installed_numbers(&acme, &installed.installations).await, [2, 2, 2, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(mark.kinds(&app).await, Vec::<String>::new());
    let read = app.read_release(&release, "state pause { reason } progress { applied offered }").await;
    let expected = json!({ "state": "IN_PROGRESS", "pause": { "reason": "Something is wrong." }, "progress": { "applied": 3, "offered": 7 } });
    assert_eq!(read, expected);
    let resumed = resume(&app, &release).await;
    assert_eq!(resumed, json!({ "id": release, "state": "IN_PROGRESS", "pause": null }));
    app.tick().await;
    assert_eq!(app.installed_numbers(&acme, &installed.installations).await, [2; 10]);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    for installation in &installed.installations {
        assert_eq!(app.mover.attempts(installation), 1, "moved once");
    }
}

#[tokio::test]
async fn r56_an_installation_made_meanwhile_gets_the_former_version_and_is_moved_with_the_others() {
    let (app, acme, installed, release) = begun().await;
    pause(&app, &release).await;
    let made = app.install_as(&acme, "Orders", "made meanwhile").await;
    assert_eq!(app.installed_number(&acme, &made).await, 1);
    assert_eq!(app.progress(&release).await.int("/total"), 11, "it is one more to move");
    let gone = app.install_as(&acme, "Orders", "gone meanwhile").await;
    app.uninstall(&acme, &gone).await;
    resume(&app, &release).await;
    app.tick().await;
    assert_eq!(app.installed_number(&acme, &made).await, 2);
    assert_eq!(app.installed_numbers(&acme, &installed.installations).await, [2; 10]);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    let after = app.install_as(&acme, "Orders", "made afterwards").await;
    assert_eq!(app.installed_number(&acme, &after).await, 2);
}

#[tokio::test]
async fn r56_only_an_immediate_release_supersedes_a_paused_rollout() {
    let (app, acme, installed, release) = begun().await;
    app.package_newer(&installed.pack).await;
    for input in [immediately(&installed.pack.id), on_date(&installed.pack.id, "2026-12-01")] {
        assert_eq!(refusal(&app.try_release(input).await).code, "RELEASE_IN_PROGRESS");
    }
    pause(&app, &release).await;
    let dated = refusal(&app.try_release(on_date(&installed.pack.id, "2026-12-01")).await);
    assert_eq!(dated.code, "RELEASE_IN_PROGRESS");
    let mark = LogMark::now(&app).await;
    let fix = app.release_now(&installed.pack.id).await;
    let read = app
        .read_release(&release, "state pause { reason } supersededBy { id } progress { applied withdrawn offered }")
        .await;
    let expected = json!({ "state": "SUPERSEDED", "pause": null, "supersededBy": { "id": fix }, "progress": { "applied": 3, "withdrawn": 0, "offered": 0 } });
    assert_eq!(read, expected);
    assert_eq!(mark.kinds(&app).await[..2], ["RELEASE_SUPERSEDED", "RELEASE_STARTED"]);
    app.tick().await;
    assert_eq!(app.installed_numbers(&acme, &installed.installations).await, [3; 10], "everybody, the first three too");
    let read = app.read_release(&fix, "state previousVersion { number }").await;
    assert_eq!(
        read,
        json!({ "state": "SUCCEEDED", "previousVersion": { "number": 1 } }),
        "never back to the paused one"
    );
    app.update_now(&installed.pack).await;
    app.tick().await;
    assert_eq!(app.installed_numbers(&acme, &installed.installations).await, [4; 10]);
}

#[tokio::test]
async fn r56_nobody_catches_up_with_a_paused_release() {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech", "Umbrella"]).await;
    let gold = app.group("Gold", &accounts.each_ref()).await;
    let installed = app.installed_pack_in("Orders", &gold, &accounts.each_ref()).await;
    let [acme, globex, initech, umbrella] = &accounts;
    app.suspend(acme).await;
    app.leave(&gold, globex).await;
    app.tick().await;
    app.package_newer(&installed.pack).await;
    let release = app.release_now(&installed.pack.id).await;
    // The second batch comes to Globex.
    packwright::service::followup::run_one_batch(&app.app.services).await.expect("a batch");
    pause(&app, &release).await;
    app.reactivate(acme).await;
    app.join(&gold, globex).await;
    app.tick().await;
    for (account, installation) in accounts.iter().zip(&installed.installations) {
        assert_eq!(app.installed_number(account, installation).await, 1, "{}", account.name);
    }
    resume(&app, &release).await;
    app.tick().await;
    for (account, installation) in accounts.iter().zip(&installed.installations) {
        assert_eq!(app.installed_number(account, installation).await, 2, "{}", account.name);
    }
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    for (account, how) in [(0, "CATCH_UP"), (1, "CATCH_UP"), (2, "IMMEDIATE"), (3, "IMMEDIATE")] {
        let update = app.update_of(&release, &installed.installations[account]).await;
        assert_eq!((update.text("/state"), update.text("/how")), ("APPLIED".into(), how.into()), "{account}");
    }
    let _ = (initech, umbrella);
}

#[tokio::test]
async fn r56_a_retry_is_paused_too_and_whoever_came_meanwhile_is_moved_after_it() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.mover.fail(&installed.installations[0], u32::MAX, FailureCode::Temporary);
    let release = app.update_now(&installed.pack).await;
    app.live_until("2026-11-22T09:30:00Z").await;
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": release }), "retriedCount").await;
    app.mover.repair();
    pause(&app, &release).await;
    let late = app.managed("Late").await;
    let of_late = app.install(&late, "Orders").await;
    app.advance_by(3_600).await;
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 1);
    assert_eq!(app.installed_number(&late, &of_late).await, 1);
    resume(&app, &release).await;
    app.tick().await;
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2);
    assert_eq!(app.installed_number(&late, &of_late).await, 2);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn r56_a_window_that_has_opened_is_paused_as_a_rollout() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    // Nobody has carried the window out.
    app.clock_only("2026-11-30T23:00:00Z");
    pause(&app, &release).await;
    app.tick().await;
    let read = app.read_release(&release, "state pause { reason } progress { applied }").await;
    assert_eq!((read.text("/state"), read.int("/progress/applied")), ("IN_PROGRESS".into(), 0));
    assert_eq!(app.current_number(&installed.pack.id).await, Some(2));
    let update =
        app.read_installation(&acme, &installed.installations[0], "updates { edges { node { id isPaused } } }");
    let update = update.await.nodes("/updates").remove(0);
    assert_eq!(update.at("/isPaused"), &json!(true));
    assert_eq!(refusal(&app.try_apply(&acme, &update.text("/id")).await).code, "RELEASE_PAUSED");
    resume(&app, &release).await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED", "a small install base is done when the call returns");
    assert_eq!(app.installed_number(&globex, &installed.installations[1]).await, 2);
}
