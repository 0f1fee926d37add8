//! Sealing the audit log behind the commits (R51).

use std::collections::BTreeMap;

use packwright::domain::log::Broken;
use packwright::service::Services;
use packwright::service::log::{SentSeal, VerifiedLog, seal_entries, verify_audit};
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use crate::support::rows::tables;
use crate::support::{At, Managed, TestApp};

const HASHES: &str = "query($first: Int!, $actions: [String!]) { auditLog(first: $first, filter: { actions: $actions }) { edges { node { id hash } } } }";

/// Seals all entries.
pub(crate) async fn seal_all(services: &Services) {
    while seal_entries(services).await.expect("entries are sealed") {}
}

pub(crate) async fn verified(app: &TestApp, sent: &[SentSeal]) -> Vec<VerifiedLog> {
    verify_audit(&app.app.services, sent).await.expect("the log is read")
}

/// The first broken place.
pub(crate) async fn broken(app: &TestApp) -> Option<Broken> {
    verified(app, &[]).await.into_iter().find_map(|log| log.verified.broken)
}

/// A world whose log has rows, records, several publishers, and more entries than a seal has. Some records lie on both
/// sides of a seal's end.
pub(crate) async fn world(app: &TestApp) -> [Managed; 3] {
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let [acme, globex, initech] = &accounts;
    let other = app.another_publisher("Southwind").await;
    let installed = app.installed_pack("Orders", &[acme, globex, initech]).await;
    for n in 0..70 {
        app.component(&format!("Component {n}")).await;
        if n % 3 == 0 {
            let input = json!({ "name": format!("Other {n}"), "type": "PROCESS" });
            app.ok(&other.token, "createComponent", input, "component { id }").await;
        }
    }
    let pack = app.pack_with("Invoices", &["Print"]).await;
    app.share_with_all(&pack.id).await;
    app.update_on(&installed.pack, "2026-11-23").await;
    app.live_until("2026-11-24T12:00:00Z").await;
    app.update_on(&installed.pack, "2026-11-25").await;
    app.live_until("2026-11-26T12:00:00Z").await;
    accounts
}

/// The number that a statement selects.
pub(crate) async fn count(app: &TestApp, sql: &str) -> i64 {
    let statement = Statement::from_string(tables(app).get_database_backend(), sql);
    let row = tables(app).query_one_raw(statement).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    row.expect("one row").try_get_by_index(0).expect("a number")
}

async fn hashes(app: &TestApp, token: &str) -> BTreeMap<String, Option<String>> {
    let seen = app.gql(token, HASHES, json!({ "first": 100 })).await;
    let edges = seen.pointer("/auditLog/edges").and_then(Value::as_array).expect("edges").clone();
    edges
        .iter()
        .map(|edge| (edge.text("/node/id"), edge.pointer("/node/hash").and_then(Value::as_str).map(Into::into)))
        .collect()
}

#[tokio::test]
async fn r51_each_entry_has_a_hash_once_it_is_sealed_and_keeps_it() {
    let app = TestApp::new().await;
    let [acme, ..] = world(&app).await;
    assert!(hashes(&app, &app.publisher).await.values().all(Option::is_none), "nothing is sealed yet");
    seal_all(&app.app.services).await;
    let sealed = hashes(&app, &app.publisher).await;
    let mut distinct: Vec<_> = sealed.values().map(|hash| hash.clone().expect("sealed")).collect();
    assert!(distinct.iter().all(|hash| hash.len() == 64 && hash.bytes().all(|digit| digit.is_ascii_hexdigit())));
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 100, "each has its own");
    let own = hashes(&app, &acme.token).await;
    assert!(
        own.len() > 5 && own.values().all(Option::is_some),
        "an account's entries are sealed in its publisher's log"
    );
    let both: Vec<_> = own.iter().filter_map(|(id, hash)| Some((hash, sealed.get(id)?))).collect();
    assert!(both.len() > 2 && both.iter().all(|(own, publisher)| own == publisher), "{both:?}");

    app.component("Later").await;
    let later = hashes(&app, &app.publisher).await;
    assert_eq!(later.values().filter(|hash| hash.is_none()).count(), 1, "the newest isn't sealed yet");
    seal_all(&app.app.services).await;
    let now = hashes(&app, &app.publisher).await;
    assert!(now.values().all(Option::is_some));
    assert!(sealed.iter().all(|(id, hash)| now.get(id).is_none_or(|now| now == hash)), "hashes stay as they are");
}

