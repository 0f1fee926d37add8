//! Pauses and resumes while the server's clock is set back (R56, R58).

use std::sync::Arc;

use packwright::domain::installations::FailureCode;
use packwright::service::followup::run_one_batch;
use serde_json::{Value, json};

use crate::installations::outcomes::report;
use crate::releases::halting::{installed, release};
use crate::releases::pausing::{pause, resume};
use crate::releases::ranges::{finish, splitting};
use crate::support::rows::LogMark;
use crate::support::{At, Installed, Managed, Setup, TestApp, immediately, instant, mutate_on};

/// Runs batches until a release has ended.
async fn ends(app: &TestApp, release: &str) -> String {
    for _ in 0..30 {
        let state = app.release_state(release).await;
        if state != "IN_PROGRESS" {
            return state;
        }
        run_one_batch(&app.app.services).await.expect("a batch");
    }
    panic!("the release goes on for ever");
}

/// An account is suspended when the rollout comes to it, and is active again when the release is resumed.
pub(super) async fn passed_by() -> (TestApp, [Managed; 3], Vec<String>, String) {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let installed = app.installed_pack("Orders", &accounts.each_ref()).await;
    app.suspend(&accounts[0]).await;
    let release = app.update_now(&installed.pack).await;
    pause(&app, &release).await;
    app.reactivate(&accounts[0]).await;
    app.tick().await;
    assert_eq!(app.installed_number(&accounts[0], &installed.installations[0]).await, 1);
    (app, accounts, installed.installations, release)
}

#[tokio::test]
async fn r56_whoever_came_meanwhile_is_moved_though_the_clock_was_set_back_before_the_resume() {
    for back in [1, 3_600, 400 * 86_400] {
        let (app, accounts, installations, release) = passed_by().await;
        app.clock.set_to(app.now() - chrono::Duration::seconds(back));
        resume(&app, &release).await;
        assert_eq!(ends(&app, &release).await, "SUCCEEDED");
        for (account, installation) in accounts.iter().zip(&installations) {
            assert_eq!(app.installed_number(account, installation).await, 2, "{}, set back by {back} s", account.name);
            assert_eq!(app.mover.attempts(installation), 1);
        }
    }
}

#[tokio::test]
async fn r56_a_resumed_rollout_ends_though_the_clock_was_set_back_since() {
    let (app, accounts, installations, release) = passed_by().await;
    app.clock_only_by(3_600);
    resume(&app, &release).await;
    app.clock.set_to(instant("2026-11-22T09:00:00Z"));
    assert_eq!(ends(&app, &release).await, "SUCCEEDED");
    for (account, installation) in accounts.iter().zip(&installations) {
        assert_eq!(app.installed_number(account, installation).await, 2, "{}", account.name);
    }
}

#[tokio::test]
async fn r56_a_retry_ends_though_the_clock_was_set_back_since_a_resume_before_it() {
    let app = TestApp::in_batches_of(1).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.mover.fail(&installed.installations[0], u32::MAX, FailureCode::Temporary);
    let release = app.update_now(&installed.pack).await;
    pause(&app, &release).await;
    app.clock_only_by(3_600);
    resume(&app, &release).await;
    app.live_until("2026-11-22T11:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    app.clock.set_to(instant("2026-11-22T09:30:00Z"));
    app.mover.repair();
    app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": release }), "").await;
    assert_eq!(ends(&app, &release).await, "SUCCEEDED");
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2);
}

/// A release with a halt rule that was paused after its first batch of two, and resumed when the clock had been set back.
async fn resumed_in_the_past() -> (TestApp, Managed, Installed, String) {
    let app = TestApp::in_batches_of(2).await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 8).await;
    app.clock_only("2026-11-22T10:00:00Z");
    let release = release(&app, immediately(&world.pack.id), json!({ "percent": 10, "atLeast": 2 })).await;
    pause(&app, &release).await;
    app.clock.set_to(instant("2026-11-22T09:00:00Z"));
    resume(&app, &release).await;
    (app, acme, world, release)
}

