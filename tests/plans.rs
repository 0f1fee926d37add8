//! No read, and no step of the scheduler, goes through a table from end to end that grows with accounts,
//! installations or time (R49): SQLite says how it goes about a statement, whatever the tables hold.

use std::collections::BTreeSet;

use packwright::seed::Options;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use serde_json::json;

use crate::introspection::Schema;
use crate::seeding::{options, seeded};
use crate::support::{At, TestApp, immediately};
use crate::support_more::tables;
use crate::walk::Walk;

/// The tables that grow. The publisher's own packs, versions, releases and components are read by it as a whole
/// here and there: they are few.
const GROWING: [&str; 13] = [
    "account",
    "account_group_member",
    "announced_grant",
    "api_token",
    "audit_entry",
    "client_request",
    "enrolment_token",
    "event",
    "installation",
    "installation_update",
    "library_copy",
    "release_tally",
    "heard_before",
];

/// Fails when one of these statements goes through a growing table without an index.
async fn none_scans(app: &TestApp, statements: Vec<String>) {
    let backend = tables(app).get_database_backend();
    if backend == DatabaseBackend::Postgres {
        return;
    }
    let mut scans = Vec::new();
    for sql in statements.into_iter().collect::<BTreeSet<_>>() {
        if !["SELECT", "UPDATE", "DELETE", "WITH"].iter().any(|verb| sql.starts_with(verb)) {
            continue;
        }
        let explain = Statement::from_string(backend, format!("EXPLAIN QUERY PLAN {sql}"));
        for row in tables(app).query_all_raw(explain).await.unwrap_or_else(|error| panic!("{sql}: {error}")) {
            let step: String = row.try_get("", "detail").expect("a step");
            // By an index it goes in an order, and ends where the page does.
            let scanned = step.strip_prefix("SCAN ").filter(|rest| !rest.contains(" USING "));
            if scanned.is_some_and(|rest| GROWING.contains(&rest.split(' ').next().unwrap_or(rest))) {
                scans.push(format!("{step}: {sql}"));
            }
        }
    }
    assert!(scans.is_empty(), "{scans:#?}");
}

#[tokio::test]
async fn r49_nothing_that_is_read_goes_through_a_table_that_grows() {
    let (app, filled) = seeded(Options { components: 20, groups: 3, ..options(6, 60) }).await;
    let schema = Schema::of(&app).await;
    for token in [&app.publisher, &filled.account_secret] {
        let (walk, statements) = app.statements_of(Walk::from_the_roots(&app, &schema, token)).await;
        assert!(walk.ids.len() > 40 && statements.len() > 200, "{} for {}", statements.len(), walk.ids.len());
        none_scans(&app, statements).await;
    }
}

#[tokio::test]
async fn r49_no_step_of_a_release_goes_through_a_table_that_grows() {
    let (app, _) = seeded(options(24, 600)).await;
    let packs = "{ integrationPacks(first: 100) { edges { node { id hasUnreleasedChanges pendingRelease { id } } } } }";
    let packs = app.gql(&app.publisher, packs, json!(null)).await.nodes("/integrationPacks");
    let open = packs
        .iter()
        .find(|pack| pack.at("/hasUnreleasedChanges") == &json!(true) && pack.at("/pendingRelease").is_null());
    let open = open.expect("a pack with something to release").text("/id");
    let (_, statements) = app
        .statements_of(async {
            app.ok(&app.publisher, "releaseIntegrationPack", immediately(&open), "release { id }").await;
            app.live_until("2026-12-10T00:00:00Z").await;
        })
        .await;
    assert!(statements.len() > 200, "{}", statements.len());
    none_scans(&app, statements).await;
}
