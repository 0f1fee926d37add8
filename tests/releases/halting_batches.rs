//! Each step of a batch is judged in the batch's transaction (R58): the moves of a batch that is full, a catch-up within
//! a batch, and the attempts at its end. Each of these tests leads to a batch in which that step alone decides.

use entity::task;
use packwright::domain::installations::FailureCode;
use packwright::service::Settings;
use packwright::service::followup::{drop_task, run_one_batch};
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::installations::outcomes::report;
use crate::releases::halting::{installed, release};
use crate::releases::pausing::{pause, resume};
use crate::support::rows::{LogMark, tables};
use crate::support::{At, Installed, Managed, Setup, TestApp, immediately, in_stages, instant, of_groups};

/// A server whose batches have at most two installations.
async fn by_twos() -> TestApp {
    let settings = Settings { batch_size: 2, ..Settings::default() };
    TestApp::with(Setup { settings, ..Setup::default() }).await
}

/// What the rule is judged by, and whether the release is paused.
async fn read(app: &TestApp, release: &str) -> (i64, i64, bool) {
    let read = app.read_release(release, "haltFigures { executed bad } pause { at }").await;
    (read.int("/haltFigures/executed"), read.int("/haltFigures/bad"), read.at("/pause").is_object())
}

/// Runs batches until so many updates were executed.
async fn batches_until(app: &TestApp, release: &str, executed: i64) {
    for _ in 0..20 {
        if read(app, release).await.0 >= executed {
            return;
        }
        run_one_batch(&app.app.services).await.expect("a batch");
    }
    panic!("{executed} were never executed: {:?}", read(app, release).await);
}

async fn report_broken(app: &TestApp, account: &Managed, release: &str, installation: &str) {
    let update = app.update_of(release, installation).await.text("/id");
    report(app, account, &update, "BROKEN", "").await;
}

/// Opens a stage that holds all installations of an account.
async fn staged(app: &TestApp, account: &Managed, world: &Installed, rule: Value) -> String {
    let pilots = app.group("Pilots", &[account]).await;
    app.tick().await;
    let stages = [of_groups("Pilots", "2026-11-30", &[&pilots])];
    let release = release(app, in_stages(&world.pack.id, "2026-12-01", &stages), rule).await;
    app.tick().await;
    release
}

fn rule(percent: i64, at_least: i64) -> Value {
    json!({ "percent": percent, "atLeast": at_least })
}

#[tokio::test]
async fn r58_a_full_batch_of_a_rollout_decides() {
    let app = by_twos().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 8).await;
    let release = release(&app, immediately(&world.pack.id), rule(10, 4)).await;
    report_broken(&app, &acme, &release, &world.installations[0]).await;
    assert_eq!(read(&app, &release).await, (2, 1, false), "four are needed");
    batches_until(&app, &release, 3).await;
    assert_eq!(read(&app, &release).await, (4, 1, true));
}

#[tokio::test]
async fn r58_a_full_batch_of_a_stage_decides() {
    let app = by_twos().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 8).await;
    let release = staged(&app, &acme, &world, rule(10, 4)).await;
    app.open_next_stage(&release).await;
    report_broken(&app, &acme, &release, &world.installations[0]).await;
    assert_eq!(read(&app, &release).await, (2, 1, false), "four are needed");
    batches_until(&app, &release, 3).await;
    assert_eq!(read(&app, &release).await, (4, 1, true));
}

#[tokio::test]
async fn r58_a_full_batch_of_a_retry_decides() {
    let app = by_twos().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 8).await;
    for installation in &world.installations {
        app.mover.fail(installation, 5, FailureCode::Internal);
    }
    let release = release(&app, immediately(&world.pack.id), rule(100, 4)).await;
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "FAILED");
    let set = json!({ "releaseId": release, "haltWhen": rule(10, 4) });
    app.ok(&app.publisher, "setHaltRule", set, "").await;
    app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": release }), "").await;
    assert_eq!(read(&app, &release).await, (8, 8, true));
    app.clock_only_by(60);
    resume(&app, &release).await;
    batches_until(&app, &release, 1).await;
    report_broken(&app, &acme, &release, &world.installations[0]).await;
    assert_eq!(read(&app, &release).await, (2, 1, false), "four are needed");
    batches_until(&app, &release, 3).await;
    assert_eq!(read(&app, &release).await, (4, 1, true));
}

