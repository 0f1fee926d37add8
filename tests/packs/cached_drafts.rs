//! Cached drafts are never outdated: after each step of a random story, two servers on one database, with caches,
//! answer like a third one with empty caches.

use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use crate::support::rows::tables;
use crate::support::{At as _, TestApp};
use crate::whole::invariants::{run_stories, story};
use crate::whole::invariants_story::{Command, Story};

/// The number of stories in a usual run.
const CASES: u32 = 3;

/// Selects only fields of rows that are cached.
const ROWS: &str = "query($first: Int) { integrationPacks(first: $first) { edges { node { id revision
    components { component { id name type } inThisContent { id version } current { ...V } pending { ...V } next { ...V }
        latestShareable { ...V } newerShareableAvailable pinned markedForRemoval }
    newer: components(onlyWithNewerShareable: true) { component { name } latestShareable { id } }
    currentVersion { components { component { id } inThisContent { id } latestShareable { id } markedForRemoval } } } } } }
    fragment V on ComponentVersion { __typename id version shareable notes createdAt ... on PackagedComponent { revision } }";

/// Selects also fields that are read each time.
const WITH_MORE: &str = "query($first: Int) { integrationPacks(first: $first) { edges { node {
    components { component { id latestShareable { id } } latestShareable { ... on PackagedComponent { viewerCanDelete deletedAt } } } } } } }";

async fn answered(app: &packwright::app::App, token: &str, document: &str) -> Value {
    let request =
        async_graphql::Request::new(document).variables(async_graphql::Variables::from_json(json!({ "first": 100 })));
    let answer = serde_json::to_value(app.execute(Some(token), request).await).expect("JSON");
    assert!(answer.get("errors").is_none(), "{answer:#}");
    answer.at("/data").clone()
}

async fn run(commands: Vec<Command>) {
    let mut story = Story::begin().await;
    let other = story.app.another_server().await;
    for (index, command) in commands.iter().enumerate() {
        let outcome = story.step(command).await;
        let fresh = story.app.another_server().await;
        let token = story.app.publisher.as_str();
        for document in [ROWS, WITH_MORE] {
            let expected = answered(&fresh, token, document).await;
            for (which, server) in [("the server", &story.app.app), ("the other server", &other)] {
                let answered = answered(server, token, document).await;
                assert_eq!(answered, expected, "{which} after step {index}, {command:?} ({outcome:?})");
            }
        }
        fresh.services.db.clone().close().await.expect("closed");
    }
    other.services.db.clone().close().await.expect("closed");
}

#[test]
fn r19_no_cached_draft_is_answered_after_a_change() {
    run_stories(CASES, story(), run);
}

/// The rows are cached in serialized form, separately for each spelling of the selection.
#[tokio::test]
async fn rows_are_answered_as_each_query_selects_them() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    app.release_now(&pack.id).await;
    let plain = "{ integrationPacks { edges { node { components { component { name } pinned } } } } }";
    let rows = |import: Value, export: Value| json!({ "integrationPacks": { "edges": [{ "node": { "components": [export, import] } }] } });
    let expected = rows(
        json!({ "component": { "name": "Import" }, "pinned": false }),
        json!({ "component": { "name": "Export" }, "pinned": false }),
    );
    for _ in 0..2 {
        assert_eq!(app.gql(&app.publisher, plain, json!({})).await, expected);
        let renamed = "{ integrationPacks { edges { node { components { c: component { title: name } } } } } }";
        let expected = rows(json!({ "c": { "title": "Import" } }), json!({ "c": { "title": "Export" } }));
        assert_eq!(app.gql(&app.publisher, renamed, json!({})).await, expected);
        // Two selections of a field under the same name are merged.
        let twice = "{ integrationPacks { edges { node { components { pinned } ...More } } } }
            fragment More on IntegrationPack { components { component { name } } }";
        assert_eq!(app.gql(&app.publisher, twice, json!({})).await, expected_twice());
        let skipped = "query($no: Boolean!) { integrationPacks { edges { node { components { pinned component @skip(if: $no) { name } } } } } }";
        for no in [true, false] {
            let answered = app.gql(&app.publisher, skipped, json!({ "no": no })).await;
            let row = answered.at("/integrationPacks/edges/0/node/components/0");
            assert_eq!(row.get("component").is_none(), no, "{answered:#}");
        }
    }
}

fn expected_twice() -> Value {
    let row = |name: &str| json!({ "pinned": false, "component": { "name": name } });
    json!({ "integrationPacks": { "edges": [{ "node": { "components": [row("Export"), row("Import")] } }] } })
}

/// The second read takes no draft from the database.
#[tokio::test]
async fn a_page_that_was_read_before_takes_few_statements() {
    let app = TestApp::new().await;
    for n in 0..3 {
        let pack = app.pack_with(&format!("Pack {n}"), &[&format!("Process {n}")]).await;
        app.release_now(&pack.id).await;
    }
    let page = "{ integrationPacks { edges { node { name currentVersion { number }
        components { component { name } current { version } latestShareable { version } } } } } }";
    let first = app.gql(&app.publisher, page, json!({})).await;
    let (again, statements) = app.statements_of(app.gql(&app.publisher, page, json!({}))).await;
    assert_eq!(again, first);
    assert_eq!(statements.len(), 1, "{statements:#?}");
}

/// A failover loses the last edit, and another edit takes its place. The server, which has read the lost one, must not
/// return it.
#[tokio::test]
async fn a_lost_draft_is_not_answered_instead_of_another() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let (lost, kept) = (app.packaged("Lost").await.0, app.packaged("Kept").await.0);
    let rows = async || {
        let rows = "{ integrationPacks { edges { node { components { component { name } } } } } }";
        let answered = app.gql(&app.publisher, rows, json!({})).await;
        let rows = answered.at("/integrationPacks/edges/0/node/components").as_array().expect("rows").clone();
        rows.iter().map(|row| row.text("/component/name")).collect::<Vec<_>>()
    };
    let revision = async || {
        let sql =
            Statement::from_string(tables(&app).get_database_backend(), "SELECT draft_revision FROM integration_pack");
        let row = tables(&app).query_one_raw(sql).await.expect("it runs").expect("a pack");
        row.try_get::<i64>("", "draft_revision").expect("a number")
    };
    let (before, first) = (rows().await, revision().await);
    app.add(&pack.id, &[&lost]).await;
    assert_eq!(rows().await, ["Import", "Lost"]);
    for undone in [
        "DELETE FROM draft_row WHERE component_id = (SELECT id FROM component WHERE name = 'Lost')".to_owned(),
        format!("UPDATE integration_pack SET draft_revision = {first}, component_count = 1"),
    ] {
        tables(&app).execute_unprepared(&undone).await.expect("undone");
    }
    assert_eq!(rows().await, before);
    app.add(&pack.id, &[&kept]).await;
    assert_eq!(rows().await, ["Import", "Kept"]);
}