#[tokio::test]
async fn r58_what_was_executed_before_a_resume_does_not_count_though_the_clock_was_set_back() {
    let (app, acme, world, release) = resumed_in_the_past().await;
    let report_of = async |installation: &str| -> Value {
        let update = app.update_of(&release, installation).await.text("/id");
        report(&app, &acme, &update, "BROKEN", "").await;
        app.read_release(&release, "haltFigures { executed bad } pause { by { kind } }").await
    };
    let figures = |executed: i64, bad: i64| json!({ "executed": executed, "bad": bad });
    let before = report_of(&world.installations[0]).await;
    assert_eq!(before, json!({ "haltFigures": figures(0, 0), "pause": null }), "it was moved before the resume");
    run_one_batch(&app.app.services).await.expect("a batch");
    let since = report_of(&world.installations[2]).await;
    assert_eq!(since, json!({ "haltFigures": figures(2, 1), "pause": { "by": { "kind": "SCHEDULER" } } }));
}

#[tokio::test]
async fn r58_what_was_executed_between_two_resumes_does_not_count_though_the_clock_was_set_back_before_the_first() {
    let (app, acme, world, release) = resumed_in_the_past().await;
    run_one_batch(&app.app.services).await.expect("a batch");
    app.clock_only_by(60);
    pause(&app, &release).await;
    app.clock_only_by(60);
    resume(&app, &release).await;
    let between = app.update_of(&release, &world.installations[2]).await;
    assert_eq!(between.text("/state"), "APPLIED");
    report(&app, &acme, &between.text("/id"), "BROKEN", "").await;
    let told = app.read_release(&release, "haltFigures { bad } pause { reason }").await;
    assert_eq!(told, json!({ "haltFigures": { "bad": 0 }, "pause": null }));
}

/// The clock is set back by two days, and the rule watches for one.
#[tokio::test]
async fn r60_the_history_has_what_a_catch_up_decided_though_the_clock_was_set_back_before_the_resume() {
    let app = TestApp::in_batches_of(4).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = installed(&app, &acme, "Orders", 7).await;
    let of_globex = app.install_as(&globex, "Orders", "Orders of Globex").await;
    app.suspend(&globex).await;
    app.clock_only("2026-11-24T10:00:00Z");
    let rule = json!({ "percent": 10, "atLeast": 4 });
    let release = release(&app, immediately(&world.pack.id), rule.clone()).await;
    pause(&app, &release).await;
    app.clock.set_to(instant("2026-11-22T09:00:00Z"));
    resume(&app, &release).await;
    assert_eq!(ends(&app, &release).await, "SUCCEEDED");
    let update = app.update_of(&release, &world.installations[6]).await.text("/id");
    report(&app, &acme, &update, "BROKEN", "").await;
    app.clock_only_by(3_600);
    let mark = LogMark::now(&app).await;
    app.reactivate(&globex).await;
    app.tick().await;
    assert_eq!(app.installed_number(&globex, &of_globex).await, 2);
    assert!(mark.kinds(&app).await.contains(&"RELEASE_HALTED".to_owned()), "three and the one that caught up decide");
    let query = "query($pack: ID!, $rule: HaltRuleInput!) { haltRuleOnHistory(packId: $pack, haltWhen: $rule) {
        haltsAt figures { executed bad } } }";
    let told = app.gql(&app.publisher, query, json!({ "pack": world.pack.id, "rule": rule })).await;
    let expected = json!({ "haltsAt": "2026-11-22T10:00:00.000000Z", "figures": { "executed": 4, "bad": 1 } });
    assert_eq!(told.list("/haltRuleOnHistory")[0], expected);
}

