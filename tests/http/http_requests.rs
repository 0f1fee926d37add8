//! GraphQL over HTTP: methods, parameters, and the status by the phase in which a request fails.

use std::time::Duration;

use packwright::http::HttpOptions;
use packwright::http::connections::ConnectionOptions;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::support::{Ask, At as _, Reply, Server, TestApp};

const GRAPHQL: &str = "application/graphql-response+json";

#[tokio::test]
async fn only_get_and_post_are_allowed() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    assert_eq!(server.send(&Ask::get(&[("query", "{ __typename }")])).await.status, 200);
    assert_eq!(server.send(&Ask::query("{ __typename }")).await.status, 200);
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"] {
        let reply = server.send(&Ask::new(method, "/graphql").accept("*/*")).await;
        assert_eq!((reply.status, reply.header("allow").as_deref()), (405, Some("GET, POST")), "{method}");
        assert_eq!(reply.header("content-type").as_deref(), Some("application/json; charset=utf-8"), "{method}");
        assert_eq!(reply.code(), "BAD_USER_INPUT");
    }
    let mut socket = server.connect().await;
    socket.write_all(&Ask::new("HEAD", "/graphql?query=%7B__typename%7D").bytes(server.address)).await.unwrap();
    let head = Reply::read_head(&mut socket).await;
    assert_eq!((head.status, head.header("allow").as_deref()), (405, Some("GET, POST")));
}

#[tokio::test]
async fn other_paths_answer_in_json_too() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let reply = server.send(&Ask::new("GET", "/nothing")).await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
    let reply = server.send(&Ask::new("POST", "/livez").body("")).await;
    assert_eq!((reply.status, reply.code().as_str()), (405, "BAD_USER_INPUT"));
    assert_eq!(reply.header("allow").as_deref(), Some("GET, HEAD"));
}

#[tokio::test]
async fn a_head_of_a_page_has_the_headers_of_its_get() {
    let app = TestApp::new().await;
    let http = HttpOptions { graphiql: true, ..HttpOptions::default() };
    let server = Server::with(&app, http, ConnectionOptions::default()).await;
    let headers = async |method: &str, path: &str, encoding: &str| {
        let mut socket = server.connect().await;
        let ask = Ask::new(method, path).accept("text/html").with("accept-encoding", encoding);
        // The second request shows that no body has come before its answer.
        for ask in [&ask, &Ask::new("GET", "/livez")] {
            socket.write_all(&ask.bytes(server.address)).await.unwrap();
        }
        let reply = if method == "HEAD" { Reply::read_head(&mut socket).await } else { Reply::read(&mut socket).await };
        assert_eq!(Reply::read(&mut socket).await.status, 200, "{method} {path}");
        reply
    };
    for path in ["/", "/graphiql", "/graphiql/form", "/graphiql/form.js", "/graphiql/icon.svg", "/schema.graphql"]
        .into_iter()
        .chain(["/graphiql/operations.json", "/livez", "/readyz", "/nothing"])
    {
        for encoding in ["identity", "gzip", "br", "zstd;q=0.5, *;q=0"] {
            let [head, get] = [headers("HEAD", path, encoding).await, headers("GET", path, encoding).await];
            assert_eq!(head.status, get.status, "{path}");
            let lasting = |reply: &Reply| -> Vec<_> {
                let mut all = reply.headers().to_vec();
                // `transfer-encoding` is about the body alone.
                let other = ["date", "x-request-id", "transfer-encoding"];
                all.retain(|(name, _)| !other.contains(&name.as_str()));
                all.sort();
                all
            };
            assert_eq!(lasting(&head), lasting(&get), "{path} in {encoding}");
        }
    }
}

#[tokio::test]
async fn a_mutation_by_get_is_refused_by_the_operation_that_is_picked() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let document = "query Q { __typename } mutation M { __typename }";
    let mutation = Ask::get(&[("query", document), ("operationName", "M")]);
    for ask in [mutation.clone(), mutation.accept(GRAPHQL), Ask::get(&[("query", "mutation { __typename }")])] {
        let reply = server.send(&ask).await;
        assert_eq!((reply.status, reply.header("allow").as_deref()), (405, Some("POST")));
        assert_eq!(reply.code(), "BAD_USER_INPUT");
    }
    let reply = server.send(&Ask::get(&[("query", document), ("operationName", "Q")])).await;
    assert_eq!(reply.json(), json!({ "data": { "__typename": "Query" } }));
    let reply = server.send(&Ask::post(&json!({ "query": document, "operationName": "M" }))).await;
    assert_eq!(reply.json(), json!({ "data": { "__typename": "Mutation" } }));
}

