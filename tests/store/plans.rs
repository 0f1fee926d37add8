//! No query and no step of the scheduler scans a table that grows with accounts, installations or time (R49), according
//! to the database's plans.

use packwright::seed::Options;
use sea_orm::Statement;
use serde_json::json;

use crate::gate::introspection::Schema;
use crate::program::seeding::{options, seeded};
use crate::store::planned::{GROWING, plans};
use crate::support::{At, TestApp, immediately};

use crate::whole::walk::Walk;

/// Fails when one of these statements scans a growing table for which there is a usable index.
async fn none_scans(app: &TestApp, statements: &[Statement]) {
    let plans = plans(app, statements, true).await;
    assert!(plans.len() > 20, "few statements have a plan: {}", plans.len());
    let scans: Vec<_> = plans
        .iter()
        .filter(|plan| plan.scanned.iter().any(|table| GROWING.contains(&table.as_str())))
        .map(|plan| format!("{}\n{}", plan.sql, plan.steps.join("\n")))
        .collect();
    assert!(scans.is_empty(), "{}", scans.join("\n\n"));
}

#[tokio::test]
async fn r49_nothing_that_is_read_goes_through_a_table_that_grows() {
    let (app, filled) = seeded(Options { components: 20, groups: 3, ..options(6, 60) }).await;
    let schema = Schema::of(&app).await;
    for token in [&app.publisher, &filled.account_secret] {
        let (walk, statements) = app.statements_with_values_of(Walk::from_the_roots(&app, &schema, token)).await;
        assert!(walk.ids.len() > 40 && statements.len() > 200, "{} for {}", statements.len(), walk.ids.len());
        none_scans(&app, &statements).await;
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
        .statements_with_values_of(async {
            app.ok(&app.publisher, "releaseIntegrationPack", immediately(&open), "release { id }").await;
            app.live_until("2026-12-10T00:00:00Z").await;
        })
        .await;
    assert!(statements.len() > 200, "{}", statements.len());
    none_scans(&app, &statements).await;
}

/// Each filter that narrows a list by another table.
#[tokio::test]
async fn r49_no_filter_goes_through_a_table_that_grows() {
    let (app, _) = seeded(Options { components: 20, groups: 3, ..options(6, 60) }).await;
    let ids =
        "{ integrationPacks(first: 1) { edges { node { id } } } accountGroups(first: 2) { edges { node { id } } } }";
    let ids = app.gql(&app.publisher, ids, json!(null)).await;
    let (pack, group) =
        (ids.texts("/integrationPacks", "/id")[0].clone(), ids.texts("/accountGroups", "/id")[1].clone());
    for (list, filter) in [
        ("integrationPacks", json!({ "groupId": group })),
        ("integrationPacks", json!({ "deploymentModel": "LEGACY" })),
        ("managedAccounts", json!({ "groupId": group })),
        ("managedAccounts", json!({ "withoutGroupId": group })),
        ("managedAccounts", json!({ "withPackId": pack })),
        ("managedAccounts", json!({ "isEnrolled": true })),
        ("managedAccounts", json!({ "isEnrolled": false })),
        ("installations", json!({ "groupId": group })),
        ("installations", json!({ "hasFailedUpdate": true })),
        ("installations", json!({ "hasFailedUpdate": false })),
    ] {
        let of = match list {
            "integrationPacks" => "IntegrationPackFilter",
            "managedAccounts" => "ManagedAccountFilter",
            _ => "InstallationFilter",
        };
        let document =
            format!("query($filter: {of}) {{ {list}(filter: $filter) {{ edges {{ node {{ id }} }} totalCount }} }}");
        let read = app.gql(&app.publisher, &document, json!({ "filter": filter }));
        let (_, statements) = app.statements_with_values_of(read).await;
        for plan in plans(&app, &statements, true).await {
            let scanned: Vec<_> = plan.scanned.iter().filter(|table| GROWING.contains(&table.as_str())).collect();
            assert!(scanned.is_empty(), "{list} with {filter}: {}\n{}", plan.sql, plan.steps.join("\n"));
        }
    }
}
