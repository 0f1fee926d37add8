//! Wrong clocks (R40): two servers whose clocks differ, a clock that is set during work, a clock that is years ahead
//! for a while.

use std::sync::{Arc, Mutex};

use chrono::Duration;
use packwright::app::App;
use packwright::clock::Clock;
use packwright::domain::Instant;
use packwright::domain::installations::FailureCode;
use packwright::service::clock::{ClockFault, Reference};
use packwright::store::DatabaseKind;
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use crate::store::meetings::add_grants_task;
use crate::support::rows::{LogMark, events_after, tables};
use crate::support::{Ask, At as _, Server, Setup, TestApp, immediately, instant};

const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// A reference clock that can be made unreachable.
#[derive(Clone)]
struct TestReference {
    clock: Clock,
    reachable: Arc<Mutex<bool>>,
}

impl TestReference {
    fn of(app: &TestApp) -> Self {
        Self { clock: app.clock.clone(), reachable: Arc::new(Mutex::new(true)) }
    }

    fn reachable(&self, reachable: bool) {
        *self.reachable.lock().unwrap() = reachable;
    }

    fn reference(&self) -> Reference {
        let Self { clock, reachable } = self.clone();
        let read = move || reachable.lock().unwrap().then(|| clock.now()).ok_or_else(|| "out of reach".to_owned());
        Reference::Other(Arc::new(read))
    }
}

/// Another server on the app's database, whose own clock is some minutes ahead of the reference clock.
async fn server_ahead(app: &TestApp, other_clock: &TestReference, minutes: i64) -> (App, Clock) {
    let own = Clock::still(app.now() + Duration::minutes(minutes));
    (app.another_server_by(&own, other_clock.reference()).await, own)
}

/// The answer of a server to the app's publisher.
async fn answer(server: &App, app: &TestApp, document: &str) -> Value {
    let answer = server.execute(Some(&app.publisher), async_graphql::Request::new(document)).await;
    serde_json::to_value(answer).unwrap()
}

/// Lets the same time pass on both clocks.
fn pass_to(app: &TestApp, own: &Clock, to: &str) {
    let passed = instant(to) - app.now();
    app.clock_only(to);
    own.set_to(own.uncorrected() + passed);
}

#[tokio::test]
async fn r40_servers_15_minutes_apart_open_no_window_early_and_none_late() {
    for minutes in [15, -15] {
        let app = TestApp::new().await;
        let other_clock = TestReference::of(&app);
        let (other, own) = server_ahead(&app, &other_clock, minutes).await;
        let acme = app.managed("Acme").await;
        let installed = app.installed_pack("Orders", &[&acme]).await;
        let release = app.update_on(&installed.pack, "2026-12-01").await;
        pass_to(&app, &own, "2026-11-30T22:59:59Z");
        other.services.measure_clock().await.unwrap();
        assert_eq!(other.services.clock.now(), app.now(), "both go by one clock");
        other.scheduler.tick().await.unwrap();
        assert_eq!(app.release_state(&release).await, "SCHEDULED");
        let read =
            answer(&other, &app, &format!("{{ release(id: \"{release}\") {{ state }} serverInfo {{ now }} }}")).await;
        assert_eq!(read.text("/data/release/state"), "SCHEDULED");
        assert!(read.text("/data/serverInfo/now").starts_with("2026-11-30T22:59:59"), "{read}");
        pass_to(&app, &own, OPENS);
        other.scheduler.tick().await.unwrap();
        assert_eq!(app.release_state(&release).await, "SUCCEEDED");
        assert_eq!(app.read_release(&release, "window { late }").await.at("/window/late"), false);
        assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2);
    }
}

