//! The cost of a list depends on what it shows, not on how many components and versions a publisher has. PostgreSQL
//! plans with the statistics of 40,000 components and 80,000 versions, both with and without the statements' values,
//! because it plans repeated statements without them. SQLite's plans don't depend on the number of rows.

use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::store::planned::{generic_plans, plans};
use crate::support::TestApp;
use crate::support::rows::tables;

/// 40,000 copies of the component, each with two copies of its version.
const ENLARGED: &str = "SET session_replication_role = replica;
INSERT INTO component SELECT made.* FROM component c, generate_series(1, 40000) n, LATERAL jsonb_populate_record(c,
    jsonb_build_object('id', gen_random_uuid(), 'name', 'More ' || n, 'name_key', 'more ' || n)) AS made
    WHERE c.name = 'Template';
INSERT INTO component_version SELECT made.* FROM component_version v, component c, generate_series(1, 2) n,
    LATERAL jsonb_populate_record(v, jsonb_build_object('id', gen_random_uuid(), 'component_id', c.id,
        'component_name_key', c.name_key, 'version', n || '.5', 'version_key', n || '.5', 'created_at', v.created_at - n * interval '1 hour')) AS made
    WHERE v.component_name_key = 'template' AND c.name LIKE 'More %';
RESET session_replication_role;
ANALYZE";

const PAGE: &str = "query($after: String) { integrationPacks(first: 20, after: $after) { edges { cursor node {
    name installationType currentVersion { number installationCount } pendingRelease { version { number } } adoption { installationCount }
    components { component { name type } current { version } latestShareable { version createdBy { name } } } } } } }";

const NEWER: &str = "{ packsWithNewerShareableVersions(first: 50) { edges { node { name
    components(onlyWithNewerShareable: true) { component { name } current { version } latestShareable { version notes } } } } } }";

const UPDATES: &str = "{ pendingUpdates(first: 20) { edges { node { state fromVersion { number } toVersion { number }
    diff { added { name version } removed { name version } changed { from { version } to { version } } } installation { name pack { name } } } } } }";

const EVENTS: &str = "query($after: String) { events(first: 20, after: $after) { edges { cursor node { kind ... on NewerShareableEvent { packName version { version } } } } } }";

const AUDIT: &str = "query($first: Int, $last: Int) { auditLog(first: $first, last: $last) { edges { node { action subject { __typename id } } } } }";

/// The highest cost of a list's statement: a few hundred rows by an index, of 120,000 rows.
const OF_A_LIST: f64 = 1_500.0;

#[tokio::test]
async fn r49_a_list_costs_what_it_shows_and_not_what_the_catalogue_holds() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    for n in 0..6 {
        let name = format!("Pack {n}");
        let world = app.installed_pack(&name, &[&acme]).await;
        app.update_on(&world.pack, "2026-12-01").await;
        app.package(&world.pack.components[0]).await;
    }
    app.packaged("Template").await;
    if app.is_postgresql() {
        tables(&app).execute_unprepared(ENLARGED).await.expect("a large catalogue");
    }
    // The page is first, because its reads fill the caches.
    for (what, token, document, variables) in [
        ("the page", &app.publisher, PAGE, json!({})),
        ("what is newer", &app.publisher, NEWER, json!({})),
        ("pending updates", &acme.token, UPDATES, json!({})),
        ("events", &app.publisher, EVENTS, json!({})),
        ("the audit log", &app.publisher, AUDIT, json!({ "first": 20 })),
        ("the audit log's end", &app.publisher, AUDIT, json!({ "last": 20 })),
    ] {
        let (_, statements) = app.statements_with_values_of(app.gql(token, document, variables)).await;
        assert!(!statements.is_empty(), "{what}");
        let mut found = plans(&app, &statements, false).await;
        found.extend(generic_plans(&app, &statements).await);
        for plan in found {
            assert!(plan.cost <= OF_A_LIST, "{what} costs {}: {}\n{}", plan.cost, plan.sql, plan.steps.join("\n"));
            let scans = plan.scanned.iter().any(|table| ["component", "component_version"].contains(&table.as_str()));
            assert!(!scans, "{what} goes through all: {}\n{}", plan.sql, plan.steps.join("\n"));
        }
    }
}
