//! Invalid input when packaging (R5, R9, sections 2 and 10). A refused call changes nothing.

use serde_json::{Value, json};

use crate::support::{At as _, TestApp, accepted};

fn one(package: Value) -> Value {
    json!({ "packages": [package] })
}

#[tokio::test]
async fn r05_notes_have_at_most_4000_characters() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let input = |notes: String| one(json!({ "componentId": component, "notes": notes }));
    let refusal = app.refused(&app.publisher, "createPackagedComponents", input("ü".repeat(4001))).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("NOTES_TOO_LONG", "packages.0.notes"));
    assert_eq!(app.denied(&app.publisher, "createPackagedComponents", input("a\u{0}b".into())).await, "BAD_USER_INPUT");
    app.ok(&app.publisher, "createPackagedComponents", input("ü".repeat(4000)), "").await;
}

#[tokio::test]
async fn r05_a_manifest_begins_with_the_packaged_component_itself() {
    let app = TestApp::new().await;
    let (process, certificate) = (app.component("Import").await, app.component_of("Key", "CERTIFICATE").await);
    let setting = json!({ "name": "connection.url", "extensible": true });
    let input = one(json!({
        "componentId": process, "revision": 7, "extensibility": [setting],
        "manifest": [{ "componentId": certificate, "revision": 3, "extensibility": [] }],
    }));
    let selection = "packagedComponents { revision manifest { component { id type } revision extensibility { name extensible usesDefault } } }";
    let made = app.ok(&app.publisher, "createPackagedComponents", input, selection).await;
    let expected = json!([
        { "component": { "id": process, "type": "PROCESS" }, "revision": 7,
          "extensibility": [{ "name": "connection.url", "extensible": true, "usesDefault": true }] },
        { "component": { "id": certificate, "type": "CERTIFICATE" }, "revision": 3, "extensibility": [] },
    ]);
    assert_eq!(made.at("/packagedComponents/0/manifest"), &expected);
    let next = app.ok(
        &app.publisher,
        "createPackagedComponents",
        one(json!({ "componentId": process })),
        "packagedComponents { revision }",
    );
    assert_eq!(next.await.int("/packagedComponents/0/revision"), 8, "one more than the newest");
}

#[tokio::test]
async fn r05_a_bad_manifest_is_refused() {
    let app = TestApp::new().await;
    let (process, other) = (app.component("Import").await, app.component("Other").await);
    let entry = |component: &str, revision: i64| json!({ "componentId": component, "revision": revision });
    let setting = |name: &str| json!({ "name": name, "extensible": true });
    let many: Vec<_> = (0..201).map(|n| setting(&format!("s{n}"))).collect();
    let bad = [
        json!({ "manifest": [entry(&other, 1), entry(&other, 2)] }),
        json!({ "manifest": [entry(&process, 1)] }),
        json!({ "manifest": [entry(&other, 0)] }),
        json!({ "manifest": [entry(&other, -1)] }),
        json!({ "revision": 0 }),
        json!({ "extensibility": [setting("a"), setting("a")] }),
        json!({ "extensibility": [setting("")] }),
        json!({ "extensibility": [setting(&"x".repeat(256))] }),
        json!({ "extensibility": many }),
        json!({ "manifest": [{ "componentId": other, "revision": 1, "extensibility": [setting("a"), setting("a")] }] }),
    ];
    for more in bad {
        let mut package = json!({ "componentId": process });
        package.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let refusal = app.refused(&app.publisher, "createPackagedComponents", one(package)).await;
        assert_eq!(refusal.code, "MANIFEST_INVALID", "{more}");
    }
}

#[tokio::test]
async fn r05_a_manifest_has_at_most_500_entries_with_the_component_itself() {
    let app = TestApp::new().await;
    let process = app.component("Import").await;
    let mut others = Vec::new();
    for n in 0..500 {
        others.push(
            json!({ "componentId": app.component_of(&format!("Library {n}"), "CUSTOM_LIBRARY").await, "revision": 1 }),
        );
    }
    let input = |entries: &[Value]| one(json!({ "componentId": process, "manifest": entries }));
    assert_eq!(app.refused(&app.publisher, "createPackagedComponents", input(&others)).await.code, "MANIFEST_INVALID");
    app.ok(&app.publisher, "createPackagedComponents", input(&others[..499]), "").await;
}

#[tokio::test]
async fn r05_foreign_components_are_not_found() {
    let app = TestApp::new().await;
    let southwind = app.another_publisher("Southwind").await;
    let input = json!({ "name": "Foreign", "type": "PROCESS" });
    let foreign = app.ok(&southwind.token, "createComponent", input, "component { id }").await.text("/component/id");
    let (own, package) = app.packaged("Import").await;
    let pack = app.pack("Orders").await;
    for id in
        [foreign.as_str(), &pack, &package.id, "", "nonsense", "cmp_AAAA", &own[..own.len() - 1], &format!("{own}=")]
    {
        let direct = app.denied(&app.publisher, "createPackagedComponents", one(json!({ "componentId": id }))).await;
        assert_eq!(direct, "NOT_FOUND", "{id:?}");
        let inside = json!({ "componentId": own, "manifest": [{ "componentId": id, "revision": 1 }] });
        assert_eq!(app.denied(&app.publisher, "createPackagedComponents", one(inside)).await, "NOT_FOUND", "{id:?}");
    }
}

