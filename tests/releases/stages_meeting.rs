//! Stages meet other rules: canceling, superseding, promoting, rescheduling, deleting, dropping, newer zone data.

use std::sync::Arc;

use packwright::domain::installations::FailureCode;
use packwright::service::error::Failure;
use packwright::service::followup::{drop_task, open_tasks};
use packwright::service::releases::{Initiator, reload_time_zones};
use serde_json::{Value, json};

use crate::program::kill::until;
use crate::support::rows::LogMark;
use crate::support::{
    At as _, Installed, Managed, Setup, TestApp, ZoneDirectory, in_stages, of_groups, of_percent, refusal,
};

const PILOTS_OPEN: &str = "2026-11-24T23:00:00.000000Z";
const NEXT_OPENS: &str = "2026-11-26T23:00:00.000000Z";
const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// A pack of two accounts, of which the first is in the first of two stages.
async fn staged(app: &TestApp) -> ([Managed; 2], Installed, String) {
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&accounts[0], &accounts[1]]).await;
    let pilots = app.group("Pilots", &[&accounts[0]]).await;
    let stages = [of_groups("Pilots", "2026-11-25", &[&pilots]), of_percent("Few", "2026-11-27", 0.01)];
    let release = app.release_in_stages(&world.pack, "2026-12-01", &stages).await;
    app.tick().await;
    (accounts, world, release)
}

async fn numbers(app: &TestApp, accounts: &[Managed; 2], world: &Installed) -> [i64; 2] {
    [
        app.installed_number(&accounts[0], &world.installations[0]).await,
        app.installed_number(&accounts[1], &world.installations[1]).await,
    ]
}

#[tokio::test]
async fn r55_a_cancel_moves_back_whom_a_stage_has_moved() {
    let app = TestApp::new().await;
    let (accounts, world, release) = staged(&app).await;
    app.advance_to(PILOTS_OPEN).await;
    assert_eq!(numbers(&app, &accounts, &world).await, [2, 1]);
    app.cancel(&release).await;
    assert_eq!(numbers(&app, &accounts, &world).await, [1, 1]);
    let update = app.newest_update(&accounts[0], &world.installations[0]).await;
    assert_eq!(update, ("WITHDRAWN".into(), Some("CANCELED_BACK".into())));
    assert_eq!(app.stage_states(&release).await, ["DONE", "DROPPED", "DROPPED"]);
    let mark = LogMark::now(&app).await;
    app.advance_to("2026-12-02T00:00:00Z").await;
    assert_eq!(mark.kinds(&app).await, Vec::<String>::new(), "no further stage opens");
    let payload = app.mutate(&app.publisher, "openNextStage", json!({ "releaseId": release }), "release { id }").await;
    assert_eq!(refusal(&payload).code, "NOT_PENDING");
}

#[tokio::test]
async fn r29_an_immediate_release_supersedes_one_in_the_middle_of_its_stages() {
    let app = TestApp::new().await;
    let (accounts, world, release) = staged(&app).await;
    app.advance_to(PILOTS_OPEN).await;
    app.update_now(&world.pack).await;
    assert_eq!(numbers(&app, &accounts, &world).await, [3, 3], "staged ones too");
    assert_eq!(app.release_state(&release).await, "SUPERSEDED");
    assert_eq!(app.stage_states(&release).await, ["DONE", "DROPPED", "DROPPED"]);
    app.advance_to("2026-12-02T00:00:00Z").await;
    assert_eq!(numbers(&app, &accounts, &world).await, [3, 3]);
}

#[tokio::test]
async fn r30_promoting_goes_to_everybody() {
    let app = TestApp::new().await;
    let (accounts, world, release) = staged(&app).await;
    app.advance_to(PILOTS_OPEN).await;
    app.promote(&release).await;
    assert_eq!(numbers(&app, &accounts, &world).await, [2, 2]);
    assert_eq!(app.stage_states(&release).await, ["DONE", "DROPPED", "DONE"]);
    assert_eq!(app.mover.attempts(&world.installations[0]), 1, "who was moved by a stage isn't touched again");
    let update = app.newest_update(&accounts[1], &world.installations[1]).await;
    assert_eq!(update.1, Some("IMMEDIATE".into()));
}

