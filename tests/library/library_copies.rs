//! Copies from the process library, and who may take copies and publish processes (R53).

use serde_json::json;

use crate::library::basics::{failure, publishing};
use crate::support::rows::{LogMark, unknown_like};
use crate::support::{At as _, TestApp, instant};

#[tokio::test]
async fn r53_a_copy_is_a_component_of_the_accounts_own() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let (package, process) = app.template("Order import", &[&app.all_accounts().await]).await;
    app.advance_by(60).await;
    let mark = LogMark::now(&app).await;
    let available = app.process_at(&acme, "Order import").await;
    let selection = "component { id name type createdAt createdBy { kind name token { name } }
        copiedFrom { name version process { id name } }
        latestShareable { id } latestPublication { id } viewerCanPackage
        packagedComponents { totalCount edges { node { id } } } publications { totalCount edges { node { id } } }
        packs { totalCount edges { node { id } } } }";
    let input = json!({ "processId": available });
    let made = app.ok(&acme.token, "copyFromProcessLibrary", input.clone(), selection).await;
    let copy = made.at("/component").clone();
    let empty = json!({ "totalCount": 0, "edges": [] });
    let expected = json!({
        "id": copy.at("/id"), "name": "Order import", "type": "PROCESS", "createdAt": copy.at("/createdAt"),
        "createdBy": { "kind": "API_TOKEN", "name": "first", "token": { "name": "first" } },
        "copiedFrom": { "name": "Order import", "version": "1.0", "process": { "id": available, "name": "Order import" } },
        "latestShareable": null, "latestPublication": null, "viewerCanPackage": false,
        "packagedComponents": empty, "publications": empty, "packs": empty,
    });
    assert_eq!(copy, expected);
    assert_eq!(instant(&copy.text("/createdAt")), app.now());
    let again = json!({ "processId": available, "name": "  My import  " });
    let again = app.ok(&acme.token, "copyFromProcessLibrary", again, "component { id name copiedFrom { name } }").await;
    assert_eq!(
        (again.text("/component/name"), again.text("/component/copiedFrom/name")),
        ("My import".into(), "Order import".into())
    );
    let query = "{ components { totalCount edges { node { id name } } } }";
    let own = app.gql(&acme.token, query, json!(null)).await;
    assert_eq!(own.texts("/components", "/name"), ["My import", "Order import"]);
    assert!(app.gql(&globex.token, query, json!(null)).await.nodes("/components").is_empty());
    for stranger in [&app.publisher, &globex.token] {
        assert!(app.node(stranger, &copy.text("/id")).await.is_null(), "only its owner sees it");
    }
    let built = "query($id: ID!) { packagedComponent(id: $id) { component { copiedFrom { name } } publishedProcess { copyCount } } }";
    let built = app.gql(&app.publisher, built, json!({ "id": package })).await;
    assert!(built.at("/packagedComponent/component/copiedFrom").is_null(), "built here");
    assert_eq!(built.int("/packagedComponent/publishedProcess/copyCount"), 2);
    let entries = mark.entries(&app).await;
    assert!(entries.len() == 2 && entries.iter().all(|entry| entry.action == "copyFromProcessLibrary"));
    let acmes = crate::support::uuid_of(&acme.id);
    assert!(entries.iter().all(|entry| entry.account_id == Some(acmes)), "in both logs");
    assert!(mark.kinds(&app).await.is_empty());
    assert_eq!(app.node(&app.publisher, &process).await.text("/id"), process);
}

#[tokio::test]
async fn r53_nothing_later_touches_a_copy() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    let (package, process) = app.template("Order import", &[&gold]).await;
    let copy = app.copy(&acme, "Order import").await;
    let read = async || {
        let query = "query($id: ID!) { component(id: $id) { id name createdAt copiedFrom { name version } } }";
        app.gql(&acme.token, query, json!({ "id": copy })).await
    };
    let source = async || {
        let query = "query($id: ID!) { component(id: $id) { copiedFrom { process { id } } } }";
        !app.gql(&acme.token, query, json!({ "id": copy })).await.at("/component/copiedFrom/process").is_null()
    };
    let before = read().await;
    let component = "query($id: ID!) { packagedComponent(id: $id) { component { id } } }";
    let component =
        app.gql(&app.publisher, component, json!({ "id": package })).await.text("/packagedComponent/component/id");
    app.package(&component).await;
    app.put_into_library(&app.package(&component).await.id, &[&gold]).await;
    let mut versions: Vec<_> = app.library_of(&acme).await.iter().map(|process| process.text("/version")).collect();
    versions.sort();
    assert_eq!(versions, ["1.0", "3.0"], "what was published of it later is shown beside it");
    assert!(source().await);
    assert_eq!(read().await, before);
    app.leave(&gold, &acme).await;
    assert!(!source().await, "no longer shared with the account");
    app.withdraw(&process).await;
    app.delete_package(&package).await;
    assert!(!source().await);
    assert_eq!(read().await, before);
}

