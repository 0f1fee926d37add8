//! An operator drops a rollout that is split into ranges (R58, ADR 55), and what is behind a task that has passed.

use packwright::domain::installations::FailureCode;
use packwright::service::Settings;
use packwright::service::followup::{Dropped, Retried, drop_task, retry_task};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::json;
use uuid::Uuid;

use crate::program::kill::until;
use crate::releases::halting::installed;
use crate::releases::pausing::{pause, resume};
use crate::releases::ranges::{finish, kinds, open, split};
use crate::support::rows::tables;
use crate::support::{At as _, Setup, TestApp};

/// Pauses the release, and installs the former version meanwhile.
async fn install_during_a_pause(
    app: &TestApp,
    account: &crate::support::Managed,
    release: &str,
    is_resumed: bool,
) -> String {
    pause(app, release).await;
    let new = app.install_as(account, "Orders", "made while it is paused").await;
    assert_eq!(app.installed_number(account, &new).await, 1);
    if is_resumed {
        resume(app, release).await;
    }
    new
}

/// All ranges have passed when an account installs the former version, because the release is paused. Only attempts are
/// left to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r58_what_was_installed_behind_the_ranges_is_given_up_too() {
    for is_resumed in [true, false] {
        let Some((app, acme, world, release, _)) = split(1, 3).await else { return };
        app.mover.fail(&world.installations[1], u32::MAX, FailureCode::Temporary);
        let ranges = open(&app).await;
        for expected in [Retried::GoesOn, Retried::Done] {
            assert_eq!(retry_task(&app.app.services, ranges[0].id).await.expect("a batch"), expected);
        }
        for _ in 0..2 {
            assert_eq!(retry_task(&app.app.services, ranges[1].id).await.expect("a batch"), Retried::GoesOn);
        }
        assert_eq!(kinds(&app).await, ["ROLL_OUT"], "the last range has joined the others");
        let new = install_during_a_pause(&app, &acme, &release, is_resumed).await;
        let dropped = drop_task(&app.app.services, ranges[1].id, "It never ends.").await.expect("dropped");
        assert_eq!(dropped, Dropped::GivesUp);
        finish(&app, 1).await;
        assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
        let progress = app.progress(&release).await;
        let counts = ["/applied", "/failed", "/offered", "/total"].map(|count| progress.int(count));
        assert_eq!(counts, [2, 2, 0, 4], "{progress}");
        assert_eq!(app.update_of(&release, &new).await.text("/state"), "FAILED");
        assert_eq!(app.installed_number(&acme, &new).await, 1);
        assert_eq!(kinds(&app).await, Vec::<String>::new());
    }
}

/// The same for a retry, which comes to no installation that has no failed update. On SQLite, too.
#[tokio::test]
async fn r58_what_was_installed_while_a_retry_was_paused_is_given_up_with_it() {
    for is_resumed in [true, false] {
        let settings = Settings { batch_size: 2, ..Settings::default() };
        let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
        let acme = app.managed("Acme").await;
        let world = installed(&app, &acme, "Orders", 3).await;
        app.mover.fail(&world.installations[1], u32::MAX, FailureCode::Temporary);
        let release = app.release_now(&world.pack.id).await;
        app.live_until("2026-11-22T10:00:00Z").await;
        assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
        app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": release }), "").await;
        let new = install_during_a_pause(&app, &acme, &release, is_resumed).await;
        let task = open(&app).await.pop().expect("the retry");
        assert_eq!(task.kind, "RETRY");
        let dropped = drop_task(&app.app.services, task.id, "It never ends.").await.expect("dropped");
        assert_eq!(dropped, Dropped::GivesUp);
        app.tick().await;
        assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
        let progress = app.progress(&release).await;
        let counts = ["/applied", "/failed", "/offered", "/total"].map(|count| progress.int(count));
        assert_eq!(counts, [2, 2, 0, 4], "{progress}");
        assert_eq!(app.update_of(&release, &new).await.text("/state"), "FAILED");
        assert_eq!(kinds(&app).await, Vec::<String>::new());
    }
}

/// While the operator's command waits for a batch, the rollout gets a further range: its ranges may come to their end,
/// and a resumed rollout then begins anew and is split again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r58_a_range_that_comes_while_a_drop_waits_is_dropped_too() {
    let Some((app, _, _, release, _)) = split(1, 12).await else { return };
    let ranges = open(&app).await;
    let held = tables(&app).begin().await.expect("a transaction");
    let lock = format!("SELECT id FROM task WHERE id = '{}' FOR UPDATE", ranges[0].id);
    held.execute_unprepared(&lock).await.expect("the first range is held");
    let lets_go = async {
        until("the command waits", async || app.waiting().await == 1).await;
        let further = format!(
            "INSERT INTO task SELECT (jsonb_populate_record(task, jsonb_build_object('id', '{}'))).* FROM task WHERE id = '{}'",
            Uuid::max(),
            ranges[7].id
        );
        held.execute_unprepared(&further).await.expect("a further range");
        held.commit().await.expect("it lets go");
    };
    let (dropped, ()) = tokio::join!(drop_task(&app.app.services, ranges[0].id, "It never ends."), lets_go);
    assert_eq!(dropped.expect("dropped"), Dropped::GivesUp);
    assert_eq!(kinds(&app).await, ["GIVE_UP"]);
    finish(&app, 1).await;
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/failed")), (1, 11), "{progress}");
}