#[tokio::test]
async fn a_subscription_has_no_single_answer() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let subscription = "subscription { releaseAnnounced { kind } }";
    for ask in
        [Ask::query(subscription), Ask::query(subscription).accept(GRAPHQL), Ask::get(&[("query", subscription)])]
    {
        let reply = server.send(&ask.token(&app.publisher)).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "BAD_USER_INPUT"));
    }
}

/// Requests that fail before the execution, because of their document or operation, and the code of each.
fn never_begun() -> Vec<(Value, &'static str)> {
    vec![
        (json!({ "query": "{" }), "GRAPHQL_PARSE_FAILED"),
        (json!({ "query": "" }), "GRAPHQL_PARSE_FAILED"),
        (json!({ "query": "{ nowhere }" }), "GRAPHQL_VALIDATION_FAILED"),
        (json!({ "query": "{ __typename } query B { __typename }" }), ""),
        (json!({ "query": "query A { __typename } query B { __typename }" }), ""),
        (json!({ "query": "query A { __typename }", "operationName": "C" }), ""),
    ]
}

#[tokio::test]
async fn a_refused_request_has_no_data_and_an_error_status_if_the_media_type_allows() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    for (body, code) in never_begun() {
        let as_json = server.send(&Ask::post(&body).accept("application/json")).await;
        assert_eq!(as_json.status, 200, "{body}");
        let as_graphql = server.send(&Ask::post(&body).accept(GRAPHQL)).await;
        assert_eq!(as_graphql.status, 400, "{body}");
        for reply in [as_json, as_graphql] {
            assert_eq!(reply.json().get("data"), None, "{body}: {}", reply.text());
            let answered = reply.code();
            assert!(!answered.is_empty() && (code.is_empty() || answered == code), "{body}: {answered}");
        }
    }
}

#[tokio::test]
async fn an_error_during_execution_has_data_and_is_200() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    for media in ["application/json", GRAPHQL] {
        // The whole answer is null, because a root field that can't be null failed.
        let reply = server.send(&Ask::query("{ viewer { role } }").accept(media)).await;
        assert_eq!((reply.status, reply.code().as_str()), (200, "UNAUTHENTICATED"), "{media}");
        assert_eq!(reply.json().get("data"), Some(&Value::Null), "{media}");
        let reply =
            server.send(&Ask::query("{ node(id: \"nonsense\") { id } }").token(&app.publisher).accept(media)).await;
        assert_eq!((reply.status, reply.json().get("data").is_some()), (200, true), "{media}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_body_that_is_no_request_is_400() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let bodies = [
        "",
        "NONSENSE",
        "{\"query\":",
        "null",
        "1",
        "\"text\"",
        "[]",
        "[{\"query\":\"{ __typename }\"}]",
        "{}",
        "{\"qeury\":\"{ __typename }\"}",
        "{\"query\":null}",
        "{\"query\":1}",
        "{\"query\":false}",
        "{\"query\":[\"{ __typename }\"]}",
        "{\"query\":{}}",
        "{\"query\":\"{ __typename }\",\"operationName\":1}",
        "{\"query\":\"{ __typename }\",\"operationName\":{}}",
        "{\"query\":\"{ __typename }\",\"variables\":[7]}",
        "{\"query\":\"{ __typename }\",\"variables\":\"{}\"}",
        "{\"query\":\"{ __typename }\",\"variables\":0}",
        "{\"query\":\"{ __typename }\",\"extensions\":[]}",
        "{\"query\":\"{ __typename }\",\"extensions\":\"x\"}",
        "{\"query\":\"{ __typename }\"} trailing",
    ];
    for media in ["application/json", GRAPHQL] {
        for body in bodies {
            let ask = Ask::new("POST", "/graphql").with("content-type", "application/json").accept(media);
            let reply = server.send(&ask.body(body)).await;
            assert_eq!((reply.status, reply.code().as_str()), (400, "BAD_USER_INPUT"), "{body}");
            assert_eq!(reply.json().get("data"), None, "{body}");
            assert!(reply.header("content-type").is_some_and(|own| own.starts_with(media)), "{body}");
        }
    }
    let deep = format!(
        "{{\"query\":\"{{ __typename }}\",\"variables\":{{\"a\":{}1{}}}}}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    let ask = Ask::new("POST", "/graphql").with("content-type", "application/json");
    assert_eq!(server.send(&ask.clone().body(deep)).await.status, 400);
    assert_eq!(server.send(&ask.body(b"{\"query\":\"\xff\"}".to_vec())).await.status, 400, "no UTF-8");
}

#[tokio::test]
async fn optional_parameters_may_be_null_and_unknown_ones_are_ignored() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    for body in [
        json!({ "query": "{ __typename }", "operationName": null, "variables": null, "extensions": null }),
        json!({ "query": "{ __typename }", "operationName": "" }),
        json!({ "query": "{ __typename }", "extensions": { "some": "value" }, "unknown": [1, 2] }),
        json!({ "query": "query Q { __typename }", "operationName": "Q", "variables": { "a": "🏃", "b": 1 } }),
    ] {
        let reply = server.send(&Ask::post(&body)).await;
        assert_eq!(reply.json(), json!({ "data": { "__typename": "Query" } }), "{body}");
    }
    // Parameters in the URL of a POST are ignored.
    let reply = server.send(&Ask::query("{ __typename }").to("/graphql?query=%7B")).await;
    assert_eq!(reply.json(), json!({ "data": { "__typename": "Query" } }));
}

