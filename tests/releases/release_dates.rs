//! Release dates: their range, their time zone, and when releases start (R35–R40).

use serde_json::{Value, json};

use crate::support::{At as _, Setup, TestApp, on_date};

const OPENS: &str = "2026-11-30T23:00:00.000000Z";
const CLOSES: &str = "2026-12-01T00:00:00.000000Z";

async fn at(start: &'static str, time_zone: &'static str) -> TestApp {
    TestApp::with(Setup { start, time_zone: Some(time_zone), ..Setup::default() }).await
}

#[tokio::test]
async fn r35_without_a_zone_a_dated_release_is_refused() {
    let app = TestApp::with(Setup { time_zone: None, ..Setup::default() }).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", on_date(&pack.id, "2026-12-01")).await;
    assert_eq!((refusal.code.as_str(), refusal.errors[0].at("/timeZone")), ("TIME_ZONE_REQUIRED", &json!(null)));
    let query = "{ viewer { account { timeZone ... on PublisherAccount { releaseDates { earliest } } } } }";
    let viewer = app.gql(&app.publisher, query, json!(null)).await;
    assert_eq!(viewer.at("/viewer/account"), &json!({ "timeZone": null, "releaseDates": null }));
    assert_eq!(
        app.read_pack(&pack.id, "viewerCanScheduleRelease viewerCanRelease").await,
        json!({ "viewerCanScheduleRelease": false, "viewerCanRelease": true })
    );
    app.release_now(&pack.id).await;
    app.ok(&app.publisher, "updateAccount", json!({ "timeZone": "Asia/Tokyo" }), "account { id }").await;
    let release = app.update_on(&pack, "2026-12-01").await;
    let window = app.read_release(&release, "window { timeZone startsAt }").await;
    assert_eq!(window.at("/window"), &json!({ "timeZone": "Asia/Tokyo", "startsAt": "2026-11-30T15:00:00.000000Z" }));
}

#[tokio::test]
async fn r35_a_release_keeps_the_zone_of_its_call() {
    let app = TestApp::new().await;
    let orders = app.pack_with("Orders", &["Import"]).await;
    let returns = app.pack_with("Returns", &["Export"]).await;
    let later = app.release_on(&orders.id, "2026-12-02").await;
    let sooner = app.release_on(&returns.id, "2026-12-01").await;
    let changed = app
        .ok(
            &app.publisher,
            "updateAccount",
            json!({ "timeZone": "Asia/Tokyo" }),
            "account { timeZone } releasesKeepingTimeZone { id }",
        )
        .await;
    assert_eq!(changed.at("/releasesKeepingTimeZone"), &json!([{ "id": sooner }, { "id": later }]), "soonest first");
    let window = async |release: &str| {
        app.read_release(release, "window { date timeZone startsAt }").await.at("/window").clone()
    };
    assert_eq!(
        window(&sooner).await,
        json!({ "date": "2026-12-01", "timeZone": "Europe/Berlin", "startsAt": OPENS }),
        "nothing has moved"
    );
    app.reschedule(&later, "2026-12-03").await;
    assert_eq!(
        window(&later).await,
        json!({ "date": "2026-12-03", "timeZone": "Europe/Berlin", "startsAt": "2026-12-02T23:00:00.000000Z" })
    );
    app.cancel(&later).await;
    let new = app.release_on(&orders.id, "2026-12-02").await;
    assert_eq!(
        window(&new).await,
        json!({ "date": "2026-12-02", "timeZone": "Asia/Tokyo", "startsAt": "2026-12-01T15:00:00.000000Z" })
    );
    let back = app
        .ok(&app.publisher, "updateAccount", json!({ "timeZone": "Europe/Berlin" }), "releasesKeepingTimeZone { id }")
        .await;
    assert_eq!(back.at("/releasesKeepingTimeZone"), &json!([{ "id": new }]), "only those of another zone");
}

