//! Probes, browsers, incomplete requests, helpful refusals, and the share of the server that one account can use.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use packwright::cli::files::{Granted, granted};
use packwright::http::connections::ConnectionOptions;
use packwright::http::workload::{Busy, Owner, WorkOptions, Workload};
use packwright::http::{EngineOptions, HttpOptions};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::support::{Ask, At as _, Reply, Server, Setup, TestApp};

const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const TIME_LIMIT: Duration = Duration::from_secs(60);

async fn with(app: &TestApp, http: HttpOptions) -> Server {
    Server::with(app, http, ConnectionOptions::default()).await
}

#[tokio::test]
async fn probes_are_answered_whatever_the_host() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    for path in ["/livez", "/readyz"] {
        for host in ["10.1.2.3:8080", "localhost", "evil.example", ""] {
            assert_eq!(server.send(&Ask::new("GET", path).with("host", host)).await.status, 200, "{path} {host}");
        }
        let old = server.raw(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await;
        assert_eq!(old.status, 200, "without a host at all");
    }
    assert_eq!(server.send(&Ask::new("GET", "/livez/").with("host", "evil.example")).await.status, 421);
}

#[tokio::test]
async fn a_refused_host_and_a_refused_origin_are_named_with_the_option_that_lets_them_in() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let message = |reply: &Reply| reply.json().text("/errors/0/message");
    let hello = || Ask::query("{ __typename }");
    let host = server.send(&hello().with("host", "api.example.com:8443")).await;
    assert_eq!(host.status, 421);
    for part in ["`api.example.com:8443`", "--public-host api.example.com`"] {
        assert!(message(&host).contains(part), "{}", message(&host));
    }
    let origin = server.send(&hello().with("origin", "http://localhost:5173")).await;
    assert_eq!(origin.status, 403);
    for part in ["`http://localhost:5173`", "--cors-origin http://localhost:5173`", "`Host`"] {
        assert!(message(&origin).contains(part), "{}", message(&origin));
    }
    let unnamed = server.send(&hello().with("sec-fetch-site", "cross-site")).await;
    assert_eq!(unnamed.status, 403);
    assert!(message(&unnamed).contains("Sec-Fetch-Site"), "{}", message(&unnamed));
    let long = server.send(&hello().with("host", &"a".repeat(5_000))).await;
    assert!(message(&long).len() < 500, "{}", message(&long));
    let lying = hello().with("origin", "http://localhost:5173").with("sec-fetch-site", "same-origin");
    assert_eq!(server.send(&lying).await.status, 403, "what a browser says alone lets nobody in");
}

#[tokio::test]
async fn a_client_that_closes_its_half_after_the_request_gets_the_answer() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let host = server.address;
    let get = format!("GET /readyz HTTP/1.1\r\nhost: {host}\r\n\r\n").into_bytes();
    let post = Ask::query("{ viewer { account { id } } }").token(&app.publisher).bytes(host);
    for request in [get, post] {
        let mut socket = server.connect().await;
        socket.write_all(&request).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = String::new();
        timeout(TIME_LIMIT, socket.read_to_string(&mut answer)).await.expect("and the end").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn a_server_that_ends_closes_idle_connections_and_answers_a_begun_check_503() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let get = Ask::new("GET", "/readyz").bytes(server.address);
    let (first, rest) = get.split_at(get.len() - 2);
    let [mut begun, mut idle, mut untouched] = [server.connect().await, server.connect().await, server.connect().await];
    begun.write_all(first).await.unwrap();
    idle.write_all(&get).await.unwrap();
    assert_eq!(Reply::read(&mut idle).await.status, 200);
    server.end.send_replace(true);
    for socket in [&mut idle, &mut untouched] {
        let mut rest = Vec::new();
        timeout(TIME_LIMIT, socket.read_to_end(&mut rest)).await.expect("the end").unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    }
    begun.write_all(rest).await.unwrap();
    let mut answer = String::new();
    timeout(TIME_LIMIT, begun.read_to_string(&mut answer)).await.expect("and the end").unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("the server ends"), "{answer}");
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err(), "it listens no more");
}