#[tokio::test]
async fn r53_a_copys_name_and_a_named_call() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let (_, process) = app.template("Order import", &[&app.all_accounts().await]).await;
    let available = app.process_at(&acme, "Order import").await;
    for (name, expected) in [("", "NAME_REQUIRED"), ("  ", "NAME_REQUIRED"), (&*"x".repeat(256), "NAME_TOO_LONG")] {
        let input = json!({ "processId": available, "name": name });
        let refusal = app.refused(&acme.token, "copyFromProcessLibrary", input).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), (expected, "name"));
    }
    let control = json!({ "processId": available, "name": "a\nb" });
    assert_eq!(app.denied(&acme.token, "copyFromProcessLibrary", control).await, "BAD_USER_INPUT");
    let call = |name: &str| json!({ "processId": available, "name": name, "clientRequestId": "copy 1" });
    let first = app.ok(&acme.token, "copyFromProcessLibrary", call("Mine"), "component { id }").await;
    let refusal = app.refused(&acme.token, "copyFromProcessLibrary", call("")).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("CLIENT_REQUEST_ID_REUSED", "clientRequestId"));
    app.withdraw(&process).await;
    let again = app.ok(&acme.token, "copyFromProcessLibrary", call("Mine"), "component { id }").await;
    assert_eq!(first, again, "the first answer, though it was withdrawn since");
    let own = app.gql(&acme.token, "{ components { totalCount } }", json!(null)).await;
    assert_eq!(own.int("/components/totalCount"), 1);
}

#[tokio::test]
async fn r01_publishing_needs_the_groups_privilege_too_when_groups_are_named() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let all = app.all_accounts().await;
    let (_, package) = app.packaged("Order import").await;
    let standard = app.token(&app.publisher, "STANDARD_USER").await;
    let desk = app.token(&app.publisher, "SUPPORT").await;
    let (with, without) = (publishing(&package.id, &[&all], ""), publishing(&package.id, &[], ""));
    let unknown = publishing(&unknown_like(&package.id), &[&unknown_like(&all)], "");
    for (token, input) in [(&standard, &with), (&standard, &unknown), (&desk, &without), (&acme.token, &without)] {
        let code = failure(&app, token, "publishToProcessLibrary", input.clone()).await;
        assert_eq!(code.as_deref(), Some("FORBIDDEN"), "{input}");
    }
    assert_eq!(failure(&app, &standard, "publishToProcessLibrary", without.clone()).await, None);
    app.ok(&app.publisher, "publishToProcessLibrary", with, "").await;
    let nobody = failure(&app, &standard, "publishToProcessLibrary", without.clone()).await;
    assert_eq!(nobody.as_deref(), Some("FORBIDDEN"), "it would be shared with nobody any more");
    let process = app
        .gql(
            &desk,
            "{ processLibrary { edges { node { id ... on PublishedProcess { viewerCanWithdraw } } } } }",
            json!(null),
        )
        .await;
    assert_eq!(process.nodes("/processLibrary")[0].at("/viewerCanWithdraw"), false);
    let id = process.texts("/processLibrary", "/id")[0].clone();
    assert_eq!(app.denied(&desk, "withdrawFromProcessLibrary", json!({ "processId": id })).await, "FORBIDDEN");

    let available = app.process_at(&acme, "Order import").await;
    let copying = json!({ "processId": available });
    for role in ["SUPPORT", "PRODUCTION_SUPPORT"] {
        let token = app.token(&acme.token, role).await;
        let seen = app
            .gql(
                &token,
                "{ processLibrary { edges { node { ... on AvailableProcess { viewerCanCopy } } } } }",
                json!(null),
            )
            .await;
        assert_eq!(seen.nodes("/processLibrary")[0].at("/viewerCanCopy"), false);
        assert_eq!(
            failure(&app, &token, "copyFromProcessLibrary", copying.clone()).await.as_deref(),
            Some("FORBIDDEN")
        );
    }
    let user = app.token(&acme.token, "STANDARD_USER").await;
    assert_eq!(failure(&app, &user, "copyFromProcessLibrary", copying.clone()).await, None);
    assert_eq!(failure(&app, &app.publisher, "copyFromProcessLibrary", copying).await.as_deref(), Some("FORBIDDEN"));
    assert_eq!(failure(&app, &standard, "withdrawFromProcessLibrary", json!({ "processId": id })).await, None);
    assert_eq!(failure(&app, &standard, "publishToProcessLibrary", without).await, None, "it had no groups left");
}

#[tokio::test]
async fn r04_a_suspended_account_has_no_library_until_it_is_active_again() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    app.template("Order import", &[&app.all_accounts().await]).await;
    let copying = json!({ "processId": app.process_at(&acme, "Order import").await });
    app.suspend(&acme).await;
    assert_eq!(app.error_code(Some(&acme.token), "{ processLibrary { totalCount } }", json!(null)).await, "FORBIDDEN");
    assert_eq!(
        failure(&app, &acme.token, "copyFromProcessLibrary", copying.clone()).await.as_deref(),
        Some("FORBIDDEN")
    );
    app.reactivate(&acme).await;
    app.ok(&acme.token, "copyFromProcessLibrary", copying, "").await;
}
