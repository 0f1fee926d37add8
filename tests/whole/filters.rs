//! The filters of lists that look at other tables.

use packwright::domain::installations::FailureCode;
use serde_json::{Value, json};

use crate::support::{At as _, TestApp};

/// The names in a list with a filter, and their number.
async fn names(app: &TestApp, list: &str, filter: Value) -> Vec<String> {
    let of = match list {
        "integrationPacks" => "IntegrationPackFilter",
        "managedAccounts" => "ManagedAccountFilter",
        _ => "InstallationFilter",
    };
    let document =
        format!("query($filter: {of}) {{ {list}(filter: $filter) {{ edges {{ node {{ name }} }} totalCount }} }}");
    let read = app.gql(&app.publisher, &document, json!({ "filter": filter })).await;
    let names = read.texts(&format!("/{list}"), "/name");
    assert_eq!(read.int(&format!("/{list}/totalCount")), i64::try_from(names.len()).expect("few"), "{filter}");
    names
}

#[tokio::test]
async fn r48_lists_are_narrowed_by_groups_packs_and_enrolments() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    app.not_enrolled(&app.publisher, "Wayne").await;
    let gold = app.group("Gold", &[&acme]).await;
    let orders = app.pack_with("Orders", &["Import"]).await.id;
    app.legacy_pack("Tills").await;
    app.share(&orders, &[&gold]).await;
    app.release_now(&orders).await;
    let installation = app.install(&acme, "Orders").await;
    let all = app.all_accounts().await;
    for (list, filter, expected) in [
        ("integrationPacks", json!({ "groupId": gold }), vec!["Orders"]),
        ("integrationPacks", json!({ "groupId": all }), vec![]),
        ("integrationPacks", json!({ "deploymentModel": "LEGACY" }), vec!["Tills"]),
        ("integrationPacks", json!({ "deploymentModel": "PACKAGED" }), vec!["Orders"]),
        ("integrationPacks", json!({ "deploymentModel": "LEGACY", "groupId": gold }), vec![]),
        ("managedAccounts", json!({ "groupId": gold }), vec!["Acme"]),
        ("managedAccounts", json!({ "withoutGroupId": gold }), vec!["Globex", "Wayne"]),
        ("managedAccounts", json!({ "withoutGroupId": all }), vec![]),
        ("managedAccounts", json!({ "groupId": all, "withoutGroupId": gold, "isEnrolled": true }), vec!["Globex"]),
        ("managedAccounts", json!({ "isEnrolled": true }), vec!["Acme", "Globex"]),
        ("managedAccounts", json!({ "isEnrolled": false }), vec!["Wayne"]),
        ("managedAccounts", json!({ "withPackId": orders }), vec!["Acme"]),
        ("installations", json!({ "groupId": gold }), vec!["Orders"]),
        ("installations", json!({ "groupId": all }), vec!["Orders"]),
    ] {
        assert_eq!(names(&app, list, filter.clone()).await, expected, "{list} with {filter}");
    }
    let silver = app.group("Silver", &[&globex]).await;
    assert!(names(&app, "installations", json!({ "groupId": silver })).await.is_empty());
    let enrolled = "{ managedAccounts { edges { node { isEnrolled } } } }";
    let enrolled = app.gql(&app.publisher, enrolled, json!(null)).await.nodes("/managedAccounts");
    assert_eq!(
        enrolled.iter().map(|node| node.at("/isEnrolled") == &json!(true)).collect::<Vec<_>>(),
        [true, true, false]
    );
    app.uninstall(&acme, &installation).await;
    assert!(names(&app, "managedAccounts", json!({ "withPackId": orders })).await.is_empty());
}

#[tokio::test]
async fn r46_an_installation_whose_failed_update_can_be_tried_again_is_found() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let (failed, none) = (json!({ "hasFailedUpdate": true }), json!({ "hasFailedUpdate": false }));
    let accounts = async |filter: &Value| {
        let document = "query($filter: InstallationFilter) { installations(filter: $filter) { edges { node { account { name } } } } }";
        let read = app.gql(&app.publisher, document, json!({ "filter": filter })).await;
        read.texts("/installations", "/account/name")
    };
    assert!(accounts(&failed).await.is_empty());
    app.mover.fail(&installed.installations[0], u32::MAX, FailureCode::Internal);
    let release = app.update_now(&installed.pack).await;
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(accounts(&failed).await, ["Acme"]);
    assert_eq!(accounts(&none).await, ["Globex"]);
    // Each account finds its own alone.
    for (account, of_failed, of_none) in [(&acme, 1, 0), (&globex, 0, 1)] {
        let document = "{ failed: installations(filter: { hasFailedUpdate: true }) { totalCount }
            none: installations(filter: { hasFailedUpdate: false }) { totalCount } }";
        let read = app.gql(&account.token, document, json!(null)).await;
        assert_eq!((read.int("/failed/totalCount"), read.int("/none/totalCount")), (of_failed, of_none));
    }
    // While another release is pending, nothing is tried again.
    app.package_newer(&installed.pack).await;
    let pending = app.release_on(&installed.pack.id, "2026-12-10").await;
    assert!(accounts(&failed).await.is_empty());
    app.cancel(&pending).await;
    assert_eq!(accounts(&failed).await, ["Acme"]);
    app.mover.repair();
    app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": release }), "retriedCount").await;
    app.live_until("2026-11-22T10:30:00Z").await;
    assert!(accounts(&failed).await.is_empty());
    assert_eq!(accounts(&none).await.len(), 2);
}
