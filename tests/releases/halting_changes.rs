//! A halt rule that is changed is judged in the call (R58).

use packwright::service::followup::run_one_batch;
use serde_json::{Value, json};

use crate::installations::outcomes::report;
use crate::releases::halting::installed;
use crate::releases::pausing::{pause, resume};
use crate::support::rows::LogMark;
use crate::support::{At, Installed, Managed, TestApp, immediately};

/// A release of eight installations, two by two, of which half are moved and one of these is reported broken. It has
/// had no rule so far.
async fn one_of_four_is_broken() -> (TestApp, Managed, Installed, String) {
    let app = TestApp::in_batches_of(2).await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 8).await;
    let release = app.ok(&app.publisher, "releaseIntegrationPack", immediately(&world.pack.id), "release { id }").await;
    let release = release.text("/release/id");
    run_one_batch(&app.app.services).await.expect("a batch");
    report_broken(&app, &acme, &release, &world.installations[0]).await;
    (app, acme, world, release)
}

async fn report_broken(app: &TestApp, account: &Managed, release: &str, installation: &str) {
    let update = app.update_of(release, installation).await.text("/id");
    report(app, account, &update, "BROKEN", "").await;
}

/// Sets a rule, and returns what the call itself answers: the state, who has paused the release by which figures, and
/// the figures now.
async fn set(app: &TestApp, release: &str, rule: Value) -> Value {
    let input = json!({ "releaseId": release, "haltWhen": rule });
    let read = "release { state pause { by { kind } figures { executed bad } } haltFigures { executed bad } }";
    app.ok(&app.publisher, "setHaltRule", input, read).await.at("/release").clone()
}

fn figures(executed: i64, bad: i64) -> Value {
    json!({ "executed": executed, "bad": bad })
}

/// How often the publisher hears of a halt.
async fn halts(mark: &LogMark, app: &TestApp) -> usize {
    mark.kinds(app).await.iter().filter(|kind| *kind == "RELEASE_HALTED").count()
}

