//! A subscription over a real WebSocket (`graphql-transport-ws`).

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use packwright::http::HttpOptions;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{At, TestApp};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// Serves the app on a free port of the loopback interface until the test ends.
pub(crate) async fn serve(app: &TestApp) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let routes = app.app.router(HttpOptions { listener: Some(address), ..HttpOptions::default() });
    let answer = move |request| routes.answer(request);
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    address
}

async fn connect(address: SocketAddr) -> Socket {
    let mut request = format!("ws://{address}/graphql").into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a header"));
    let (socket, response) = tokio_tungstenite::connect_async(request).await.expect("the upgrade");
    assert_eq!(response.headers()["sec-websocket-protocol"], "graphql-transport-ws");
    socket
}

pub(crate) async fn send(socket: &mut Socket, message: Value) {
    socket.send(Message::text(message.to_string())).await.expect("sent");
}

/// The next message other than a ping; `{ "closed": code }` when the socket was closed.
pub(crate) async fn receive(socket: &mut Socket) -> Value {
    loop {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), socket.next()).await.expect("nothing came");
        match next.expect("a message").expect("a sound message") {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                if message.text("/type") != "ping" {
                    return message;
                }
            }
            Message::Close(frame) => return json!({ "closed": frame.map(|frame| u16::from(frame.code)) }),
            _ => {}
        }
    }
}

/// Opens a socket and authenticates with this token.
pub(crate) async fn greeted(address: SocketAddr, token: &str) -> Socket {
    let mut socket = connect(address).await;
    send(&mut socket, json!({ "type": "connection_init", "payload": { "Authorization": format!("Bearer {token}") } }))
        .await;
    assert_eq!(receive(&mut socket).await.text("/type"), "connection_ack");
    socket
}

#[tokio::test]
async fn r49_a_subscription_over_a_socket_gets_new_events_and_missed_ones() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let cursor = app.cursor(&acme.token).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    let address = serve(&app).await;
    let mut socket = greeted(address, &acme.token).await;
    let query = "subscription($after: String) { releaseAnnounced(after: $after) { kind cursor packName release { version { number } } } }";
    send(
        &mut socket,
        json!({ "id": "1", "type": "subscribe", "payload": { "query": query, "variables": { "after": cursor } } }),
    )
    .await;
    let missed = receive(&mut socket).await;
    assert_eq!((missed.text("/type"), missed.text("/id")), ("next".into(), "1".into()));
    assert_eq!(missed.text("/payload/data/releaseAnnounced/kind"), "RELEASE_SCHEDULED");
    app.reschedule(&release, "2026-12-02").await;
    let live = receive(&mut socket).await;
    assert_eq!(live.text("/payload/data/releaseAnnounced/kind"), "RELEASE_RESCHEDULED");
    assert_eq!(live.int("/payload/data/releaseAnnounced/release/version/number"), 2);
    send(&mut socket, json!({ "id": "1", "type": "complete" })).await;
    send(&mut socket, json!({ "id": "2", "type": "subscribe", "payload": { "query": "{ viewer { role } }" } })).await;
    let answer = receive(&mut socket).await;
    assert_eq!((answer.text("/id"), answer.text("/payload/data/viewer/role")), ("2".into(), "ADMINISTRATOR".into()));
    assert_eq!(receive(&mut socket).await, json!({ "id": "2", "type": "complete" }));
}

#[tokio::test]
async fn r25_progress_over_a_socket_completes_with_the_release() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    let address = serve(&app).await;
    let mut socket = greeted(address, &app.publisher).await;
    let query = "subscription($id: ID!) { releaseProgress(releaseId: $id) { release { state } progress { applied } } }";
    send(
        &mut socket,
        json!({ "id": "p", "type": "subscribe", "payload": { "query": query, "variables": { "id": release } } }),
    )
    .await;
    assert_eq!(receive(&mut socket).await.text("/payload/data/releaseProgress/release/state"), "SCHEDULED");
    app.advance_to("2026-11-30T23:00:00Z").await;
    let mut last = Value::Null;
    loop {
        let message = receive(&mut socket).await;
        if message.text("/type") == "complete" {
            break;
        }
        last = message;
    }
    assert_eq!(last.text("/payload/data/releaseProgress/release/state"), "SUCCEEDED");
}

#[tokio::test]
async fn r49_a_revoked_token_ends_its_subscription_over_a_socket() {
    let app = TestApp::new().await;
    let made = app
        .ok(
            &app.publisher,
            "createApiToken",
            json!({ "name": "listener", "role": "SUPPORT" }),
            "apiToken { id } secret",
        )
        .await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let cursor = app.cursor(&app.publisher).await;
    app.release_now(&pack.id).await;
    let address = serve(&app).await;
    let mut socket = greeted(address, &made.text("/secret")).await;
    let query = "subscription($after: String) { releaseAnnounced(after: $after) { kind } }";
    send(
        &mut socket,
        json!({ "id": "1", "type": "subscribe", "payload": { "query": query, "variables": { "after": cursor } } }),
    )
    .await;
    for kind in ["RELEASE_STARTED", "RELEASE_COMPLETED"] {
        assert_eq!(receive(&mut socket).await.text("/payload/data/releaseAnnounced/kind"), kind);
    }
    app.ok(&app.publisher, "revokeApiToken", json!({ "tokenId": made.text("/apiToken/id") }), "apiToken { id }").await;
    app.update_now(&pack).await;
    let end = receive(&mut socket).await;
    let further_kind = end.pointer("/payload/data/releaseAnnounced/kind");
    assert_eq!(further_kind, None, "nothing more is told: {end:#}");
    assert!(
        end.get("closed").is_some() || ["complete", "error", "next"].contains(&end.text("/type").as_str()),
        "{end:#}"
    );
}

#[tokio::test]
async fn r04_a_socket_without_a_valid_token_is_closed() {
    let app = TestApp::new().await;
    let address = serve(&app).await;
    let mut socket = connect(address).await;
    send(&mut socket, json!({ "type": "connection_init", "payload": { "Authorization": "Bearer nonsense" } })).await;
    assert_eq!(receive(&mut socket).await, json!({ "closed": 4403 }));
}

#[tokio::test]
async fn r04_an_open_socket_does_nothing_more_for_a_token_that_was_revoked() {
    let app = TestApp::new().await;
    let created = app
        .ok(
            &app.publisher,
            "createApiToken",
            json!({ "name": "leaked", "role": "ADMINISTRATOR" }),
            "secret apiToken { id }",
        )
        .await;
    let address = serve(&app).await;
    let mut socket = greeted(address, &created.text("/secret")).await;
    app.ok(&app.publisher, "revokeApiToken", json!({ "tokenId": created.text("/apiToken/id") }), "").await;
    let query = "mutation { createApiToken(input: { name: \"again\", role: ADMINISTRATOR }) { secret } }";
    send(&mut socket, json!({ "id": "1", "type": "subscribe", "payload": { "query": query } })).await;
    assert_eq!(receive(&mut socket).await, json!({ "closed": 4403 }));
}
