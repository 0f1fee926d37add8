//! Documents that a client names instead of sending them: trusted documents, given at the server's start, and persisted
//! queries, sent before.

use std::sync::Arc;

use packwright::app::{App, AppOptions};
use packwright::clock::Clock;
use packwright::gate::{Gate, Limits, Stored, TrustedDocuments};
use packwright::graphql::{FACTS, sdl};
use packwright::http::EngineOptions;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Ask, At as _, Reply, Server, Setup, TestApp};

const WHO: &str = "query Who { viewer { account { name } } }";
const CREATE: &str =
    "mutation Create($name: String!) { createComponent(input: { name: $name, type: PROCESS }) { component { name } } }";
const HEAR: &str = "subscription Hear { releaseAnnounced { id } }";

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn app(stored: Stored) -> TestApp {
    TestApp::with(Setup { engine: EngineOptions { stored, ..EngineOptions::default() }, ..Setup::default() }).await
}

/// A list of the same documents in each format of build tools.
fn lists() -> [Value; 4] {
    let by = |id: &dyn Fn(&str) -> String| json!({ id(WHO): WHO, id(CREATE): CREATE, id(HEAR): HEAR });
    let operation = |name: &str, text: &str| json!({ "id": sha256(text), "name": name, "type": "query", "body": text });
    [
        // The format of graphql-codegen, and of Relay with SHA-256.
        by(&sha256),
        // The format in the appendix to GraphQL over HTTP.
        by(&|text| format!("sha256:{}", sha256(text))),
        // Apollo's manifest.
        json!({ "format": "apollo-persisted-query-manifest", "version": 1,
            "operations": [operation("Who", WHO), operation("Create", CREATE), operation("Hear", HEAR)] }),
        // Other ids, such as Relay's MD5 hashes.
        by(&|text| sha256(text)[..32].to_owned()),
    ]
}

fn trusted(list: &Value) -> Stored {
    Stored::Trusted(Arc::new(TrustedDocuments::parse(&list.to_string()).expect("a list")))
}