#[tokio::test]
async fn a_browser_is_redirected_to_graphiql_or_gets_a_page_that_says_what_this_is() {
    let app = TestApp::new().await;
    let with_graphiql = with(&app, HttpOptions { graphiql: true, ..HttpOptions::default() }).await;
    for (path, to) in [
        ("/", "graphiql"),
        ("/?utm_source=mail", "graphiql"),
        ("/graphql", "graphiql"),
        ("/graphql?x=1", "graphiql"),
        ("/graphql?operationName=A&variables=%7B%7D", "graphiql"),
        ("/graphql/", "../graphiql"),
        ("/graphql/?x=1", "../graphiql"),
        ("/graphiql/", "../graphiql"),
        ("/graphiql/?x=1", "../graphiql"),
    ] {
        let link = Ask::new("GET", path).accept(HTML).with("sec-fetch-site", "cross-site");
        let reply = with_graphiql.send(&link).await;
        assert_eq!((reply.status, reply.header("location").as_deref()), (303, Some(to)), "{path}");
    }
    assert_eq!(with_graphiql.send(&Ask::new("GET", "/graphiql").accept(HTML)).await.status, 200);
    let plain = Server::start(&app).await;
    for (path, status) in [
        ("/", 200),
        ("/graphql", 200),
        ("/graphql/", 200),
        ("/graphql?x=1", 200),
        ("/graphiql", 404),
        ("/graphiql/", 404),
    ] {
        let reply = plain.send(&Ask::new("GET", path).accept(HTML)).await;
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.header("content-type").is_some_and(|of| of.starts_with("text/html")), "{path}");
        assert!(reply.text().contains("GraphQL") && reply.text().contains("--graphiql"), "{path}");
    }
    // A program gets the same answers as before.
    for server in [&with_graphiql, &plain] {
        assert_eq!(server.send(&Ask::get(&[("query", "{ __typename }")]).accept(HTML)).await.status, 200);
        for asks in ["query=%7B+a+%7D", "documentId=x", "id=x", "extensions=%7B%7D", "query="] {
            let reply = server.send(&Ask::new("GET", &format!("/graphql?{asks}")).accept(HTML)).await;
            assert!(!reply.code().is_empty(), "{asks} asks for an answer");
        }
        assert_eq!(server.send(&Ask::new("GET", "/graphql?x=1").accept("*/*")).await.status, 400);
        assert_eq!(server.send(&Ask::new("GET", "/graphql/").accept("*/*")).await.code(), "NOT_FOUND");
        assert_eq!(server.send(&Ask::new("GET", "/graphql").accept("*/*")).await.status, 400);
        assert_eq!(server.send(&Ask::new("GET", "/graphql").accept("application/json, text/html")).await.status, 400);
        assert_eq!(server.send(&Ask::new("GET", "/")).await.code(), "NOT_FOUND");
        assert_eq!(server.send(&Ask::query("{ __typename }").accept("text/html, */*")).await.status, 200);
    }
}

#[tokio::test]
async fn the_schema_has_an_etag() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let reply = server.send(&Ask::new("GET", "/schema.graphql")).await;
    assert_eq!((reply.status, reply.text()), (200, packwright::graphql::sdl()));
    let tag = reply.header("etag").expect("a tag");
    let again = |tag: &str| Ask::new("GET", "/schema.graphql").with("if-none-match", tag);
    for tags in [tag.clone(), format!("\"other\", W/{tag}")] {
        let mut socket = server.connect().await;
        socket.write_all(&again(&tags).bytes(server.address)).await.unwrap();
        assert_eq!(Reply::read_head(&mut socket).await.status, 304, "{tags}");
    }
    assert_eq!(server.send(&again("\"other\"")).await.status, 200);
    let trusted = with(&app, HttpOptions { trusted_only: true, ..HttpOptions::default() }).await;
    assert_eq!(trusted.send(&Ask::new("GET", "/schema.graphql")).await.status, 404);
}

#[tokio::test]
async fn a_full_server_still_answers_probes() {
    let app = TestApp::new().await;
    for (options, status) in [
        (ConnectionOptions { max: 1, ..ConnectionOptions::default() }, 503),
        (ConnectionOptions { max_per_peer: 1, ..ConnectionOptions::default() }, 429),
    ] {
        let server = Server::with(&app, HttpOptions::default(), options).await;
        let guest = server.connect().await;
        let hello = Ask::query("{ __typename }").body("x".repeat(200_000));
        for _ in 0..20 {
            for path in ["/livez", "/readyz"] {
                assert_eq!(server.send(&Ask::new("GET", path)).await.status, 200, "{path}");
            }
            let reply = server.send(&hello).await;
            assert_eq!(reply.status, status);
            assert_eq!(reply.header("connection").as_deref(), Some("close"));
        }
        // A client that sends nothing also gets the refusal.
        let mut silent = server.connect().await;
        assert_eq!(Reply::read(&mut silent).await.status, status);
        drop(guest);
    }
}

