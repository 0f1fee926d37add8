//! Releases that stop by themselves (R58), and what a rule would have done (R60).

use packwright::domain::installations::FailureCode;
use packwright::service::followup::run_one_batch;
use serde_json::{Value, json};

use crate::installations::outcomes::report;
use crate::releases::pausing::{OPENS, resume};
use crate::support::rows::LogMark;
use crate::support::{At, Installed, Managed, TestApp, immediately, on_date};

/// A MULTI pack that one account has installed so many times, with something newer to release.
pub(crate) async fn installed(app: &TestApp, account: &Managed, name: &str, count: usize) -> Installed {
    let installed = app.installed_times(name, account, count).await;
    app.tick().await;
    app.package_newer(&installed.pack).await;
    installed
}

pub(crate) async fn release(app: &TestApp, mut input: Value, rule: Value) -> String {
    input["haltWhen"] = rule;
    app.ok(&app.publisher, "releaseIntegrationPack", input, "release { id }").await.text("/release/id")
}

async fn read(app: &TestApp, release: &str) -> Value {
    app.read_release(
        release,
        "state haltFigures { executed bad percent } pause { reason by { kind } figures { executed bad } }",
    )
    .await
}

async fn update_id(app: &TestApp, release: &str, installation: &str) -> String {
    app.update_of(release, installation).await.text("/id")
}

#[tokio::test]
async fn r58_a_rollout_begins_with_few_and_a_report_stops_it() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 24).await;
    let mark = LogMark::now(&app).await;
    let release = release(&app, immediately(&world.pack.id), json!({ "percent": 10, "atLeast": 4 })).await;
    let rule = app.read_release(&release, "haltWhen { percent atLeast then watchHours } watchedUntil").await;
    let expected = json!({ "haltWhen": { "percent": 10.0, "atLeast": 4, "then": "PAUSE", "watchHours": 24 }, "watchedUntil": null });
    assert_eq!(rule, expected);
    let expected =
        json!({ "state": "IN_PROGRESS", "haltFigures": { "executed": 4, "bad": 0, "percent": 0.0 }, "pause": null });
    assert_eq!(read(&app, &release).await, expected, "the first batch has what the rule needs");
    let update = update_id(&app, &release, &world.installations[0]).await;
    report(&app, &acme, &update, "BROKEN", "It is empty.").await;
    let halted = read(&app, &release).await;
    assert_eq!(halted.at("/haltFigures"), &json!({ "executed": 4, "bad": 1, "percent": 25.0 }));
    assert_eq!(halted.at("/pause/by"), &json!({ "kind": "SCHEDULER" }));
    assert_eq!(halted.at("/pause/figures"), &json!({ "executed": 4, "bad": 1 }));
    app.live_until("2026-11-22T12:00:00Z").await;
    assert_eq!(app.progress(&release).await.int("/applied"), 4, "nobody is moved after it");
    let events = mark.events(&app).await;
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds[kinds.len() - 3..], ["UPDATE_OUTCOME_REPORTED", "RELEASE_HALTED", "RELEASE_PAUSED"]);
    let event = &events[events.len() - 2];
    let selection = "... on ReleaseEvent { figures { executed bad } actor { kind } }";
    let told = app.read_event(&app.publisher, event, selection).await;
    assert_eq!(
        (told.at("/figures"), told.text("/actor/kind")),
        (&json!({ "executed": 4, "bad": 1 }), "SCHEDULER".into())
    );
    assert!(app.read_event(&acme.token, event, selection).await.is_null(), "the publisher alone hears the numbers");
    let paused = app
        .read_event(&acme.token, &events[events.len() - 1], "... on ReleaseEvent { kind reason figures { bad } }")
        .await;
    assert_eq!(
        (paused.text("/kind"), paused.at("/reason"), paused.at("/figures")),
        ("RELEASE_PAUSED".into(), &json!(null), &json!(null))
    );
    assert!(mark.actions(&app).await.contains(&"scheduler.haltRelease".to_owned()));
}

