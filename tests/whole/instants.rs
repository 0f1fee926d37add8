//! The text form of instants: one form on output, every form of RFC 3339 on input.

use packwright::domain::instant::{parse, to_text};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{At as _, Setup, TestApp};

fn read(text: &str) -> Option<String> {
    parse(text).map(to_text)
}

#[test]
fn s10_every_form_of_rfc_3339_comes_in_and_one_goes_out() {
    for (text, instant) in [
        ("2027-01-31T23:00:00Z", "2027-01-31T23:00:00.000000Z"),
        ("2027-01-31t23:00:00z", "2027-01-31T23:00:00.000000Z"),
        ("2027-02-01T00:00:00+01:00", "2027-01-31T23:00:00.000000Z"),
        ("2027-01-31T17:30:00-05:30", "2027-01-31T23:00:00.000000Z"),
        ("2027-01-31T23:00:00-00:00", "2027-01-31T23:00:00.000000Z"),
        ("2027-01-31T23:00:00+23:59", "2027-01-30T23:01:00.000000Z"),
        ("2027-01-31T23:00:00.5Z", "2027-01-31T23:00:00.500000Z"),
        ("2027-01-31T23:00:00.123456Z", "2027-01-31T23:00:00.123456Z"),
        ("2027-01-31T23:00:00.1234567Z", "2027-01-31T23:00:00.123456Z"),
        ("2027-01-31T23:00:00.999999999999999999999Z", "2027-01-31T23:00:00.999999Z"),
        ("1990-12-31T23:59:60Z", "1991-01-01T00:00:00.000000Z"),
        ("1990-12-31T15:59:60-08:00", "1991-01-01T00:00:00.000000Z"),
        ("1990-12-31T23:59:60.25Z", "1991-01-01T00:00:00.250000Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ] {
        assert_eq!(read(text).as_deref(), Some(instant), "{text}");
    }
}

#[test]
fn s10_an_impossible_instant_is_refused() {
    for text in [
        "",
        "2027-01-31",
        "2027-01-31T23:00Z",
        "2027-01-31T23:00:00",
        "2027-01-31 23:00:00Z",
        "2027-01-31T23:00:00.Z",
        "2027-01-31T23:00:00+1:00",
        "2027-01-31T23:00:00+0100",
        "2027-01-31T24:00:00Z",
        "2027-02-30T00:00:00Z",
        "2027-01-31T23:59:60Z ",
        "2027-01-15T23:59:60Z",
        "2027-01-31T12:00:60Z",
        "+12027-01-31T23:00:00Z",
        "0000-06-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
        "2027-01-31T23:00:00,5Z",
        "１２２７-01-31T23:00:00Z",
    ] {
        assert_eq!(read(text), None, "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s10_answered_values_are_accepted_as_input(seconds in -62_135_596_800_i64..253_402_300_799, micros in 0_u32..1_000_000) {
        let at = chrono::DateTime::from_timestamp(seconds, micros * 1_000).unwrap();
        let text = to_text(at);
        prop_assert_eq!(text.len(), 27);
        prop_assert_eq!(parse(&text), Some(at));
    }

    #[test]
    fn s10_no_text_makes_it_panic(text in any::<String>(), close in "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}(\\.[0-9]{0,30})?([Zz]|[+-][0-9:]{5})") {
        let _ = (parse(&text), parse(&close));
    }
}

/// Collects all texts of an answer that begin like an instant.
fn instants(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() > 10 && text.as_bytes()[10] == b'T' && text.starts_with(['1', '2']) => {
            into.push(text.clone());
        }
        Value::Array(many) => many.iter().for_each(|one| instants(one, into)),
        Value::Object(fields) => fields.values().for_each(|one| instants(one, into)),
        _ => {}
    }
}

#[tokio::test]
async fn s10_all_instants_of_an_answer_have_one_form() {
    let app = TestApp::with(Setup { start: "2026-11-22T09:00:00.5Z", ..Setup::default() }).await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.advance_by(1).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    let token = json!({ "name": "nightly", "role": "SUPPORT", "expiresAt": "2027-01-01T00:00:00+01:00" });
    let token = app.ok(&app.publisher, "createApiToken", token, "apiToken { id expiresAt }").await;
    assert_eq!(token.text("/apiToken/expiresAt"), "2026-12-31T23:00:00.000000Z");
    app.ok(
        &app.publisher,
        "revokeApiToken",
        json!({ "tokenId": token.text("/apiToken/id") }),
        "apiToken { revokedAt }",
    )
    .await;
    let answer = app
        .gql(
            &app.publisher,
            "{ serverInfo { now } viewer { token { createdAt lastUsedAt } }
               releases { edges { node { createdAt window { startsAt endsAt } } } }
               events { edges { node { occurredAt } } }
               auditLog { edges { node { occurredAt changes { before after } } } } }",
            json!({}),
        )
        .await;
    let mut found = Vec::new();
    instants(&answer, &mut found);
    assert!(found.len() > 10, "{answer:#}");
    for text in found {
        assert_eq!((text.len(), parse(&text).map(to_text)), (27, Some(text.clone())), "{text}");
    }
}

