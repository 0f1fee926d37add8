//! Server-sent events (`graphql-sse`, distinct connections mode).

use std::collections::VecDeque;
use std::time::Duration;

use packwright::http::HttpOptions;
use packwright::http::connections::ConnectionOptions;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Ask, At as _, Reply, Server, Setup, TestApp, read_chunk};

/// How long to wait for an event before the test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// An open event stream.
struct Events {
    head: Reply,
    socket: TcpStream,
    rest: String,
    blocks: VecDeque<String>,
}

/// An event: its id, its name and its data. Missing ones are empty.
type Event = (String, String, String);

impl Events {
    async fn open(server: &Server, ask: &Ask) -> Self {
        let mut socket = server.connect().await;
        socket.write_all(&ask.bytes(server.address)).await.unwrap();
        let head = timeout(TIME_LIMIT, Reply::read_head(&mut socket)).await.expect("an answer");
        assert_eq!(head.status, 200);
        Self { head, socket, rest: String::new(), blocks: VecDeque::new() }
    }

    /// The next block, which may be a comment; `None` when the stream has ended.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(block) = self.blocks.pop_front() {
                return Some(block);
            }
            let chunk = timeout(TIME_LIMIT, read_chunk(&mut self.socket)).await.expect("nothing came")?;
            self.rest += std::str::from_utf8(&chunk).expect("UTF-8");
            while let Some((block, rest)) = self.rest.split_once("\n\n") {
                self.blocks.push_back(block.to_owned());
                self.rest = rest.to_owned();
            }
        }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned()).unwrap_or_default()
            };
            if !block.lines().all(|line| line.starts_with(':')) {
                return Some((field("id"), field("event"), field("data")));
            }
        }
    }

    /// The id and the answer of a `next` event.
    async fn answer(&mut self) -> (String, Value) {
        let (id, event, data) = self.next().await.expect("another event");
        assert_eq!(event, "next");
        (id, serde_json::from_str(&data).expect("JSON"))
    }

    /// Fails unless the stream sends `complete` and ends.
    async fn completes(&mut self) {
        assert_eq!(self.next().await, Some((String::new(), "complete".into(), String::new())));
        assert_eq!(self.block().await, None);
    }
}

fn stream(query: &str, variables: Value) -> Ask {
    Ask::post(&json!({ "query": query, "variables": variables })).to("/graphql/stream").accept("text/event-stream")
}

const ANNOUNCED: &str = "subscription($after: String) { r: releaseAnnounced(after: $after) { kind } }";

#[tokio::test]
async fn a_query_and_a_mutation_have_one_answer_and_an_end() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    for accept in ["text/event-stream", "*/*", "text/*", "application/json;q=0.5, text/event-stream"] {
        let ask = Ask::query("{ __typename }").to("/graphql/stream").accept(accept);
        let mut events = Events::open(&server, &ask.with("accept-encoding", "gzip")).await;
        assert_eq!(events.head.header("content-type").as_deref(), Some("text/event-stream; charset=utf-8"));
        assert_eq!(events.head.header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(events.head.header("content-encoding"), None, "events wait for nobody");
        assert_eq!(events.block().await.as_deref(), Some(":"), "something comes at once");
        assert_eq!(events.answer().await, (String::new(), json!({ "data": { "__typename": "Query" } })));
        events.completes().await;
    }
    let mut events = Events::open(&server, &stream("mutation { __typename }", json!({}))).await;
    assert_eq!(events.answer().await.1, json!({ "data": { "__typename": "Mutation" } }));
    events.completes().await;
    let by_get = Ask::new("GET", "/graphql/stream?query=%7B__typename%7D").accept("text/event-stream");
    let mut events = Events::open(&server, &by_get).await;
    assert_eq!(events.answer().await.1, json!({ "data": { "__typename": "Query" } }));
    events.completes().await;
}

#[tokio::test]
async fn a_failed_execution_is_sent_as_an_event() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nowhere }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nowhere }", "GRAPHQL_VALIDATION_FAILED"),
    ] {
        let mut events = Events::open(&server, &stream(query, json!({})).token(&app.publisher)).await;
        let (id, answer) = events.answer().await;
        assert_eq!((id.as_str(), answer.text("/errors/0/extensions/code").as_str()), ("", code));
        assert_eq!(answer.get("data"), None);
        events.completes().await;
    }
}