#[tokio::test]
async fn r36_a_release_opens_and_closes_as_its_zone_does() {
    let cases = [
        (
            "2027-04-01T00:00:00.000000Z",
            "Africa/Cairo",
            "2027-04-30",
            "2027-04-29T22:00:00.000000Z",
            "2027-04-29T23:00:00.000000Z",
        ),
        (
            "2027-11-01T00:00:00.000000Z",
            "America/Havana",
            "2027-11-07",
            "2027-11-07T04:00:00.000000Z",
            "2027-11-07T06:00:00.000000Z",
        ),
        (
            "2026-12-01T00:00:00.000000Z",
            "Pacific/Kiritimati",
            "2027-01-01",
            "2026-12-31T10:00:00.000000Z",
            "2026-12-31T11:00:00.000000Z",
        ),
    ];
    for (start, zone, date, opens, closes) in cases {
        let app = at(start, zone).await;
        let pack = app.pack_with("Orders", &["Import"]).await;
        let release = app.release_on(&pack.id, date).await;
        let read = app.read_release(&release, "window { date timeZone startsAt endsAt late latenessSeconds }").await;
        let expected = json!({ "date": date, "timeZone": zone, "startsAt": opens, "endsAt": closes, "late": false, "latenessSeconds": null });
        assert_eq!(read.at("/window"), &expected);
        app.advance_to(opens).await;
        assert_eq!(app.read_release(&release, "startedAt").await, json!({ "startedAt": opens }));
    }
}

#[tokio::test]
async fn r37_a_day_that_the_zone_skips_is_refused() {
    let app = at("2011-12-28T12:00:00.000000Z", "Pacific/Apia").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", on_date(&pack.id, "2011-12-30")).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("DATE_DOES_NOT_EXIST", "schedule.onDate"));
    assert_eq!(
        (refusal.errors[0].text("/earliestDate"), refusal.errors[0].text("/timeZone")),
        ("2011-12-29".into(), "Pacific/Apia".into())
    );
    let release = app.release_on(&pack.id, "2011-12-31").await;
    let reschedule = json!({ "releaseId": release, "onDate": "2011-12-30" });
    let refusal = app.refused(&app.publisher, "rescheduleRelease", reschedule).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("DATE_DOES_NOT_EXIST", "onDate"));
}

#[tokio::test]
async fn r38_today_is_refused_and_tomorrow_allowed_up_to_the_last_moment() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    for date in ["2026-11-22", "2026-11-21", "1970-01-01", "0001-01-01"] {
        let refusal = app.refused(&app.publisher, "releaseIntegrationPack", on_date(&pack.id, date)).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("RELEASE_DATE_NOT_IN_FUTURE", "schedule.onDate"));
        assert_eq!(
            (refusal.errors[0].text("/earliestDate"), refusal.errors[0].text("/timeZone")),
            ("2026-11-23".into(), "Europe/Berlin".into())
        );
    }
    app.clock_only("2026-11-22T22:59:59.999999Z");
    let release = app.release_on(&pack.id, "2026-11-23").await;
    app.advance_to("2026-11-22T23:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    app.package_newer(&pack).await;
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", on_date(&pack.id, "2026-11-23")).await;
    assert_eq!(refusal.errors[0].text("/earliestDate"), "2026-11-24", "it is today now");
}

#[tokio::test]
async fn r38_a_date_is_at_most_so_many_days_ahead_as_is_set() {
    let settings = packwright::service::Settings { release_days_ahead: 10, ..Default::default() };
    for (app, latest, too_far) in [
        (TestApp::new().await, "2027-11-22", "2027-11-23"),
        (TestApp::with(Setup { settings, ..Setup::default() }).await, "2026-12-02", "2026-12-03"),
    ] {
        let pack = app.pack_with("Orders", &["Import"]).await;
        for date in [too_far, "9999-12-31"] {
            let refusal = app.refused(&app.publisher, "releaseIntegrationPack", on_date(&pack.id, date)).await;
            assert_eq!(
                (refusal.code.as_str(), refusal.errors[0].text("/latestDate")),
                ("RELEASE_DATE_TOO_FAR", latest.into())
            );
        }
        app.release_on(&pack.id, latest).await;
    }
}

#[tokio::test]
async fn r38_a_wizard_can_read_the_allowed_dates() {
    let app = TestApp::new().await;
    let query =
        "{ viewer { account { timeZone ... on PublisherAccount { releaseDates { earliest latest timeZone } } } } }";
    let dates = async || app.gql(&app.publisher, query, json!(null)).await.at("/viewer/account/releaseDates").clone();
    assert_eq!(dates().await, json!({ "earliest": "2026-11-23", "latest": "2027-11-22", "timeZone": "Europe/Berlin" }));
    app.clock_only("2026-11-22T23:00:00Z");
    assert_eq!(dates().await, json!({ "earliest": "2026-11-24", "latest": "2027-11-23", "timeZone": "Europe/Berlin" }));
}

/// A dated re-release of a pack that Acme has installed.
async fn scheduled(app: &TestApp) -> String {
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&world.pack, "2026-12-01").await
}