#[tokio::test]
async fn r40_a_server_that_can_not_measure_opens_no_window() {
    let app = TestApp::new().await;
    let other_clock = TestReference::of(&app);
    other_clock.reachable(false);
    let (other, own) = server_ahead(&app, &other_clock, 15).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    let open = async |what: &str| {
        assert_eq!(
            app.read_release(&release, "startedAt").await.at("/startedAt").is_string(),
            what == "opened",
            "{what}"
        );
    };
    pass_to(&app, &own, "2026-12-01T01:00:00Z");
    assert_eq!(other.services.clock_fault(), Some(ClockFault::Unmeasured));
    other.scheduler.tick().await.unwrap();
    open("never measured").await;
    let cancel = format!("mutation {{ cancelRelease(input: {{ releaseId: \"{release}\" }}) {{ errors {{ code }} }} }}");
    let answer = answer(&other, &app, &cancel).await;
    assert_eq!(answer.text("/errors/0/extensions/code"), "UNAVAILABLE", "{answer:#}");
    open("by a command neither").await;

    other_clock.reachable(true);
    other.services.measure_clock().await.unwrap();
    other_clock.reachable(false);
    pass_to(&app, &own, "2026-12-01T01:05:00Z");
    assert!(other.services.measure_clock().await.is_err());
    other.scheduler.tick().await.unwrap();
    open("measured too long ago").await;
    other_clock.reachable(true);
    other.services.measure_clock().await.unwrap();
    other.scheduler.tick().await.unwrap();
    open("opened").await;
}

/// By this server's clock, the window of a first release has opened. It must not tell accounts of the pack, because the
/// publisher can still cancel the release.
#[tokio::test]
async fn r40_a_server_that_can_not_measure_announces_no_pack_before_its_window_opens() {
    let app = TestApp::new().await;
    let other_clock = TestReference::of(&app);
    other_clock.reachable(false);
    let (other, own) = server_ahead(&app, &other_clock, 120).await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share(&pack.id, &[&app.group("Gold", &[&acme]).await]).await;
    app.release_on(&pack.id, "2026-12-01").await;
    pass_to(&app, &own, "2026-11-30T22:00:00Z");
    let mark = LogMark::now(&app).await;
    add_grants_task(&app, &acme.id).await;
    other.scheduler.tick().await.unwrap();
    assert_eq!(mark.kinds(&app).await, Vec::<String>::new());
    assert_eq!(app.available_names(&acme).await, Vec::<String>::new());
    app.tick().await;
    assert_eq!(mark.kinds(&app).await, Vec::<String>::new(), "a server with a right clock does the task");
    pass_to(&app, &own, OPENS);
    app.tick().await;
    let told: Vec<_> = mark.kinds(&app).await.into_iter().filter(|kind| kind == "PACK_SHARED").collect();
    assert_eq!(told.len(), 1);
}