#[tokio::test]
async fn a_get_has_its_parameters_in_the_address() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let query = "query T($name: String!) { __type(name: $name) { name } } query null { __typename }";
    let typed = |variables| Ask::get(&[("query", query), ("operationName", "T"), ("variables", variables)]);
    let reply = server.send(&typed("{\"name\":\"Viewer\"}").accept(GRAPHQL)).await;
    assert_eq!(reply.json(), json!({ "data": { "__type": { "name": "Viewer" } } }));
    let named_null = Ask::get(&[("query", query), ("operationName", "null")]);
    assert_eq!(server.send(&named_null).await.json(), json!({ "data": { "__typename": "Query" } }));
    for empty in ["operationName", "variables", "extensions"] {
        let reply = server.send(&Ask::get(&[("query", "{ __typename }"), (empty, "")])).await;
        assert_eq!(reply.json(), json!({ "data": { "__typename": "Query" } }), "{empty}");
    }
    for variables in ["nonsense", "[1]", "\"text\"", "1"] {
        let reply = server.send(&typed(variables)).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "BAD_USER_INPUT"), "{variables}");
    }
    for parameters in [
        &[][..],
        &[("variables", "{}")],
        &[("query", "{ __typename }"), ("query", "{ __typename }")],
        &[("query", "{ __typename }"), ("variables", "{}"), ("variables", "{}")],
        &[("query", "{ __typename }"), ("operationName", "a"), ("operationName", "a")],
        &[("query", "{ __typename }"), ("extensions", "[]")],
    ] {
        let reply = server.send(&Ask::get(parameters)).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "BAD_USER_INPUT"), "{parameters:?}");
    }
}

#[tokio::test]
async fn a_body_is_bounded_announced_or_not() {
    let app = TestApp::new().await;
    let options = HttpOptions { body_limit: 2_000, ..HttpOptions::default() };
    let server = Server::with(&app, options, ConnectionOptions::default()).await;
    let body = |length: usize| {
        let frame = json!({ "query": "{ __typename }", "unknown": "" }).to_string().len();
        json!({ "query": "{ __typename }", "unknown": "x".repeat(length - frame) }).to_string()
    };
    let post = Ask::new("POST", "/graphql").with("content-type", "application/json");
    let chunked = |body: &str| {
        let chunks: String = body
            .as_bytes()
            .chunks(700)
            .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()))
            .collect();
        post.clone().with("transfer-encoding", "chunked").body(format!("{chunks}0\r\n\r\n"))
    };
    assert_eq!(server.send(&post.clone().body(body(2_000))).await.status, 200);
    assert_eq!(server.send(&chunked(&body(2_000))).await.status, 200);
    for (ask, found) in [
        (post.clone().body(body(2_001)), "2001"),
        (chunked(&body(2_001)), ""),
        (post.clone().body(body(3_000_000)), "3000000"),
    ] {
        let reply = server.send(&ask).await;
        assert_eq!((reply.status, reply.code().as_str()), (413, "BAD_USER_INPUT"));
        let message = reply.json().text("/errors/0/message");
        assert!(message.contains("2000") && message.contains(found), "{message}");
    }
    // A client that waits for `100 Continue` gets the refusal at once.
    let waiting = post.with("content-length", "5000").with("expect", "100-continue");
    assert_eq!(server.raw(&waiting.bytes(server.address)).await.status, 413);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let app = TestApp::new().await;
    let options = HttpOptions { body_timeout: Duration::from_millis(50), ..HttpOptions::default() };
    let server = Server::with(&app, options, ConnectionOptions::default()).await;
    let ask = Ask::new("POST", "/graphql").with("content-type", "application/json").with("content-length", "100");
    let reply = server.raw(&ask.body("{").bytes(server.address)).await;
    assert_eq!((reply.status, reply.code().as_str()), (408, "TIMEOUT"));
    assert!(reply.json().text("/errors/0/message").contains("0.05"), "{}", reply.text());
}

