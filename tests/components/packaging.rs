//! Packages: immutability, labels, and the shareable flag (R5–R7, R9, R11, R18).

use serde_json::{Value, json};

use crate::support::{At as _, TestApp, instant};

const READ_PACKAGE: &str = "query($id: ID!) { packagedComponent(id: $id) {
    id version shareable notes createdAt revision createdBy { kind name } component { id name }
    manifest { revision component { id } extensibility { name extensible usesDefault } } } }";

/// The labels of a component's packages, newest first.
async fn labels(app: &TestApp, component: &str) -> Vec<String> {
    let query =
        "query($id: ID!) { component(id: $id) { packagedComponents(first: 100) { edges { node { version } } } } }";
    let data = app.gql(&app.publisher, query, json!({ "id": component })).await;
    data.texts("/component/packagedComponents", "/version")
}

/// Creates packages in one call, and returns them.
async fn create(app: &TestApp, packages: Value) -> Vec<Value> {
    let selection = "packagedComponents { id version shareable createdAt revision }";
    let payload = app.ok(&app.publisher, "createPackagedComponents", json!({ "packages": packages }), selection).await;
    payload.list("/packagedComponents").clone()
}

#[tokio::test]
async fn r05_a_package_stays_as_it_was_made() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let first = app.package_with(&component, json!({ "notes": "first line\nsecond line", "version": "spring" })).await;
    let before = app.gql(&app.publisher, READ_PACKAGE, json!({ "id": first.id })).await;
    assert_eq!(before.text("/packagedComponent/notes"), "first line\nsecond line");
    assert_eq!(before.at("/packagedComponent/createdBy"), &json!({ "kind": "API_TOKEN", "name": "northwind-admin" }));
    app.advance_by(3600).await;
    let pack = app.pack("Orders").await;
    app.package_not_shareable(&component).await;
    app.add(&pack, &[&component]).await;
    app.package(&component).await;
    app.release_now(&pack).await;
    assert_eq!(app.gql(&app.publisher, READ_PACKAGE, json!({ "id": first.id })).await, before);
}

#[tokio::test]
async fn r05_no_mutation_changes_a_package() {
    let app = TestApp::new().await;
    let query = "{ __type(name: \"Mutation\") { fields { name args { type { ofType { inputFields { name } } } } } } }";
    let data = app.gql(&app.publisher, query, json!(null)).await;
    for mutation in data.list("/__type/fields") {
        let fields = mutation.list("/args/0/type/ofType/inputFields");
        let takes_a_package = fields.iter().any(|field| field.text("/name") == "packagedComponentId");
        // Deleting, restoring or sharing a package as a template doesn't change it (R8, R53).
        let listed = ["deletePackagedComponent", "restorePackagedComponent", "publishToProcessLibrary"];
        let name = mutation.text("/name");
        assert!(!takes_a_package || listed.contains(&name.as_str()), "{name} takes a package");
    }
    let (component, package) = app.packaged("Import").await;
    let content = "query($id: ID!) { packagedComponent(id: $id) { id version shareable notes createdAt createdBy { name } revision
        manifest { component { id } revision extensibility { name extensible usesDefault } } } }";
    let read = async || app.gql(&app.publisher, content, json!({ "id": package.id })).await;
    let before = read().await;
    app.delete_package(&package.id).await;
    assert_eq!(read().await, before);
    app.package(&component).await;
    app.restore_package(&package.id).await;
    assert_eq!(read().await, before);
}

#[tokio::test]
async fn r06_a_label_left_out_is_the_next_whole_number() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let mut made = Vec::new();
    for label in
        [None, None, Some("7.3"), None, Some("spring"), Some("3"), None, Some("20"), None, Some("20.9.1"), None]
    {
        app.advance_by(1).await;
        let more = label.map_or(json!({}), |label| json!({ "version": label }));
        made.push(app.package_with(&component, more).await.version);
    }
    assert_eq!(made, ["1.0", "2.0", "7.3", "8.0", "spring", "3", "9.0", "20", "21.0", "20.9.1", "22.0"]);
}