#[tokio::test]
async fn an_invalid_request_is_refused_as_json() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let good = stream("{ __typename }", json!({}));
    let post = Ask::new("POST", "/graphql/stream").accept("text/event-stream");
    for (ask, status) in [
        (good.clone().token("nonsense"), 401),
        (Ask::query("{ __typename }").to("/graphql/stream").accept("application/json"), 406),
        (Ask::query("{ __typename }").to("/graphql/stream").accept("text/event-stream;q=0"), 406),
        (Ask::new("PUT", "/graphql/stream").accept("*/*"), 405),
        (Ask::new("DELETE", "/graphql/stream?operationId=1"), 405),
        (Ask::new("GET", "/graphql/stream?query=mutation%7B__typename%7D").accept("text/event-stream"), 405),
        (Ask::new("GET", "/graphql/stream").accept("text/event-stream"), 400),
        (post.clone().with("content-type", "application/json").body("{"), 400),
        (post.clone().with("content-type", "application/json").body("[]"), 400),
        (post.with("content-type", "text/plain").body("{}"), 415),
    ] {
        let reply = server.send(&ask).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        assert_eq!(reply.header("content-type").as_deref(), Some("application/json; charset=utf-8"));
        assert!(!reply.code().is_empty());
    }
    let token = format!("/graphql/stream?token={}", app.publisher);
    let mut events = Events::open(&server, &stream("{ viewer { role } }", json!({})).to(&token)).await;
    assert_eq!(events.answer().await.1.text("/errors/0/extensions/code"), "UNAUTHENTICATED", "no token in the address");
}

#[tokio::test]
async fn an_event_has_its_cursor_as_id_though_the_document_does_not_select_it() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let cursor = app.cursor(&app.publisher).await;
    app.release_now(&pack.id).await;
    let with_cursor = "subscription($after: String) { releaseAnnounced(after: $after) { kind cursor } }";
    let mut plain = Events::open(&server, &stream(ANNOUNCED, json!({ "after": cursor })).token(&app.publisher)).await;
    let mut stream_events =
        Events::open(&server, &stream(with_cursor, json!({ "after": cursor })).token(&app.publisher)).await;
    for kind in ["RELEASE_STARTED", "RELEASE_COMPLETED"] {
        let (id, answer) = plain.answer().await;
        assert_eq!(answer.text("/data/r/kind"), kind);
        let (same, answer) = stream_events.answer().await;
        assert_eq!(answer.text("/data/releaseAnnounced/cursor"), same);
        assert_eq!(id, same);
    }
}

#[tokio::test]
async fn a_subscriber_that_reconnects_misses_nothing_and_gets_nothing_twice() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let beginning = app.cursor(&app.publisher).await;
    app.release_now(&pack.id).await;
    let ask = stream(ANNOUNCED, json!({ "after": beginning })).token(&app.publisher);
    let mut first = Events::open(&server, &ask).await;
    let (id, answer) = first.answer().await;
    assert_eq!(answer.text("/data/r/kind"), "RELEASE_STARTED");
    drop(first);
    // The document still has its original `after`.
    let mut again = Events::open(&server, &ask.clone().with("last-event-id", &id)).await;
    let (id, answer) = again.answer().await;
    assert_eq!(answer.text("/data/r/kind"), "RELEASE_COMPLETED");
    drop(again);
    app.update_now(&pack).await;
    // A document without `after` resumes too.
    let bare = stream("subscription { r: releaseAnnounced { kind } }", json!({})).token(&app.publisher);
    let mut third = Events::open(&server, &bare.with("last-event-id", &id)).await;
    assert_eq!(third.answer().await.1.text("/data/r/kind"), "RELEASE_STARTED");
    // An empty `Last-Event-ID` is ignored.
    let mut anew = Events::open(&server, &ask.clone().with("last-event-id", "")).await;
    assert_eq!(anew.answer().await.1.text("/data/r/kind"), "RELEASE_STARTED");
    let mut wrong = Events::open(&server, &ask.with("last-event-id", "nonsense")).await;
    assert_eq!(wrong.answer().await.1.text("/errors/0/extensions/code"), "BAD_USER_INPUT");
    wrong.completes().await;
}

