//! Renaming and deleting components (R69).

use serde_json::{Value, json};

use crate::support::rows::{all_rows, assert_same_rows};
use crate::support::{At as _, TestApp, immediately, mutate_on, refusal};

const COMPONENT: &str = "query($id: ID) { component(id: $id) { name viewerCanRename viewerCanDelete } }";

fn renamed(component: &str, name: &str) -> Value {
    json!({ "componentId": component, "name": name })
}

async fn read(app: &TestApp, component: &str) -> Value {
    app.gql(&app.publisher, COMPONENT, json!({ "id": component })).await.at("/component").clone()
}

#[tokio::test]
async fn r69_a_component_is_renamed_until_a_version_of_it_is_in_a_packs_version() {
    let app = TestApp::new().await;
    let other = app.another_server().await;
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    let import = &pack.components[0];
    // Both servers have read the component under its first name.
    let on_other = async |document: &str| {
        let request = async_graphql::Request::new(document)
            .variables(async_graphql::Variables::from_json(json!({ "id": import })));
        serde_json::to_value(other.execute(Some(&app.publisher), request).await).expect("JSON")
    };
    assert_eq!(on_other(COMPONENT).await.text("/data/component/name"), "Import");
    let draft = format!("{{ integrationPack(id: \"{}\") {{ components {{ component {{ name }} }} }} }}", pack.id);
    let first_row = |read: Value| read.text("/data/integrationPack/components/0/component/name");
    for _ in 0..2 {
        assert_eq!(first_row(on_other(&draft).await), "Export", "rows are by name, and kept as text");
    }
    assert_eq!(read(&app, import).await.at("/viewerCanRename"), &json!(true));
    let published = json!({ "packagedComponentId": pack.packages[0].id, "groupIds": [app.all_accounts().await] });
    app.ok(&app.publisher, "publishToProcessLibrary", published, "publishedProcess { id }").await;

    let payload =
        app.ok(&app.publisher, "updateComponent", renamed(import, "  A new name "), "component { name }").await;
    assert_eq!(payload.text("/component/name"), "A new name");
    assert_eq!(on_other(COMPONENT).await.text("/data/component/name"), "A new name", "no server keeps a former name");
    assert_eq!(first_row(on_other(&draft).await), "A new name");
    let lists = "{ packagedComponents(orderBy: { field: COMPONENT_NAME, direction: ASC }) { edges { node { component { name } } } }
        processLibrary { edges { node { ... on PublishedProcess { name } } } } }";
    let lists = app.gql(&app.publisher, lists, json!(null)).await;
    assert_eq!(lists.texts("/packagedComponents", "/component/name"), ["A new name", "Export"]);
    assert_eq!(lists.texts("/processLibrary", "/name"), ["A new name"]);
    // The same name again changes nothing.
    let before = all_rows(&app).await;
    app.ok(&app.publisher, "updateComponent", renamed(import, "A new name"), "").await;
    assert_same_rows(&app, &before, "updateComponent").await;

    app.release_now(&pack.id).await;
    let refusal = app.refused(&app.publisher, "updateComponent", renamed(import, "Import")).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("COMPONENT_IN_USE", "name"));
    assert_eq!(read(&app, import).await.at("/viewerCanRename"), &json!(false));
    // Its own name is no other name, and a key can always change.
    let input = json!({ "componentId": import, "name": "A new name", "key": "import" });
    app.ok(&app.publisher, "updateComponent", input, "component { key }").await;
    // A version that is no longer in the pack's current version was in one.
    app.remove(&pack.id, import).await;
    app.release_now(&pack.id).await;
    assert_eq!(app.refused(&app.publisher, "updateComponent", renamed(import, "x")).await.code, "COMPONENT_IN_USE");
}

#[tokio::test]
async fn r69_a_name_must_be_one() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    assert_eq!(app.refused(&app.publisher, "updateComponent", renamed(&component, " ")).await.code, "NAME_REQUIRED");
    let long = "x".repeat(256);
    assert_eq!(app.refused(&app.publisher, "updateComponent", renamed(&component, &long)).await.code, "NAME_TOO_LONG");
    let unfit = renamed(&component, "a\u{202e}b");
    assert_eq!(app.denied(&app.publisher, "updateComponent", unfit).await, "BAD_USER_INPUT");
}

#[tokio::test]
async fn r69_a_component_without_versions_is_deleted() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    assert_eq!(read(&app, &component).await.at("/viewerCanDelete"), &json!(true));
    let input = json!({ "componentId": component });
    let payload = app.ok(&app.publisher, "deleteComponent", input.clone(), "deletedComponentId").await;
    assert_eq!(payload.text("/deletedComponentId"), component);
    let gone = app.error_code(Some(&app.publisher), COMPONENT, json!({ "id": component })).await;
    assert_eq!(gone, "NOT_FOUND");
    assert_eq!(app.denied(&app.publisher, "deleteComponent", input).await, "NOT_FOUND");
    // Its entries stay, and name it.
    let log = "query($id: ID!) { auditLog(filter: { subjectId: $id }) { edges { node { action subjectName subject { id } } } } }";
    let log = app.gql(&app.publisher, log, json!({ "id": component })).await;
    assert_eq!(log.texts("/auditLog", "/action"), ["deleteComponent", "createComponent"]);
    assert_eq!(log.texts("/auditLog", "/subjectName"), ["Import", "Import"]);
}