#[tokio::test]
async fn r06_labels_count_for_each_component_alone_and_within_one_call() {
    let app = TestApp::new().await;
    let (a, b) = (app.component("A").await, app.component("B").await);
    let package = |component: &str| json!({ "componentId": component });
    let labelled = |component: &str, label: &str| json!({ "componentId": component, "version": label });
    let made = create(
        &app,
        json!([package(&a), package(&b), package(&a), labelled(&b, "5.5"), package(&b), labelled(&a, "5.5")]),
    )
    .await;
    let labels: Vec<_> = made.iter().map(|package| package.text("/version")).collect();
    assert_eq!(labels, ["1.0", "1.0", "2.0", "5.5", "6.0", "5.5"]);
}

#[tokio::test]
async fn r06_a_label_is_unique_for_a_component() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let first = app.package_with(&component, json!({ "version": "2.0" })).await;
    let repeated = json!({ "packages": [{ "componentId": component, "version": "1.0" }, { "componentId": component, "version": " 2.0 " }] });
    let refusal = app.refused(&app.publisher, "createPackagedComponents", repeated).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("VERSION_LABEL_TAKEN", "packages.1.version"));
    assert_eq!(refusal.errors[0].text("/takenBy/id"), first.id);
    assert!(
        create(&app, json!([{ "componentId": component, "version": "2.0.0" }])).await.len() == 1,
        "another text is another label"
    );
}

#[tokio::test]
async fn r06_a_label_given_twice_in_one_call_is_taken() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let package = json!({ "componentId": component, "version": "x" });
    let refusal =
        app.refused(&app.publisher, "createPackagedComponents", json!({ "packages": [package, package] })).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("VERSION_LABEL_TAKEN", "packages.1.version"));
}

#[tokio::test]
async fn r06_a_refusal_names_each_label_in_use() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    for label in ["a", "b"] {
        app.package_with(&component, json!({ "version": label })).await;
    }
    let packages = ["a", "free", "b"].map(|label| json!({ "componentId": component, "version": label }));
    let refusal = app.refused(&app.publisher, "createPackagedComponents", json!({ "packages": packages })).await;
    let fields: Vec<_> = refusal.errors.iter().map(|error| error.text("/field/1")).collect();
    assert_eq!(fields, ["0", "2"]);
}

#[tokio::test]
async fn r06_a_label_has_1_to_64_characters() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let input = |label: &str| json!({ "packages": [{ "componentId": component, "version": label }] });
    for bad in ["", "   ", &"x".repeat(65)] {
        let refusal = app.refused(&app.publisher, "createPackagedComponents", input(bad)).await;
        assert_eq!(
            (refusal.code.as_str(), refusal.field.as_str()),
            ("VERSION_LABEL_INVALID", "packages.0.version"),
            "{bad:?}"
        );
    }
    for bad in ["1\n0", "1\u{0}"] {
        assert_eq!(
            app.denied(&app.publisher, "createPackagedComponents", input(bad)).await,
            "BAD_USER_INPUT",
            "{bad:?}"
        );
    }
    create(&app, json!([{ "componentId": component, "version": "😀".repeat(64) }])).await;
    assert_eq!(labels(&app, &component).await, ["😀".repeat(64)]);
}

#[tokio::test]
async fn r07_newest_is_by_time_and_never_by_label() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    for label in ["9.0", "10.0", "1.0"] {
        app.package_with(&component, json!({ "version": label })).await;
    }
    assert_eq!(labels(&app, &component).await, ["1.0", "10.0", "9.0"]);
    let query = "query($id: ID!) { component(id: $id) { latestShareable { version } } }";
    let data = app.gql(&app.publisher, query, json!({ "id": component })).await;
    assert_eq!(data.text("/component/latestShareable/version"), "1.0");
}

#[tokio::test]
async fn r07_packages_of_one_moment_are_a_microsecond_apart() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let package = json!({ "componentId": component });
    let mut made = create(&app, json!([package, package, package])).await;
    made.extend(create(&app, json!([package])).await);
    let first = instant(&made[0].text("/createdAt"));
    assert_eq!(first, app.now());
    for (index, package) in (0_i64..).zip(&made) {
        assert_eq!(instant(&package.text("/createdAt")), first + chrono::Duration::microseconds(index));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r07_two_calls_at_once_get_labels_and_times_of_their_own() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let call = async || create(&app, json!([{ "componentId": component }, { "componentId": component }])).await;
    let (one, other) = tokio::join!(call(), call());
    let mut times: Vec<_> = one.iter().chain(&other).map(|package| instant(&package.text("/createdAt"))).collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), 4);
    assert_eq!(labels(&app, &component).await, ["4.0", "3.0", "2.0", "1.0"]);
}