#[tokio::test]
async fn r51_a_sealed_log_holds_from_its_first_entry_to_its_last() {
    let app = TestApp::new().await;
    world(&app).await;
    let entries = count(&app, "SELECT count(*) FROM audit_entry").await
        + count(&app, "SELECT CAST(coalesce(sum(last_sequence - first_sequence + 1), 0) AS bigint) FROM log_batch WHERE first_entry IS NOT NULL").await;
    let records = count(&app, "SELECT count(*) FROM log_record").await;
    assert!(records >= 6, "the world has records: {records}");
    seal_all(&app.app.services).await;
    app.component("Later").await;
    let logs = verified(&app, &[]).await;
    assert_eq!(logs.len(), 2, "two publishers");
    assert!(logs.iter().all(|log| log.verified.broken.is_none()), "{logs:?}");
    assert_eq!(logs.iter().map(|log| log.verified.entries).sum::<i64>(), entries);
    assert_eq!(logs.iter().map(|log| log.verified.unsealed).sum::<i64>(), 1);
    let northwind = &logs
        .iter()
        .find(|log| log.account.as_ref().is_some_and(|account| account.name == "Northwind"))
        .expect("its log")
        .verified;
    assert!(northwind.seals > 1 && northwind.from < northwind.to, "{northwind:?}");
}

#[tokio::test]
async fn r51_sealing_costs_queries_and_writers_no_statement() {
    let app = TestApp::new().await;
    world(&app).await;
    let without = "query { auditLog(first: 50) { edges { node { id action actor { name } changes { field } } } } }";
    let query = async || app.statements_of(app.gql(&app.publisher, without, Value::Null)).await.1;
    let write = async |n: usize| {
        let input = json!({ "name": format!("Measured {n}"), "type": "PROCESS" });
        app.statements_of(app.ok(&app.publisher, "createComponent", input, "component { name }")).await.1
    };
    let (query_before, write_before) = (query().await, write(1).await);
    seal_all(&app.app.services).await;
    assert_eq!(query().await, query_before);
    assert_eq!(write(2).await, write_before);
    assert!(
        query_before.iter().chain(&write_before).all(|sql| !sql.contains("audit_seal") && !sql.contains("audit_chain"))
    );
    seal_all(&app.app.services).await;
    let (_, nothing_new) = app.statements_of(seal_all(&app.app.services)).await;
    assert_eq!(nothing_new.len(), 1, "a look that finds nothing: {nothing_new:#?}");
}

#[tokio::test]
async fn r51_the_hashes_of_a_page_cost_as_many_statements_for_a_hundred_entries_as_for_ten() {
    let app = TestApp::new().await;
    world(&app).await;
    seal_all(&app.app.services).await;
    for actions in [Value::Null, json!(["createComponent", "scheduler.applyUpdate"])] {
        let statements = async |first: usize| {
            let variables = json!({ "first": first, "actions": actions });
            app.statements_of(app.gql(&app.publisher, HASHES, variables)).await.1.len()
        };
        let (few, many) = (statements(10).await, statements(100).await);
        assert!(many <= few + 2, "{few} and {many} statements");
    }
}

#[tokio::test]
async fn r51_two_servers_that_seal_at_once_make_one_chain() {
    let app = TestApp::new().await;
    let second = app.another_server().await;
    for round in 0..6 {
        for n in 0..20 {
            app.component(&format!("Component {round} {n}")).await;
        }
        let (one, other) = (async { seal_all(&app.app.services).await }, async { seal_all(&second.services).await });
        tokio::join!(one, other);
    }
    let logs = verified(&app, &[]).await;
    assert!(logs.iter().all(|log| log.verified.broken.is_none() && log.verified.unsealed == 0), "{logs:?}");
    let entries = count(&app, "SELECT count(*) FROM audit_entry").await;
    assert_eq!(logs.iter().map(|log| log.verified.entries).sum::<i64>(), entries, "each entry has one seal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r51_a_server_that_sealed_beside_another_gives_up_what_it_read() {
    let app = TestApp::new().await;
    world(&app).await;
    let second = app.another_server().await;
    // The other server seals everything after this one has read the entries, right before its transaction.
    let mut services = Some(second.services.clone());
    app.after_statements(move |sql| {
        let reads_chains = sql.contains(r#"FROM "audit_chain""#) && sql.contains("publisher_id");
        if let Some(services) = services.take_if(|_| reads_chains) {
            crate::support::meanwhile(async move || seal_all(&services).await);
        }
    });
    seal_all(&app.app.services).await;
    let logs = verified(&app, &[]).await;
    assert!(logs.iter().all(|log| log.verified.broken.is_none() && log.verified.unsealed == 0), "{logs:?}");
}