#[tokio::test]
async fn r69_a_component_in_use_is_not_deleted() {
    let app = TestApp::new().await;
    let (packaged, package) = app.packaged("Packaged").await;
    app.delete_package(&package.id).await;
    let published = app.component("Published").await;
    app.publish(&published).await;
    let held = app.component_of("Held", "CERTIFICATE").await;
    let holder = app.component("Holder").await;
    app.package_with(&holder, json!({ "manifest": [{ "componentId": held, "revision": 1 }] })).await;
    for component in [packaged, published, held, holder] {
        let before = all_rows(&app).await;
        assert_eq!(read(&app, &component).await.at("/viewerCanDelete"), &json!(false));
        let refusal = app.refused(&app.publisher, "deleteComponent", json!({ "componentId": component })).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("COMPONENT_IN_USE", "componentId"));
        assert_same_rows(&app, &before, "deleteComponent").await;
    }
}

/// Whichever is first, a component that is deleted is in no manifest, and one that is in a manifest isn't deleted.
#[tokio::test]
async fn r69_a_deletion_and_a_package_that_takes_the_component_into_its_manifest_race() {
    let app = TestApp::new().await;
    let holder = app.component("Holder").await;
    for _ in 0..12 {
        let held = app.component_of("Held", "CERTIFICATE").await;
        let package = json!({ "componentId": holder, "manifest": [{ "componentId": held, "revision": 1 }] });
        let input = json!({ "input": { "packages": [package] } });
        let document = "mutation($input: CreatePackagedComponentsInput!) { createPackagedComponents(input: $input) { errors { code } packagedComponents { id } } }";
        let (packaged, deleted) = futures_util::join!(
            app.gql_raw(Some(&app.publisher), document, input),
            app.mutate(&app.publisher, "deleteComponent", json!({ "componentId": held }), "deletedComponentId"),
        );
        if deleted.at("/deletedComponentId").is_string() {
            assert_eq!(packaged.text("/errors/0/extensions/code"), "NOT_FOUND", "{packaged:#}");
        } else {
            assert_eq!(refusal(&deleted).code, "COMPONENT_IN_USE");
            assert_eq!(packaged.list("/data/createPackagedComponents/packagedComponents").len(), 1, "{packaged:#}");
        }
    }
}

/// Whichever is first, a pack's version and the component have the same name: that under which it was released.
#[tokio::test]
async fn r69_a_rename_and_a_release_race() {
    let app = TestApp::new().await;
    for n in 0..8 {
        let pack = app.pack_with(&format!("Orders {n}"), &[&format!("Import {n}")]).await;
        let (component, new_name) = (&pack.components[0], format!("Renamed {n}"));
        let rename = app.mutate(&app.publisher, "updateComponent", renamed(component, &new_name), "");
        let (_, rename) = futures_util::join!(app.release_now(&pack.id), rename);
        let was_renamed = rename.list("/errors").is_empty();
        if !was_renamed {
            assert_eq!(refusal(&rename).code, "COMPONENT_IN_USE");
        }
        let name = read(&app, component).await.text("/name");
        assert_eq!(name == new_name, was_renamed, "{name}");
        assert_eq!(read(&app, component).await.at("/viewerCanRename"), &json!(false));
        let again = app.refused(&app.publisher, "updateComponent", renamed(component, "Later")).await;
        assert_eq!(again.code, "COMPONENT_IN_USE");
    }
}

/// Both releases fix the component's name, each on a server of its own.
#[tokio::test]
async fn r69_two_first_releases_of_packs_that_share_a_component_both_succeed() {
    let app = TestApp::new().await;
    let other = app.another_server().await;
    for n in 0..12 {
        let (component, _) = app.packaged(&format!("Import {n}")).await;
        let (one, two) = (app.pack(&format!("One {n}")).await, app.pack(&format!("Two {n}")).await);
        for pack in [&one, &two] {
            app.add(pack, &[&component]).await;
        }
        let (first, second) = futures_util::join!(
            app.mutate(&app.publisher, "releaseIntegrationPack", immediately(&one), "release { id }"),
            mutate_on(&other, &app.publisher, "releaseIntegrationPack", immediately(&two), "release { id }"),
        );
        for payload in [first, second] {
            assert!(payload.at("/release/id").is_string(), "{payload:#}");
        }
    }
}