fn persisted(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

fn name(reply: &Reply) -> String {
    reply.json().text("/data/viewer/account/name")
}

#[tokio::test]
async fn a_trusted_document_is_found_by_its_id_in_each_form_of_request() {
    let hash = sha256(WHO);
    for list in lists() {
        let app = app(trusted(&list)).await;
        let server = Server::start(&app).await;
        let short = hash[..32].to_owned();
        let id = if list.get(&short).is_some() { &short } else { &hash };
        for body in [
            json!({ "documentId": id }),
            json!({ "id": id }),
            json!({ "doc_id": id, "query": null }),
            json!({ "documentId": id, "query": WHO }),
            json!({ "extensions": persisted(id) }),
            json!({ "extensions": persisted(id), "query": WHO, "operationName": "Who" }),
            // A listed document may also be sent as text.
            json!({ "query": WHO }),
        ] {
            let reply = server.send(&Ask::post(&body).token(&app.publisher)).await;
            assert_eq!((reply.status, name(&reply).as_str()), (200, "Northwind"), "{body}");
        }
        if id == &hash {
            let prefixed = json!({ "documentId": format!("sha256:{hash}") });
            assert_eq!(name(&server.send(&Ask::post(&prefixed).token(&app.publisher)).await), "Northwind");
        }
        let extensions = persisted(id).to_string();
        for parameters in [[("documentId", id.as_str())], [("extensions", extensions.as_str())]] {
            assert_eq!(name(&server.send(&Ask::get(&parameters).token(&app.publisher)).await), "Northwind");
        }
    }
}

#[tokio::test]
async fn nothing_but_the_list_is_executed() {
    let app = app(trusted(&lists()[0])).await;
    let server = Server::start(&app).await;
    for document in
        ["{ __typename }", "{ viewer { account { name } } }", "query Who { viewer { account { name } } } ", "{"]
    {
        for ask in [Ask::query(document), Ask::get(&[("query", document)])] {
            let reply = server.send(&ask.token(&app.publisher)).await;
            assert_eq!((reply.status, reply.code().as_str()), (200, "PERSISTED_QUERY_REQUIRED"), "{document}");
            assert!(reply.json().get("data").is_none());
        }
        let graphql = Ask::query(document).accept("application/graphql-response+json");
        assert_eq!(server.send(&graphql).await.status, 400);
        let events = server.send(&Ask::query(document).to("/graphql/stream").accept("text/event-stream")).await;
        assert!(events.text().contains("PERSISTED_QUERY_REQUIRED"), "{}", events.text());
    }
    // Introspection isn't allowed either.
    let reply = server.send(&Ask::query("{ __schema { types { name } } }")).await;
    assert_eq!(reply.code(), "PERSISTED_QUERY_REQUIRED");
    // A client can't add a document by sending its hash, with or without the text.
    let other = sha256("{ __typename }");
    for (body, code) in [
        (json!({ "documentId": other }), "PERSISTED_QUERY_NOT_FOUND"),
        (json!({ "extensions": persisted(&other) }), "PERSISTED_QUERY_NOT_FOUND"),
        (json!({ "query": "{ __typename }", "extensions": persisted(&other) }), "PERSISTED_QUERY_NOT_FOUND"),
        (json!({ "query": "{ __typename }", "documentId": sha256(WHO) }), "BAD_USER_INPUT"),
        (json!({ "documentId": "" }), "PERSISTED_QUERY_NOT_FOUND"),
    ] {
        for _ in 0..2 {
            assert_eq!(server.send(&Ask::post(&body).token(&app.publisher)).await.code(), code, "{body}");
        }
    }
}

#[tokio::test]
async fn a_named_document_is_what_it_is_a_mutation_no_query() {
    let app = app(trusted(&lists()[0])).await;
    let server = Server::start(&app).await;
    let id = sha256(CREATE);
    let by_get = Ask::get(&[("documentId", &id), ("variables", "{\"name\":\"Import\"}")]).token(&app.publisher);
    let reply = server.send(&by_get).await;
    assert_eq!((reply.status, reply.header("allow").as_deref()), (405, Some("POST")));
    let reply = server.send(&Ask::post(&json!({ "documentId": id })).token(&app.publisher)).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT", "a variable is missing");
    let whole = json!({ "documentId": id, "variables": { "name": "Import" } });
    let reply = server.send(&Ask::post(&whole).token(&app.publisher)).await;
    assert_eq!(reply.json().text("/data/createComponent/component/name"), "Import");
    let reply = server.send(&Ask::post(&json!({ "documentId": sha256(HEAR) })).token(&app.publisher)).await;
    assert_eq!(reply.status, 400, "a subscription has no single answer");
}

#[test]
fn a_list_that_can_not_be_one_is_refused_with_its_fault() {
    let parse = |text: &str| TrustedDocuments::parse(text).map(drop).expect_err("no list");
    for (text, part) in [
        ("{", "JSON"),
        ("[]", "object"),
        ("{}", "no document"),
        ("{\"operations\": []}", "no document"),
        ("{\"a\": 1}", "`a`"),
        ("{\"operations\": [{\"id\": \"a\"}]}", "body"),
        ("{\"operations\": [{\"id\": \"a\", \"body\": \"{a}\"}, {\"id\": \"a\", \"body\": \"{b}\"}]}", "two documents"),
        (&format!("{{\"sha256:{}\": \"{{a}}\"}}", "0".repeat(64)), "sha256:"),
    ] {
        assert!(parse(text).contains(part), "{text}: {}", parse(text));
    }
}

#[test]
fn a_listed_document_that_may_not_be_executed_is_named_when_the_server_starts() {
    let start = |text: &str| {
        let list = json!({ "good": WHO, "the-bad-one": text });
        Gate::new(&sdl(), FACTS, Limits::default(), trusted(&list)).map(drop).expect_err("a bad document")
    };
    for (text, part) in [
        ("{", "syntax"),
        ("{\n  nowhere }", "line 2, column 3"),
        ("{ __typename @skip }", "skip"),
        (&format!("{{ {} }}", "__typename ".repeat(3_000)), "2000"),
    ] {
        let why = start(text);
        assert!(why.contains("`the-bad-one`") && why.contains(part) && !why.contains("good"), "{why}");
    }
    assert!(Gate::new(&sdl(), FACTS, Limits::default(), trusted(&lists()[0])).is_ok());
}

#[tokio::test]
async fn a_server_does_not_start_with_a_document_that_it_would_refuse() {
    let app = TestApp::new().await;
    let stored = trusted(&json!({ "the-bad-one": "{ nowhere }" }));
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("test.db").display());
    let options = AppOptions {
        engine: EngineOptions { stored, ..EngineOptions::default() },
        ..AppOptions::new(url, Clock::still(app.now()))
    };
    let why = App::build(options).await.map(drop).expect_err("a bad document").to_string();
    assert!(why.contains("the-bad-one") && why.contains("nowhere"), "{why}");
}

#[tokio::test]
async fn a_document_sent_with_its_hash_can_be_named_afterwards() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let hash = sha256(WHO);
    let named = json!({ "extensions": persisted(&hash) });
    let ask = |body: &Value| Ask::post(body).token(&app.publisher);
    let unknown = server.send(&ask(&named)).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (200, "PERSISTED_QUERY_NOT_FOUND"));
    assert_eq!(unknown.json().text("/errors/0/message"), "PersistedQueryNotFound", "clients know it by this");
    let graphql = server.send(&ask(&named).accept("application/graphql-response+json")).await;
    assert_eq!(graphql.status, 400);
    // A document sent without its hash isn't registered.
    assert_eq!(name(&server.send(&ask(&json!({ "query": WHO }))).await), "Northwind");
    assert_eq!(server.send(&ask(&named)).await.code(), "PERSISTED_QUERY_NOT_FOUND");
    let registered = server.send(&ask(&json!({ "query": WHO, "extensions": persisted(&hash) }))).await;
    assert_eq!(name(&registered), "Northwind");
    for body in
        [&named, &json!({ "documentId": format!("sha256:{hash}") }), &json!({ "documentId": hash.to_uppercase() })]
    {
        assert_eq!(name(&server.send(&ask(body)).await), "Northwind", "{body}");
    }
    let extensions = persisted(&hash).to_string();
    assert_eq!(name(&server.send(&Ask::get(&[("extensions", &extensions)]).token(&app.publisher)).await), "Northwind");
}