#[tokio::test]
async fn r58_a_failed_update_counts_and_batches_grow_while_all_goes_well() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 12).await;
    app.mover.fail(&world.installations[5], u32::MAX, FailureCode::Internal);
    let release = release(&app, immediately(&world.pack.id), json!({ "percent": 50, "atLeast": 2 })).await;
    app.tick().await;
    app.live_until("2026-11-22T10:00:00Z").await;
    let ended = read(&app, &release).await;
    assert_eq!((ended.text("/state"), ended.at("/haltFigures/bad")), ("PARTIALLY_SUCCEEDED".into(), &json!(1)));
    assert_eq!(ended.int("/haltFigures/executed"), 12, "one in twelve is within half");
}

#[tokio::test]
async fn r58_moves_that_fail_stop_a_rollout_before_it_has_come_to_all() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 60).await;
    for installation in &world.installations {
        app.mover.fail(installation, u32::MAX, FailureCode::Internal);
    }
    let release = release(&app, immediately(&world.pack.id), json!({ "percent": 10, "atLeast": 5 })).await;
    for _ in 0..20 {
        app.advance_by(300).await;
    }
    assert!(read(&app, &release).await.at("/pause").is_object());
    let tried = world.installations.iter().filter(|installation| app.mover.attempts(installation) > 0).count();
    assert!(tried <= 5, "{tried} were tried");
}

#[tokio::test]
async fn r58_a_retry_is_judged_though_a_halt_was_announced_before() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 12).await;
    app.mover.fail(&world.installations[5], u32::MAX, FailureCode::Internal);
    let release = release(&app, immediately(&world.pack.id), json!({ "percent": 50, "atLeast": 2 })).await;
    app.tick().await;
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(read(&app, &release).await.text("/state"), "PARTIALLY_SUCCEEDED");
    let rule = json!({ "releaseId": release, "haltWhen": { "percent": 10, "atLeast": 2 } });
    app.ok(&app.publisher, "setHaltRule", rule, "").await;
    let mark = LogMark::now(&app).await;
    let first = update_id(&app, &release, &world.installations[0]).await;
    report(&app, &acme, &first, "BROKEN", "").await;
    let kinds: Vec<_> = mark.events(&app).await.into_iter().map(|event| event.kind).collect();
    assert!(kinds.contains(&"RELEASE_HALTED".to_owned()), "{kinds:?}");
    app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": release }), "").await;
    let judged = read(&app, &release).await;
    assert_eq!((judged.text("/state"), judged.at("/pause").is_object()), ("IN_PROGRESS".into(), true));
}

#[tokio::test]
async fn r58_after_a_resume_only_what_was_executed_since_counts() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 12).await;
    let release = release(&app, immediately(&world.pack.id), json!({ "percent": 10, "atLeast": 4 })).await;
    let first = update_id(&app, &release, &world.installations[0]).await;
    app.clock_only_by(60);
    report(&app, &acme, &first, "BROKEN", "").await;
    assert!(read(&app, &release).await.at("/pause").is_object());
    app.clock_only_by(60);
    resume(&app, &release).await;
    let mut resumed = read(&app, &release).await;
    for _ in 0..20 {
        if resumed.int("/haltFigures/executed") > 0 {
            break;
        }
        // A batch of another task may come first.
        run_one_batch(&app.app.services).await.expect("a batch");
        resumed = read(&app, &release).await;
    }
    assert_eq!(resumed.at("/haltFigures"), &json!({ "executed": 4, "bad": 0, "percent": 0.0 }), "the next four");
    let second = update_id(&app, &release, &world.installations[1]).await;
    report(&app, &acme, &second, "BROKEN", "").await;
    assert_eq!(read(&app, &release).await.at("/haltFigures/bad"), &json!(0), "executed before the resume");
    let sixth = update_id(&app, &release, &world.installations[5]).await;
    report(&app, &acme, &sixth, "BROKEN", "").await;
    let again = read(&app, &release).await;
    assert_eq!((again.at("/haltFigures/bad"), again.at("/pause").is_object()), (&json!(1), true));
}

