//! `graphql-transport-ws` on a real listener: the handshake, and behavior that only a real server has.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use packwright::http::HttpOptions;
use packwright::http::connections::ConnectionOptions;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::accounts::jwt_issuer::SigningKey;
use crate::accounts::pipeline_issuer::PipelineIssuer;
use crate::support::{Ask, At as _, Server, TestApp};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A handshake, to which headers can be added.
fn handshake(protocol: &str) -> Ask {
    Ask::new("GET", "/graphql")
        .with("connection", "Upgrade")
        .with("upgrade", "websocket")
        .with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .with("sec-websocket-version", "13")
        .with("sec-websocket-protocol", protocol)
}

pub(crate) async fn connect(server: &Server) -> Socket {
    connect_with(server, &[]).await
}

async fn connect_with(server: &Server, headers: &[(&'static str, &str)]) -> Socket {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let mut request = format!("ws://{}/graphql", server.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    tokio_tungstenite::connect_async(request).await.expect("the upgrade").0
}

pub(crate) async fn send_json(socket: &mut Socket, message: Value) {
    socket.send(Message::text(message.to_string())).await.expect("sent");
}

/// The next message other than a ping; `{ "closed": code, "reason": … }` for the end.
pub(crate) async fn receive_json(socket: &mut Socket) -> Value {
    loop {
        let next = timeout(Duration::from_secs(20), socket.next()).await.expect("nothing came");
        match next.expect("a message").expect("a sound message") {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                if message.text("/type") != "ping" {
                    return message;
                }
            }
            Message::Close(frame) => {
                let frame = frame.expect("a code");
                assert!(frame.reason.len() <= 123);
                return json!({ "closed": u16::from(frame.code), "reason": frame.reason.as_str() });
            }
            _ => {}
        }
    }
}

async fn authenticated(server: &Server, token: Option<&str>) -> Socket {
    let mut socket = connect(server).await;
    let payload = token.map(|token| json!({ "authorization": format!("Bearer {token}") }));
    send_json(&mut socket, json!({ "type": "connection_init", "payload": payload })).await;
    assert_eq!(receive_json(&mut socket).await, json!({ "type": "connection_ack" }));
    socket
}

fn subscribe(id: &str, query: &str) -> Value {
    json!({ "id": id, "type": "subscribe", "payload": { "query": query } })
}

#[tokio::test]
async fn one_sub_protocol_is_spoken() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    for offered in ["graphql-transport-ws", "graphql-ws, graphql-transport-ws", "graphql-transport-ws,other"] {
        let reply = server.send(&handshake(offered)).await;
        assert_eq!(reply.status, 101, "{offered}");
        assert_eq!(reply.header("sec-websocket-protocol").as_deref(), Some("graphql-transport-ws"));
        assert_eq!(reply.header("sec-websocket-accept").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
    for offered in ["graphql-ws", "graphql-transport-ws2", "other"] {
        let reply = server.send(&handshake(offered)).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "BAD_USER_INPUT"), "{offered}");
        assert_eq!(reply.header("sec-websocket-protocol"), None);
    }
    let bare = Ask::new("GET", "/graphql").with("connection", "upgrade").with("upgrade", "WebSocket");
    let bare = bare.with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(server.send(&bare.clone().with("sec-websocket-version", "13")).await.status, 400, "none is offered");
    let old = server.send(&bare.with("sec-websocket-version", "8")).await;
    assert_eq!((old.status, old.header("sec-websocket-version").as_deref()), (426, Some("13")));
    assert_eq!(old.code(), "BAD_USER_INPUT");
    let keyless = Ask::new("GET", "/graphql").with("connection", "upgrade").with("upgrade", "websocket");
    let keyless = keyless.with("sec-websocket-version", "13").with("sec-websocket-protocol", "graphql-transport-ws");
    assert_eq!(server.send(&keyless).await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn the_origin_is_looked_at_before_the_upgrade() {
    let app = TestApp::new().await;
    let options = HttpOptions { cors_origins: vec!["https://app.example.com".into()], ..HttpOptions::default() };
    let server = Server::with(&app, options, ConnectionOptions::default()).await;
    let own = format!("http://{}", server.address);
    for (origin, status) in
        [(own.as_str(), 101), ("https://app.example.com", 101), ("https://evil.example", 403), ("null", 403)]
    {
        assert_eq!(
            server.send(&handshake("graphql-transport-ws").with("origin", origin)).await.status,
            status,
            "{origin}"
        );
    }
    let misdirected = handshake("graphql-transport-ws").with("host", "evil.example");
    assert_eq!(server.send(&misdirected).await.status, 421);
}

#[tokio::test]
async fn a_token_comes_with_the_first_message_or_the_handshake() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let viewer = subscribe("1", "{ viewer { role } }");
    for name in ["Authorization", "authorization", "AUTHORIZATION"] {
        let mut socket = connect(&server).await;
        let payload = json!({ name: format!("bearer {}", app.publisher), "other": [1] });
        send_json(&mut socket, json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(receive_json(&mut socket).await, json!({ "type": "connection_ack" }));
        send_json(&mut socket, viewer.clone()).await;
        assert_eq!(receive_json(&mut socket).await.text("/payload/data/viewer/role"), "ADMINISTRATOR");
    }
    for payload in [
        json!({ "Authorization": "Bearer nonsense" }),
        json!({ "Authorization": "Basic x" }),
        json!({ "Authorization": 1 }),
    ] {
        let mut socket = connect(&server).await;
        send_json(&mut socket, json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(receive_json(&mut socket).await, json!({ "closed": 4403, "reason": "Forbidden" }), "{payload}");
    }
    // A client without a token is anonymous.
    let mut socket = authenticated(&server, None).await;
    send_json(&mut socket, viewer).await;
    let answer = receive_json(&mut socket).await;
    assert_eq!(
        (answer.text("/type"), answer.text("/payload/errors/0/extensions/code")),
        ("next".into(), "UNAUTHENTICATED".into())
    );
}

#[tokio::test]
async fn r70_a_pipelines_account_comes_with_the_first_message_or_the_handshake() {
    let key = SigningKey::ed("ed");
    let issuer = PipelineIssuer::start(&[&key]).await;
    let app = issuer.app().await;
    let acme = app.managed("Acme").await;
    for token in [&app.publisher, &acme.token] {
        app.trust(token, "Deploy", &issuer.url, &[("repository", "acme/orders")], "SUPPORT").await;
    }
    let bearer = format!("Bearer {}", key.jwt(&issuer.claims(&app)));
    let server = Server::start(&app).await;
    let viewer = subscribe("1", "{ viewer { account { name } } }");
    let (none, with) = (json!(null), [("x-packwright-account", acme.id.as_str())]);
    for (headers, named, seen) in [
        (&with[..0], json!(acme.id), Some("Acme")),
        (&with[..], none.clone(), Some("Acme")),
        (&[("x-packwright-account", "Globex")][..], json!(acme.id), Some("Acme")),
        (&with[..0], none, None),
        (&with[..], json!("Globex"), None),
        (&with[..], json!(1), None),
    ] {
        let mut socket = connect_with(&server, headers).await;
        let payload = json!({ "Authorization": bearer, "X-Packwright-Account": named });
        send_json(&mut socket, json!({ "type": "connection_init", "payload": payload })).await;
        if seen.is_none() {
            assert_eq!(receive_json(&mut socket).await, json!({ "closed": 4403, "reason": "Forbidden" }), "{payload}");
            continue;
        }
        assert_eq!(receive_json(&mut socket).await, json!({ "type": "connection_ack" }), "{payload}");
        send_json(&mut socket, viewer.clone()).await;
        let name = receive_json(&mut socket).await.text("/payload/data/viewer/account/name");
        assert_eq!(Some(name.as_str()), seen, "{payload}");
    }
    // The connection isn't for longer than its JWT.
    let mut socket = connect_with(&server, &with).await;
    send_json(&mut socket, json!({ "type": "connection_init", "payload": { "Authorization": bearer } })).await;
    assert_eq!(receive_json(&mut socket).await, json!({ "type": "connection_ack" }));
    app.clock_only("2026-11-22T09:10:30Z");
    send_json(&mut socket, viewer).await;
    assert_eq!(receive_json(&mut socket).await, json!({ "closed": 4403, "reason": "Forbidden" }));
}

#[tokio::test]
async fn a_refused_subscription_is_one_error() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let mut socket = authenticated(&server, Some(&app.publisher)).await;
    let payloads = [
        json!({ "query": "{" }),
        json!({ "query": "{ nowhere }" }),
        json!({ "query": "subscription { nowhere }" }),
        json!({ "query": "query A { __typename } query B { __typename }" }),
        json!({ "query": "query A { __typename }", "operationName": "B" }),
    ];
    for payload in payloads {
        send_json(&mut socket, json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        let answer = receive_json(&mut socket).await;
        assert_eq!((answer.text("/type"), answer.text("/id")), ("error".into(), "1".into()), "{payload}");
        assert!(!answer.text("/payload/0/message").is_empty() && !answer.text("/payload/0/extensions/code").is_empty());
        // No further message follows, and the id may be used again.
        send_json(&mut socket, json!({ "type": "ping" })).await;
        assert_eq!(receive_json(&mut socket).await, json!({ "type": "pong" }), "{payload}");
    }
}

#[tokio::test]
async fn messages_have_a_limit_and_frames_rules() {
    let app = TestApp::new().await;
    let options = HttpOptions { body_limit: 100_000, ..HttpOptions::default() };
    let server = Server::with(&app, options, ConnectionOptions::default()).await;
    let padded = |length: usize| {
        let frame = json!({ "type": "ping", "payload": { "x": "" } }).to_string().len();
        json!({ "type": "ping", "payload": { "x": "y".repeat(length - frame) } })
    };
    let mut socket = authenticated(&server, None).await;
    send_json(&mut socket, padded(100_000)).await;
    assert_eq!(receive_json(&mut socket).await.text("/type"), "pong");
    send_json(&mut socket, padded(100_001)).await;
    let end = receive_json(&mut socket).await;
    assert_eq!(end["closed"], 1009);
    assert!(end.text("/reason").contains("100000") && end.text("/reason").contains("100001"), "{end}");
    let mut socket = authenticated(&server, None).await;
    send_json(&mut socket, padded(400_000)).await;
    assert_eq!(receive_json(&mut socket).await["closed"], 1009);
    let mut socket = authenticated(&server, None).await;
    socket.send(Message::binary(json!({ "type": "ping" }).to_string().into_bytes())).await.unwrap();
    assert_eq!(receive_json(&mut socket).await["closed"], 4400);
    let mut socket = authenticated(&server, None).await;
    let frame = Frame::message(vec![0xff_u8, 0xfe], OpCode::Data(Data::Text), true);
    socket.send(Message::Frame(frame)).await.unwrap();
    assert_eq!(receive_json(&mut socket).await["closed"], 1007);
}

#[tokio::test]
async fn the_close_reason_arrives_though_the_client_sent_more() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let mut socket = authenticated(&server, None).await;
    socket.feed(Message::text("nonsense")).await.unwrap();
    for _ in 0..500 {
        socket
            .feed(Message::text(json!({ "type": "ping", "payload": { "x": "y".repeat(1_000) } }).to_string()))
            .await
            .unwrap();
    }
    let _ = socket.flush().await;
    assert_eq!(receive_json(&mut socket).await["closed"], 4400);
}

#[tokio::test]
async fn a_client_that_sends_a_close_frame_gets_one_back() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let mut socket = authenticated(&server, Some(&app.publisher)).await;
    send_json(&mut socket, subscribe("1", "subscription { releaseAnnounced { kind } }")).await;
    socket.close(None).await.unwrap();
    let end = timeout(Duration::from_secs(20), async { while let Some(Ok(_)) = socket.next().await {} }).await;
    end.expect("the connection is closed");
}

#[tokio::test]
async fn a_server_that_ends_closes_its_sockets() {
    let app = TestApp::new().await;
    let mut server = Server::start(&app).await;
    let mut socket = authenticated(&server, Some(&app.publisher)).await;
    send_json(&mut socket, subscribe("1", "subscription { releaseAnnounced { kind } }")).await;
    server.end.send_replace(true);
    assert_eq!(receive_json(&mut socket).await["closed"], 1001);
    drop(socket);
    timeout(Duration::from_secs(20), &mut server.task).await.expect("the server ends").unwrap();
}

#[tokio::test]
async fn an_open_socket_counts_as_a_connection() {
    let app = TestApp::new().await;
    let options = ConnectionOptions { max: 1, ..ConnectionOptions::default() };
    let server = Server::with(&app, HttpOptions::default(), options).await;
    let socket = authenticated(&server, None).await;
    let hello = Ask::query("{ __typename }");
    assert_eq!(server.send(&hello).await.status, 503);
    drop(socket);
    let again = async { while server.send(&hello).await.status != 200 {} };
    timeout(Duration::from_secs(20), again).await.expect("there is a place again");
}
