//! Retrying failed updates with `retryFailedUpdates` (section 6 of the rules).

use packwright::domain::installations::FailureCode;
use packwright::service::Settings;
use serde_json::{Value, json};

use crate::support::rows::LogMark;
use crate::support::{At, Installed, Managed, TestApp, meanwhile, mutate_on, refusal};

/// Three accounts have Orders installed, and a release failed to move those in `failing`.
async fn failed(failing: &[usize]) -> (TestApp, [Managed; 3], Installed, String) {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let installed = app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await;
    app.tick().await;
    for index in failing {
        app.mover.fail(&installed.installations[*index], u32::MAX, FailureCode::Temporary);
    }
    let release = app.update_now(&installed.pack).await;
    let_it_end(&app).await;
    (app, accounts, installed, release)
}

/// Runs the scheduler until no work is left.
async fn let_it_end(app: &TestApp) {
    for _ in 0..30 {
        let Some(next) = app.tick().await else { return };
        assert!(next > app.now(), "it would spin");
        app.clock.advance_to(next);
    }
    panic!("it never ends");
}

async fn retry(app: &TestApp, release: &str) -> Value {
    let selection = "release { id state viewerCanRetryFailed } retriedCount";
    app.mutate(&app.publisher, "retryFailedUpdates", json!({ "releaseId": release }), selection).await
}

async fn can_retry(app: &TestApp, release: &str) -> bool {
    app.read_release(release, "viewerCanRetryFailed").await.at("/viewerCanRetryFailed") == true
}

#[tokio::test]
async fn r41_failed_updates_are_retried_and_the_release_succeeds() {
    let (app, accounts, installed, release) = failed(&[0, 1]).await;
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    assert!(can_retry(&app, &release).await);
    let update = app.update_of(&release, &installed.installations[0]).await;
    assert_eq!(
        (update.text("/state"), update.text("/failure/code"), update.int("/failure/attempts")),
        ("FAILED".into(), "TEMPORARY".into(), 5)
    );
    app.mover.repair();
    let mark = LogMark::now(&app).await;
    let payload = retry(&app, &release).await;
    assert_eq!((payload.at("/errors"), payload.int("/retriedCount")), (&json!([]), 2));
    assert_eq!(app.release_state(&release).await, "SUCCEEDED", "two are one batch, that the call does");
    for index in [0, 1] {
        assert_eq!(app.installed_number(&accounts[index], &installed.installations[index]).await, 2);
        let update = app.update_of(&release, &installed.installations[index]).await;
        assert_eq!(
            (update.text("/state"), update.text("/how"), update.at("/failure")),
            ("APPLIED".into(), "IMMEDIATE".into(), &json!(null))
        );
    }
    assert_eq!(app.mover.attempts(&installed.installations[2]), 1, "who was moved is not touched again");
    assert_eq!(
        mark.kinds(&app).await,
        ["RELEASE_STARTED", "INSTALLATION_UPDATED", "INSTALLATION_UPDATED", "RELEASE_COMPLETED"]
    );
    assert_eq!(
        mark.actions(&app).await,
        ["retryFailedUpdates", "scheduler.applyUpdate", "scheduler.applyUpdate", "scheduler.completeRelease"]
    );
    assert_eq!(refusal(&retry(&app, &release).await).code, "NOTHING_TO_RETRY");
    assert!(!can_retry(&app, &release).await);
}

#[tokio::test]
async fn r41_a_release_that_failed_whole_can_be_retried() {
    let (app, accounts, installed, release) = failed(&[0, 1, 2]).await;
    assert_eq!(app.release_state(&release).await, "FAILED");
    app.mover.repair();
    assert_eq!(retry(&app, &release).await.int("/retriedCount"), 3);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(app.installed_number(&accounts[2], &installed.installations[2]).await, 2);
}