#[tokio::test]
async fn r49_a_last_event_id_of_another_database_or_of_a_log_that_was_cut_is_told() {
    let settings = packwright::service::Settings { keep_events_days: 1, ..Default::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    let server = Server::start(&app).await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let beginning = app.cursor(&app.publisher).await;
    app.release_now(&pack.id).await;
    let ask = stream(ANNOUNCED, json!({ "after": beginning })).token(&app.publisher);
    let id = Events::open(&server, &ask).await.answer().await.0;
    // A cursor of another database. Its position may exist here, but the cursor belongs to another account.
    let other = TestApp::new().await;
    let elsewhere = other.pack_with("Orders", &["Import"]).await;
    other.release_now(&elsewhere.id).await;
    for foreign in [other.cursor(&other.publisher).await, app.cursor(&acme.token).await] {
        let mut wrong = Events::open(&server, &ask.clone().with("last-event-id", &foreign)).await;
        let (stream_events, answer) = wrong.answer().await;
        assert_eq!((stream_events.as_str(), answer.text("/errors/0/extensions/code").as_str()), ("", "BAD_USER_INPUT"));
        wrong.completes().await;
    }
    app.half_days_to("2026-11-25T09:00:00Z").await;
    let mut cut = Events::open(&server, &ask.clone().with("last-event-id", &id)).await;
    let (stream_events, answer) = cut.answer().await;
    assert_eq!((stream_events.as_str(), answer.text("/errors/0/extensions/code").as_str()), ("", "CURSOR_EXPIRED"));
    cut.completes().await;
    // The error contains a cursor to continue after.
    let oldest = answer.text("/errors/0/extensions/oldestCursor");
    app.update_now(&pack).await;
    let mut on = Events::open(&server, &ask.with("last-event-id", &oldest)).await;
    assert_eq!(on.answer().await.1.text("/data/r/kind"), "RELEASE_STARTED");
}

#[tokio::test]
async fn progress_completes_with_its_release() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    let query = "subscription($id: ID!) { releaseProgress(releaseId: $id) { cursor release { state } } }";
    let mut events = Events::open(&server, &stream(query, json!({ "id": release })).token(&app.publisher)).await;
    let (id, answer) = events.answer().await;
    assert_eq!(answer.text("/data/releaseProgress/release/state"), "SCHEDULED");
    assert_eq!(answer.text("/data/releaseProgress/cursor"), id);
    app.advance_to("2026-11-30T23:00:00Z").await;
    let mut last = String::new();
    while last != "SUCCEEDED" {
        last = events.answer().await.1.text("/data/releaseProgress/release/state");
    }
    events.completes().await;
}

#[tokio::test]
async fn silence_is_filled_with_comments() {
    let app = TestApp::new().await;
    let options = HttpOptions { keep_alive: Duration::from_millis(20), ..HttpOptions::default() };
    let server = Server::with(&app, options, ConnectionOptions::default()).await;
    let mut events = Events::open(&server, &stream(ANNOUNCED, json!({})).token(&app.publisher)).await;
    for _ in 0..4 {
        assert_eq!(events.block().await.as_deref(), Some(":"));
    }
}

#[tokio::test]
async fn a_server_that_ends_breaks_off_so_that_the_client_comes_back() {
    let app = TestApp::new().await;
    let mut server = Server::start(&app).await;
    let mut events = Events::open(&server, &stream(ANNOUNCED, json!({})).token(&app.publisher)).await;
    assert_eq!(events.block().await.as_deref(), Some(":"));
    server.end.send_replace(true);
    assert_eq!(events.next().await, None, "no complete");
    timeout(TIME_LIMIT, &mut server.task).await.expect("the server ends").unwrap();
}

#[tokio::test]
async fn r49_a_revoked_token_ends_its_stream() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let input = json!({ "name": "listener", "role": "SUPPORT" });
    let made = app.ok(&app.publisher, "createApiToken", input, "apiToken { id } secret").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let cursor = app.cursor(&app.publisher).await;
    app.release_now(&pack.id).await;
    let ask = stream(ANNOUNCED, json!({ "after": cursor })).token(&made.text("/secret"));
    let mut events = Events::open(&server, &ask).await;
    for kind in ["RELEASE_STARTED", "RELEASE_COMPLETED"] {
        assert_eq!(events.answer().await.1.text("/data/r/kind"), kind);
    }
    app.ok(&app.publisher, "revokeApiToken", json!({ "tokenId": made.text("/apiToken/id") }), "apiToken { id }").await;
    app.update_now(&pack).await;
    let (id, answer) = events.answer().await;
    assert_eq!((id.as_str(), answer.text("/errors/0/extensions/code").as_str()), ("", "UNAUTHENTICATED"));
    events.completes().await;
}