#[tokio::test]
async fn r56_no_stage_of_a_paused_release_opens() {
    let app = TestApp::new().await;
    let (accounts, world, release) = staged(&app).await;
    let pause = json!({ "releaseId": release, "reason": "Wait for the pilots." });
    app.ok(&app.publisher, "pauseRelease", pause, "release { id }").await;
    app.advance_to(PILOTS_OPEN).await;
    assert_eq!(numbers(&app, &accounts, &world).await, [1, 1]);
    assert_eq!(app.stage_states(&release).await, ["WAITING", "WAITING", "WAITING"]);
    let next = app.mutate(&app.publisher, "openNextStage", json!({ "releaseId": release }), "release { id }").await;
    assert_eq!(refusal(&next).code, "RELEASE_PAUSED");
    app.ok(&app.publisher, "resumeRelease", json!({ "releaseId": release }), "release { id }").await;
    app.tick().await;
    assert_eq!(numbers(&app, &accounts, &world).await, [2, 1], "what is due opens at once");
    assert_eq!(app.stage_states(&release).await, ["DONE", "WAITING", "WAITING"]);
}

#[tokio::test]
async fn r56_a_stage_that_is_paused_while_it_is_open_goes_on_after_the_resume() {
    let app = TestApp::new().await;
    let (accounts, world, release) = staged(&app).await;
    app.clock_only(PILOTS_OPEN);
    let pause = json!({ "releaseId": release, "reason": "Not yet." });
    app.ok(&app.publisher, "pauseRelease", pause, "release { id }").await;
    app.tick().await;
    assert_eq!(
        (numbers(&app, &accounts, &world).await, app.stage_states(&release).await[0].as_str()),
        ([1, 1], "OPEN")
    );
    app.ok(&app.publisher, "resumeRelease", json!({ "releaseId": release }), "release { id }").await;
    app.tick().await;
    assert_eq!(
        (numbers(&app, &accounts, &world).await, app.stage_states(&release).await[0].as_str()),
        ([2, 1], "DONE")
    );
}

#[tokio::test]
async fn r58_a_report_from_the_first_stage_keeps_the_next_one_from_opening() {
    for (then, state, moved) in [("PAUSE", "SCHEDULED", [2, 1]), ("ROLL_BACK", "CANCELED", [1, 1])] {
        let app = TestApp::new().await;
        let accounts = app.managed_accounts(["Acme", "Globex"]).await;
        let world = app.installed_pack("Orders", &[&accounts[0], &accounts[1]]).await;
        let pilots = app.group("Pilots", &[&accounts[0]]).await;
        app.package_newer(&world.pack).await;
        let stages = [of_groups("Pilots", "2026-11-25", &[&pilots]), of_percent("Most", "2026-11-27", 99.99)];
        let mut input = in_stages(&world.pack.id, "2026-12-01", &stages);
        input["haltWhen"] = json!({ "percent": 1, "atLeast": 1, "then": then });
        let made = app.ok(&app.publisher, "releaseIntegrationPack", input, "release { id }").await;
        let release = made.text("/release/id");
        app.advance_to(PILOTS_OPEN).await;
        assert_eq!(numbers(&app, &accounts, &world).await, [2, 1]);
        let update = app.updates(&accounts[0], &world.installations[0]).await[0].text("/id");
        let report = json!({ "updateId": update, "outcome": "BROKEN", "comment": "" });
        app.ok(&accounts[0].token, "reportUpdateOutcome", report, "").await;
        app.tick().await;
        app.advance_to(NEXT_OPENS).await;
        assert_eq!(numbers(&app, &accounts, &world).await, moved, "{then}");
        assert_eq!(app.release_state(&release).await, state);
    }
}

fn moving(release: &str, date: &str, stages: &[(&str, &str)]) -> Value {
    let stages: Vec<_> = stages.iter().map(|(name, date)| json!({ "name": name, "onDate": date })).collect();
    json!({ "releaseId": release, "onDate": date, "stages": stages })
}