#[tokio::test]
async fn r58_a_catch_up_within_a_full_batch_of_a_rollout_decides() {
    let app = by_twos().await;
    let [globex, acme] = app.managed_accounts(["Globex", "Acme"]).await;
    let world = installed(&app, &globex, "Orders", 2).await;
    let mut of_acme = Vec::new();
    for index in 0..2 {
        of_acme.push(app.install_as(&acme, "Orders", &format!("Orders of Acme {index}")).await);
    }
    app.suspend(&globex).await;
    app.tick().await;
    let release = release(&app, immediately(&world.pack.id), rule(10, 4)).await;
    assert_eq!(app.progress(&release).await.int("/skipped"), 2, "the first batch skips what is suspended");
    pause(&app, &release).await;
    app.reactivate(&globex).await;
    app.tick().await;
    app.clock_only_by(60);
    resume(&app, &release).await;
    batches_until(&app, &release, 2).await;
    report_broken(&app, &acme, &release, &of_acme[0]).await;
    assert_eq!(read(&app, &release).await, (2, 1, false), "four are needed");
    batches_until(&app, &release, 3).await;
    assert_eq!(read(&app, &release).await, (4, 1, true), "the rollout has come to Globex again");
    assert_eq!(app.installed_number(&globex, &world.installations[0]).await, 2);
}

/// Lets the first of three installations fail four times, so that nothing else is moved, and lets the others be moved
/// then. The last batch moves the third installation, and its fifth attempt at the first one decides.
async fn assert_the_last_attempt_decides(app: &TestApp, release: &str) {
    app.live_until("2026-11-22T09:02:40Z").await;
    assert_eq!(read(app, release).await, (1, 0, false), "an attempt is left");
    let set = json!({ "releaseId": release, "haltWhen": rule(10, 3) });
    app.ok(&app.publisher, "setHaltRule", set, "").await;
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(read(app, release).await, (3, 1, true));
}

#[tokio::test]
async fn r58_the_last_attempt_of_the_last_batch_of_a_rollout_decides() {
    let app = by_twos().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 3).await;
    app.mover.fail(&world.installations[0], u32::MAX, FailureCode::Internal);
    let release = release(&app, immediately(&world.pack.id), rule(10, 2)).await;
    assert_the_last_attempt_decides(&app, &release).await;
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS");
}

#[tokio::test]
async fn r58_the_last_attempt_of_the_last_batch_of_a_stage_decides() {
    let app = by_twos().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 3).await;
    app.mover.fail(&world.installations[0], u32::MAX, FailureCode::Internal);
    let release = staged(&app, &acme, &world, rule(10, 2)).await;
    app.open_next_stage(&release).await;
    assert_the_last_attempt_decides(&app, &release).await;
    assert_eq!(app.stage_states(&release).await[0], "OPEN", "it isn't completed after the attempt that decides");
}

#[tokio::test]
async fn r58_the_last_attempt_of_a_retry_decides_before_others_are_tried() {
    let app = by_twos().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 6).await;
    for installation in &world.installations {
        app.mover.fail(installation, 5, FailureCode::Internal);
    }
    let release = release(&app, immediately(&world.pack.id), rule(100, 2)).await;
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "FAILED");
    for installation in &world.installations[..2] {
        app.mover.fail(installation, u32::MAX, FailureCode::Internal);
    }
    let set = json!({ "releaseId": release, "haltWhen": rule(10, 2) });
    app.ok(&app.publisher, "setHaltRule", set, "").await;
    app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": release }), "").await;
    app.clock_only_by(60);
    resume(&app, &release).await;
    app.live_until("2026-11-22T12:00:00Z").await;
    assert_eq!(read(&app, &release).await, (2, 2, true));
    let attempts: Vec<_> = world.installations.iter().map(|it| app.mover.attempts(it)).collect();
    assert_eq!(attempts[2..], [5, 5, 5, 5], "nobody else is tried: {attempts:?}");
}

