//! The real program ends with a thousand open subscriptions, with requests at work, and in a rollout.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, TransactionTrait as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::program::ending::{hangup_is_ignored, installed};
use crate::program::kill::until;
use crate::support::rows::{database_url, tables};
use crate::support::{At as _, Program, TestApp};

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

const SOCKETS: usize = 1_000;
/// How long a socket may take to say something.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The next message other than a ping; `{ "closed": code }` for the end.
async fn receive(socket: &mut Socket) -> Value {
    loop {
        let next = tokio::time::timeout(TIME_LIMIT, socket.next()).await.expect("nothing came");
        match next.expect("a message").expect("a sound message") {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                if message.text("/type") != "ping" {
                    return message;
                }
                socket.send(Message::text(r#"{"type":"pong"}"#)).await.expect("sent");
            }
            Message::Close(frame) => return json!({ "closed": frame.map(|frame| u16::from(frame.code)) }),
            _ => {}
        }
    }
}

/// The first message that isn't an answer of the operation.
async fn last(socket: &mut Socket) -> Value {
    loop {
        let message = receive(socket).await;
        if message.get("type").is_none_or(|kind| kind != "next") {
            return message;
        }
    }
}

/// Opens a socket, and starts an operation on it.
async fn open(address: SocketAddr, token: &str, query: &str, variables: Value) -> Socket {
    let mut request = format!("ws://{address}/graphql").into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a header"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("the upgrade");
    let init = json!({ "type": "connection_init", "payload": { "Authorization": format!("Bearer {token}") } });
    socket.send(Message::text(init.to_string())).await.expect("sent");
    assert_eq!(receive(&mut socket).await.text("/type"), "connection_ack");
    let payload = json!({ "query": query, "variables": variables });
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": payload });
    socket.send(Message::text(subscribe.to_string())).await.expect("sent");
    // The answer to this comes after the operation was read.
    socket.send(Message::text(r#"{"type":"ping"}"#)).await.expect("sent");
    assert_eq!(receive(&mut socket).await.text("/type"), "pong");
    socket
}

/// A request of which a part is sent.
async fn half_sent(address: SocketAddr) -> (tokio::net::TcpStream, &'static str) {
    let body = r#"{"query":"{ __typename }"}"#;
    let (first, rest) = body.split_at(10);
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}",
        body.len(),
    );
    let mut socket = tokio::net::TcpStream::connect(address).await.expect("a connection");
    socket.write_all(head.as_bytes()).await.expect("sent");
    (socket, rest)
}

/// Makes each move of an installation slow, so that the rollout lasts longer than the test needs, also beside others.
pub(crate) async fn slow_moves(app: &TestApp) {
    let statements: &[&str] = match tables(app).get_database_backend() {
        DatabaseBackend::Postgres => &[
            "CREATE FUNCTION brake() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$",
            "CREATE TRIGGER brake AFTER UPDATE OF version_id ON installation FOR EACH ROW EXECUTE FUNCTION brake()",
        ],
        // SQLite can't sleep, but it can count.
        _ => &["CREATE TRIGGER brake AFTER UPDATE OF version_id ON installation BEGIN
             SELECT count(*) FROM (WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 200000) SELECT n FROM up);
             END"],
    };
    for statement in statements {
        tables(app).execute_unprepared(statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
}

/// Ends what [`slow_moves`] has begun.
pub(crate) async fn quick_moves(app: &TestApp) {
    let on_table = if app.is_postgresql() { " ON installation" } else { "" };
    tables(app).execute_unprepared(&format!("DROP TRIGGER brake{on_table}")).await.expect("the brake goes");
}

async fn ends_in_order(signal: &str) {
    packwright::cli::files::raise_file_limit(u32::try_from(2 * SOCKETS).expect("few"), 10);
    let (app, pack) = installed().await;
    let other = app.pack("Others").await;
    let options = ["--batch-size", "1", "--max-connections", "3000", "--max-connections-per-peer", "3000"];
    let program = Program::serve(&database_url(&app).await, &options).await;
    let (address, token) = (program.address, app.publisher.as_str());
    let subscription = "subscription { newerShareablePackaged { cursor } }";
    let mut listeners: Vec<Socket> = futures_util::stream::iter(0..SOCKETS)
        .map(|_| open(address, token, subscription, Value::Null))
        .buffer_unordered(50)
        .collect()
        .await;
    let mut requests = Vec::new();
    for _ in 0..20 {
        requests.push(half_sent(address).await);
    }
    slow_moves(&app).await;
    let release = app.update_now(&pack).await;
    until("a batch of the program", async || app.progress(&release).await.int("/applied") > 1).await;
    // A mutation over a socket waits for this lock.
    let lock = tables(&app).begin().await.expect("a transaction");
    lock.execute_unprepared("UPDATE integration_pack SET name = name WHERE name = 'Others'").await.expect("the lock");
    let rename = "mutation($id: ID!) { updateIntegrationPack(input: { packId: $id, description: \"Changed.\" }) {
        integrationPack { description } errors { code } } }";
    let mut changing = open(address, token, rename, json!({ "id": other })).await;
    tokio::time::sleep(Duration::from_millis(300)).await;

    program.signal(signal);
    let begun = std::time::Instant::now();
    until("the end of listening", async || tokio::net::TcpStream::connect(&address).await.is_err()).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "it listened for {:?} more", begun.elapsed());
    // What comes after the signal is refused. The socket may hear of the signal later than the listener.
    for id in 2.. {
        let late = json!({ "id": id.to_string(), "type": "subscribe", "payload": { "query": "{ __typename }" } });
        changing.send(Message::text(late.to_string())).await.expect("sent");
        let answer = receive(&mut changing).await;
        assert_eq!(answer.text("/id"), id.to_string());
        if answer.text("/type") == "error" {
            assert_eq!(answer.text("/payload/0/extensions/code"), "UNAVAILABLE");
            break;
        }
        assert_eq!(receive(&mut changing).await.text("/type"), "complete");
    }
    lock.rollback().await.expect("let go");
    let changed = receive(&mut changing).await;
    assert_eq!(changed.text("/payload/data/updateIntegrationPack/integrationPack/description"), "Changed.");
    assert_eq!(receive(&mut changing).await, json!({ "id": "1", "type": "complete" }));
    assert_eq!(receive(&mut changing).await, json!({ "closed": 1001 }));
    for (mut socket, rest) in requests {
        socket.write_all(rest.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.contains(r#"{"data":{"__typename":"Query"}}"#), "{answer}");
    }
    // A `complete` would tell clients that nothing more comes, so that they would not subscribe again.
    let ends = futures_util::future::join_all(listeners.iter_mut().map(last)).await;
    assert!(
        ends.iter().all(|end| *end == json!({ "closed": 1001 })),
        "{:?}",
        ends.iter().find(|e| e["closed"] != 1001)
    );
    let (status, _) = program.end().await;
    assert!(status.success() && begun.elapsed() < Duration::from_secs(15), "{status} after {:?}", begun.elapsed());
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS", "the batch at hand was the last one");
    let described = app.read_pack(&other, "description").await;
    assert_eq!(described.text("/description"), "Changed.", "what was answered is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r49_a_server_with_a_thousand_subscriptions_ends_in_order() {
    ends_in_order("TERM").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r49_a_hangup_ends_a_server_with_a_thousand_subscriptions_in_order() {
    // Under `nohup` a hangup must not end the program.
    ends_in_order(if hangup_is_ignored() { "INT" } else { "HUP" }).await;
}