#[tokio::test]
async fn r55_stages_that_have_not_opened_can_be_moved_by_name() {
    let app = TestApp::new().await;
    let (accounts, world, release) = staged(&app).await;
    let dates = async || app.stages(&release).await.iter().map(|stage| stage.text("/window/date")).collect::<Vec<_>>();
    let mark = LogMark::now(&app).await;
    let cursor = app.cursor(&accounts[0].token).await;
    let input = moving(&release, "2026-12-01", &[("PILOTS", "2026-11-24"), ("Few", "2026-11-28")]);
    app.ok(&app.publisher, "rescheduleRelease", input.clone(), "release { id }").await;
    assert_eq!(dates().await, ["2026-11-24", "2026-11-28", "2026-12-01"]);
    assert_eq!(mark.kinds(&app).await, ["RELEASE_RESCHEDULED"]);
    let heard = "query($after: String) { events(after: $after) { edges { node { kind } } } }";
    let heard = app.gql(&accounts[0].token, heard, json!({ "after": cursor })).await;
    assert_eq!(heard.nodes("/events").len(), 0, "accounts hear nothing of stages");
    app.ok(&app.publisher, "rescheduleRelease", input, "release { id }").await;
    assert_eq!(mark.kinds(&app).await.len(), 1, "the same dates again change nothing");
    app.ok(&app.publisher, "rescheduleRelease", moving(&release, "2026-12-03", &[]), "release { id }").await;
    assert_eq!(dates().await, ["2026-11-24", "2026-11-28", "2026-12-03"], "stages that aren't named stay");
    app.advance_to("2026-11-23T23:00:00Z").await;
    assert_eq!(numbers(&app, &accounts, &world).await, [2, 1]);
    for (input, code, field) in [
        (moving(&release, "2026-12-03", &[("Pilots", "2026-11-29")]), "STAGE_NAME", "stages.0.name"),
        (moving(&release, "2026-12-03", &[("Others", "2026-11-29")]), "STAGE_NAME", "stages.0.name"),
        (
            moving(&release, "2026-12-03", &[("Few", "2026-11-29"), ("few", "2026-11-30")]),
            "STAGE_NAME",
            "stages.1.name",
        ),
        (moving(&release, "2026-12-03", &[("Few", "2026-12-03")]), "STAGE_DATES", "stages.0.onDate"),
        (moving(&release, "2026-11-28", &[]), "STAGE_DATES", "onDate"),
        (moving(&release, "2026-12-03", &[("Few", "2026-11-24")]), "RELEASE_DATE_NOT_IN_FUTURE", "stages.0.onDate"),
    ] {
        let refusal = app.refused(&app.publisher, "rescheduleRelease", input.clone()).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), (code, field), "{input}");
    }
}

#[tokio::test]
async fn r55_stages_that_were_opened_early_do_not_bind_other_dates() {
    let app = TestApp::new().await;
    let (accounts, world, release) = staged(&app).await;
    let dates = async || app.stages(&release).await.iter().map(|stage| stage.text("/window/date")).collect::<Vec<_>>();
    app.open_next_stage(&release).await;
    let input = moving(&release, "2026-12-01", &[("Few", "2026-11-24")]);
    app.ok(&app.publisher, "rescheduleRelease", input, "release { id }").await;
    assert_eq!(dates().await, ["2026-11-25", "2026-11-24", "2026-12-01"], "before the stage that is open already");
    let refusal = app.refused(&app.publisher, "rescheduleRelease", moving(&release, "2026-11-24", &[])).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("STAGE_DATES", "onDate"), "a waiting stage binds it");
    app.open_next_stage(&release).await;
    app.reschedule(&release, "2026-11-24").await;
    assert_eq!(dates().await, ["2026-11-25", "2026-11-24", "2026-11-24"]);
    app.advance_to("2026-11-23T23:00:00Z").await;
    assert_eq!(
        (numbers(&app, &accounts, &world).await, app.release_state(&release).await.as_str()),
        ([2, 2], "SUCCEEDED")
    );
}

