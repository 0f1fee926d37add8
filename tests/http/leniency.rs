//! Unusual input that is accepted: empty pages, byte order marks, the caller's own ID, `-0`; and the largest calls.

use std::time::Duration;

use packwright::gate::TrustedDocuments;
use packwright::http::EngineOptions;
use packwright::http::websocket::machine::{Action, Machine};
use packwright::jwt::{Jwt, Source};
use serde_json::{Value, json};

use crate::accounts::jwt::{claims, lets_in, settings};
use crate::accounts::jwt_issuer::{SigningKey, key_set};
use crate::support::{Ask, At as _, Server, Setup, TestApp, instant};

#[tokio::test]
async fn s10_an_empty_page_has_its_position() {
    let app = TestApp::new().await;
    for name in ["A", "B", "C"] {
        app.pack(name).await;
    }
    let page = async |arguments: &str| {
        let query = format!(
            "{{ integrationPacks({arguments}) {{ edges {{ cursor }} totalCount pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        app.gql(&app.publisher, &query, json!({})).await.at("/integrationPacks").clone()
    };
    let cursor = page("first: 2").await.text("/edges/1/cursor");
    for (arguments, next, previous) in [
        ("first: 0".to_owned(), true, false),
        ("last: 0".to_owned(), false, true),
        (format!("first: 0, after: \"{cursor}\""), true, true),
        (format!("last: 0, before: \"{cursor}\""), true, true),
    ] {
        let page = page(&arguments).await;
        assert_eq!((page.list("/edges").len(), page.int("/totalCount")), (0, 3), "{arguments}");
        let info = json!({ "hasNextPage": next, "hasPreviousPage": previous, "startCursor": null, "endCursor": null });
        assert_eq!(page.at("/pageInfo"), &info, "{arguments}");
    }
    let last = page("first: 3").await.text("/edges/2/cursor");
    assert_eq!(page(&format!("first: 0, after: \"{last}\"")).await.at("/pageInfo/hasNextPage"), &json!(false));
    for list in ["events", "auditLog", "releases", "components", "managedAccounts", "accountGroups", "installations"] {
        for size in ["first: 0", "last: 0"] {
            if list == "events" && size == "last: 0" {
                continue;
            }
            let query = format!("{{ {list}({size}) {{ edges {{ cursor }} }} }}");
            let answer = app.gql(&app.publisher, &query, json!({})).await;
            assert_eq!(answer.list(&format!("/{list}/edges")).len(), 0, "{list}");
        }
    }
    for size in ["first: -1", "last: -1", "first: 101"] {
        let query = format!("{{ integrationPacks({size}) {{ totalCount }} }}");
        assert_eq!(app.error_code(Some(&app.publisher), &query, json!({})).await, "BAD_USER_INPUT", "{size}");
    }
}

#[tokio::test]
async fn s10_a_byte_order_mark_before_json_is_passed_over() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let body = "\u{feff}{\"query\":\"{ __typename }\"}";
    let reply = server.send(&Ask::post(&json!({})).body(body)).await;
    assert_eq!((reply.status, reply.json().at("/data/__typename")), (200, &json!("Query")));
    let twice = server.send(&Ask::post(&json!({})).body(format!("\u{feff}{body}"))).await;
    assert_eq!(twice.status, 400, "one, and no other character");
    let get = server.send(&Ask::get(&[("query", "{ __typename }"), ("variables", "\u{feff}{}")])).await;
    assert_eq!(get.status, 200);
    assert!(TrustedDocuments::parse("\u{feff}{ \"a\": \"{ __typename }\" }").is_ok());
    let mut machine = Machine::new(1);
    assert!(matches!(machine.receive("\u{feff}{\"type\":\"connection_init\"}"), Action::Authenticate(None)));
    machine.authenticated();
    let message = "{\"id\":\"1\",\"type\":\"subscribe\",\"payload\":{\"query\":\"{ __typename }\"}}";
    assert!(matches!(machine.receive(&format!("\u{feff}{message}")), Action::Start { .. }));
    assert!(matches!(machine.receive(&format!("\u{feff}\u{feff}{message}")), Action::Close(_)), "one, and no other");
}

#[tokio::test]
async fn r04_a_byte_order_mark_before_a_set_of_keys_is_passed_over() {
    let key = SigningKey::ed("ed");
    for (marks, is_read) in [("", true), ("\u{feff}", true), ("\u{feff}\u{feff}", false)] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("keys.json");
        std::fs::write(&file, format!("{marks}{}", key_set(&[&key]))).expect("written");
        let opened = Jwt::open(settings(Source::File(file.clone())), instant("2026-11-22T09:00:00Z")).await;
        assert_eq!(opened.is_ok(), is_read, "{} marks", marks.chars().count());
        if is_read {
            let jwt = Some(settings(Source::File(file)));
            let app = TestApp::with(Setup { jwt, ..Setup::default() }).await;
            let claims = claims(&app, &app.publisher, "SUPPORT").await;
            assert!(lets_in(&app, &key.jwt(&claims)).await);
        }
    }
}

