//! The gate, over every transport: it checks each document before anything is executed.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::support::{Ask, At as _, Server, TestApp};

/// Documents that the framework alone would execute although they are invalid, or refuse although they are valid.
const REFUSED: [&str; 6] = [
    "{ __typename { a } }",
    "{ __typename @skip }",
    "query($b: String!) { __typename @skip(if: $b) }",
    "{ viewer { account { a: id } } viewer { account { a: name } } }",
    "mutation { releaseIntegrationPack(input: { packId: 1, notes: \"\", schedule: {} }) { release { id } } }",
    "{ a { ",
];

/// The errors in the answer to `payload` over a WebSocket.
async fn by_socket(server: &Server, payload: Value) -> Value {
    let mut request = format!("ws://{}/graphql", server.address).into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a header"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("the upgrade");
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": payload });
    for (message, answer) in [(json!({ "type": "connection_init" }), "connection_ack"), (subscribe, "error")] {
        socket.send(Message::text(message.to_string())).await.expect("sent");
        let Message::Text(text) = socket.next().await.expect("a message").expect("a sound one") else {
            panic!("no text")
        };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(message.text("/type"), answer, "{message}");
        if answer == "error" {
            return message.at("/payload").clone();
        }
    }
    unreachable!("the second message is answered by errors")
}

/// The errors in the only event of a stream.
async fn by_stream(server: &Server, body: &Value) -> Value {
    let reply = server.send(&Ask::post(body).to("/graphql/stream").accept("text/event-stream")).await;
    let text = reply.text();
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("an event");
    let answer: Value = serde_json::from_str(data).expect("JSON");
    assert!(answer.get("data").is_none(), "{answer}");
    answer.at("/errors").clone()
}

#[tokio::test]
async fn one_gate_checks_the_documents_of_every_transport() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    for document in REFUSED {
        let body = json!({ "query": document });
        let posted = server.send(&Ask::post(&body).accept("application/graphql-response+json")).await;
        assert_eq!(posted.status, 400, "{document}: {}", posted.text());
        assert!(posted.json().get("data").is_none(), "{}", posted.text());
        let errors = posted.json().at("/errors").clone();
        for error in errors.as_array().expect("errors") {
            assert!(error.text("/extensions/code").starts_with("GRAPHQL_"), "{error}");
            assert!(error.at("/locations/0/line").is_u64(), "it says where: {error}");
        }
        let got = server.send(&Ask::get(&[("query", document)])).await;
        assert_eq!((got.status, got.json()), (200, posted.json()), "by GET");
        assert_eq!(by_stream(&server, &body).await, errors, "as an event");
        assert_eq!(by_socket(&server, body).await, errors, "over a WebSocket");
    }
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused_all_at_once_before_anything_is_executed() {
    let app = TestApp::new().await;
    let create = "mutation($a: CreateIntegrationPackInput!) { createIntegrationPack(input: $a) { __typename } }";
    let input = json!({ "a": { "name": 7, "installationType": "NONE", "colour": "red" } });
    let answer = app.gql_raw(Some(&app.publisher), create, input).await;
    assert!(answer.get("data").is_none(), "{answer:#}");
    let messages: Vec<String> = answer.list("/errors").iter().map(|error| error.text("/message")).collect();
    for part in ["`colour`", "$a.name", "$a.installationType"] {
        assert!(messages.iter().any(|message| message.contains(part)), "{part}: {messages:?}");
    }
    for error in answer.list("/errors") {
        assert_eq!(error.text("/extensions/code"), "BAD_USER_INPUT");
    }
    let server = Server::start(&app).await;
    let introspection = json!({ "query": create, "variables": { "a": null } });
    for (accept, status) in [("application/graphql-response+json", 400), ("application/json", 200)] {
        let reply = server.send(&Ask::post(&introspection).accept(accept).token(&app.publisher)).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, "BAD_USER_INPUT"));
        assert!(reply.json().get("data").is_none(), "{}", reply.text());
    }
}

#[tokio::test]
async fn one_of_is_in_the_schema_and_enforced_in_documents_and_variables() {
    let app = TestApp::new().await;
    let introspection = "{ a: __type(name: \"ReleaseScheduleInput\") { isOneOf } b: __type(name: \"CreateComponentInput\") { isOneOf } c: __type(name: \"Query\") { isOneOf } }";
    let one_of = app.gql_raw(None, introspection, json!({})).await;
    assert_eq!(one_of.at("/data/a/isOneOf"), true);
    assert_eq!(one_of.at("/data/b/isOneOf"), false);
    assert!(one_of.at("/data/c/isOneOf").is_null());
    let release = "mutation($p: ID!, $s: ReleaseScheduleInput!) { releaseIntegrationPack(input: { packId: $p, notes: \"\", schedule: $s }) { release { id } errors { __typename } } }";
    let wrong =
        [json!({}), json!({ "immediately": true, "onDate": null }), json!({ "immediately": null }), json!(null)];
    for schedule in wrong {
        let variables = json!({ "p": "pack_x", "s": schedule });
        let answer = app.gql_raw(Some(&app.publisher), release, variables).await;
        assert!(answer.get("data").is_none(), "{answer:#}");
        assert_eq!(answer.text("/errors/0/extensions/code"), "BAD_USER_INPUT");
    }
    let pack = app.pack_with("Orders", &["Import"]).await;
    // The document is executed, and then a rule refuses the empty notes.
    let variables = json!({ "p": pack.id, "s": { "immediately": true } });
    let released = app.gql(&app.publisher, release, variables).await;
    assert_eq!(released.text("/releaseIntegrationPack/errors/0/__typename"), "ReleaseError");
}

#[tokio::test]
async fn texts_arrive_as_they_were_meant() {
    let app = TestApp::new().await;
    let create = |name: &str| {
        format!("mutation {{ createComponent(input: {{ name: {name}, type: PROCESS }}) {{ component {{ name }} }} }}")
    };
    for (n, text) in [r#""\u{1F600}0""#, r#""\uD83D\uDE001""#, "\"😀2\"", "\"\"\"😀3\"\"\""].iter().enumerate() {
        let made = app.gql(&app.publisher, &create(text), json!({})).await;
        assert_eq!(made.text("/createComponent/component/name"), format!("😀{n}"));
    }
}

#[tokio::test]
async fn errors_of_execution_have_the_locations_of_the_clients_document() {
    let app = TestApp::new().await;
    let document = "# a comment\nquery Q(\"described\" $a: Int = 1) {\n  viewer { account { id } }
   b: integrationPacks(first: -1) { totalCount }\n  c: integrationPacks(first: $a) { totalCount } }";
    for _ in 0..2 {
        // The second verdict comes from the cache.
        let answer = app.gql_raw(Some(&app.publisher), document, json!({})).await;
        assert_eq!(answer.list("/errors").len(), 1, "{answer:#}");
        assert_eq!(answer.at("/errors/0/locations"), &json!([{ "line": 4, "column": 4 }]));
        assert_eq!(answer.text("/errors/0/extensions/code"), "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn a_variable_used_in_a_condition_of_typename_alone_decides() {
    let app = TestApp::new().await;
    let document = "query($b: Boolean!) { __typename @include(if: $b) a: __typename @skip(if: $b) }";
    let answer = app.gql_raw(None, document, json!({ "b": true })).await;
    assert_eq!(answer, json!({ "data": { "__typename": "Query" } }));
    let answer = app.gql_raw(None, document, json!({ "b": false })).await;
    assert_eq!(answer, json!({ "data": { "a": "Query" } }));
}