#[tokio::test]
async fn r55_a_stage_whose_window_opens_in_that_second_is_not_moved_any_more() {
    let app = TestApp::new().await;
    let (accounts, world, release) = staged(&app).await;
    app.clock_only(PILOTS_OPEN);
    let input = moving(&release, "2026-12-01", &[("Pilots", "2026-11-26")]);
    let payload = app.mutate(&app.publisher, "rescheduleRelease", input, "release { id }").await;
    assert_eq!(refusal(&payload).code, "STAGE_NAME");
    assert_eq!(app.stages(&release).await[0].text("/openedAt"), PILOTS_OPEN);
    app.tick().await;
    assert_eq!(numbers(&app, &accounts, &world).await, [2, 1]);
}

#[tokio::test]
async fn r44_an_installation_that_is_removed_in_a_stage_is_not_moved() {
    let app = TestApp::new().await;
    let (accounts, world, release) = staged(&app).await;
    app.clock_only(PILOTS_OPEN);
    app.uninstall(&accounts[0], &world.installations[0]).await;
    app.tick().await;
    assert_eq!(app.mover.attempts(&world.installations[0]), 0);
    assert_eq!(app.stage_states(&release).await, ["DONE", "WAITING", "WAITING"]);
    // Installed anew, it gets the former version and is moved by a later stage.
    let again = app.install(&accounts[0], "Orders").await;
    assert_eq!(app.installed_number(&accounts[0], &again).await, 1);
    app.advance_to(NEXT_OPENS).await;
    assert_eq!(app.installed_number(&accounts[0], &again).await, 2);
}

#[tokio::test]
async fn r47_a_pack_can_be_deleted_between_its_stages() {
    let app = TestApp::new().await;
    let (accounts, world, _) = staged(&app).await;
    app.advance_to(PILOTS_OPEN).await;
    let input = json!({ "packId": world.pack.id, "confirmInstallations": 2 });
    app.ok(&app.publisher, "deleteIntegrationPack", input, "").await;
    app.advance_to("2026-12-02T00:00:00Z").await;
    let left = app.gql(&accounts[0].token, "{ installations { edges { node { id } } } }", json!(null)).await;
    assert_eq!(left.nodes("/installations").len(), 0);
}

#[tokio::test]
async fn r52_a_legacy_pack_is_released_in_stages_too() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.legacy_pack("Orders").await;
    let component = app.component("Import").await;
    app.publish(&component).await;
    app.add(&pack, &[&component]).await;
    app.share_with_all(&pack).await;
    app.release_now(&pack).await;
    let installation = app.install(&acme, "Orders").await;
    app.publish(&component).await;
    let input = in_stages(&pack, "2026-12-01", &[of_percent("Most", "2026-11-25", 99.99)]);
    app.ok(&app.publisher, "releaseIntegrationPack", input, "release { id }").await;
    app.advance_to(PILOTS_OPEN).await;
    assert_eq!(app.installed_number(&acme, &installation).await, 2);
}

#[tokio::test]
async fn r55_an_operator_who_drops_a_stage_leaves_it_to_the_next_one() {
    let app = TestApp::new().await;
    let (accounts, world, release) = staged(&app).await;
    app.mover.fail(&world.installations[0], 1, packwright::domain::installations::FailureCode::Temporary);
    app.advance_to(PILOTS_OPEN).await;
    let services = &app.app.services;
    let open = packwright::service::followup::open_tasks(services).await.expect("tasks").tasks;
    let stage = open.iter().find(|task| task.kind == "STAGE").expect("a stage that waits for another attempt");
    drop_task(services, stage.id, "stuck").await.expect("dropped");
    assert_eq!(app.stage_states(&release).await, ["DONE", "WAITING", "WAITING"]);
    app.advance_to(NEXT_OPENS).await;
    assert_eq!(numbers(&app, &accounts, &world).await, [2, 1]);
}

