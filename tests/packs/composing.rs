//! What a draft may hold (R11–R14).

use serde_json::{Value, json};

use crate::support::{At as _, TestApp};

fn adding(pack: &str, components: &[&str]) -> Value {
    json!({ "packId": pack, "componentIds": components })
}

fn row(pack: &str, component: &str) -> Value {
    json!({ "packId": pack, "componentId": component })
}

#[tokio::test]
async fn r11_only_processes_and_api_services_can_be_added() {
    let app = TestApp::new().await;
    let pack = app.pack("Orders").await;
    let (process, _) = app.packaged("Import").await;
    for component_type in ["PROCESS_ROUTE", "CERTIFICATE", "CUSTOM_LIBRARY", "FLOW_SERVICE", "PROCESSING_GROUP"] {
        let component = app.component_of(component_type, component_type).await;
        app.package_not_shareable(&component).await;
        let refusal = app.refused(&app.publisher, "addPackComponents", adding(&pack, &[&process, &component])).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("COMPONENT_TYPE_NOT_ALLOWED", "componentIds"));
        assert_eq!(refusal.errors[0].at("/components"), &json!([{ "id": component }]), "what is at fault is named");
    }
    let api = app.component_of("Endpoint", "API_SERVICE").await;
    app.package(&api).await;
    app.add(&pack, &[&process, &api]).await;
}

#[tokio::test]
async fn r12_a_multi_pack_holds_no_api_service() {
    let app = TestApp::new().await;
    let pack = app.multi_pack("Orders").await;
    let (process, _) = app.packaged("Import").await;
    let api = app.component_of("Endpoint", "API_SERVICE").await;
    app.package(&api).await;
    let refusal = app.refused(&app.publisher, "addPackComponents", adding(&pack, &[&process, &api])).await;
    assert_eq!(refusal.code, "API_SERVICE_IN_MULTI");
    assert_eq!(refusal.errors[0].at("/components"), &json!([{ "id": api }]));
    app.add(&pack, &[&process]).await;
}

#[tokio::test]
async fn r13_adding_takes_the_newest_shareable_version() {
    let app = TestApp::new().await;
    let pack = app.pack("Orders").await;
    let (component, _) = app.packaged("Import").await;
    let shareable = app.package(&component).await;
    app.package_not_shareable(&component).await;
    let added = app
        .ok(
            &app.publisher,
            "addPackComponents",
            adding(&pack, &[&component]),
            "components { next { id } inThisContent { id } pinned }",
        )
        .await;
    let expected =
        json!([{ "next": { "id": shareable.id }, "inThisContent": { "id": shareable.id }, "pinned": false }]);
    assert_eq!(added.at("/components"), &expected, "the newer one that is not shareable is passed over");
}

#[tokio::test]
async fn r13_without_a_shareable_version_nothing_is_added() {
    let app = TestApp::new().await;
    let pack = app.pack("Orders").await;
    let (good, _) = app.packaged("Import").await;
    let (bare, private) = (app.component("Bare").await, app.component("Private").await);
    app.package_not_shareable(&private).await;
    let refusal = app.refused(&app.publisher, "addPackComponents", adding(&pack, &[&bare, &good, &private])).await;
    assert_eq!(refusal.code, "NO_SHAREABLE_VERSION");
    let mut at_fault: Vec<_> = refusal.errors[0].list("/components").iter().map(|c| c.text("/id")).collect();
    at_fault.sort();
    let mut expected = vec![bare, private];
    expected.sort();
    assert_eq!(at_fault, expected);
}

#[tokio::test]
async fn r14_a_component_is_in_a_pack_once() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let (other, _) = app.packaged("Export").await;
    let again =
        app.refused(&app.publisher, "addPackComponents", adding(&pack.id, &[&other, &pack.components[0]])).await;
    assert_eq!((again.code.as_str(), again.field.as_str()), ("COMPONENT_ALREADY_IN_PACK", "componentIds"));
    assert_eq!(again.errors[0].at("/components"), &json!([{ "id": pack.components[0] }]));
    let twice = app.refused(&app.publisher, "addPackComponents", adding(&pack.id, &[&other, &other])).await;
    assert_eq!(twice.code, "COMPONENT_ALREADY_IN_PACK");
    assert_eq!(app.refused(&app.publisher, "addPackComponents", adding(&pack.id, &[])).await.code, "EMPTY_LIST");
}

#[tokio::test]
async fn r14_a_component_may_be_in_many_packs() {
    let app = TestApp::new().await;
    let (component, _) = app.packaged("Import").await;
    for name in ["B", "A", "C"] {
        let pack = app.pack(name).await;
        app.add(&pack, &[&component]).await;
    }
    let query = "query($id: ID!) { component(id: $id) { packs(first: 10) { edges { node { name } } } } }";
    let data = app.gql(&app.publisher, query, json!({ "id": component })).await;
    assert_eq!(data.texts("/component/packs", "/name"), ["A", "B", "C"]);
}