#[test]
fn files_bound_the_connections_that_are_promised() {
    let all = |connections| Granted { connections, short_of: None };
    assert_eq!(granted(None, 10_000, 150), all(10_000));
    assert_eq!(granted(Some(10_150), 10_000, 150), all(10_000));
    assert_eq!(granted(Some(1_024), 10_000, 150), Granted { connections: 874, short_of: Some(1_024) });
    assert_eq!(granted(Some(100), 10_000, 150), Granted { connections: 1, short_of: Some(100) });
}

fn account(n: u128) -> Owner {
    Owner::Account(Uuid::from_u128(n))
}

#[tokio::test(start_paused = true)]
async fn an_account_has_a_quarter_of_the_work_and_the_next_operation_waits() {
    let workload = Workload::new(WorkOptions { cost: 400, operations: 3, memory_kib: 40 });
    let acquire = async |owner, cost| workload.acquire(owner, false, cost, Duration::from_secs(10)).await;
    let mut first = acquire(account(1), 60).await.expect("room");
    let _second = acquire(account(1), 40).await.expect("just as much as there is");
    let began = Instant::now();
    assert_eq!(acquire(account(1), 1).await.expect_err("no more"), Busy::Owner);
    assert_eq!(began.elapsed(), Duration::from_secs(10), "it has waited");
    assert!(acquire(account(2), 100).await.is_ok(), "another has its own");
    assert!(workload.acquire(account(1), true, 100, Duration::ZERO).await.is_ok(), "reads don't keep writes waiting");
    // An answer that waits for its client is charged by its size.
    first.answered(10 * 1024);
    let third = acquire(account(1), 50).await.expect("what the first has given back");
    drop(third);
    drop(first);
    assert!(acquire(account(1), 5_000).await.is_err(), "what costs more than a share waits for all of it");
    // All accounts together.
    let mut owners = Vec::new();
    for n in 10..13 {
        owners.push(acquire(account(n), 100).await.expect("a quarter each"));
    }
    assert_eq!(acquire(account(13), 61).await.expect_err("no room in the house"), Busy::Server);
    assert!(acquire(account(13), 60).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn few_operations_of_one_account_run_and_a_hundred_wait() {
    let workload = std::sync::Arc::new(Workload::new(WorkOptions { operations: 2, ..WorkOptions::default() }));
    let running = [
        workload.acquire(account(1), false, 1, TIME_LIMIT).await,
        workload.acquire(account(1), false, 1, TIME_LIMIT).await,
    ];
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            tokio::spawn({
                let workload = workload.clone();
                async move { workload.acquire(account(1), false, 1, TIME_LIMIT).await.map(drop) }
            })
        })
        .collect();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    assert_eq!(workload.acquire(account(1), false, 1, TIME_LIMIT).await.expect_err("too many wait"), Busy::Owner);
    assert_eq!(began.elapsed(), Duration::ZERO, "it is told at once");
    drop(running);
    for one in waiting {
        assert!(one.await.unwrap().is_ok(), "each has had its turn");
    }
}

#[test]
fn waiting_requests_and_open_subscriptions_are_bounded() {
    let workload = Workload::new(WorkOptions { memory_kib: 40, ..WorkOptions::default() });
    let first = workload.reserve(account(1), 10 * 1024).expect("a quarter");
    assert_eq!(workload.reserve(account(1), 1).expect_err("full"), Busy::Owner);
    let others: Vec<_> = (2..5).map(|n| workload.reserve(account(n), 10 * 1024).expect("a quarter")).collect();
    assert_eq!(workload.reserve(account(9), 1).expect_err("full"), Busy::Server);
    drop((first, others));
    assert!(workload.reserve(account(1), 10 * 1024).is_ok());
}

async fn limited(peer: u64) -> TestApp {
    let engine = EngineOptions { peer_cost_per_minute: NonZeroU64::new(peer), ..EngineOptions::default() };
    TestApp::with(Setup { engine, ..Setup::default() }).await
}