/// A stage opens while an operator drops the task of the stage before it. The server that opens it leaves it to that
/// task, because it can't know that the task is being dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r55_a_stage_that_opens_while_another_is_dropped_is_not_dropped_with_it() {
    let app = Arc::new(TestApp::new().await);
    if app.has_one_writer() {
        return;
    }
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&accounts[0], &accounts[1]]).await;
    let pilots = app.group("Pilots", &[&accounts[0]]).await;
    let others = app.group("Others", &[&accounts[1]]).await;
    let stages = [of_groups("Pilots", "2026-11-25", &[&pilots]), of_groups("Others", "2026-11-27", &[&others])];
    let release = app.release_in_stages(&world.pack, "2026-12-01", &stages).await;
    app.mover.fail(&world.installations[0], 1, FailureCode::Temporary);
    app.advance_to(PILOTS_OPEN).await;
    let open = open_tasks(&app.app.services).await.expect("tasks").tasks;
    let stage = open.iter().find(|task| task.kind == "STAGE").expect("a stage that waits for another attempt");
    let server = app.another_server_watched().await;
    let opener = app.clone();
    server.once_after(
        |sql| sql.contains(r#"FROM "task""#) && sql.contains("FOR NO KEY UPDATE"),
        move || async move {
            opener.clock_only(NEXT_OPENS);
            opener.tick().await;
        },
    );
    let refused = drop_task(&server.app.services, stage.id, "stuck").await.expect_err("the next stage has opened");
    assert!(matches!(&refused, Failure::Unavailable(why) if why.contains("list the tasks")), "{refused:?}");
    app.tick().await;
    assert_eq!(app.stage_states(&release).await, ["DONE", "DONE", "WAITING"]);
    assert_eq!(numbers(&app, &accounts, &world).await, [2, 2]);
    server.app.services.db.clone().close().await.expect("closed");
}

/// By the log, a change of a group's members comes before a stage of the group opens, or after it.
#[tokio::test]
async fn r54_a_stage_waits_for_a_change_of_its_groups() {
    let app = TestApp::new().await;
    if app.has_one_writer() {
        return;
    }
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&accounts[0], &accounts[1]]).await;
    let pilots = app.group("Pilots", &[&accounts[0]]).await;
    let release =
        app.release_in_stages(&world.pack, "2026-12-01", &[of_groups("Pilots", "2026-11-25", &[&pilots])]).await;
    let held = app.hold("account_group", &pilots).await;
    let lets_go = async {
        until("the stage waits", async || app.waiting().await == 1).await;
        held.rollback().await.expect("it lets go");
    };
    tokio::join!(app.open_next_stage(&release), lets_go);
    assert_eq!(numbers(&app, &accounts, &world).await, [2, 1]);
}

#[tokio::test]
async fn r42_newer_zone_data_moves_the_windows_of_stages() {
    let data = ZoneDirectory::new("2999a");
    data.zone("Europe/Berlin", "<+01>-1");
    let app = TestApp::with(Setup { zones: data.zones(), ..Setup::default() }).await;
    let (accounts, world, release) = staged(&app).await;
    let mark = LogMark::now(&app).await;
    let cursor = app.cursor(&accounts[0].token).await;
    data.zone("Europe/Berlin", "<+03>-3");
    data.write("+VERSION", b"2999b");
    reload_time_zones(&app.app.services, Initiator::CommandLine).await.expect("read");
    let starts: Vec<_> = app.stages(&release).await.iter().map(|stage| stage.text("/window/startsAt")).collect();
    let expected = ["2026-11-24T21:00:00.000000Z", "2026-11-26T21:00:00.000000Z", "2026-11-30T21:00:00.000000Z"];
    assert_eq!(starts, expected);
    assert_eq!(mark.kinds(&app).await, ["WINDOW_MOVED"; 3]);
    let heard = "query($after: String) { events(after: $after) { edges { node { kind } } } }";
    let heard = app.gql(&accounts[0].token, heard, json!({ "after": cursor })).await;
    assert_eq!(heard.nodes("/events").len(), 1, "an account hears of the release's own window");
    app.advance_to("2026-11-24T21:00:00Z").await;
    assert_eq!(numbers(&app, &accounts, &world).await, [2, 1]);
}

async fn starts(app: &TestApp, release: &str) -> Vec<String> {
    app.stages(release).await.iter().map(|stage| stage.text("/window/startsAt")).collect()
}

/// Data in which Berlin is some hours ahead of UTC.
fn berlin(data: &ZoneDirectory, version: &str, rule: &str) {
    data.zone("Europe/Berlin", rule);
    data.write("+VERSION", version.as_bytes());
}

