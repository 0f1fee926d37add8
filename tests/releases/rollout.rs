//! Rollouts: at once, at the window, late; in batches that any server can continue (R25, R39, R40, R41).

use serde_json::{Value, json};

use packwright::service::Settings;

use crate::support::rows::{LogMark, refusal_of, uuids_of};
use crate::support::{At, Installed, Managed, Setup, TestApp};

const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// An app with batches of three objects.
async fn in_threes() -> TestApp {
    let settings = Settings { batch_size: 3, ..Settings::default() };
    TestApp::with(Setup { settings, ..Setup::default() }).await
}

/// A MULTI pack that one account has installed ten times.
async fn ten_installations(app: &TestApp) -> (Managed, Installed) {
    let acme = app.managed("Acme").await;
    let Installed { pack, first_release, installations } = app.installed_times("Orders", &acme, 10).await;
    app.tick().await;
    (acme, Installed { pack, first_release, installations })
}

/// Fails unless the release moved each installation exactly once: one attempt, one event, one audit entry, and the
/// right version.
async fn moved_exactly_once(app: &TestApp, mark: &LogMark, release: &str, installations: &[String]) {
    let (events, entries) = (mark.events(app).await, mark.entries(app).await);
    let id = uuids_of(release)[0];
    for installation in installations {
        let uuid = uuids_of(installation)[0];
        let about = Some(uuid);
        let applied = events.iter().filter(|e| e.release_id == Some(id) && e.installation_id == about);
        let applied = applied.filter(|e| e.update_state.as_deref() == Some("APPLIED")).count();
        let noted =
            entries.iter().filter(|e| e.action == "scheduler.applyUpdate" && e.subject_id.contains(&uuid.to_string()));
        assert_eq!((applied, noted.count()), (1, 1), "events and audit entries of {installation}");
        let seen = app.as_publisher(installation, "version { id }").await;
        assert_eq!(seen.text("/version/id"), app.read_release(release, "version { id }").await.text("/version/id"));
    }
    for kind in ["RELEASE_STARTED", "RELEASE_COMPLETED"] {
        assert_eq!(events.iter().filter(|e| e.kind == kind && e.release_id == Some(id)).count(), 1, "{kind}");
    }
    for action in ["scheduler.completeRelease", "scheduler.startRelease"] {
        let times = entries.iter().filter(|e| e.action == action && e.subject_id.contains(&id.to_string())).count();
        assert!(times == 1 || (times == 0 && action.ends_with("startRelease")), "{action}: {times}");
    }
}

#[tokio::test]
async fn r25_an_immediate_release_moves_every_installation() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let mark = LogMark::now(&app).await;
    app.package_newer(&installed.pack).await;
    let input = crate::support::immediately(&installed.pack.id);
    let payload = app
        .ok(
            &app.publisher,
            "releaseIntegrationPack",
            input,
            "release { id state schedule window { date } startedAt endedAt progress { total applied percent } }",
        )
        .await;
    let release = payload.at("/release").clone();
    assert_eq!(
        (release.text("/state"), release.text("/schedule"), release.at("/window")),
        ("SUCCEEDED".into(), "IMMEDIATELY".into(), &Value::Null)
    );
    assert_eq!(
        release.at("/progress"),
        &json!({ "total": 2, "applied": 2, "percent": 100.0 }),
        "a small install base is finished when the call returns"
    );
    for (account, installation) in [(&acme, &installed.installations[0]), (&globex, &installed.installations[1])] {
        let updates = app.updates(account, installation).await;
        assert_eq!(updates.len(), 1);
        assert_eq!((updates[0].text("/state"), updates[0].text("/how")), ("APPLIED".into(), "IMMEDIATE".into()));
        assert_eq!((updates[0].int("/fromVersion/number"), updates[0].int("/toVersion/number")), (1, 2));
    }
    moved_exactly_once(&app, &mark, &release.text("/id"), &installed.installations).await;
}

