//! Retries of failed updates that are paused and resumed (R56, R58).

use packwright::domain::installations::FailureCode;
use serde_json::{Value, json};

use crate::releases::halting::installed;
use crate::releases::pausing::{pause, resume};
use crate::support::{At, TestApp};

async fn retry(app: &TestApp, release: &str) {
    app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": release }), "").await;
}

async fn figures(app: &TestApp, release: &str) -> Value {
    app.read_release(release, "haltFigures { executed bad }").await.at("/haltFigures").clone()
}

/// A release is in force again, because the one after it was rolled back, and is retried. An account gets its grant back
/// while the retry is paused. Its installation has the version that was rolled back, and an update that this release
/// applied long ago.
#[tokio::test]
async fn r56_whoever_comes_back_while_a_retry_is_paused_has_its_version_in_the_end() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&acme, &globex]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme, &globex]).await;
    app.mover.fail(&installed.installations[0], u32::MAX, FailureCode::Temporary);
    let second = app.update_now(&installed.pack).await;
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(app.release_state(&second).await, "PARTIALLY_SUCCEEDED");
    app.mover.repair();
    let third = app.update_now(&installed.pack).await;
    app.tick().await;
    assert_eq!(app.release_state(&third).await, "SUCCEEDED");
    app.leave(&gold, &globex).await;
    app.tick().await;
    let roll_back = json!({ "releaseId": third, "reason": "It is broken.", "atMost": 100 });
    app.ok(&app.publisher, "rollBackRelease", roll_back, "").await;
    app.tick().await;
    assert_eq!(app.release_state(&third).await, "ROLLED_BACK");
    assert_eq!(app.installed_number(&globex, &installed.installations[1]).await, 3, "it is frozen");
    app.mover.fail(&installed.installations[0], u32::MAX, FailureCode::Temporary);
    retry(&app, &second).await;
    pause(&app, &second).await;
    app.join(&gold, &globex).await;
    app.tick().await;
    assert_eq!(app.installed_number(&globex, &installed.installations[1]).await, 3, "nobody is moved in a pause");
    app.mover.repair();
    resume(&app, &second).await;
    app.live_until("2026-11-22T12:00:00Z").await;
    assert_eq!(app.release_state(&second).await, "SUCCEEDED");
    for (account, installation) in [&acme, &globex].into_iter().zip(&installed.installations) {
        assert_eq!(app.installed_number(account, installation).await, 2, "{}", account.name);
    }
}

/// Four installations, of which two have failed for good. They fail in a retry again.
async fn failed_twice(rule: Option<Value>) -> (TestApp, String) {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 4).await;
    for installation in &world.installations[..2] {
        app.mover.fail(installation, u32::MAX, FailureCode::Internal);
    }
    let release = app.release_now(&world.pack.id).await;
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    assert_eq!(figures(&app, &release).await, json!({ "executed": 4, "bad": 2 }));
    retry(&app, &release).await;
    app.clock_only_by(1);
    pause(&app, &release).await;
    if let Some(rule) = rule {
        app.ok(&app.publisher, "setHaltRule", json!({ "releaseId": release, "haltWhen": rule }), "").await;
    }
    app.clock_only_by(60);
    resume(&app, &release).await;
    assert_eq!(figures(&app, &release).await, json!({ "executed": 0, "bad": 0 }), "they are attempted still");
    app.live_until("2026-11-22T11:00:00Z").await;
    (app, release)
}

#[tokio::test]
async fn r58_after_a_resume_what_fails_again_counts() {
    let (app, release) = failed_twice(None).await;
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    assert_eq!(figures(&app, &release).await, json!({ "executed": 2, "bad": 2 }));
    // What is counted once stays so.
    retry(&app, &release).await;
    app.live_until("2026-11-22T12:00:00Z").await;
    assert_eq!(figures(&app, &release).await, json!({ "executed": 2, "bad": 2 }));
    app.mover.repair();
    retry(&app, &release).await;
    app.live_until("2026-11-22T13:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(figures(&app, &release).await, json!({ "executed": 2, "bad": 0 }));
}

#[tokio::test]
async fn r58_a_resumed_retry_that_fails_again_is_halted() {
    let (app, release) = failed_twice(Some(json!({ "percent": 50, "atLeast": 2 }))).await;
    let read = app.read_release(&release, "state pause { by { kind } figures { executed bad } }").await;
    let pause = json!({ "by": { "kind": "SCHEDULER" }, "figures": { "executed": 2, "bad": 2 } });
    assert_eq!(read, json!({ "state": "IN_PROGRESS", "pause": pause }));
}

/// The moves of a retry fail, so no more is tried than the rule needs to decide.
#[tokio::test]
async fn r58_a_retry_after_a_resume_stops_before_it_has_come_to_all() {
    let app = TestApp::in_batches_of(5).await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 30).await;
    for installation in &world.installations {
        app.mover.fail(installation, u32::MAX, FailureCode::Internal);
    }
    let release = app.release_now(&world.pack.id).await;
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "FAILED");
    let attempts = || -> Vec<usize> { world.installations.iter().map(|one| app.mover.attempts(one)).collect() };
    // The first batch is done within the call.
    retry(&app, &release).await;
    app.clock_only_by(1);
    pause(&app, &release).await;
    let rule = json!({ "releaseId": release, "haltWhen": { "percent": 10, "atLeast": 5 } });
    app.ok(&app.publisher, "setHaltRule", rule, "").await;
    app.clock_only_by(60);
    resume(&app, &release).await;
    app.live_until("2026-11-22T12:00:00Z").await;
    assert!(app.read_release(&release, "pause { at }").await.at("/pause").is_object());
    let tried = attempts().into_iter().filter(|attempts| *attempts > 5).count();
    assert!(tried <= 10, "{tried} were tried again");
}
