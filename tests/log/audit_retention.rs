//! How long audit entries are kept (R51).

use packwright::service::Settings;
use serde_json::{Value, json};

use crate::log::sealing::{broken, count, seal_all, verified, world};
use crate::support::rows::code_of;
use crate::support::{At, Managed, Setup, TestApp};

const LOG: &str =
    "query($after: String) { auditLog(first: 100, after: $after) { edges { cursor node { hash occurredAt } } } }";

async fn entries(app: &TestApp, token: &str) -> Vec<Value> {
    let seen = app.gql(token, LOG, json!({})).await;
    seen.pointer("/auditLog/edges").and_then(Value::as_array).expect("edges").clone()
}

/// A world with one more entry half a day later, all sealed. Nothing is old enough to be cut.
async fn sealed(keep_audit_days: Option<u16>) -> (TestApp, [Managed; 3], Value) {
    let settings = Settings { keep_events_days: 2, keep_audit_days, ..Settings::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    let accounts = world(&app).await;
    seal_all(&app.app.services).await;
    let oldest = entries(&app, &app.publisher).await.pop().expect("an entry");
    app.half_days_to("2026-11-27T08:00:00Z").await;
    app.component("Later").await;
    seal_all(&app.app.services).await;
    (app, accounts, oldest)
}

#[tokio::test]
async fn r51_old_entries_are_cut_off_behind_a_seal_and_the_rest_still_holds() {
    let (app, [acme, ..], oldest) = sealed(Some(5)).await;
    let before = entries(&app, &app.publisher).await;
    assert!(count(&app, "SELECT count(*) FROM log_record").await > 0, "there are records to be cut");
    // The clock of the passes goes forward by half a day each, so that a wrong clock removes little.
    app.half_days_to("2026-12-02T00:00:00Z").await;
    let kept = entries(&app, &app.publisher).await;
    assert_eq!(kept, before[..1], "the newest entry with its hash");
    assert_eq!(entries(&app, &acme.token).await, Vec::<Value>::new());
    for table in ["log_record", "log_batch", "event"] {
        assert_eq!(count(&app, &format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    let logs = verified(&app, &[]).await;
    assert!(logs.iter().all(|log| log.verified.broken.is_none() && log.verified.chain.cut.number > 0), "{logs:?}");
    assert_eq!(logs.iter().map(|log| log.verified.entries).sum::<i64>(), 1);
    let variables = json!({ "after": oldest.text("/cursor") });
    let refused = app.gql_raw(Some(&app.publisher), LOG, variables).await;
    assert_eq!(code_of(&refused).as_deref(), Some("BAD_USER_INPUT"), "the entry of this cursor is gone");

    // What comes after the cut continues the chain.
    app.component("Latest").await;
    seal_all(&app.app.services).await;
    assert_eq!(broken(&app).await, None);
    let taken = "DELETE FROM audit_seal WHERE number = (SELECT min(number) FROM audit_seal)";
    sea_orm::ConnectionTrait::execute_unprepared(crate::support::rows::tables(&app), taken).await.expect("taken");
    assert!(broken(&app).await.is_some(), "a cut by somebody else is noticed");
}

#[tokio::test]
async fn r51_audit_entries_are_kept_for_good_unless_told_otherwise() {
    let (app, ..) = sealed(None).await;
    let before = (entries(&app, &app.publisher).await, count(&app, "SELECT count(*) FROM audit_entry").await);
    app.half_days_to("2026-12-20T09:00:00Z").await;
    assert_eq!((entries(&app, &app.publisher).await, count(&app, "SELECT count(*) FROM audit_entry").await), before);
    assert_eq!(broken(&app).await, None);
}

#[tokio::test]
async fn r51_an_entry_that_is_not_sealed_is_never_cut() {
    let settings = Settings { keep_events_days: 2, keep_audit_days: Some(5), ..Settings::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    world(&app).await;
    let before = count(&app, "SELECT count(*) FROM audit_entry").await;
    app.half_days_to("2026-12-04T09:00:00Z").await;
    assert_eq!(count(&app, "SELECT count(*) FROM audit_entry").await, before);
    seal_all(&app.app.services).await;
    app.half_days_to("2026-12-05T09:00:00Z").await;
    assert_eq!(count(&app, "SELECT count(*) FROM audit_entry").await, 0, "now they are");
}

#[tokio::test]
async fn r51_the_records_of_a_batch_are_cut_together_and_not_before_their_events_are_pruned() {
    let settings = Settings { keep_events_days: 5, keep_audit_days: Some(5), ..Settings::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    world(&app).await;
    seal_all(&app.app.services).await;
    // The clock comes to each half day, so that the log is cut seal by seal as its entries grow old.
    let mut seen = std::collections::BTreeSet::new();
    for half_day in 1..=13 {
        app.advance_by(12 * 60 * 60).await;
        let parts = "SELECT count(*) FROM log_batch b WHERE (SELECT count(*) FROM log_record r WHERE r.batch = b.first_sequence) <> b.last_sequence - b.first_sequence + 1";
        assert_eq!(count(&app, parts).await, 0, "no batch is there in part");
        assert_eq!(broken(&app).await, None, "half day {half_day}");
        seen.insert(count(&app, "SELECT count(*) FROM log_batch WHERE first_entry IS NOT NULL").await);
    }
    assert!(seen.len() > 1 && seen.contains(&0), "batches went one after the other: {seen:?}");
}

/// How many positions of the log the statements with these words go through.
fn positions(statements: &[sea_orm::Statement], words: &str) -> i64 {
    let of_log =
        statements.iter().filter(|statement| statement.sql.contains(words) && statement.sql.contains("BETWEEN"));
    let numbers: Vec<_> = of_log
        .flat_map(|statement| statement.values.iter().flat_map(|values| &values.0))
        .filter_map(|value| if let sea_orm::Value::BigInt(Some(number)) = value { Some(*number) } else { None })
        .collect();
    assert!(!numbers.is_empty() && numbers.len() % 2 == 0, "{words}: {statements:#?}");
    numbers.chunks(2).map(|span| span[1] - span[0] + 1).sum()
}

#[tokio::test]
async fn r51_a_quiet_publisher_s_entries_are_read_and_cut_without_those_of_a_busy_one() {
    let settings = Settings { keep_events_days: 2, keep_audit_days: Some(5), ..Settings::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    let quiet = app.another_publisher("Southwind").await;
    seal_all(&app.app.services).await;
    for round in 0..3 {
        for n in 0..100 {
            app.component(&format!("Component {round} {n}")).await;
        }
        let input = json!({ "name": format!("Component {round}"), "type": "PROCESS" });
        app.ok(&quiet.token, "createComponent", input, "component { id }").await;
        seal_all(&app.app.services).await;
    }
    let (seen, statements) = app.statements_with_values_of(app.gql(&quiet.token, LOG, json!({}))).await;
    let own = seen.list("/auditLog/edges").len();
    assert!(own >= 4 && seen.list("/auditLog/edges").iter().all(|edge| edge.at("/node/hash").is_string()), "{seen:#}");
    let read = positions(&statements, r#"FROM "audit_entry""#);
    assert!(read <= 20, "{read} positions for {own} entries");
    let entries = count(&app, "SELECT count(*) FROM audit_entry").await;
    let (_, statements) = app.statements_with_values_of(app.half_days_to("2026-11-29T09:00:00Z")).await;
    assert_eq!(count(&app, "SELECT count(*) FROM audit_entry").await, 0);
    let cut = positions(&statements, r#"DELETE FROM "audit_entry""#);
    assert!(cut <= entries + 20, "{cut} positions for {entries} entries");
    assert_eq!(broken(&app).await, None);
}