#[tokio::test]
async fn r58_a_new_rule_that_is_broken_already_halts_a_rollout_in_the_call() {
    let (app, _, _, release) = one_of_four_is_broken().await;
    let mark = LogMark::now(&app).await;
    let answered = set(&app, &release, json!({ "percent": 10, "atLeast": 4 })).await;
    let by_rule = json!({ "by": { "kind": "SCHEDULER" }, "figures": figures(4, 1) });
    assert_eq!(answered, json!({ "state": "IN_PROGRESS", "pause": by_rule, "haltFigures": figures(4, 1) }));
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(app.progress(&release).await.int("/applied"), 4, "not one batch more");
    assert_eq!(mark.kinds(&app).await, ["RELEASE_HALTED", "RELEASE_PAUSED"]);
    assert_eq!(mark.actions(&app).await, ["setHaltRule", "scheduler.haltRelease"]);
    // After a resume the figures begin anew.
    app.clock_only_by(1);
    resume(&app, &release).await;
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn r58_a_new_rule_waits_until_enough_were_executed() {
    let (app, _, _, release) = one_of_four_is_broken().await;
    let mark = LogMark::now(&app).await;
    let answered = set(&app, &release, json!({ "percent": 10, "atLeast": 5 })).await;
    assert_eq!(answered, json!({ "state": "IN_PROGRESS", "pause": null, "haltFigures": figures(4, 1) }));
    // Not more than the percent is within the rule.
    let answered = set(&app, &release, json!({ "percent": 25, "atLeast": 4 })).await;
    assert_eq!(answered.at("/pause"), &Value::Null);
    assert_eq!(halts(&mark, &app).await, 0);
    set(&app, &release, json!({ "percent": 10, "atLeast": 5 })).await;
    run_one_batch(&app.app.services).await.expect("a batch");
    let read = app.read_release(&release, "pause { figures { executed bad } }").await;
    assert_eq!(read, json!({ "pause": { "figures": figures(6, 1) } }));
}

#[tokio::test]
async fn r58_a_new_rule_rolls_a_rollout_back_in_the_call() {
    let (app, acme, world, release) = one_of_four_is_broken().await;
    let answered = set(&app, &release, json!({ "percent": 10, "atLeast": 4, "then": "ROLL_BACK" })).await;
    assert_eq!(answered, json!({ "state": "ROLLING_BACK", "pause": null, "haltFigures": figures(4, 1) }));
    assert_eq!(app.current_number(&world.pack.id).await, Some(1));
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    for installation in &world.installations {
        assert_eq!(app.installed_number(&acme, installation).await, 1);
    }
}

#[tokio::test]
async fn r58_a_new_rule_pauses_or_cancels_a_release_that_waits_for_its_date() {
    for (then, state) in [("PAUSE", "SCHEDULED"), ("ROLL_BACK", "CANCELED")] {
        let app = TestApp::new().await;
        let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
        let world = app.installed_pack("Orders", &[&acme, &globex]).await;
        let release = app.update_on(&world.pack, "2026-12-01").await;
        app.apply(&acme, &world.installations[0]).await;
        report_broken(&app, &acme, &release, &world.installations[0]).await;
        let answered = set(&app, &release, json!({ "percent": 10, "atLeast": 1, "then": then })).await;
        assert_eq!((answered.text("/state"), answered.at("/haltFigures")), (state.into(), &figures(1, 1)));
        assert_eq!(answered.at("/pause").is_object(), then == "PAUSE");
        app.advance_to("2026-12-01T09:00:00Z").await;
        assert_eq!(app.release_state(&release).await, state, "its window does nothing");
        let number = if then == "PAUSE" { 2 } else { 1 };
        assert_eq!(app.installed_number(&acme, &world.installations[0]).await, number);
        assert_eq!(app.installed_number(&globex, &world.installations[1]).await, 1);
    }
}

#[tokio::test]
async fn r58_a_new_rule_of_a_watched_release_announces_or_rolls_back() {
    for (then, state) in [("PAUSE", "SUCCEEDED"), ("ROLL_BACK", "ROLLING_BACK")] {
        let (app, _, _, release) = one_of_four_is_broken().await;
        set(&app, &release, json!({ "percent": 90, "atLeast": 4 })).await;
        app.tick().await;
        assert_eq!(app.release_state(&release).await, "SUCCEEDED");
        let mark = LogMark::now(&app).await;
        let rule = json!({ "percent": 10, "atLeast": 4, "then": then });
        let answered = set(&app, &release, rule.clone()).await;
        assert_eq!(answered, json!({ "state": state, "pause": null, "haltFigures": figures(8, 1) }));
        assert_eq!(halts(&mark, &app).await, 1);
        // The new rule has no time in which it is watched, so nothing decides any more.
        let (app, _, _, release) = one_of_four_is_broken().await;
        set(&app, &release, json!({ "percent": 90, "atLeast": 4 })).await;
        app.advance_by(60).await;
        let mark = LogMark::now(&app).await;
        let mut without_watch = rule;
        without_watch["watchHours"] = json!(0);
        assert_eq!(set(&app, &release, without_watch).await.text("/state"), "SUCCEEDED");
        assert_eq!(halts(&mark, &app).await, 0);
    }
}

#[tokio::test]
async fn r58_a_new_rule_of_a_paused_release_leaves_the_pause_as_it_is() {
    let (app, _, _, release) = one_of_four_is_broken().await;
    pause(&app, &release).await;
    let mark = LogMark::now(&app).await;
    set(&app, &release, json!({ "percent": 10, "atLeast": 4 })).await;
    let read = app.read_release(&release, "pause { reason by { kind } figures { bad } }").await;
    let expected = json!({ "reason": "Something is wrong.", "by": { "kind": "API_TOKEN" }, "figures": null });
    assert_eq!((read.at("/pause"), halts(&mark, &app).await), (&expected, 1));
    let answered = set(&app, &release, json!({ "percent": 10, "atLeast": 4, "then": "ROLL_BACK" })).await;
    assert_eq!(answered.text("/state"), "ROLLING_BACK");
}
