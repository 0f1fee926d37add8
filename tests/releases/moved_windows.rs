//! Newer time zone data moves the windows of pending releases (R42).

use chrono::Duration;
use entity::integration_pack;
use packwright::service::releases::{Initiator, Recomputed, reload_time_zones};
use packwright::zones::TimeZones;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use crate::log::audit::changes;
use crate::support::rows::{LogMark, tables};
use crate::support::{At as _, Setup, TestApp, ZoneDirectory, uuid_of};

const WINDOW: &str = "state window { date timeZone startsAt endsAt late latenessSeconds }";
const ANNOUNCED: &str = "subscription($after: String) { releaseAnnounced(after: $after) {
    kind actor { kind } packName release { __typename id } window { date startsAt endsAt } previousWindow { date startsAt endsAt } } }";

/// Data in which Berlin is always an hour ahead of UTC, so that December 1 begins at 23:00 UTC.
fn first_data() -> ZoneDirectory {
    let directory = ZoneDirectory::new("2999a");
    directory.zone("Europe/Berlin", "<+01>-1");
    directory
}

/// Replaces the data of a directory by newer data with another rule for Berlin.
fn bring(directory: &ZoneDirectory, version: &str, rule: &str) {
    directory.zone("Europe/Berlin", rule);
    directory.write("+VERSION", version.as_bytes());
}

async fn app_with(zones: TimeZones) -> TestApp {
    TestApp::with(Setup { zones, ..Setup::default() }).await
}

async fn window(app: &TestApp, release: &str) -> (String, String, String) {
    let release = app.read_release(release, WINDOW).await;
    (release.text("/window/date"), release.text("/window/startsAt"), release.text("/window/endsAt"))
}

fn the(date: &str, start: &str, end: &str) -> (String, String, String) {
    (date.into(), start.into(), end.into())
}

#[tokio::test]
async fn r42_newer_data_moves_a_pending_window_within_a_day_with_an_event_and_an_entry() {
    let data = first_data();
    let app = app_with(data.zones()).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    let (a, b, p) = (app.cursor(&acme.token).await, app.cursor(&globex.token).await, app.cursor(&app.publisher).await);
    let (mark, seen) = (LogMark::now(&app).await, app.audit_mark(&app.publisher).await);
    app.advance_to("2026-11-23T09:00:00Z").await;
    assert_eq!(mark.kinds(&app).await, Vec::<String>::new(), "the same data moves nothing");

    bring(&data, "2999b", "<+03>-3");
    app.advance_to("2026-11-24T09:00:00Z").await;
    let (old, new) = (
        the("2026-12-01", "2026-11-30T23:00:00.000000Z", "2026-12-01T00:00:00.000000Z"),
        the("2026-12-01", "2026-11-30T21:00:00.000000Z", "2026-11-30T22:00:00.000000Z"),
    );
    assert_eq!(window(&app, &release).await, new);
    assert_eq!(mark.kinds(&app).await, ["WINDOW_MOVED"]);
    let shown =
        |window: &(String, String, String)| json!({ "date": window.0, "startsAt": window.1, "endsAt": window.2 });
    for (token, cursor, publisher) in [(&app.publisher, &p, true), (&acme.token, &a, false)] {
        let item = app.subscribe(token, ANNOUNCED, json!({ "after": cursor })).await.next().await;
        let item = item.at("/releaseAnnounced");
        assert_eq!((item.text("/kind"), item.text("/packName")), ("WINDOW_MOVED".into(), "Orders".into()));
        assert_eq!((item.at("/previousWindow"), item.at("/window")), (&shown(&old), &shown(&new)));
        let (kind, actor) =
            if publisher { ("Release", json!({ "kind": "SCHEDULER" })) } else { ("AnnouncedRelease", Value::Null) };
        assert_eq!((item.text("/release/__typename").as_str(), item.at("/actor")), (kind, &actor));
    }
    assert_eq!(app.events_since(&globex.token, &b, Value::Null).await, Vec::<Value>::new(), "it hasn't installed it");
    let entry = seen.one(&app, &app.publisher, "scheduler.moveWindow").await;
    assert_eq!((entry.text("/subject/id"), entry.text("/actor/kind")), (release.clone(), "SCHEDULER".into()));
    let shown = changes(&entry);
    assert_eq!(
        shown.iter().map(|(field, ..)| field.as_str()).collect::<Vec<_>>(),
        ["startsAt", "endsAt", "timeZoneDataVersion"]
    );
    assert_eq!(shown[2], ("timeZoneDataVersion".into(), Some("2999a".into()), Some("2999b".into())));

    app.advance_to("2026-11-30T20:59:59Z").await;
    assert_eq!(app.release_state(&release).await, "SCHEDULED");
    app.advance_to("2026-11-30T21:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(app.read_release(&release, WINDOW).await.at("/window/late"), false);
}

#[tokio::test]
async fn r42_pending_windows_are_recomputed_at_start() {
    let data = first_data();
    let app = app_with(data.zones()).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    bring(&data, "2999b", "<+03>-3");
    let started = app.another_server_with_zones(data.zones()).await;
    started.scheduler.tick().await.unwrap();
    assert_eq!(window(&app, &release).await.1, "2026-11-30T21:00:00.000000Z");
}

#[tokio::test]
async fn r42_a_window_whose_new_start_is_past_opens_at_once_and_is_late_when_its_end_is_past() {
    for (now, late) in [("2026-11-30T21:30:00Z", None), ("2026-11-30T22:30:00Z", Some(1_800))] {
        let data = first_data();
        let app = app_with(data.zones()).await;
        let acme = app.managed("Acme").await;
        let installed = app.installed_pack("Orders", &[&acme]).await;
        let release = app.update_on(&installed.pack, "2026-12-01").await;
        app.tick().await;
        let mark = LogMark::now(&app).await;
        bring(&data, "2999b", "<+03>-3");
        app.advance_to(now).await;
        assert_eq!(mark.kinds(&app).await[..2], ["WINDOW_MOVED", "RELEASE_STARTED"], "in one pass");
        let release = app.read_release(&release, WINDOW).await;
        assert_eq!(release.text("/state"), "SUCCEEDED");
        assert_eq!(release.at("/window/latenessSeconds"), &json!(late));
        assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2);
    }
}