#[tokio::test]
async fn r09_250_packages_are_made_in_one_call_and_251_are_not() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let packages = |count: usize| json!(vec![json!({ "componentId": component }); count]);
    let refusal = app.refused(&app.publisher, "createPackagedComponents", json!({ "packages": packages(251) })).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("TOO_MANY", "packages"));
    let made = create(&app, packages(250)).await;
    let labels: Vec<_> = made.iter().map(|package| package.text("/version")).collect();
    assert_eq!(labels, (1..=250).map(|n| format!("{n}.0")).collect::<Vec<_>>(), "in the order of the input");
}

#[tokio::test]
async fn r09_no_package_is_made_without_one() {
    let app = TestApp::new().await;
    let refusal = app.refused(&app.publisher, "createPackagedComponents", json!({ "packages": [] })).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("EMPTY_LIST", "packages"));
}

#[tokio::test]
async fn r09_one_bad_package_keeps_all_from_being_made() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let certificate = app.component_of("Key", "CERTIFICATE").await;
    let packages = json!([{ "componentId": component }, { "componentId": certificate, "shareable": true }, { "componentId": component }]);
    let refusal = app.refused(&app.publisher, "createPackagedComponents", json!({ "packages": packages })).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("TYPE_NOT_SHAREABLE", "packages.1.shareable"));
    assert!(labels(&app, &component).await.is_empty());
}

#[tokio::test]
async fn r11_a_component_that_can_not_be_shared_can_still_be_packaged() {
    let app = TestApp::new().await;
    for component_type in ["PROCESS_ROUTE", "CERTIFICATE", "CUSTOM_LIBRARY", "FLOW_SERVICE", "PROCESSING_GROUP"] {
        let component = app.component_of(component_type, component_type).await;
        let input = json!({ "packages": [{ "componentId": component, "shareable": true }] });
        assert_eq!(app.refused(&app.publisher, "createPackagedComponents", input).await.code, "TYPE_NOT_SHAREABLE");
        app.package_not_shareable(&component).await;
    }
    for component_type in ["PROCESS", "API_SERVICE"] {
        let component = app.component_of(component_type, component_type).await;
        app.package(&component).await;
    }
}

#[tokio::test]
async fn r11_a_manifest_with_a_process_route_can_not_be_shared() {
    let app = TestApp::new().await;
    let process = app.component("Import").await;
    let route = app.component_of("Route", "PROCESS_ROUTE").await;
    let package = |shareable: bool| json!({ "packages": [{ "componentId": process, "shareable": shareable, "manifest": [{ "componentId": route, "revision": 1 }] }] });
    let refusal = app.refused(&app.publisher, "createPackagedComponents", package(true)).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("PROCESS_ROUTE_NOT_SHAREABLE", "packages.0.manifest"));
    app.ok(&app.publisher, "createPackagedComponents", package(false), "").await;
}

#[tokio::test]
async fn r18_packaging_changes_and_releases_nothing() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let selection =
        "revision state currentVersion { id contents { version } } pendingRelease { id } runningRelease { id }
        releases(first: 10) { edges { node { id } } } versions(first: 10) { edges { node { id } } }";
    let before = app.read_pack(&world.pack.id, selection).await;
    let installation =
        app.read_installation(&acme, &world.installations[0], "version { number } movedAt pendingUpdate { id }").await;
    app.package(&world.pack.components[0]).await;
    app.tick().await;
    assert_eq!(app.read_pack(&world.pack.id, selection).await, before);
    let now =
        app.read_installation(&acme, &world.installations[0], "version { number } movedAt pendingUpdate { id }").await;
    assert_eq!(now, installation);
    assert_eq!(app.rows(&world.pack.id).await[0].text("/next/version"), "2.0", "the next release would take it");
}
