//! Slow connections, and too many connections.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use packwright::http::HttpOptions;
use packwright::http::connections::ConnectionOptions;
use packwright::http::connections::peers::{Peers, forwarded_for, is_trusted};
use packwright::http::connections::progress::{Overdue, Progress, Timers};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::{Ask, At as _, Reply, Server, TestApp};

/// A time limit that a test never reaches.
const LONG: Duration = Duration::from_secs(300);
const SHORT: Duration = Duration::from_millis(60);

fn timers() -> Timers {
    Timers { head: LONG, idle: LONG, write: LONG }
}

async fn serving(app: &TestApp, timers: Timers) -> Server {
    Server::with(app, HttpOptions::default(), ConnectionOptions { timers, ..ConnectionOptions::default() }).await
}

/// Everything that the server sends until it closes the connection.
async fn to_the_end(socket: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    // A reset connection is closed too.
    let _ = timeout(Duration::from_secs(20), socket.read_to_end(&mut rest)).await.expect("the connection is closed");
    String::from_utf8(rest).unwrap()
}

#[tokio::test]
async fn headers_that_do_not_come_are_not_waited_for() {
    let app = TestApp::new().await;
    let server = serving(&app, Timers { head: SHORT, ..timers() }).await;
    for begun in ["", "POST /graphql HTTP/1.1\r\nhost: a\r\nx-slow: "] {
        let mut socket = server.connect().await;
        socket.write_all(begun.as_bytes()).await.unwrap();
        let reply = Reply::read(&mut socket).await;
        assert_eq!((reply.status, reply.code().as_str()), (408, "TIMEOUT"), "{begun}");
        assert!(reply.json().text("/errors/0/message").contains("0.06"), "{}", reply.text());
        assert_eq!(to_the_end(&mut socket).await, "");
    }
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_help() {
    let app = TestApp::new().await;
    let server = serving(&app, Timers { head: SHORT, ..timers() }).await;
    let mut socket = server.connect().await;
    let began = std::time::Instant::now();
    let trickle = async {
        socket.write_all(b"GET /livez HTTP/1.1\r\nx: ").await.unwrap();
        while socket.write_all(b"y").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), trickle).await.expect("the connection is closed");
    assert!(began.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_after_a_while() {
    let app = TestApp::new().await;
    let server = serving(&app, Timers { idle: SHORT, ..timers() }).await;
    let mut socket = server.connect().await;
    socket.write_all(&Ask::query("{ __typename }").bytes(server.address)).await.unwrap();
    assert_eq!(Reply::read(&mut socket).await.status, 200);
    assert_eq!(to_the_end(&mut socket).await, "");
    // The headers of the second request have a time limit of their own.
    let head = Duration::from_millis(1_500);
    let server = serving(&app, Timers { head, ..timers() }).await;
    let mut socket = server.connect().await;
    socket.write_all(&Ask::query("{ __typename }").bytes(server.address)).await.unwrap();
    assert_eq!(Reply::read(&mut socket).await.status, 200);
    tokio::time::sleep(head + SHORT).await;
    socket.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(Reply::read(&mut socket).await.status, 408);
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let app = TestApp::new().await;
    let server = serving(&app, Timers { write: SHORT, ..timers() }).await;
    let mut socket = server.connect().await;
    let ask =
        Ask::query("{ __schema { types { name description fields { name description } } } }").bytes(server.address);
    // Sends requests without reading the answers, until the server closes the connection.
    let flood = async { while socket.write_all(&ask).await.is_ok() {} };
    timeout(Duration::from_secs(60), flood).await.expect("the connection is closed");
}

#[tokio::test]
async fn an_open_stream_is_no_idle_connection() {
    let app = TestApp::new().await;
    let options = HttpOptions { keep_alive: SHORT, ..HttpOptions::default() };
    let connections = ConnectionOptions {
        timers: Timers { head: 10 * SHORT, idle: SHORT, write: LONG },
        ..ConnectionOptions::default()
    };
    let server = Server::with(&app, options, connections).await;
    let mut socket = server.connect().await;
    let ask = Ask::query("subscription { releaseAnnounced { kind } }").to("/graphql/stream").token(&app.publisher);
    socket.write_all(&ask.bytes(server.address)).await.unwrap();
    assert_eq!(Reply::read_head(&mut socket).await.status, 200);
    let mut received = Vec::new();
    while received.len() < 40 {
        assert!(socket.read_buf(&mut received).await.unwrap() > 0, "the stream goes on");
    }
}

#[tokio::test]
async fn headers_are_bounded() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let ask = |length: usize| Ask::query("{ __typename }").with("x-long", &"x".repeat(length));
    assert_eq!(server.send(&ask(60 * 1024)).await.status, 200);
    assert_eq!(server.send(&ask(64 * 1024)).await.status, 431);
    let small = ConnectionOptions { head_limit: 2_048, ..ConnectionOptions::default() };
    let server = Server::with(&app, HttpOptions::default(), small).await;
    assert_eq!(server.send(&ask(1_024)).await.status, 200);
    assert_eq!(server.send(&ask(2_048)).await.status, 431);
}

#[tokio::test]
async fn connections_are_bounded_in_all_and_for_each_peer() {
    let app = TestApp::new().await;
    for (options, status, code) in [
        (ConnectionOptions { max: 2, ..ConnectionOptions::default() }, 503, "UNAVAILABLE"),
        (ConnectionOptions { max_per_peer: 2, ..ConnectionOptions::default() }, 429, "RATE_LIMITED"),
    ] {
        let server = Server::with(&app, HttpOptions::default(), options).await;
        let (mut first, second) = (server.connect().await, server.connect().await);
        let ask = Ask::query("{ __typename }").bytes(server.address);
        let reply = server.raw(&ask).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code));
        assert!(reply.json().text("/errors/0/message").contains('2'), "{}", reply.text());
        assert!(reply.header("retry-after").is_some());
        first.write_all(&ask).await.unwrap();
        assert_eq!(Reply::read(&mut first).await.status, 200, "those that are there are served");
        drop(second);
        // The server notices the closed connection a moment later.
        let again = async { while server.raw(&ask).await.status != 200 {} };
        timeout(Duration::from_secs(20), again).await.expect("there is a place again");
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_counted_and_not_the_proxy() {
    let app = TestApp::new().await;
    let options = ConnectionOptions {
        max_per_peer: 1,
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..ConnectionOptions::default()
    };
    let server = Server::with(&app, HttpOptions::default(), options).await;
    let stream = |client: &str| {
        let ask = Ask::query("subscription { releaseAnnounced { kind } }").to("/graphql/stream");
        ask.token(&app.publisher).with("x-forwarded-for", client).bytes(server.address)
    };
    let hello = |client: &str| Ask::query("{ __typename }").with("x-forwarded-for", client);
    let mut open = server.connect().await;
    open.write_all(&stream("203.0.113.7")).await.unwrap();
    assert_eq!(Reply::read_head(&mut open).await.status, 200);
    let reply = server.send(&hello("203.0.113.7")).await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "RATE_LIMITED"));
    assert_eq!(reply.header("retry-after").as_deref(), Some("1"));
    assert_eq!(server.send(&hello("198.51.100.1, 203.0.113.7")).await.status, 429, "what stands before is hearsay");
    assert_eq!(server.send(&hello("203.0.113.8")).await.status, 200);
    assert_eq!(server.send(&Ask::query("{ __typename }")).await.status, 200, "the proxy itself is not counted");
    drop(open);
    let again = async { while server.send(&hello("203.0.113.7")).await.status != 200 {} };
    timeout(Duration::from_secs(20), again).await.expect("there is a place again");
}

