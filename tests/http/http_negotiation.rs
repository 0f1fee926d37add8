//! Content negotiation: the media type of an answer (RFC 9110, GraphQL over HTTP), and the media type of a body.

use serde_json::json;

use crate::support::{Ask, At as _, Server, TestApp};

const JSON: Option<&str> = Some("application/json; charset=utf-8");
const GRAPHQL: Option<&str> = Some("application/graphql-response+json; charset=utf-8");

/// Checks the media type of the answer for each `Accept`; `None` for 406.
async fn check(cases: &[(&[&str], Option<&str>)]) {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    for (accepts, expected) in cases {
        let ask = accepts.iter().fold(Ask::query("{ __typename }"), |ask, accept| ask.accept(accept));
        let reply = server.send(&ask).await;
        if let Some(media) = expected {
            assert_eq!((reply.status, reply.header("content-type").as_deref()), (200, Some(*media)), "{accepts:?}");
            assert_eq!(reply.json(), json!({ "data": { "__typename": "Query" } }), "{accepts:?}");
        } else {
            assert_eq!(reply.status, 406, "{accepts:?}");
            assert_eq!(reply.header("content-type").as_deref(), JSON, "{accepts:?}");
            assert_eq!(reply.code(), "BAD_USER_INPUT");
        }
    }
}

#[tokio::test]
async fn without_a_wish_the_answer_is_json() {
    check(&[(&[], JSON), (&[""], JSON), (&[" , "], JSON), (&["*/*"], JSON), (&["application/*"], JSON)]).await;
}

#[tokio::test]
async fn graphql_response_is_sent_to_clients_that_accept_it() {
    check(&[
        (&["application/graphql-response+json"], GRAPHQL),
        (&["application/json"], JSON),
        (&["APPLICATION/GraphQL-Response+JSON"], GRAPHQL),
        (&["Application/Json"], JSON),
        (&["application/graphql-response+json; charset=utf-8, application/json; charset=utf-8"], GRAPHQL),
        (&["application/json, application/graphql-response+json"], GRAPHQL),
        (&["application/graphql-response+json, */*;q=0.8"], GRAPHQL),
        (&["multipart/mixed;deferSpec=20220824, application/graphql-response+json, application/json;q=0.9"], GRAPHQL),
        (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], JSON),
    ])
    .await;
}

#[tokio::test]
async fn the_higher_quality_wins_wherever_it_stands() {
    check(&[
        (&["application/graphql-response+json;q=0.5, application/json"], JSON),
        (&["application/json;q=0.5, application/graphql-response+json;q=0.6"], GRAPHQL),
        (&["application/json;q=0.8, application/graphql-response+json;q=0.799"], JSON),
        (&["application/graphql-response+json; q=0.5 , */*"], JSON),
        (&["application/graphql-response+json;q=0.1"], GRAPHQL),
        (&["application/json ; Q=0.001"], JSON),
    ])
    .await;
}

#[tokio::test]
async fn quality_zero_refuses_and_the_more_exact_range_decides() {
    check(&[
        (&["application/json;q=0"], None),
        (&["application/json;q=0.000"], None),
        (&["*/*;q=0"], None),
        (&["application/*;q=0"], None),
        (&["application/graphql-response+json;q=0"], None),
        (&["application/graphql-response+json;q=0, */*"], JSON),
        (&["*/*;q=0, application/json"], JSON),
        (&["application/*;q=0, */*"], None),
        (&["application/json;q=0, application/graphql-response+json"], GRAPHQL),
        // The client accepts everything but JSON, so it gets the other type.
        (&["application/json;q=0, */*"], GRAPHQL),
        (&["application/json;q=0, application/*;q=0.5"], GRAPHQL),
        (&["application/json;charset=utf-8, application/json;q=0"], JSON),
    ])
    .await;
}

#[tokio::test]
async fn an_unsupported_media_type_is_not_acceptable() {
    check(&[
        (&["text/html"], None),
        (&["text/*"], None),
        (&["application/xml, text/plain;q=0.5"], None),
        (&["application/graphql"], None),
        (&["application/jsonp"], None),
        (&["text/event-stream"], None),
    ])
    .await;
}

#[tokio::test]
async fn parameters_and_quotes_are_read() {
    check(&[
        (&["application/json; charset=utf-8"], JSON),
        (&["application/json;charset=\"UTF-8\""], JSON),
        (&["application/json; charset=iso-8859-1"], None),
        (&["application/json; charset=iso-8859-1, application/json"], JSON),
        (&["application/graphql-response+json; charset=utf-16, application/json"], JSON),
        (&["application/json; version=\"1,2;q=0\""], JSON),
        (&["text/html; title=\"a, application/json\""], None),
        (&["application/json;version=1;q=0, application/json"], JSON),
        (&["application/json;;q=1;"], JSON),
    ])
    .await;
}

#[tokio::test]
async fn several_headers_count_together() {
    check(&[
        (&["text/html", "application/json"], JSON),
        (&["application/json;q=0.5", "application/graphql-response+json;q=0.9"], GRAPHQL),
        (&["application/json", "application/json;q=0"], JSON),
        (&["text/html", "text/plain"], None),
    ])
    .await;
}

#[tokio::test]
async fn malformed_headers_neither_fail_nor_count() {
    check(&[
        (&["garbage"], None),
        (&["*/json"], None),
        (&["application/"], None),
        (&["/json"], None),
        (&["garbage, application/json"], JSON),
        (&["*"], JSON),
        (&["text/html, image/gif, *; q=.2, */*; q=.2"], JSON),
        (&["application/json;q=, application/xml"], JSON),
        (&["application/json;q=nonsense"], JSON),
        (&["application/json;q=7"], JSON),
        (&["application/json; \"q=0"], JSON),
        (&["äpplication/jsön"], None),
        (&["äpplication/jsön", "application/json"], JSON),
    ])
    .await;
}

#[tokio::test]
async fn a_body_must_be_json_in_utf_8() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let body = json!({ "query": "{ __typename }" }).to_string();
    let post = |media: &[&str]| {
        let ask = Ask::new("POST", "/graphql").body(body.clone());
        media.iter().fold(ask, |ask, media| ask.with("content-type", media))
    };
    for media in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;Charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "application/json; charset=utf8",
        "application/json;",
        "application/json; version=1",
    ] {
        assert_eq!(server.send(&post(&[media])).await.status, 200, "{media}");
    }
    for media in [
        &[][..],
        &[""],
        &["text/plain"],
        &["application/graphql"],
        &["application/x-www-form-urlencoded"],
        &["multipart/form-data; boundary=x"],
        &["application/json; charset=iso-8859-1"],
        &["application/json; charset=utf-16"],
        &["application/jsonp"],
        &["application/json, text/plain"],
        &["application/json", "application/json"],
        &["json"],
    ] {
        let reply = server.send(&post(media)).await;
        assert_eq!((reply.status, reply.code().as_str()), (415, "BAD_USER_INPUT"), "{media:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_compressed_is_not_read() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let reply = server.send(&Ask::query("{ __typename }").with("content-encoding", "gzip")).await;
    assert_eq!((reply.status, reply.header("accept-encoding").as_deref()), (415, Some("identity")));
    assert_eq!(reply.json().at("/errors/0/extensions/code"), "BAD_USER_INPUT");
    let reply = server.send(&Ask::query("{ __typename }").with("content-encoding", "identity")).await;
    assert_eq!(reply.status, 200);
}