#[tokio::test]
async fn r14_the_call_that_would_pass_a_hundred_adds_nothing() {
    let app = TestApp::new().await;
    let pack = app.pack("Orders").await;
    let components = app.many_packaged("Process", 102).await;
    let ids: Vec<_> = components.iter().map(String::as_str).collect();
    app.add(&pack, &ids[..99]).await;
    let refusal = app.refused(&app.publisher, "addPackComponents", adding(&pack, &ids[99..101])).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("PACK_FULL", "componentIds"));
    app.add(&pack, &ids[99..100]).await;
    app.release_now(&pack).await;
    app.remove(&pack, ids[0]).await;
    assert_eq!(app.read_pack(&pack, "componentCount").await.int("/componentCount"), 100, "a marked row counts");
    assert_eq!(app.refused(&app.publisher, "addPackComponents", adding(&pack, &ids[100..101])).await.code, "PACK_FULL");
    app.release_now(&pack).await;
    app.add(&pack, &ids[100..101]).await;
}

#[tokio::test]
async fn r14_adding_what_is_marked_is_refused_and_restoring_it_is_the_way() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    app.release_now(&pack.id).await;
    app.remove(&pack.id, &pack.components[0]).await;
    let refusal = app.refused(&app.publisher, "addPackComponents", adding(&pack.id, &[&pack.components[0]])).await;
    assert_eq!(refusal.code, "COMPONENT_ALREADY_IN_PACK");
    app.ok(
        &app.publisher,
        "restorePackComponent",
        row(&pack.id, &pack.components[0]),
        "component { markedForRemoval }",
    )
    .await;
    assert_eq!(app.read_pack(&pack.id, "hasUnreleasedChanges").await, json!({ "hasUnreleasedChanges": false }));
}

/// The keys of a version's content, by component name.
async fn keys(app: &TestApp, pack: &str, number: i64) -> Vec<(String, String)> {
    let query = "query($id: ID!, $number: Int!) { integrationPack(id: $id) { version(number: $number) { contents { key name } } } }";
    let data = app.gql(&app.publisher, query, json!({ "id": pack, "number": number })).await;
    data.list("/integrationPack/version/contents").iter().map(|item| (item.text("/name"), item.text("/key"))).collect()
}

#[tokio::test]
async fn r14_the_key_of_a_component_in_a_pack_is_kept_for_good() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    app.release_now(&pack.id).await;
    app.package_newer(&pack).await;
    app.remove(&pack.id, &pack.components[1]).await;
    app.release_now(&pack.id).await;
    app.add(&pack.id, &[&pack.components[1]]).await;
    app.release_now(&pack.id).await;
    let (first, second, third) =
        (keys(&app, &pack.id, 1).await, keys(&app, &pack.id, 2).await, keys(&app, &pack.id, 3).await);
    assert_eq!(first, third, "removed and added again, it is the same");
    assert_eq!(first[1..], second[..], "by name: Export, Import");
    let other = app.pack("Returns").await;
    app.add(&other, &[&pack.components[0], &pack.components[1]]).await;
    app.release_now(&other).await;
    for (name, key) in keys(&app, &other, 1).await {
        assert!(first.iter().all(|(_, other)| *other != key), "{name} has the same key in two packs");
        assert!(!pack.components.contains(&key));
    }
}

#[tokio::test]
async fn r14_foreign_components_are_not_found() {
    let app = TestApp::new().await;
    let southwind = app.another_publisher("Southwind").await;
    let made = app
        .ok(&southwind.token, "createComponent", json!({ "name": "x", "type": "PROCESS" }), "component { id }")
        .await;
    let foreign = made.text("/component/id");
    let pack = app.pack_with("Orders", &["Import"]).await;
    let (good, _) = app.packaged("Export").await;
    for id in [foreign.as_str(), &pack.id, &pack.packages[0].id, "nonsense"] {
        assert_eq!(
            app.denied(&app.publisher, "addPackComponents", adding(&pack.id, &[&good, id])).await,
            "NOT_FOUND",
            "{id}"
        );
        for mutation in ["removePackComponent", "restorePackComponent", "unpinPackComponent"] {
            assert_eq!(app.denied(&app.publisher, mutation, row(&pack.id, id)).await, "NOT_FOUND", "{mutation} {id}");
        }
    }
}

#[tokio::test]
async fn r14_the_dialog_offers_exactly_what_can_be_added() {
    let app = TestApp::new().await;
    let pack = app.multi_pack_with("Orders", &["In the pack"]).await;
    let (_, _) = app.packaged("Process").await;
    let api = app.component_of("Api", "API_SERVICE").await;
    app.package(&api).await;
    let private = app.component("Private").await;
    app.package_not_shareable(&private).await;
    app.component_of("Certificate", "CERTIFICATE").await;
    let query =
        "query($id: ID!) { components(filter: { addableToPackId: $id }, first: 50) { edges { node { name } } } }";
    let offered =
        async |id: &str| app.gql(&app.publisher, query, json!({ "id": id })).await.texts("/components", "/name");
    assert_eq!(offered(&pack.id).await, ["Process"]);
    let single = app.pack("Single").await;
    assert_eq!(offered(&single).await, ["Api", "In the pack", "Process"]);
}