#[tokio::test]
async fn a_hash_must_be_the_texts_and_a_mutation_stays_one() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let wrong = json!({ "query": WHO, "extensions": persisted(&sha256(CREATE)) });
    assert_eq!(server.send(&Ask::post(&wrong).token(&app.publisher)).await.code(), "BAD_USER_INPUT");
    let named = json!({ "extensions": persisted(&sha256(CREATE)) });
    assert_eq!(server.send(&Ask::post(&named)).await.code(), "PERSISTED_QUERY_NOT_FOUND", "nothing came of it");
    // A document that the gate refuses isn't registered.
    let bad = json!({ "query": "{ nowhere }", "extensions": persisted(&sha256("{ nowhere }")) });
    assert_eq!(server.send(&Ask::post(&bad)).await.code(), "GRAPHQL_VALIDATION_FAILED");
    let bad = json!({ "extensions": persisted(&sha256("{ nowhere }")) });
    assert_eq!(server.send(&Ask::post(&bad)).await.code(), "PERSISTED_QUERY_NOT_FOUND");
    for malformed in [json!(7), json!({ "version": 2, "sha256Hash": "x" }), json!({ "version": 1 }), json!([])] {
        let body = json!({ "extensions": { "persistedQuery": malformed } });
        assert_eq!(server.send(&Ask::post(&body)).await.code(), "BAD_USER_INPUT", "{body}");
    }
    let variables = json!({ "name": "Import" });
    let register = json!({ "query": CREATE, "extensions": persisted(&sha256(CREATE)), "variables": variables });
    assert_eq!(server.send(&Ask::post(&register).token(&app.publisher)).await.status, 200);
    let extensions = persisted(&sha256(CREATE)).to_string();
    let by_get = Ask::get(&[("extensions", &extensions), ("variables", "{\"name\":\"Export\"}")]).token(&app.publisher);
    let reply = server.send(&by_get).await;
    assert_eq!((reply.status, reply.header("allow").as_deref()), (405, Some("POST")));
    // Some clients send ids of their own with each document. The server ignores them.
    let own = json!({ "query": WHO, "id": 17, "doc_id": "who" });
    assert_eq!(name(&server.send(&Ask::post(&own).token(&app.publisher)).await), "Northwind");
}

#[tokio::test]
async fn a_server_that_keeps_none_says_so_in_the_words_that_clients_know() {
    let app = app(Stored::Off).await;
    let server = Server::start(&app).await;
    let named = json!({ "extensions": persisted(&sha256(WHO)) });
    let reply = server.send(&Ask::post(&named).token(&app.publisher)).await;
    assert_eq!(reply.code(), "PERSISTED_QUERY_NOT_SUPPORTED");
    assert_eq!(reply.json().text("/errors/0/message"), "PersistedQueryNotSupported");
    let with_text = json!({ "query": WHO, "extensions": persisted(&sha256(WHO)) });
    assert_eq!(name(&server.send(&Ask::post(&with_text).token(&app.publisher)).await), "Northwind");
    assert_eq!(server.send(&Ask::post(&named)).await.code(), "PERSISTED_QUERY_NOT_SUPPORTED", "not even then");
}

#[tokio::test]
async fn registered_documents_are_bounded_like_cached_ones() {
    let documents = Limits { cache_bytes: 200_000, ..Limits::default() };
    let engine = EngineOptions { documents, ..EngineOptions::default() };
    let app = TestApp::with(Setup { engine, ..Setup::default() }).await;
    let document = |n: usize| format!("{{ {} a{n}: __typename }}", "__typename ".repeat(200));
    for n in 0..500 {
        let text = document(n);
        let extensions = persisted(&sha256(&text));
        let request = packwright::http::GraphqlRequest {
            query: Some(text),
            extensions: extensions.as_object().expect("an object").clone(),
            ..Default::default()
        };
        assert!(app.answer(None, request).await.get("errors").is_none());
    }
    let mut kept = 0;
    for n in 0..500 {
        let extensions = persisted(&sha256(&document(n)));
        let request = packwright::http::GraphqlRequest {
            extensions: extensions.as_object().expect("an object").clone(),
            ..Default::default()
        };
        kept += usize::from(app.answer(None, request).await.get("errors").is_none());
    }
    assert!((1..100).contains(&kept), "{kept} of 500 are kept in 200,000 bytes");
}