#[tokio::test]
async fn r35_an_account_may_name_itself() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    for token in [&app.publisher, &acme.token] {
        let own = app.gql(token, "{ viewer { account { id } } }", json!({})).await.text("/viewer/account/id");
        let input = json!({ "accountId": own, "timeZone": "Asia/Tokyo" });
        let payload = app.ok(token, "updateAccount", input, "account { id timeZone }").await;
        assert_eq!(payload.at("/account"), &json!({ "id": own, "timeZone": "Asia/Tokyo" }));
    }
    let own = app.gql(&acme.token, "{ viewer { account { id } } }", json!({})).await.text("/viewer/account/id");
    let renamed = app.refused(&acme.token, "updateAccount", json!({ "accountId": own, "name": "Other" })).await;
    assert_eq!(renamed.code, "NAME_NOT_EDITABLE");
    let query = "query($id: ID) { installations(filter: { accountId: $id }) { totalCount } }";
    assert_eq!(app.gql(&acme.token, query, json!({ "id": own })).await.int("/installations/totalCount"), 0);
    // The ID of an account in its own view can't be used by another account.
    let publisher =
        app.gql(&app.publisher, "{ viewer { account { id } } }", json!({})).await.text("/viewer/account/id");
    let other = app.another_publisher("Southwind").await;
    for (token, id) in [(&app.publisher, &own), (&acme.token, &publisher), (&other.token, &publisher)] {
        assert_eq!(app.denied(token, "updateAccount", json!({ "accountId": id, "name": "X" })).await, "NOT_FOUND");
    }
}

#[tokio::test]
async fn s10_minus_zero_is_zero() {
    let app = TestApp::new().await;
    let literal = "{ integrationPacks(first: -0) { edges { cursor } } }";
    assert_eq!(app.gql(&app.publisher, literal, json!({})).await.list("/integrationPacks/edges").len(), 0);
    let default = "query($n: Int = -0) { integrationPacks(first: $n) { edges { cursor } } }";
    assert_eq!(app.gql(&app.publisher, default, json!({})).await.list("/integrationPacks/edges").len(), 0);
    let server = Server::start(&app).await;
    for zero in ["-0", "-0.0", "0.0", "0"] {
        let body = format!(
            "{{\"query\":\"query($n: Int) {{ integrationPacks(first: $n) {{ edges {{ cursor }} }} }}\",\"variables\":{{\"n\":{zero}}}}}"
        );
        let reply = server.send(&Ask::post(&json!({})).token(&app.publisher).body(body)).await;
        assert_eq!(reply.json().list("/data/integrationPacks/edges").len(), 0, "{zero}: {}", reply.text());
    }
    // In a string `-0` stays, also when the document is printed again.
    let text = "{ integrationPacks(filter: { search: \"-0\" }, first: -0) { edges { cursor } } }";
    app.gql(&app.publisher, text, json!({})).await;
}

/// An app with the default limits of sizes. A busy machine takes longer for the largest calls than a server allows.
async fn patient() -> TestApp {
    let usual = Setup::default();
    let engine = EngineOptions { execution: Duration::from_secs(60), ..usual.engine };
    TestApp::with(Setup { engine, ..usual }).await
}

/// The largest call with 250 packages that the rules allow.
fn largest(components: &[String], notes: &str) -> Value {
    let entries: Vec<_> =
        components.iter().skip(1).take(100).map(|id| json!({ "componentId": id, "revision": 1 })).collect();
    let packages: Vec<_> = (0..250)
        .map(|_| json!({ "componentId": components[0], "shareable": true, "notes": notes, "manifest": entries }))
        .collect();
    let query = "mutation($input: CreatePackagedComponentsInput!) { createPackagedComponents(input: $input) { packagedComponents { version } errors { code field message } } }";
    json!({ "query": query, "variables": { "input": { "packages": packages } } })
}

#[tokio::test]
async fn r09_the_largest_call_fits_into_the_default_limits() {
    let app = patient().await;
    let components = app.many_packaged("Part", 101).await;
    let server = Server::start(&app).await;
    let ask = Ask::post(&largest(&components, &"😀".repeat(4_000))).token(&app.publisher);
    let reply = tokio::time::timeout(Duration::from_secs(60), server.send(&ask)).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    assert_eq!(answer.list("/data/createPackagedComponents/packagedComponents").len(), 250, "{answer}");
    // Without a token the server reads no body of that size.
    let reply = server.send(&Ask::post(&largest(&components, &"x".repeat(4_000)))).await;
    assert_eq!(reply.status, 413);
}

#[tokio::test]
async fn r09_the_total_size_of_a_call_is_bounded() {
    let app = patient().await;
    let component = app.component("Import").await;
    let setting = |n: usize| json!({ "name": format!("{n:0>255}"), "extensible": true });
    let settings: Vec<_> = (0..200).map(setting).collect();
    let packages: Vec<_> = (0..25).map(|_| json!({ "componentId": component, "extensibility": settings })).collect();
    let refusal = app.refused(&app.publisher, "createPackagedComponents", json!({ "packages": packages })).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("TOO_MANY", "packages"));
    app.ok(&app.publisher, "createPackagedComponents", json!({ "packages": packages[..20] }), "").await;
}