#[tokio::test]
async fn r58_an_early_application_that_is_reported_broken_cancels_a_release_that_waits() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.package_newer(&world.pack).await;
    let rule = json!({ "percent": 40, "atLeast": 2, "then": "ROLL_BACK" });
    let release = release(&app, on_date(&world.pack.id, "2026-12-01"), rule).await;
    let update = app.apply(&acme, &world.installations[0]).await;
    report(&app, &acme, &update, "BROKEN", "").await;
    assert_eq!(app.release_state(&release).await, "SCHEDULED", "two are needed");
    app.apply(&globex, &world.installations[1]).await;
    assert_eq!(app.release_state(&release).await, "CANCELED", "the second application decides");
    app.tick().await;
    for (account, installation) in [&acme, &globex].into_iter().zip(&world.installations) {
        assert_eq!(app.installed_number(account, installation).await, 1);
    }
    let figures = read(&app, &release).await;
    assert_eq!(figures.at("/haltFigures"), &json!({ "executed": 2, "bad": 1, "percent": 50.0 }));
}

#[tokio::test]
async fn r58_a_window_of_a_halted_release_stays_shut() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.package_newer(&world.pack).await;
    let release = release(&app, on_date(&world.pack.id, "2026-12-01"), json!({ "percent": 1, "atLeast": 1 })).await;
    let update = app.apply(&acme, &world.installations[0]).await;
    report(&app, &acme, &update, "BROKEN", "").await;
    app.advance_to(OPENS).await;
    assert_eq!(app.release_state(&release).await, "SCHEDULED");
    resume(&app, &release).await;
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn r58_reports_decide_until_the_watch_is_over() {
    for (then, hours, expected) in
        [("PAUSE", 24, "SUCCEEDED"), ("ROLL_BACK", 24, "ROLLED_BACK"), ("ROLL_BACK", 2, "SUCCEEDED")]
    {
        let app = TestApp::new().await;
        let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
        let world = app.installed_pack("Orders", &[&acme, &globex]).await;
        app.package_newer(&world.pack).await;
        let rule = json!({ "percent": 10, "atLeast": 2, "then": then, "watchHours": hours });
        let release = release(&app, immediately(&world.pack.id), rule).await;
        assert_eq!(app.release_state(&release).await, "SUCCEEDED");
        let until = app.read_release(&release, "watchedUntil").await.text("/watchedUntil");
        assert_eq!(until, if hours == 2 { "2026-11-22T11:00:00.000000Z" } else { "2026-11-23T09:00:00.000000Z" });
        app.advance_to("2026-11-22T11:00:00Z").await;
        let mark = LogMark::now(&app).await;
        for (account, installation) in [&acme, &globex].into_iter().zip(&world.installations) {
            let update = update_id(&app, &release, installation).await;
            report(&app, account, &update, "BROKEN", "").await;
        }
        app.tick().await;
        assert_eq!(app.release_state(&release).await, expected, "{then} {hours}");
        let halted = mark.kinds(&app).await.iter().filter(|kind| *kind == "RELEASE_HALTED").count();
        assert_eq!(halted, usize::from(hours == 24), "announced once");
        let version = if expected == "ROLLED_BACK" { 1 } else { 2 };
        assert_eq!(app.installed_number(&acme, &world.installations[0]).await, version);
        let rule = json!({ "releaseId": release, "haltWhen": { "percent": 5 } });
        if hours == 2 {
            assert_eq!(app.refused(&app.publisher, "setHaltRule", rule).await.code, "WATCH_IS_OVER");
        }
    }
}

#[tokio::test]
async fn r58_a_rollout_is_rolled_back_by_its_rule() {
    let app = TestApp::in_batches_of(2).await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 8).await;
    let rule = json!({ "percent": 10, "atLeast": 2, "then": "ROLL_BACK" });
    let release = release(&app, immediately(&world.pack.id), rule).await;
    let update = update_id(&app, &release, &world.installations[0]).await;
    report(&app, &acme, &update, "BROKEN", "").await;
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    assert_eq!(app.current_number(&world.pack.id).await, Some(1));
    for installation in &world.installations {
        assert_eq!(app.installed_number(&acme, installation).await, 1);
    }
}