#[tokio::test]
async fn r25_a_rollouts_progress_is_read_while_it_runs() {
    let app = in_threes().await;
    let (acme, installed) = ten_installations(&app).await;
    let mark = LogMark::now(&app).await;
    let release = app.update_now(&installed.pack).await;
    let expected = json!({ "total": 10, "offered": 7, "applied": 3, "appliedEarly": 0, "skipped": 0, "failed": 0, "withdrawn": 0, "percent": 30.0 });
    assert_eq!(app.progress(&release).await, expected, "the first batch is done before the call answers");
    let pack = app
        .read_pack(&installed.pack.id, "state currentVersion { number installationCount } runningRelease { id }")
        .await;
    assert_eq!(
        pack,
        json!({ "state": "RELEASING", "currentVersion": { "number": 2, "installationCount": 3 }, "runningRelease": { "id": release } })
    );
    assert_eq!(
        app.updates_of(&release).await.len(),
        10,
        "one for each installation, whether or not a batch has come to it"
    );
    let mut numbers = Vec::new();
    for installation in &installed.installations {
        numbers.push(app.installed_number(&acme, installation).await);
    }
    assert_eq!(numbers.iter().filter(|number| **number == 2).count(), 3);
    assert_eq!(app.pending_updates(&acme).await, Vec::<String>::new(), "what waits to be moved can't be applied early");
    app.tick().await;
    assert_eq!(app.progress(&release).await.int("/applied"), 10);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    moved_exactly_once(&app, &mark, &release, &installed.installations).await;
}

#[tokio::test]
async fn r29_while_a_rollout_runs_another_release_is_refused() {
    let app = in_threes().await;
    let (_, installed) = ten_installations(&app).await;
    let release = app.update_now(&installed.pack).await;
    app.package_newer(&installed.pack).await;
    for input in
        [crate::support::immediately(&installed.pack.id), crate::support::on_date(&installed.pack.id, "2026-12-01")]
    {
        let refusal = app.refused(&app.publisher, "releaseIntegrationPack", input).await;
        assert_eq!(refusal.code, "RELEASE_IN_PROGRESS");
        assert_eq!(refusal.errors[0].at("/blockingRelease"), &json!({ "id": release, "state": "IN_PROGRESS" }));
    }
    app.tick().await;
    app.release_now(&installed.pack.id).await;
}

#[tokio::test]
async fn r41_another_server_goes_on_where_one_has_stopped() {
    for dated in [false, true] {
        let app = in_threes().await;
        let (_, installed) = ten_installations(&app).await;
        let mark = LogMark::now(&app).await;
        let release = if dated {
            let release = app.update_on(&installed.pack, "2026-12-01").await;
            app.clock_only(OPENS);
            // A command opens the window, and no scheduler runs.
            app.package_newer(&installed.pack).await;
            app.add(&installed.pack.id, &[&app.packaged("Another").await.0]).await;
            release
        } else {
            app.update_now(&installed.pack).await
        };
        assert_eq!(app.release_state(&release).await, "IN_PROGRESS");
        let other = app.another_server().await;
        other.scheduler.tick().await.expect("the other server's pass");
        assert_eq!(app.release_state(&release).await, "SUCCEEDED", "dated: {dated}");
        moved_exactly_once(&app, &mark, &release, &installed.installations).await;
        for installation in &installed.installations {
            assert_eq!(app.mover.attempts(installation), 1);
        }
    }
}

#[tokio::test]
async fn r41_servers_that_work_at_once_move_each_installation_once() {
    let app = in_threes().await;
    let (_, installed) = ten_installations(&app).await;
    let mark = LogMark::now(&app).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.clock_only(OPENS);
    let (second, third) = (app.another_server().await, app.another_server().await);
    let (one, two, three) = tokio::join!(app.app.scheduler.tick(), second.scheduler.tick(), third.scheduler.tick());
    for pass in [one, two, three] {
        // A server that found the database or a row locked tries again.
        assert!(!matches!(pass, Err(packwright::service::error::Failure::Fault(_))), "{pass:?}");
    }
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    moved_exactly_once(&app, &mark, &release, &installed.installations).await;
}