#[tokio::test]
async fn r42_a_window_that_has_opened_is_not_moved() {
    let data = first_data();
    let app = app_with(data.zones()).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    app.tick().await;
    bring(&data, "2999b", "<-05>5");
    app.clock_only("2026-11-30T23:30:00Z");
    assert_eq!(app.release_state(&release).await, "SUCCEEDED", "everybody reads it so, before any scheduler came");
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(window(&app, &release).await.1, "2026-11-30T23:00:00.000000Z");
}

#[tokio::test]
async fn r42_a_day_that_newer_data_takes_away_rolls_forward_to_the_next_day() {
    let data = ZoneDirectory::new("2999a");
    data.zone("Europe/Berlin", "<-10>10");
    let app = app_with(data.zones()).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    assert_eq!(window(&app, &release).await.1, "2026-12-01T10:00:00.000000Z");
    // At the end of November the zone crosses the date line.
    let table = [("1970-01-01T00:00:00Z", -10), ("2026-12-01T10:00:00Z", 14)];
    data.changing_zone("Europe/Berlin", &table, "<+14>-14");
    data.write("+VERSION", b"2999b");
    app.advance_to("2026-11-24T09:00:00Z").await;
    let rolled = the("2026-12-02", "2026-12-01T10:00:00.000000Z", "2026-12-01T11:00:00.000000Z");
    assert_eq!(window(&app, &release).await, rolled, "to its first instant");
    app.advance_to("2026-12-01T10:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn r42_servers_with_different_data_do_not_move_a_window_to_and_fro() {
    let (older, newer) = (first_data(), ZoneDirectory::new("2999c"));
    newer.zone("Europe/Berlin", "<+03>-3").zone("Asia/Tokyo", "<+09>-9");
    let app = app_with(older.zones()).await;
    let other = app.another_server_with_zones(newer.zones()).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let moved = app.release_on(&pack.id, "2026-12-01").await;
    // Both servers agree until the older server reads of a change that the newest data has undone.
    app.ok(&app.publisher, "updateAccount", json!({ "timeZone": "Asia/Tokyo" }), "").await;
    let pack = app.pack_with("Invoices", &["Send"]).await;
    let kept = app.release_on(&pack.id, "2026-12-01").await;
    let mark = LogMark::now(&app).await;
    for day in 23..30 {
        app.clock_only(&format!("2026-11-{day}T09:00:00Z"));
        if day == 25 {
            older.zone("Asia/Tokyo", "<+10>-10");
            bring(&older, "2999b", "<+04>-4");
        }
        other.scheduler.tick().await.unwrap();
        app.tick().await;
        assert_eq!(window(&app, &moved).await.1, "2026-11-30T21:00:00.000000Z", "day {day}");
        assert_eq!(window(&app, &kept).await.1, "2026-11-30T15:00:00.000000Z", "day {day}");
    }
    assert_eq!(mark.kinds(&app).await, ["WINDOW_MOVED"]);
}

#[tokio::test]
async fn r42_a_release_that_a_server_with_older_data_makes_is_moved_within_a_minute() {
    let (older, newer) = (first_data(), ZoneDirectory::new("2999c"));
    newer.zone("Europe/Berlin", "<+03>-3");
    let app = app_with(older.zones()).await;
    let other = app.another_server_with_zones(newer.zones()).await;
    other.scheduler.tick().await.unwrap();
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    assert_eq!(window(&app, &release).await.1, "2026-11-30T23:00:00.000000Z");
    app.clock.advance_to(app.now() + chrono::Duration::minutes(1));
    other.scheduler.tick().await.unwrap();
    assert_eq!(window(&app, &release).await.1, "2026-11-30T21:00:00.000000Z");
}

#[tokio::test]
async fn r42_the_command_line_recomputes_windows() {
    let data = first_data();
    let app = app_with(data.zones()).await;
    let mut releases = Vec::new();
    for name in ["Orders", "Invoices", "Returns"] {
        let pack = app.pack_with(name, &[name]).await;
        releases.push(app.release_on(&pack.id, "2026-12-01").await);
    }
    app.cancel(&releases[2]).await;
    let seen = app.audit_mark(&app.publisher).await;
    bring(&data, "2999b", "<+03>-3");
    let command = app.another_server_with_zones(data.zones()).await;
    let reloaded = async || reload_time_zones(&command.services, Initiator::CommandLine).await.unwrap();
    assert_eq!(reloaded().await, Recomputed { seen: 2, moved: 2 });
    assert_eq!(reloaded().await, Recomputed::default(), "there is nothing more to do");
    for release in &releases[..2] {
        assert_eq!(window(&app, release).await.1, "2026-11-30T21:00:00.000000Z");
    }
    assert_eq!(
        window(&app, &releases[2]).await.1,
        "2026-11-30T23:00:00.000000Z",
        "a canceled release keeps its window"
    );
    let actions: Vec<_> = seen.since(&app, &app.publisher).await.iter().map(|entry| entry.text("/action")).collect();
    assert_eq!(actions, ["commandLine.moveWindow"; 2]);
}

#[tokio::test]
async fn r42_a_zone_that_newer_data_has_no_longer_leaves_its_window_as_it_is() {
    let data = first_data();
    data.zone("Test/Island", "<-10>10");
    let app = app_with(data.zones()).await;
    app.ok(&app.publisher, "updateAccount", json!({ "timeZone": "Test/Island" }), "").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    std::fs::remove_file(data.path().join("Test/Island")).unwrap();
    bring(&data, "2999b", "<+03>-3");
    app.advance_to("2026-11-24T09:00:00Z").await;
    assert_eq!(window(&app, &release).await.1, "2026-12-01T10:00:00.000000Z");
    app.advance_to("2026-12-01T10:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

/// No code writes such a row; a restored or mended database could have it.
#[tokio::test]
async fn r39_a_kept_time_that_is_wrong_is_computed_anew() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    integration_pack::Entity::update_many()
        .col_expr(integration_pack::Column::PendingDueAt, Expr::value(app.now() - Duration::hours(1)))
        .filter(integration_pack::Column::Id.eq(uuid_of(&world.pack.id)))
        .exec(tables(&app))
        .await
        .expect("changed");
    tokio::time::timeout(std::time::Duration::from_secs(20), app.tick()).await.expect("the scheduler goes on");
    assert_eq!(app.release_state(&release).await, "SCHEDULED");
    app.live_until("2026-12-02T00:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}
