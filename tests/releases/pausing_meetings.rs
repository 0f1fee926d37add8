//! A resume meets what ends its release on another server (R56).

use std::sync::Arc;

use packwright::domain::installations::FailureCode;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::json;

use crate::releases::pausing::pause;
use crate::support::rows::tables;
use crate::support::{Installed, TestApp, mutate_on, refusal};

/// A paused rollout whose task has looked and waits for the next look.
async fn paused_rollout() -> (TestApp, Installed, String) {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.mover.fail(&installed.installations[0], 1, FailureCode::Temporary);
    let release = app.update_now(&installed.pack).await;
    pause(&app, &release).await;
    app.advance_by(10).await;
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS");
    (app, installed, release)
}

/// Checks that another release, which replaces the one that ended the rollout, waits for nothing.
async fn can_release_again(app: &TestApp, installed: &Installed) {
    app.package_newer(&installed.pack).await;
    let read = app.read_pack(&installed.pack.id, "viewerCanRelease runningRelease { id }").await;
    assert_eq!(read, json!({ "viewerCanRelease": true, "runningRelease": null }));
    let next = app.release_now(&installed.pack.id).await;
    assert_eq!(app.release_state(&next).await, "SUCCEEDED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r56_a_resume_that_comes_too_late_leaves_no_task_behind() {
    let (app, installed, release) = paused_rollout().await;
    if app.has_one_writer() {
        return;
    }
    let (app, installed) = (Arc::new(app), Arc::new(installed));
    let server = app.another_server_watched().await;
    // The resume has locked the tasks, and doesn't hold the pack yet.
    let locks_tasks = |sql: &str| sql.contains(r#"FROM "task""#) && sql.contains("FOR NO KEY UPDATE");
    let (quicker, of) = (app.clone(), installed.clone());
    server.once_after(locks_tasks, move || async move {
        let next = quicker.update_now(&of.pack).await;
        assert_eq!(quicker.release_state(&next).await, "SUCCEEDED");
    });
    let input = json!({ "releaseId": release });
    let payload = mutate_on(&server.app, &app.publisher, "resumeRelease", input, "release { id }").await;
    assert_eq!(refusal(&payload).code, "NOT_PAUSED");
    assert_eq!(app.release_state(&release).await, "SUPERSEDED");
    assert_eq!(app.number("SELECT COUNT(*) AS n FROM task").await, 0);
    can_release_again(&app, &installed).await;
    server.app.services.db.clone().close().await.expect("closed");
}

/// A resume may also end without an answer, because its server or its connection does.
#[tokio::test(flavor = "multi_thread")]
async fn r29_a_task_of_a_rollout_that_has_ended_keeps_no_other_release_waiting() {
    let (app, installed, release) = paused_rollout().await;
    if app.has_one_writer() {
        return;
    }
    let held = tables(&app).begin().await.expect("a transaction");
    held.execute_unprepared("SELECT id FROM task FOR NO KEY UPDATE").await.expect("the tasks are held");
    app.update_now(&installed.pack).await;
    held.rollback().await.expect("the server is gone");
    assert_eq!(app.release_state(&release).await, "SUPERSEDED");
    assert_eq!(app.number("SELECT COUNT(*) AS n FROM task WHERE kind = 'ROLL_OUT' AND deferred").await, 1);
    can_release_again(&app, &installed).await;
    app.advance_by(3_600).await;
    assert_eq!(app.number("SELECT COUNT(*) AS n FROM task").await, 0, "it finds nothing to do");
}