#[tokio::test]
async fn r42_newer_data_moves_the_stages_of_a_release_whose_own_date_was_moved_with_it() {
    let data = ZoneDirectory::new("2999a");
    berlin(&data, "2999a", "<+01>-1");
    let app = TestApp::with(Setup { zones: data.zones(), ..Setup::default() }).await;
    let (accounts, world, release) = staged(&app).await;
    let mark = LogMark::now(&app).await;
    berlin(&data, "2999b", "<+03>-3");
    app.app.services.zones.reload().expect("read");
    app.reschedule(&release, "2026-12-02").await;
    app.advance_by(60).await;
    let expected = ["2026-11-24T21:00:00.000000Z", "2026-11-26T21:00:00.000000Z", "2026-12-01T21:00:00.000000Z"];
    assert_eq!(starts(&app, &release).await, expected);
    app.advance_by(60).await;
    assert_eq!(mark.kinds(&app).await, ["RELEASE_RESCHEDULED", "WINDOW_MOVED", "WINDOW_MOVED"], "once each");
    app.advance_to("2026-11-24T21:00:00Z").await;
    assert_eq!(numbers(&app, &accounts, &world).await, [2, 1]);
}

#[tokio::test]
async fn r42_a_server_with_older_data_that_moves_a_stage_leaves_the_other_windows() {
    let (older, newer) = (ZoneDirectory::new("2999a"), ZoneDirectory::new("2999c"));
    berlin(&older, "2999a", "<+01>-1");
    berlin(&newer, "2999c", "<+03>-3");
    let app = TestApp::with(Setup { zones: older.zones(), ..Setup::default() }).await;
    let other = app.another_server_with_zones(newer.zones()).await;
    let (accounts, world, release) = staged(&app).await;
    let a_minute_later = async || {
        app.clock_only_by(60);
        other.scheduler.tick().await.expect("a tick");
    };
    a_minute_later().await;
    let mut expected = ["2026-11-24T21:00:00.000000Z", "2026-11-26T21:00:00.000000Z", "2026-11-30T21:00:00.000000Z"];
    assert_eq!(starts(&app, &release).await, expected);
    let mark = LogMark::now(&app).await;
    let input = moving(&release, "2026-12-01", &[("Few", "2026-11-28")]);
    app.ok(&app.publisher, "rescheduleRelease", input, "release { id }").await;
    expected[1] = "2026-11-27T23:00:00.000000Z";
    assert_eq!(starts(&app, &release).await, expected, "only the named stage, by the data that this server has");
    a_minute_later().await;
    expected[1] = "2026-11-27T21:00:00.000000Z";
    assert_eq!(starts(&app, &release).await, expected, "the server with newer data has moved it");
    a_minute_later().await;
    assert_eq!(mark.kinds(&app).await, ["RELEASE_RESCHEDULED", "WINDOW_MOVED"], "once each");
    app.advance_to("2026-11-24T21:00:00Z").await;
    assert_eq!(numbers(&app, &accounts, &world).await, [2, 1]);
    other.services.db.clone().close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn r41_two_servers_open_a_stage_once() {
    let app = TestApp::new().await;
    let (accounts, world, release) = staged(&app).await;
    let other = app.another_server().await;
    let mark = LogMark::now(&app).await;
    for at in [PILOTS_OPEN, NEXT_OPENS, OPENS] {
        app.clock_only(at);
        let (one, two) = tokio::join!(app.app.scheduler.tick(), other.scheduler.tick());
        one.expect("a tick");
        two.expect("a tick");
    }
    app.tick().await;
    assert_eq!(numbers(&app, &accounts, &world).await, [2, 2]);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    let kinds = mark.kinds(&app).await;
    let of = |kind: &str| kinds.iter().filter(|found| *found == kind).count();
    let expected = (2, 2, 1, 2);
    assert_eq!(
        (of("RELEASE_STAGE_OPENED"), of("RELEASE_STAGE_COMPLETED"), of("RELEASE_STARTED"), of("INSTALLATION_UPDATED")),
        expected
    );
    assert!(world.installations.iter().all(|id| app.mover.attempts(id) == 1));
    other.services.db.clone().close().await.expect("closed");
}