/// A resume has found no task, because the release waits for its date. Before it holds the pack, another call resumes
/// the release, its window opens, the rollout passes an installation by, and the release is paused again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r56_a_resume_marks_the_task_that_came_while_it_waited() {
    let app = Arc::new(TestApp::in_batches_of(1).await);
    if app.has_one_writer() {
        return;
    }
    let accounts = Arc::new(app.managed_accounts(["Acme", "Globex", "Initech"]).await);
    let installed = app.installed_pack("Orders", &accounts.each_ref()).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.suspend(&accounts[0]).await;
    pause(&app, &release).await;
    app.clock_only("2026-12-01T09:00:00Z");
    app.tick().await;
    let server = app.another_server_watched().await;
    let locks_tasks = |sql: &str| sql.contains(r#"FROM "task""#) && sql.contains("FOR NO KEY UPDATE");
    let (quicker, of, suspended) = (app.clone(), release.clone(), accounts.clone());
    server.once_after(locks_tasks, move || async move {
        resume(&quicker, &of).await;
        run_one_batch(&quicker.app.services).await.expect("a batch");
        pause(&quicker, &of).await;
        quicker.reactivate(&suspended[0]).await;
        // The task is younger than the resume that still waits.
        quicker.clock.set_to(instant("2026-12-01T08:00:00Z"));
    });
    let input = json!({ "releaseId": release });
    let payload = mutate_on(&server.app, &app.publisher, "resumeRelease", input, "release { state }").await;
    assert_eq!(payload.at("/release"), &json!({ "state": "IN_PROGRESS" }), "{payload}");
    assert_eq!(ends(&app, &release).await, "SUCCEEDED");
    for (account, installation) in accounts.iter().zip(&installed.installations) {
        assert_eq!(app.installed_number(account, installation).await, 2, "{}", account.name);
    }
    server.app.services.db.clone().close().await.expect("closed");
}

/// A rollout in ranges: the range that has passed the account by ends, and the last one of them all walks again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r56_ranges_come_to_whom_they_have_passed_by_though_the_clock_was_set_back() {
    let app = TestApp::with(Setup { settings: splitting(1), ..Setup::default() }).await;
    if app.has_one_writer() {
        return;
    }
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let mut world = installed(&app, &acme, "Orders", 1).await;
    for n in 0..11 {
        world.installations.push(app.install_as(&globex, "Orders", &format!("Orders of Globex {n}")).await);
    }
    app.suspend(&acme).await;
    app.tick().await;
    let release = app.release_now(&world.pack.id).await;
    assert!(app.number("SELECT COUNT(*) AS n FROM task WHERE kind = 'ROLL_OUT_RANGE'").await > 1);
    pause(&app, &release).await;
    app.reactivate(&acme).await;
    app.tick().await;
    app.clock.set_to(app.now() - chrono::Duration::hours(1));
    resume(&app, &release).await;
    finish(&app, 1).await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 2);
    assert_eq!(app.progress(&release).await.int("/applied"), 12);
}

/// Each change is in the order in which it was made, whatever the clock said.
#[tokio::test]
async fn r60_the_history_agrees_with_a_roll_back_though_the_clock_was_set_back_before_it() {
    let app = TestApp::in_batches_of(4).await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 8).await;
    app.clock_only("2026-11-22T10:00:00Z");
    let rule = json!({ "percent": 10, "atLeast": 4, "then": "ROLL_BACK" });
    let release = release(&app, immediately(&world.pack.id), rule.clone()).await;
    app.clock.set_to(instant("2026-11-22T09:00:00Z"));
    let report_of = async |installation: &str| {
        let update = app.update_of(&release, installation).await.text("/id");
        report(&app, &acme, &update, "BROKEN", "").await;
    };
    report_of(&world.installations[0]).await;
    assert_eq!(app.release_state(&release).await, "ROLLING_BACK");
    // It isn't moved back yet, and no rule could be judged by this report.
    report_of(&world.installations[1]).await;
    let query = "query($pack: ID!, $rule: HaltRuleInput!) { haltRuleOnHistory(packId: $pack, haltWhen: $rule) {
        haltsAt figures { executed bad } } }";
    for (rule, halts) in [(rule, true), (json!({ "percent": 30, "atLeast": 4 }), false)] {
        let told = app.gql(&app.publisher, query, json!({ "pack": world.pack.id, "rule": rule })).await;
        let told = &told.list("/haltRuleOnHistory")[0];
        assert_eq!(told.at("/figures"), &json!({ "executed": 4, "bad": 1 }), "{told}");
        assert_eq!(told.at("/haltsAt").is_null(), !halts, "{told}");
    }
}