#[tokio::test]
async fn r05_only_who_may_package_does() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let component = app.component("Import").await;
    for role in ["PRODUCTION_SUPPORT", "SUPPORT"] {
        let token = app.token(&app.publisher, role).await;
        assert_eq!(
            app.denied(&token, "createPackagedComponents", one(json!({ "componentId": component }))).await,
            "FORBIDDEN"
        );
        assert_eq!(app.denied(&token, "createComponent", json!({ "name": "x", "type": "PROCESS" })).await, "FORBIDDEN");
    }
    assert_eq!(
        app.denied(&acme.token, "createPackagedComponents", one(json!({ "componentId": "nonsense" }))).await,
        "FORBIDDEN"
    );
    let standard = app.token(&app.publisher, "STANDARD_USER").await;
    app.ok(&standard, "createPackagedComponents", one(json!({ "componentId": component })), "").await;
}

#[tokio::test]
async fn r09_the_same_request_again_changes_nothing_and_gets_the_first_answer() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let input =
        json!({ "packages": [{ "componentId": component }, { "componentId": component }], "clientRequestId": "once" });
    let call = async || {
        app.ok(&app.publisher, "createPackagedComponents", input.clone(), "packagedComponents { id version }").await
    };
    let first = call().await;
    app.advance_by(24 * 3600 - 1).await;
    let before = app.world().await;
    assert_eq!(call().await, first);
    app.assert_unchanged(&before).await;
    app.advance_by(2).await;
    assert_ne!(call().await, first, "it is forgotten after 24 hours");
}

#[tokio::test]
async fn r09_the_same_request_id_with_another_input_is_refused() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let input = |shareable: bool| json!({ "packages": [{ "componentId": component, "shareable": shareable }], "clientRequestId": "once" });
    app.ok(&app.publisher, "createPackagedComponents", input(true), "").await;
    let refusal = app.refused(&app.publisher, "createPackagedComponents", input(false)).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("CLIENT_REQUEST_ID_REUSED", "clientRequestId"));
    let mut empty = input(true);
    empty["packages"] = json!([]);
    let refusal = app.refused(&app.publisher, "createPackagedComponents", empty).await;
    assert_eq!(refusal.code, "CLIENT_REQUEST_ID_REUSED", "it is the first check");
}

#[tokio::test]
async fn r09_a_request_that_was_refused_is_not_remembered() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let input = |label: &str| json!({ "packages": [{ "componentId": component, "version": label }], "clientRequestId": "once" });
    app.refused(&app.publisher, "createPackagedComponents", input("")).await;
    app.ok(&app.publisher, "createPackagedComponents", input("1.0"), "").await;
}

#[tokio::test]
async fn r09_request_ids_are_each_account_s_own() {
    let app = TestApp::new().await;
    let southwind = app.another_publisher("Southwind").await;
    for token in [&app.publisher, &southwind.token] {
        let made =
            app.ok(token, "createComponent", json!({ "name": "Import", "type": "PROCESS" }), "component { id }").await;
        let package = json!({ "componentId": made.text("/component/id") });
        let payload = app.ok(
            token,
            "createPackagedComponents",
            json!({ "packages": [package], "clientRequestId": "once" }),
            "packagedComponents { id }",
        );
        assert_eq!(payload.await.list("/packagedComponents").len(), 1);
    }
}

#[tokio::test]
async fn r09_a_request_id_has_1_to_64_characters() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let input = |id: &str| json!({ "packages": [{ "componentId": component }], "clientRequestId": id });
    for bad in ["", &"x".repeat(65), "a\u{0}"] {
        assert_eq!(
            app.denied(&app.publisher, "createPackagedComponents", input(bad)).await,
            "BAD_USER_INPUT",
            "{bad:?}"
        );
    }
    app.ok(&app.publisher, "createPackagedComponents", input(&"x".repeat(64)), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r09_the_same_request_twice_at_once_is_done_once() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let input = json!({ "packages": [{ "componentId": component }], "clientRequestId": "once" });
    let call = async || {
        app.mutate(&app.publisher, "createPackagedComponents", input.clone(), "packagedComponents { id }").await
    };
    let (one, other) = tokio::join!(call(), call());
    assert_eq!(accepted(one), accepted(other));
}

#[tokio::test]
async fn r05_a_component_needs_a_name_of_1_to_255_characters() {
    let app = TestApp::new().await;
    let input = |name: &str| json!({ "name": name, "type": "PROCESS" });
    assert_eq!(app.refused(&app.publisher, "createComponent", input(" ")).await.code, "NAME_REQUIRED");
    assert_eq!(app.refused(&app.publisher, "createComponent", input(&"x".repeat(256))).await.code, "NAME_TOO_LONG");
    assert_eq!(app.denied(&app.publisher, "createComponent", input("a\tb")).await, "BAD_USER_INPUT");
    let made =
        app.ok(&app.publisher, "createComponent", input("  Import "), "component { name createdBy { name } }").await;
    assert_eq!(made.text("/component/name"), "Import");
    app.ok(&app.publisher, "createComponent", input("Import"), "component { id }").await;
}