#[tokio::test]
async fn s10_an_instant_of_an_input_may_have_any_offset() {
    let app = TestApp::new().await;
    app.pack("Orders").await;
    let count = async |from: &str| {
        let query = "query($from: DateTime) { auditLog(filter: { from: $from }) { totalCount } }";
        app.gql(&app.publisher, query, json!({ "from": from })).await.int("/auditLog/totalCount")
    };
    let now = to_text(app.now());
    let here =
        app.now().with_timezone(&chrono::FixedOffset::east_opt(5 * 3600 + 1800).unwrap()).to_rfc3339().to_lowercase();
    assert!(count(&now).await > 0);
    assert_eq!(count(&now).await, count(&here).await);
    let literal = format!("{{ auditLog(filter: {{ from: \"{here}\" }}) {{ totalCount }} }}");
    assert_eq!(app.gql(&app.publisher, &literal, json!({})).await.int("/auditLog/totalCount"), count(&now).await);
}

#[tokio::test]
async fn r42_a_window_lies_within_the_calendar() {
    let app = TestApp::new().await;
    let query =
        "query($date: Date!, $zone: TimeZone!) { releaseWindow(date: $date, timeZone: $zone) { startsAt endsAt } }";
    for (date, zone) in [("0001-01-01", "Europe/Berlin"), ("0001-01-01", "Asia/Tokyo")] {
        let code = app.error_code(Some(&app.publisher), query, json!({ "date": date, "zone": zone })).await;
        assert_eq!(code, "BAD_USER_INPUT", "{date} {zone}: it would begin in the year 0");
    }
    for (date, zone) in [("0001-01-01", "UTC"), ("0001-01-02", "Europe/Berlin"), ("9999-12-31", "America/New_York")] {
        let window = app.gql(&app.publisher, query, json!({ "date": date, "zone": zone })).await;
        assert!(parse(&window.text("/releaseWindow/endsAt")).is_some(), "{window}");
    }
    for date in ["0000-01-01", "10000-01-01"] {
        let code = app.error_code(Some(&app.publisher), query, json!({ "date": date, "zone": "UTC" })).await;
        assert_eq!(code, "BAD_USER_INPUT", "{date}");
    }
}

#[tokio::test]
async fn r40_a_clock_past_the_calendar_is_an_error() {
    let app = TestApp::new().await;
    app.clock.advance_to(parse("9999-12-31T23:59:59Z").unwrap() + chrono::Duration::seconds(1));
    assert_eq!(app.error_code(Some(&app.publisher), "{ serverInfo { now } }", json!({})).await, "UNAVAILABLE");
}