#[tokio::test]
async fn r41_a_pass_that_is_dropped_half_way_loses_and_doubles_nothing() {
    let app = in_threes().await;
    let (_, installed) = ten_installations(&app).await;
    let mark = LogMark::now(&app).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.clock_only(OPENS);
    for polls in [1, 3, 7, 15, 31, 63] {
        let server = app.another_server().await;
        let mut pass = Box::pin(server.scheduler.tick());
        for _ in 0..polls {
            if futures_util::poll!(&mut pass).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    app.until_transactions_have_ended().await;
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    moved_exactly_once(&app, &mark, &release, &installed.installations).await;
}

#[tokio::test]
async fn r39_missed_windows_run_at_once_oldest_first_and_marked_late() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let mut releases = Vec::new();
    for (name, date) in
        [("Third", "2026-12-03"), ("First", "2026-12-01"), ("Second", "2026-12-02"), ("Never", "2026-12-09")]
    {
        let installed = app.installed_pack(name, &[&acme]).await;
        releases.push((name, app.update_on(&installed.pack, date).await));
    }
    let mark = LogMark::now(&app).await;
    app.advance_to("2026-12-03T12:00:00Z").await;
    let started: Vec<_> =
        mark.events(&app).await.into_iter().filter(|e| e.kind == "RELEASE_STARTED").map(|e| e.pack_name).collect();
    assert_eq!(started, ["First", "Second", "Third"]);
    let lateness = async |name: &str| {
        let (_, release) = releases.iter().find(|(pack, _)| *pack == name).expect("a release");
        app.read_release(release, "state startedAt window { late latenessSeconds }").await
    };
    let late = |hours: i64| json!({ "late": true, "latenessSeconds": hours * 3600 });
    assert_eq!(lateness("First").await.at("/window"), &late(60));
    assert_eq!(lateness("Second").await.at("/window"), &late(36));
    assert_eq!(lateness("Third").await.at("/window"), &late(12));
    assert_eq!(lateness("Third").await.text("/startedAt"), "2026-12-03T12:00:00.000000Z");
    assert_eq!(lateness("Third").await.text("/state"), "SUCCEEDED");
    assert_eq!(lateness("Never").await.at("/window"), &json!({ "late": false, "latenessSeconds": null }));
}

#[tokio::test]
async fn r39_a_release_is_late_from_its_windows_end_on() {
    for (at, late) in [
        ("2026-11-30T23:59:59.999999Z", json!(null)),
        ("2026-12-01T00:00:00.000000Z", json!(0)),
        ("2026-12-01T00:00:01.000000Z", json!(1)),
    ] {
        let app = TestApp::new().await;
        let pack = app.pack_with("Orders", &["Import"]).await;
        let release = app.release_on(&pack.id, "2026-12-01").await;
        app.advance_to(at).await;
        let window = app.read_release(&release, "window { late latenessSeconds }").await;
        assert_eq!(window.at("/window"), &json!({ "late": !late.is_null(), "latenessSeconds": late }), "{at}");
    }
}

#[tokio::test]
async fn r39_a_command_that_comes_before_the_scheduler_carries_the_opening_out() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.clock_only(OPENS);
    let refusal = app.mutate(&app.publisher, "cancelRelease", json!({ "releaseId": release }), "release { id }").await;
    assert_eq!(refusal_of(&refusal).as_deref(), Some("RELEASE_IN_PROGRESS"));
    assert_eq!(app.current_number(&installed.pack.id).await, Some(2));
    let mark = LogMark::now(&app).await;
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert!(!mark.kinds(&app).await.contains(&"RELEASE_STARTED".to_owned()), "the same transition and no other");
    let late = app.mutate(&app.publisher, "cancelRelease", json!({ "releaseId": release }), "release { id }").await;
    assert_eq!(refusal_of(&late).as_deref(), Some("NOT_PENDING"), "afterwards");
}

#[tokio::test]
async fn r40_nothing_is_applied_before_the_window_opens() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    let next = app.tick().await;
    assert_eq!(next.map(|at| at.to_rfc3339()), Some("2026-11-30T23:00:00+00:00".into()), "when it wants to be called");
    app.advance_to("2026-11-30T22:59:59.999999Z").await;
    assert_eq!(
        (app.installed_number(&acme, &installed.installations[0]).await, app.release_state(&release).await),
        (1, "SCHEDULED".into())
    );
    assert_eq!(app.mover.attempts(&installed.installations[0]), 0);
    app.advance_to(OPENS).await;
    assert_eq!(
        (app.installed_number(&acme, &installed.installations[0]).await, app.release_state(&release).await),
        (2, "SUCCEEDED".into())
    );
    let seen = app.read_release(&release, "startedAt endedAt window { startsAt }").await;
    assert_eq!(
        (seen.text("/startedAt"), seen.text("/endedAt"), seen.text("/window/startsAt")),
        (OPENS.into(), OPENS.into(), OPENS.into())
    );
}

#[tokio::test]
async fn r40_a_pass_without_anything_due_changes_nothing() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    let before = crate::support::rows::all_rows(&app).await;
    app.tick().await;
    app.advance_to("2026-11-30T22:00:00Z").await;
    crate::support::rows::assert_same_rows(&app, &before, "a pass of the scheduler").await;
}