#[tokio::test]
async fn r58_a_rule_is_changed_and_taken_away() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.package_newer(&world.pack).await;
    let mut input = on_date(&world.pack.id, "2026-12-01");
    for rule in
        [json!({ "percent": 0.001 }), json!({ "percent": 1, "atLeast": 0 }), json!({ "percent": 1, "watchHours": 337 })]
    {
        input["haltWhen"] = rule;
        let refused = app.refused(&app.publisher, "releaseIntegrationPack", input.clone()).await;
        assert_eq!((refused.code.as_str(), refused.field.as_str()), ("INVALID_HALT_RULE", "haltWhen"));
    }
    let release = app.release_on(&world.pack.id, "2026-12-01").await;
    let rule = async || app.read_release(&release, "haltWhen { percent then }").await.at("/haltWhen").clone();
    let set = async |rule: Value| {
        app.ok(&app.publisher, "setHaltRule", json!({ "releaseId": release, "haltWhen": rule }), "release { id }").await
    };
    assert!(rule().await.is_null());
    let mark = LogMark::now(&app).await;
    set(json!({ "percent": 0.5, "then": "ROLL_BACK" })).await;
    assert_eq!(rule().await, json!({ "percent": 0.5, "then": "ROLL_BACK" }));
    set(json!({ "percent": 0.5, "then": "ROLL_BACK" })).await;
    assert_eq!(mark.actions(&app).await, ["setHaltRule"], "the same again changes nothing");
    set(Value::Null).await;
    assert!(rule().await.is_null());
    let invalid = json!({ "releaseId": release, "haltWhen": { "percent": 101 } });
    assert_eq!(app.refused(&app.publisher, "setHaltRule", invalid).await.code, "INVALID_HALT_RULE");
    app.cancel(&release).await;
    let late = json!({ "releaseId": release, "haltWhen": { "percent": 1 } });
    assert_eq!(app.refused(&app.publisher, "setHaltRule", late).await.code, "WATCH_IS_OVER");
}

#[tokio::test]
async fn r60_history_says_when_a_rule_would_have_halted() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    let release = app.update_now(&world.pack).await;
    app.advance_by(600).await;
    for (account, installation) in [&acme, &globex].into_iter().zip(&world.installations) {
        let update = update_id(&app, &release, installation).await;
        report(&app, account, &update, "BROKEN", "").await;
        app.advance_by(600).await;
    }
    let query = "query($pack: ID!, $rule: HaltRuleInput!) {
        haltRuleOnHistory(packId: $pack, haltWhen: $rule) { release { id } haltsAt figures { executed bad } } }";
    let told = async |rule: Value| {
        let answer = app.gql(&app.publisher, query, json!({ "pack": world.pack.id, "rule": rule })).await;
        answer.list("/haltRuleOnHistory").clone()
    };
    let strict = told(json!({ "percent": 1, "atLeast": 2 })).await;
    assert_eq!(strict.len(), 2);
    assert_eq!(strict[0].text("/release/id"), release, "newest first");
    let expected = (json!("2026-11-22T09:10:00.000000Z"), json!({ "executed": 2, "bad": 1 }));
    assert_eq!((strict[0].at("/haltsAt").clone(), strict[0].at("/figures").clone()), expected);
    let expected = (json!(null), json!({ "executed": 0, "bad": 0 }));
    assert_eq!((strict[1].at("/haltsAt").clone(), strict[1].at("/figures").clone()), expected, "the first release");
    let mild = told(json!({ "percent": 50, "atLeast": 2 })).await;
    assert_eq!(mild[0].at("/haltsAt"), &json!("2026-11-22T09:20:00.000000Z"));
    let unwatched = told(json!({ "percent": 1, "atLeast": 2, "watchHours": 0 })).await;
    assert_eq!((unwatched[0].at("/haltsAt"), unwatched[0].at("/figures/bad")), (&json!(null), &json!(0)));
    let invalid = json!({ "pack": world.pack.id, "rule": { "percent": 0 } });
    assert_eq!(app.error_code(Some(&app.publisher), query, invalid).await, "BAD_USER_INPUT");
}