async fn lateness(app: &TestApp, release: &str) -> Value {
    app.read_release(release, "state startedAt window { late latenessSeconds }").await
}

#[tokio::test]
async fn r39_a_window_that_was_missed_is_run_at_once_and_marked_late() {
    let app = TestApp::new().await;
    let release = scheduled(&app).await;
    app.advance_to("2026-12-03T00:00:01Z").await;
    let window = json!({ "late": true, "latenessSeconds": 2 * 86_400 + 1 });
    assert_eq!(
        lateness(&app, &release).await,
        json!({ "state": "SUCCEEDED", "startedAt": "2026-12-03T00:00:01.000000Z", "window": window })
    );
}

#[tokio::test]
async fn r39_late_begins_with_the_window_s_end() {
    for (tick, late, seconds) in [("2026-11-30T23:59:59.999999Z", false, json!(null)), (CLOSES, true, json!(0))] {
        let app = TestApp::new().await;
        let release = scheduled(&app).await;
        app.advance_to(tick).await;
        let read = lateness(&app, &release).await;
        assert_eq!((read.text("/state"), read.text("/startedAt")), ("SUCCEEDED".into(), tick.into()));
        assert_eq!(read.at("/window"), &json!({ "late": late, "latenessSeconds": seconds }), "{tick}");
    }
}

#[tokio::test]
async fn r39_missed_windows_run_oldest_first() {
    let app = TestApp::new().await;
    let packs = [("C", "2026-12-03"), ("A", "2026-12-05"), ("B", "2026-12-01")];
    for (name, date) in packs {
        let pack = app.pack_with(name, &[&format!("{name} process")]).await;
        app.release_on(&pack.id, date).await;
    }
    let after = app.gql(&app.publisher, "{ viewer { eventCursor } }", json!(null)).await.text("/viewer/eventCursor");
    app.advance_to("2026-12-10T00:00:00Z").await;
    let query = "subscription($after: String) { releaseAnnounced(after: $after) { kind packName } }";
    let mut events = app.subscribe(&app.publisher, query, json!({ "after": after })).await;
    let received = events.collect(6).await;
    let started: Vec<_> = received
        .iter()
        .filter(|e| e.at("/releaseAnnounced/kind") == "RELEASE_STARTED")
        .map(|e| e.text("/releaseAnnounced/packName"))
        .collect();
    assert_eq!(started, ["B", "C", "A"]);
}

#[tokio::test]
async fn r39_a_first_release_that_was_missed_is_late_too() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    app.advance_to("2026-12-01T01:00:00Z").await;
    assert_eq!(lateness(&app, &release).await.at("/window"), &json!({ "late": true, "latenessSeconds": 3600 }));
}

#[tokio::test]
async fn r40_nothing_is_applied_before_the_start() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    for moment in ["2026-11-22T23:00:00.000000Z", "2026-11-29T23:00:00.000000Z", "2026-11-30T22:59:59.999999Z"] {
        app.advance_to(moment).await;
        assert_eq!(app.release_state(&release).await, "SCHEDULED");
        assert_eq!(
            (app.installed_number(&acme, &world.installations[0]).await, app.mover.attempts(&world.installations[0])),
            (1, 0)
        );
    }
    app.advance_to(OPENS).await;
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 2);
}

#[tokio::test]
async fn r40_the_scheduler_says_when_it_is_needed_next() {
    let app = TestApp::new().await;
    assert_eq!(app.tick().await, None, "nothing is due, ever");
    let release = scheduled(&app).await;
    assert_eq!(app.tick().await, Some(crate::support::instant(OPENS)));
    app.reschedule(&release, "2026-11-25").await;
    assert_eq!(app.tick().await, Some(crate::support::instant("2026-11-24T23:00:00Z")));
    app.cancel(&release).await;
    assert_eq!(app.tick().await, None);
}

#[tokio::test]
async fn r40_now_is_the_injected_clock_s() {
    let app = TestApp::new().await;
    let now = async || app.gql(&app.publisher, "{ serverInfo { now } }", json!(null)).await.text("/serverInfo/now");
    assert_eq!(now().await, "2026-11-22T09:00:00.000000Z");
    app.clock_only("2030-01-01T00:00:00.000001Z");
    assert_eq!(now().await, "2030-01-01T00:00:00.000001Z");
    let component = app.component("Import").await;
    assert_eq!(app.package(&component).await.created_at, "2030-01-01T00:00:00.000001Z");
}