#[tokio::test]
async fn r40_readyz_reports_a_clock_that_is_far_off() {
    let other_clock = Clock::still(instant("2026-11-22T09:00:00Z"));
    let read = other_clock.clone();
    let reference = Reference::Other(Arc::new(move || Ok(read.now())));
    let app = TestApp::with(Setup { reference, ..Setup::default() }).await;
    let server = Server::start(&app).await;
    let ready = async || {
        let reply = server.send(&Ask::new("GET", "/readyz")).await;
        (reply.status, reply.json().get("reason").and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    assert_eq!(ready().await, (200, String::new()));
    for (own, reason) in [
        ("2026-11-22T09:00:05Z", ""),
        ("2026-11-22T09:15:00Z", "the server's clock is 900 seconds ahead of the database's: set it"),
        ("2026-11-22T08:59:54Z", "the server's clock is 6 seconds behind the database's: set it"),
        ("2026-11-22T08:59:57Z", ""),
    ] {
        app.clock.set_to(instant(own));
        app.app.services.measure_clock().await.unwrap();
        assert_eq!(ready().await, (if reason.is_empty() { 200 } else { 503 }, reason.to_owned()));
        assert_eq!(app.now(), instant("2026-11-22T09:00:00Z"));
    }
    let fault = async || app.app.services.clock_fault();
    assert_eq!(fault().await, None);
    app.clock.set_to(instant("2026-11-22T12:00:00Z"));
    assert_eq!(fault().await, Some(ClockFault::Unmeasured), "the measurement is three hours old");
    assert_eq!(ready().await.0, 503);
}

#[tokio::test]
async fn r40_on_postgresql_the_clock_is_the_database_s_and_on_sqlite_its_own() {
    let app = TestApp::new().await;
    let own = Clock::still(instant("2026-11-22T09:00:00Z"));
    let other = app.another_server_by(&own, Reference::Database).await;
    let now = other.services.clock.now();
    if other.services.db.kind() == DatabaseKind::Sqlite {
        assert_eq!((now, other.services.clock.is_trusted()), (instant("2026-11-22T09:00:00Z"), true));
        return;
    }
    let sql = "SELECT clock_timestamp() AS reads";
    let ask = Statement::from_string(tables(&app).get_database_backend(), sql);
    let row = tables(&app).query_one_raw(ask).await.unwrap().unwrap();
    let other_clock: Instant = row.try_get("", "reads").unwrap();
    // The still clock shows the time of the measurement, which is before this read.
    assert!(now <= other_clock && other_clock - now < Duration::seconds(60), "{now} and {other_clock}");
    assert!(other.services.clock.is_trusted());
}

/// Six accounts have Orders installed, and a release moves two at a time. The call itself has moved two.
async fn rollout_at_work() -> (TestApp, String) {
    let app = TestApp::in_batches_of(2).await;
    let accounts = app.managed_accounts(["A", "B", "C", "D", "E", "F"]).await;
    let installed = app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await;
    app.tick().await;
    app.package_newer(&installed.pack).await;
    let release = app.release_now(&installed.pack.id).await;
    assert_eq!(app.progress(&release).await.int("/applied"), 2);
    (app, release)
}

#[tokio::test]
async fn r40_a_clock_that_is_set_back_does_not_hold_up_a_rollout() {
    for back in [Duration::seconds(30), Duration::minutes(10), Duration::hours(1), Duration::days(400)] {
        let (app, release) = rollout_at_work().await;
        app.clock.set_to(app.now() - back);
        app.tick().await;
        assert_eq!(app.release_state(&release).await, "SUCCEEDED", "set back by {back}");
        assert_eq!(app.progress(&release).await.int("/applied"), 6);
    }
}

#[tokio::test]
async fn r40_a_clock_that_is_set_back_does_not_prolong_a_pause_by_as_much() {
    let (app, release) = {
        let app = TestApp::new().await;
        let acme = app.managed("Acme").await;
        let installed = app.installed_pack("Orders", &[&acme]).await;
        app.tick().await;
        app.package_newer(&installed.pack).await;
        app.mover.fail(&installed.installations[0], 1, FailureCode::Temporary);
        let release = app.release_now(&installed.pack.id).await;
        (app, release)
    };
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS", "the installation is tried again after a pause");
    app.clock.set_to(app.now() - Duration::hours(1));
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn r40_a_clock_that_is_years_ahead_for_a_while_takes_nothing_with_it() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let component = app.component("Export").await;
    let made = async |id: &str| {
        let input = json!({ "packages": [{ "componentId": component }], "clientRequestId": id });
        let payload = app.ok(&app.publisher, "createPackagedComponents", input, "packagedComponents { id }").await;
        payload.text("/packagedComponents/0/id")
    };
    let first = made("first").await;
    app.half_days_to("2026-11-22T14:00:00Z").await;
    let second = made("second").await;
    app.update_now(&installed.pack).await;
    let all = events_after(&app, 0).await.len();

    let (right, wrong) = (app.now(), app.now() + Duration::days(5_000));
    app.clock.set_to(wrong);
    app.tick().await;
    for seconds in [1, 10, 20] {
        app.clock.set_to(wrong + Duration::seconds(seconds));
        app.tick().await;
        // Another server starts while the clock is wrong.
        app.another_server().await.scheduler.tick().await.unwrap();
    }
    app.clock.set_to(right + Duration::seconds(20));
    app.tick().await;
    assert_eq!(events_after(&app, 0).await.len(), all);
    assert_eq!((made("first").await, made("second").await), (first, second), "their ids are remembered");
    // The wrong clock blocks nothing: old rows are removed when they are really due.
    app.half_days_to("2027-03-01T00:00:00Z").await;
    assert_eq!(events_after(&app, 0).await.len(), 0);
}

#[test]
fn r40_a_pass_goes_half_a_day_beyond_the_last_one_at_most() {
    use packwright::domain::log::next_cutoff;
    let at = |text: &str| instant(&format!("2026-11-{text}:00Z"));
    for (now, before, last_pass_at, by) in [
        ("22T09:00", None, None, "22T09:00"),
        ("28T09:00", Some("22T09:00"), None, "22T09:00"),
        ("22T10:00", Some("22T09:00"), Some("22T09:00"), "22T10:00"),
        ("22T09:59", Some("22T09:00"), Some("22T09:00"), "22T09:00"),
        ("28T09:00", Some("22T09:00"), Some("22T09:00"), "22T21:00"),
        ("28T09:01", Some("22T21:00"), Some("28T09:00"), "22T21:00"),
        ("22T10:00", Some("22T21:00"), Some("28T09:00"), "22T21:00"),
        ("22T22:00", Some("22T21:00"), Some("28T09:00"), "22T22:00"),
    ] {
        assert_eq!(
            next_cutoff(at(now), before.map(at), last_pass_at.map(at)),
            at(by),
            "{now} {before:?} {last_pass_at:?}"
        );
    }
}

#[tokio::test]
async fn r40_an_event_from_the_future_does_not_keep_those_behind_it() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let right = app.now();
    app.clock.set_to(right + Duration::days(5_000));
    app.update_now(&installed.pack).await;
    app.clock.set_to(right + Duration::seconds(20));
    app.package_newer(&installed.pack).await;
    app.try_release(immediately(&installed.pack.id)).await;
    app.half_days_to("2027-03-01T00:00:00Z").await;
    assert_eq!(events_after(&app, 0).await.len(), 0, "the log goes on to be cut");
}

#[tokio::test]
async fn r40_a_clock_that_is_set_by_an_hour_or_a_day_either_way_while_it_runs_changes_nothing() {
    for hours in [1, -1, 24, -24] {
        let (app, release) = rollout_at_work().await;
        let pack = app.pack_with("Invoices", &["Bill"]).await;
        let pending = app.release_on(&pack.id, "2026-12-01").await;
        let other_clock = TestReference::of(&app);
        let (other, own) = server_ahead(&app, &other_clock, 0).await;
        let set = async |hours: i64| {
            own.set_to(own.uncorrected() + Duration::hours(hours));
            other.services.measure_clock().await.unwrap();
            assert_eq!(other.services.clock.now(), app.now(), "the database's clock counts");
        };
        set(hours).await;
        other.scheduler.tick().await.unwrap();
        assert_eq!(app.release_state(&release).await, "SUCCEEDED", "{hours} hours: the rollout goes on");
        assert_eq!(app.progress(&release).await.int("/applied"), 6, "each is moved once");
        pass_to(&app, &own, "2026-11-30T22:59:59Z");
        set(-hours).await;
        other.scheduler.tick().await.unwrap();
        set(hours).await;
        other.scheduler.tick().await.unwrap();
        assert_eq!(app.release_state(&pending).await, "SCHEDULED", "{hours} hours: no window opens early");
        pass_to(&app, &own, OPENS);
        set(-hours).await;
        other.scheduler.tick().await.unwrap();
        let read = app.read_release(&pending, "state startedAt window { late }").await;
        let expected = json!({ "state": "SUCCEEDED", "startedAt": OPENS, "window": { "late": false } });
        assert_eq!(read, expected, "{hours} hours");
        other.services.db.clone().close().await.unwrap();
    }
}