#[tokio::test]
async fn introspection_is_charged_to_the_address_and_its_answer_is_kept() {
    let app = limited(2_000).await;
    let server = Server::start(&app).await;
    let ask = |name: &str| Ask::query(&format!("query {name} {{ __schema {{ types {{ name fields {{ name }} }} }} }}"));
    let first = server.send(&ask("A")).await;
    assert_eq!(first.status, 200);
    let left = |reply: &Reply| {
        reply.header("x-ratelimit-remaining").and_then(|left| left.parse::<u64>().ok()).expect("what is left")
    };
    assert_eq!(left(&first), 0, "it has cost more than a minute has");
    let refused = server.send(&ask("B")).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "RATE_LIMITED"));
    assert!(refused.header("retry-after").is_some());
    // With a token the token is charged.
    let own = server.send(&ask("B").token(&app.publisher)).await;
    assert_eq!(own.status, 200);
    // The answer is cached, so asking again costs almost nothing.
    let app = limited(100_000).await;
    let server = Server::start(&app).await;
    let (first, again, other) =
        (server.send(&ask("A")).await, server.send(&ask("A")).await, server.send(&ask("B")).await);
    assert_eq!(first.json(), again.json());
    assert!(left(&again) + 1_000 > left(&first), "{} and then {}", left(&first), left(&again));
    assert!(left(&other) + 5_000 < left(&again), "another document: {} and then {}", left(&again), left(&other));
    // Different variables have a different answer.
    let named = |name: &str| {
        Ask::post(&json!({ "query": "query($n: String!) { __type(name: $n) { name } }", "variables": { "n": name } }))
    };
    for name in ["Query", "Mutation", "Query"] {
        assert_eq!(server.send(&named(name)).await.json().text("/data/__type/name"), name);
    }
    assert!(server.send(&named("Nope")).await.json().at("/data/__type").is_null());
}

#[tokio::test]
async fn refused_tokens_are_counted_by_address_and_good_ones_still_pass() {
    let app = limited(100_000).await;
    let server = Server::start(&app).await;
    let hello = |token: &str| Ask::query("{ viewer { account { id } } }").token(token);
    assert_eq!(server.send(&hello(&app.publisher)).await.status, 200);
    let mut statuses = Vec::new();
    for n in 0..12 {
        statuses.push(server.send(&hello(&format!("guess-{n}"))).await.status);
    }
    assert_eq!(statuses[..9], [401; 9]);
    assert_eq!(statuses[11], 429, "{statuses:?}");
    assert_eq!(server.send(&hello(&app.publisher)).await.status, 200, "a neighbour with a good token");
    assert_eq!(server.send(&Ask::query("{ __typename }")).await.status, 200, "without a token nothing is tried");
}

#[tokio::test]
async fn a_neighbour_is_answered_while_an_account_does_its_worst() {
    let work = WorkOptions { operations: 2, ..WorkOptions::default() };
    let app =
        TestApp::with(Setup { engine: EngineOptions { work, ..EngineOptions::default() }, ..Setup::default() }).await;
    let neighbour = app.managed("Acme").await;
    let server = std::sync::Arc::new(Server::start(&app).await);
    // The most expensive operation that is allowed, again and again.
    let worst: String = (0..4).map(|n| format!("a{n}: managedAccounts(first: 1, filter: {{ search: \"q{n}\" }}) {{ totalCount edges {{ node {{ id }} }} }} ")).collect();
    let hostile: Vec<_> = (0..60)
        .map(|_| {
            tokio::spawn({
                let (server, ask) = (server.clone(), Ask::query(&format!("{{ {worst} }}")).token(&app.publisher));
                async move {
                    let mut statuses = Vec::new();
                    for _ in 0..5 {
                        statuses.push(server.send(&ask).await.status);
                    }
                    statuses
                }
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let began = Instant::now();
        let reply = server.send(&Ask::query("{ viewer { account { id } } }").token(&neighbour.token)).await;
        assert_eq!((reply.status, reply.json().get("errors")), (200, None));
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_secs(8), "{slowest:?}");
    for one in hostile {
        assert!(one.await.unwrap().iter().all(|status| [200, 429].contains(status)));
    }
}

#[test]
fn a_peer_without_a_token_has_a_share_too() {
    let workload = Workload::new(WorkOptions { memory_kib: 40, ..WorkOptions::default() });
    let peer = |text: &str| Owner::Peer(text.parse::<IpAddr>().unwrap());
    let _full = workload.reserve(peer("203.0.113.7"), 10 * 1024).expect("a quarter");
    assert!(workload.reserve(peer("203.0.113.7"), 1).is_err() && workload.reserve(peer("203.0.113.8"), 1).is_ok());
}