#[tokio::test]
async fn a_token_that_is_refused_is_401_whatever_is_asked() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    for authorization in ["Bearer nonsense", "Basic YTpi", "Bearer", "nonsense"] {
        let reply = server.send(&Ask::query("{ __typename }").with("authorization", authorization)).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "UNAUTHENTICATED"), "{authorization}");
        assert!(reply.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")));
    }
    let twice = Ask::query("{ __typename }").token(&app.publisher).token(&app.publisher);
    assert_eq!(server.send(&twice).await.status, 401);
    // A token in the URL is ignored.
    let reply = server
        .send(
            &Ask::query("{ viewer { role } }")
                .to(&format!("/graphql?token={}&access_token={}", app.publisher, app.publisher)),
        )
        .await;
    assert_eq!((reply.status, reply.code().as_str()), (200, "UNAUTHENTICATED"));
}

#[tokio::test]
async fn every_answer_has_an_id_and_is_not_kept() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    for ask in [
        Ask::query("{ __typename }"),
        Ask::query("{"),
        Ask::get(&[("query", "{ __typename }")]),
        Ask::new("DELETE", "/graphql"),
        Ask::query("{ __typename }").accept("text/html"),
        Ask::query("{ __typename }").with("origin", "https://elsewhere.example"),
    ] {
        let reply = server.send(&ask).await;
        assert_eq!(reply.header("x-content-type-options").as_deref(), Some("nosniff"));
        assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
        assert!(reply.header("x-request-id").is_some_and(|id| !id.is_empty()));
        assert!(reply.header("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("accept")));
    }
    let made = |reply: &Reply| reply.header("x-request-id").unwrap();
    let given = server.send(&Ask::query("{ __typename }").with("x-request-id", "order-66_a.b:c/d+e=")).await;
    assert_eq!(made(&given), "order-66_a.b:c/d+e=");
    for bad in ["", "with space", "ä", "<script>", &"x".repeat(129)] {
        let reply = server.send(&Ask::query("{ __typename }").with("x-request-id", bad)).await;
        assert_ne!(made(&reply), bad);
        assert_eq!(made(&reply).len(), 36, "{bad}");
    }
}

#[tokio::test]
async fn a_long_answer_is_compressed_for_whom_it_helps() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let long = Ask::query("{ __schema { types { name description } } }");
    let plain = server.send(&long).await;
    assert_eq!(plain.header("content-encoding"), None);
    let short = server.send(&Ask::query("{ __typename }").with("accept-encoding", "gzip")).await;
    assert_eq!(short.header("content-encoding"), None, "not worth it");
    let packed = server.send(&long.with("accept-encoding", "gzip")).await;
    assert_eq!(packed.header("content-encoding").as_deref(), Some("gzip"));
    assert!(packed.body.len() * 2 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
    assert!(packed.header("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("accept-encoding")));
}

#[tokio::test]
async fn a_client_that_accepts_no_known_coding_is_answered_without_one() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    for accepted in ["identity;q=0", "br, *;q=0", "*;q=0"] {
        let reply = server.send(&Ask::query("{ __typename }").with("accept-encoding", accepted)).await;
        assert_eq!((reply.status, reply.header("content-encoding")), (200, None), "{accepted}");
        let body = String::from_utf8_lossy(&reply.body);
        assert!(body.contains(r#"{"__typename":"Query"}"#), "{accepted}: {body}");
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let mut socket = server.connect().await;
    for ask in
        [Ask::query("{ __typename }"), Ask::query("{"), Ask::new("DELETE", "/graphql"), Ask::query("{ a: __typename }")]
    {
        socket.write_all(&ask.bytes(server.address)).await.unwrap();
        Reply::read(&mut socket).await;
    }
    let both =
        [Ask::query("{ a: __typename }").bytes(server.address), Ask::query("{ b: __typename }").bytes(server.address)]
            .concat();
    socket.write_all(&both).await.unwrap();
    assert_eq!(Reply::read(&mut socket).await.json(), json!({ "data": { "a": "Query" } }));
    assert_eq!(Reply::read(&mut socket).await.json(), json!({ "data": { "b": "Query" } }));
}