/// Gives up the only task.
async fn give_up(app: &TestApp) {
    let open = task::Entity::find().all(tables(app)).await.expect("the tasks");
    assert_eq!(open.len(), 1, "{open:#?}");
    drop_task(&app.app.services, open[0].id, "It never ends.").await.expect("dropped");
}

#[tokio::test]
async fn r58_a_full_batch_that_gives_up_decides() {
    let app = by_twos().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 8).await;
    let release = release(&app, immediately(&world.pack.id), rule(50, 2)).await;
    let mark = LogMark::now(&app).await;
    app.clock_only_by(1);
    give_up(&app).await;
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(read(&app, &release).await, (8, 6, false));
    let events = mark.events(&app).await;
    let halted = events.iter().find(|event| event.kind == "RELEASE_HALTED").expect("halted");
    let told = app.read_event(&app.publisher, halted, "... on ReleaseEvent { figures { executed bad } }").await;
    assert_eq!(told.at("/figures"), &json!({ "executed": 6, "bad": 4 }), "the second batch decides");
}

/// Nobody is moved any more, so a report has nothing to pause.
#[tokio::test]
async fn r58_a_report_while_a_rollout_is_given_up_only_announces() {
    let app = by_twos().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 8).await;
    let release = release(&app, immediately(&world.pack.id), rule(50, 2)).await;
    let mark = LogMark::now(&app).await;
    give_up(&app).await;
    assert_eq!(read(&app, &release).await, (4, 2, false), "half is within the rule");
    report_broken(&app, &acme, &release, &world.installations[0]).await;
    let halted = mark.kinds(&app).await.iter().filter(|kind| *kind == "RELEASE_HALTED").count();
    assert_eq!((read(&app, &release).await, halted), ((4, 3, false), 1));
    assert_eq!(app.current_number(&world.pack.id).await, Some(2));
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(
        (read(&app, &release).await, app.release_state(&release).await),
        ((8, 7, false), "PARTIALLY_SUCCEEDED".into())
    );
}

#[tokio::test]
async fn r58_attempts_that_are_given_up_decide() {
    let app = by_twos().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 2).await;
    for installation in &world.installations {
        app.mover.fail(installation, u32::MAX, FailureCode::Internal);
    }
    let release = release(&app, immediately(&world.pack.id), rule(50, 2)).await;
    assert_eq!(read(&app, &release).await, (0, 0, false));
    let mark = LogMark::now(&app).await;
    app.clock_only_by(1);
    give_up(&app).await;
    app.live_until("2026-11-22T10:00:00Z").await;
    let kinds = mark.kinds(&app).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "RELEASE_HALTED").count(), 1, "{kinds:?}");
    assert_eq!((read(&app, &release).await, app.release_state(&release).await), ((2, 2, false), "FAILED".into()));
}

#[tokio::test]
async fn r58_reports_count_after_a_resume_though_the_clock_was_set_back_since() {
    let app = by_twos().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 8).await;
    let release = release(&app, immediately(&world.pack.id), rule(10, 4)).await;
    pause(&app, &release).await;
    app.clock_only_by(3_600);
    resume(&app, &release).await;
    app.clock.set_to(instant("2026-11-22T09:00:00Z"));
    batches_until(&app, &release, 3).await;
    assert_eq!(read(&app, &release).await, (4, 0, false));
    report_broken(&app, &acme, &release, &world.installations[5]).await;
    assert_eq!(read(&app, &release).await, (4, 1, true), "it was moved after the resume");
}