#[tokio::test]
async fn r41_a_retry_tries_five_times_with_growing_pauses_and_fails_again() {
    let (app, _, installed, release) = failed(&[0]).await;
    let before = app.now();
    assert_eq!(retry(&app, &release).await.text("/release/state"), "IN_PROGRESS");
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS", "it is tried again after a pause");
    assert_eq!(app.update_of(&release, &installed.installations[0]).await.text("/state"), "FAILED");
    let_it_end(&app).await;
    assert_eq!(app.mover.attempts(&installed.installations[0]), 10);
    assert!(app.now() - before <= chrono::Duration::minutes(10));
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    assert_eq!(app.update_of(&release, &installed.installations[0]).await.int("/failure/attempts"), 10);
    app.mover.repair();
    retry(&app, &release).await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn r29_while_a_retry_runs_nothing_else_is_released() {
    let (app, _, installed, release) = failed(&[0]).await;
    retry(&app, &release).await;
    assert_eq!(refusal(&retry(&app, &release).await).code, "RELEASE_IN_PROGRESS");
    app.package_newer(&installed.pack).await;
    let payload = app.try_release(crate::support::immediately(&installed.pack.id)).await;
    let refused = refusal(&payload);
    assert_eq!(refused.code, "RELEASE_IN_PROGRESS");
    let_it_end(&app).await;
    app.mover.repair();
    let next = app.release_now(&installed.pack.id).await;
    assert_eq!(app.release_state(&next).await, "SUCCEEDED");
    assert_eq!(refusal(&retry(&app, &release).await).code, "SUPERSEDED", "a later release took its place");
    assert!(!can_retry(&app, &release).await);
}

#[tokio::test]
async fn r41_only_a_started_release_can_be_retried_and_none_while_another_is_pending() {
    let (app, _, installed, release) = failed(&[0]).await;
    let pending = app.update_on(&installed.pack, "2026-12-01").await;
    assert_eq!(refusal(&retry(&app, &pending).await).code, "NOT_STARTED");
    let refused = refusal(&retry(&app, &release).await);
    assert_eq!(refused.code, "RELEASE_ALREADY_PENDING");
    assert!(!can_retry(&app, &release).await);
    app.cancel(&pending).await;
    assert_eq!(refusal(&retry(&app, &pending).await).code, "NOT_STARTED", "canceled before it started");
    app.mover.repair();
    assert_eq!(retry(&app, &release).await.int("/retriedCount"), 1);
}

#[tokio::test]
async fn r45_a_retry_leaves_out_who_may_not_be_moved() {
    let (app, accounts, installed, release) = failed(&[0, 1]).await;
    app.mover.repair();
    app.suspend(&accounts[0]).await;
    assert_eq!(retry(&app, &release).await.int("/retriedCount"), 1);
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    assert_eq!(app.update_of(&release, &installed.installations[0]).await.text("/state"), "FAILED");
    assert_eq!(app.installed_number(&accounts[1], &installed.installations[1]).await, 2);
    assert_eq!(refusal(&retry(&app, &release).await).code, "NOTHING_TO_RETRY");
    app.reactivate(&accounts[0]).await;
    assert!(can_retry(&app, &release).await);
    assert_eq!(retry(&app, &release).await.int("/retriedCount"), 1);
    assert_eq!(app.installed_number(&accounts[0], &installed.installations[0]).await, 2);
}

#[tokio::test]
async fn r44_an_uninstalled_installation_is_not_retried() {
    let (app, accounts, installed, release) = failed(&[0]).await;
    app.uninstall(&accounts[0], &installed.installations[0]).await;
    assert_eq!(refusal(&retry(&app, &release).await).code, "NOTHING_TO_RETRY");
}

#[tokio::test]
async fn r41_nothing_is_retried_while_early_appliers_are_moved_back() {
    let (app, accounts, installed, release) = failed(&[0]).await;
    let canceled = app.update_on(&installed.pack, "2026-12-01").await;
    app.apply(&accounts[1], &installed.installations[1]).await;
    app.mover.fail(&installed.installations[1], 1, FailureCode::Temporary);
    app.cancel(&canceled).await;
    assert_eq!(refusal(&retry(&app, &release).await).code, "RELEASE_IN_PROGRESS");
    assert!(!can_retry(&app, &release).await);
    let_it_end(&app).await;
    assert_eq!(app.installed_number(&accounts[1], &installed.installations[1]).await, 2, "it is back");
    app.mover.repair();
    assert_eq!(retry(&app, &release).await.int("/retriedCount"), 1);
}

#[tokio::test]
async fn r46_an_account_suspended_during_a_pause_of_a_retry_is_not_moved() {
    let (app, accounts, installed, release) = failed(&[0]).await;
    assert_ne!(app.read_release(&release, "endedAt").await.at("/endedAt"), &json!(null));
    retry(&app, &release).await;
    assert_eq!(app.read_release(&release, "endedAt").await.at("/endedAt"), &json!(null), "it has not ended any more");
    app.suspend(&accounts[0]).await;
    app.mover.repair();
    let_it_end(&app).await;
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    assert_eq!(app.update_of(&release, &installed.installations[0]).await.text("/state"), "FAILED");
    assert_eq!(
        app.mover.attempts(&installed.installations[0]),
        6,
        "once by the retry, before the account was suspended"
    );
}

#[tokio::test]
async fn r41_a_release_is_not_retried_once_the_window_of_the_next_one_has_opened_unnoticed() {
    let (app, _, installed, release) = failed(&[0]).await;
    let next = app.update_on(&installed.pack, "2026-12-01").await;
    app.mover.repair();
    app.clock_only("2026-11-30T23:00:00Z");
    assert_eq!(refusal(&retry(&app, &release).await).code, "SUPERSEDED", "a later release took its place");
    app.tick().await;
    assert_eq!(app.release_state(&next).await, "SUCCEEDED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r46_a_retry_moves_nothing_of_an_account_that_is_suspended_meanwhile() {
    let (app, accounts, installed, release) = failed(&[0, 1]).await;
    if app.has_one_writer() {
        return;
    }
    app.mover.repair();
    let other = app.another_server_of(Settings::default()).await;
    let (token, account) = (app.publisher.clone(), accounts[0].id.clone());
    app.mover.before_next(move || {
        meanwhile(move || async move {
            let payload = mutate_on(&other, &token, "suspendAccount", json!({ "accountId": account }), "").await;
            assert_eq!(payload.at("/errors"), &json!([]));
        });
    });
    retry(&app, &release).await;
    let_it_end(&app).await;
    assert_eq!(app.update_of(&release, &installed.installations[0]).await.text("/state"), "FAILED");
    assert_eq!(app.update_of(&release, &installed.installations[1]).await.text("/state"), "APPLIED");
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
}

/// Each batch of a retry takes as many statements, however many installations it moves.
#[tokio::test]
async fn r49_a_retry_of_many_takes_as_many_statements_as_one_of_few() {
    let mut counts = Vec::new();
    for number in [3, 30] {
        let app = TestApp::new().await;
        let acme = app.managed("Acme").await;
        let pack = app.multi_pack_with("Orders", &["Import"]).await;
        app.share_with_all(&pack.id).await;
        app.release_now(&pack.id).await;
        for n in 0..number {
            let installation = app.install_as(&acme, "Orders", &format!("number {n}")).await;
            app.mover.fail(&installation, u32::MAX, FailureCode::Temporary);
        }
        let release = app.update_now(&pack).await;
        let_it_end(&app).await;
        app.mover.repair();
        let (payload, statements) = app.statements_with_values_of(retry(&app, &release)).await;
        assert_eq!(payload.int("/retriedCount"), number);
        assert_eq!(app.release_state(&release).await, "SUCCEEDED");
        counts.push(statements.len());
    }
    assert_eq!(counts[0], counts[1]);
}