#[tokio::test]
async fn a_server_that_ends_answers_pending_requests_and_closes() {
    let app = TestApp::new().await;
    let mut server = Server::start(&app).await;
    let mut idle = server.connect().await;
    idle.write_all(&Ask::query("{ __typename }").bytes(server.address)).await.unwrap();
    assert_eq!(Reply::read(&mut idle).await.status, 200);
    server.end.send_replace(true);
    assert_eq!(to_the_end(&mut idle).await, "");
    timeout(Duration::from_secs(20), &mut server.task).await.expect("the server ends").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody is let in any more");
}

#[tokio::test(start_paused = true)]
async fn each_stage_has_its_time() {
    let timers =
        Timers { head: Duration::from_secs(10), idle: Duration::from_secs(60), write: Duration::from_secs(30) };
    let at = |seconds| Instant::now() + Duration::from_secs(seconds);
    let mut progress = Progress::new(at(0));
    assert_eq!(progress.deadline(&timers), Some((at(10), Overdue::Head)));
    assert!(!progress.read(at(5)), "bytes don't buy time");
    assert_eq!(progress.deadline(&timers), Some((at(10), Overdue::Head)));
    progress.serving();
    assert_eq!(progress.deadline(&timers), None);
    assert!(!progress.read(at(8)), "nor do they cost any while a request is answered");
    assert!(progress.answered(at(20)));
    assert_eq!(progress.deadline(&timers), Some((at(80), Overdue::Idle)));
    assert!(progress.read(at(50)));
    assert_eq!(progress.deadline(&timers), Some((at(60), Overdue::Head)));
    progress.serving();
    assert!(progress.blocked(at(100)) && !progress.blocked(at(120)));
    assert_eq!(progress.deadline(&timers), Some((at(130), Overdue::Write)), "from the first time on");
    progress.answered(at(125));
    assert_eq!(progress.deadline(&timers), Some((at(130), Overdue::Write)), "what is answered is not yet read");
    assert!(progress.written());
    assert_eq!(progress.deadline(&timers), Some((at(185), Overdue::Idle)));
    progress.serving();
    progress.handed_over();
    assert!(!progress.answered(at(200)));
    assert_eq!(progress.deadline(&timers), None, "a WebSocket looks after itself");
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_client_is_the_last_that_no_trusted_proxy_is() {
    let proxies = ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"].map(|network| network.parse().unwrap());
    let client = |sender: &str, headers: &[&str]| {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append("x-forwarded-for", HeaderValue::from_bytes(header.as_bytes()).unwrap());
        }
        forwarded_for(&map, &proxies, ip(sender)).to_string()
    };
    for (sender, headers, expected) in [
        ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
        ("::ffff:10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", &["1.2.3.4, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", &["1.2.3.4, 203.0.113.7, 10.2.3.4", "192.0.2.1"], "203.0.113.7"),
        ("10.0.0.1", &["10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
        ("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
        ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", &["203.0.113.7, nonsense"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.7, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["203.0.113.7,"], "10.0.0.1"),
        ("10.0.0.1", &["ä"], "10.0.0.1"),
    ] {
        assert_eq!(client(sender, headers), expected, "{sender} {headers:?}");
    }
    assert!(is_trusted(&proxies, ip("10.255.0.1")) && !is_trusted(&proxies, ip("11.0.0.1")));
}

#[test]
fn a_peer_is_one_address_or_one_network_of_ipv6() {
    let peers = Peers::new(2);
    let enter = |text: &str| peers.enter(ip(text));
    let one = [enter("203.0.113.7"), enter("::ffff:203.0.113.7")];
    assert!(one.iter().all(Option::is_some));
    assert!(enter("203.0.113.7").is_none());
    assert!(enter("203.0.113.8").is_some());
    drop(one);
    assert!(enter("203.0.113.7").is_some());
    let network = [enter("2001:db8:0:1::1"), enter("2001:db8:0:1:ffff::2")];
    assert!(network.iter().all(Option::is_some));
    assert!(enter("2001:db8:0:1::3").is_none() && enter("2001:db8:0:2::1").is_some());
}
