//! A session with the test's own operations, on a clock that the test moves. The operations do what real subscriptions
//! don't do on demand: panic, flood, ignore the client.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_graphql::{Response, Value as GraphqlValue};
use axum::extract::ws::Message;
use futures_util::future::BoxFuture;
use futures_util::stream;
use futures_util::{FutureExt as _, Sink, Stream, StreamExt as _};
use packwright::http::websocket::machine::Close;
use packwright::http::websocket::message::Payload;
use packwright::http::websocket::session::{Limits, Operations, Session, Started};
use packwright::http::{Answer, GraphqlRequest, Phase};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::At as _;

/// Operations, chosen by the text of the document.
#[derive(Default)]
struct Script {
    /// Whether the client gave no token.
    anonymous: bool,
    /// After how long the client's token isn't valid any more.
    token_ends: Option<Duration>,
    /// The number of open operations.
    open: Arc<AtomicUsize>,
    /// The number of large answers that were generated.
    begun: Arc<AtomicUsize>,
}

/// Counts an operation while it exists.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn answer(text: &str) -> Answer {
    Answer::new(Phase::Executed, Response::new(GraphqlValue::String(text.into())))
}

fn refused() -> Answer {
    let error = async_graphql::ServerError::new("no", None);
    Answer::new(Phase::Refused, Response::from_errors(vec![error]))
}

impl Operations for Script {
    fn authenticate(&self, payload: Option<Payload>) -> BoxFuture<'_, Result<(), Close>> {
        async move {
            if payload.is_some_and(|payload| payload.contains_key("bad")) { Err(Close::forbidden()) } else { Ok(()) }
        }
        .boxed()
    }

    fn is_anonymous(&self) -> bool {
        self.anonymous
    }

    fn token_ends(&self) -> BoxFuture<'_, Close> {
        async move {
            match self.token_ends {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
            Close::forbidden()
        }
        .boxed()
    }

    fn start(&self, request: GraphqlRequest) -> BoxFuture<'_, Result<Started, Close>> {
        let query = request.query.unwrap_or_default();
        self.open.fetch_add(1, Ordering::SeqCst);
        let (counted, begun) = (Counted(self.open.clone()), self.begun.clone());
        async move {
            let answers = match query.as_str() {
                "once" => stream::iter([answer("once")]).boxed(),
                "once, after a second" => stream::once(async {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    answer("late")
                })
                .boxed(),
                "once, and large" => {
                    let begun = begun.clone();
                    stream::once(async move {
                        begun.fetch_add(1, Ordering::SeqCst);
                        answer(&"x".repeat(100_000))
                    })
                    .boxed()
                }
                "refused" => stream::iter([refused(), answer("never")]).boxed(),
                "never" => stream::pending().boxed(),
                "ticking" => stream::unfold((), |()| async {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    Some((answer("tick"), ()))
                })
                .boxed(),
                "flood" => stream::repeat_with(|| answer("flood")).boxed(),
                "long" => stream::repeat_with(|| answer(&"x".repeat(10_000))).boxed(),
                "panic" => stream::iter([answer("before")]).chain(stream::poll_fn(|_| panic!("on purpose"))).boxed(),
                "panic at once" => panic!("on purpose"),
                "revoked" => return Err(Close::forbidden()),
                other => panic!("no script for {other}"),
            };
            let answers = answers.inspect(move |_| {
                let _ = &counted;
            });
            Ok(Started { answers: answers.boxed(), once: query.starts_with("once") })
        }
        .boxed()
    }

    fn request_id(&self) -> &str {
        "the-connection"
    }
}

/// A socket in memory, with room for a few messages that the client hasn't read.
struct Pipe {
    incoming: mpsc::UnboundedReceiver<Message>,
    outgoing: mpsc::Sender<Message>,
    waiting: Option<BoxFuture<'static, Option<mpsc::OwnedPermit<Message>>>>,
    permit: Option<mpsc::OwnedPermit<Message>>,
}

impl Stream for Pipe {
    type Item = Result<Message, String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.incoming.poll_recv(cx).map(|message| message.map(Ok))
    }
}

impl Sink<Message> for Pipe {
    type Error = String;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        if self.permit.is_some() {
            return Poll::Ready(Ok(()));
        }
        let outgoing = self.outgoing.clone();
        let waiting = self.waiting.get_or_insert_with(|| outgoing.reserve_owned().map(Result::ok).boxed());
        let permit = std::task::ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        self.permit = Some(permit.ok_or("gone")?);
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), String> {
        self.permit.take().expect("a place was waited for").send(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        Poll::Ready(Ok(()))
    }
}

/// The client's end of the socket.
struct Client {
    to_server: mpsc::UnboundedSender<Message>,
    from_server: mpsc::Receiver<Message>,
    script: Arc<Script>,
    session: JoinHandle<()>,
    end: watch::Sender<bool>,
    /// Whether the client answers pings.
    answers_pings: bool,
}

fn limits() -> Limits {
    let seconds = Duration::from_secs;
    Limits {
        init: seconds(10),
        ping: seconds(15),
        send: seconds(15),
        message: 1_000,
        operations: 100,
        idle: Duration::from_secs(75),
    }
}

impl Client {
    /// A client with room for `capacity` unread messages.
    fn connect(capacity: usize) -> Self {
        Self::connect_to(Script::default(), capacity)
    }

    fn connect_to(script: Script, capacity: usize) -> Self {
        let (to_server, incoming) = mpsc::unbounded_channel();
        let (outgoing, from_server) = mpsc::channel(capacity);
        let script = Arc::new(script);
        let (end, ending) = watch::channel(false);
        let session = Session::new(Pipe { incoming, outgoing, waiting: None, permit: None }, script.clone(), limits())
            .serve(Some(ending));
        Self { to_server, from_server, script, session: tokio::spawn(session), end, answers_pings: true }
    }

    /// A client that is authenticated.
    async fn authenticated(capacity: usize) -> Self {
        let mut client = Self::connect(capacity);
        client.send_message(json!({ "type": "connection_init" }));
        assert_eq!(client.receive_json().await, json!({ "type": "connection_ack" }));
        client
    }

    fn send_message(&self, message: Value) {
        self.to_server.send(Message::text(message.to_string())).expect("the session lives");
    }

    fn subscribe(&self, id: &str, query: &str) {
        self.send_message(json!({ "id": id, "type": "subscribe", "payload": { "query": query } }));
    }

    /// The next text message, or the code and reason of the close frame. Answers pings.
    async fn receive_json(&mut self) -> Value {
        loop {
            let next =
                tokio::time::timeout(Duration::from_secs(3_600), self.from_server.recv()).await.expect("nothing came");
            match next {
                Some(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    if message.text("/type") != "ping" {
                        return message;
                    }
                    if self.answers_pings {
                        self.send_message(json!({ "type": "pong" }));
                    }
                }
                Some(Message::Close(frame)) => {
                    let frame = frame.expect("a code");
                    assert!(frame.reason.len() <= 123 && !frame.reason.is_empty());
                    return json!({ "closed": frame.code, "reason": frame.reason.as_str() });
                }
                Some(_) => {}
                None => return json!("gone"),
            }
        }
    }

    async fn closed(&mut self) -> u64 {
        let mut last = self.receive_json().await;
        while last.get("closed").is_none() {
            last = self.receive_json().await;
        }
        last["closed"].as_u64().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_say_who_it_is_is_closed() {
    let began = Instant::now();
    let mut client = Client::connect(10);
    assert_eq!(client.receive_json().await, json!({ "closed": 4408, "reason": "Connection initialisation timeout" }));
    assert_eq!(began.elapsed().as_secs(), 10);
    let mut client = Client::connect(10);
    client.send_message(json!({ "type": "connection_init", "payload": { "bad": 1 } }));
    assert_eq!(client.receive_json().await, json!({ "closed": 4403, "reason": "Forbidden" }));
}

#[tokio::test(start_paused = true)]
async fn an_operation_says_what_it_has_to_say() {
    let mut client = Client::authenticated(10).await;
    client.subscribe("1", "once");
    assert_eq!(client.receive_json().await, json!({ "type": "next", "id": "1", "payload": { "data": "once" } }));
    assert_eq!(client.receive_json().await, json!({ "type": "complete", "id": "1" }));
    client.subscribe("1", "refused");
    let refused = client.receive_json().await;
    assert_eq!(
        (refused.text("/type"), refused.text("/id"), refused.text("/payload/0/message")),
        ("error".into(), "1".into(), "no".into())
    );
    // No message follows an error, and the id may be used again.
    client.subscribe("1", "once");
    assert_eq!(client.receive_json().await.text("/type"), "next");
    assert_eq!(client.receive_json().await.text("/type"), "complete");
    client.subscribe("2", "revoked");
    assert_eq!(client.closed().await, 4403);
}

#[tokio::test(start_paused = true)]
async fn a_completed_operation_says_nothing_more() {
    let mut client = Client::authenticated(10).await;
    client.subscribe("a", "ticking");
    assert_eq!(client.receive_json().await.text("/payload/data"), "tick");
    client.send_message(json!({ "id": "a", "type": "complete" }));
    client.send_message(json!({ "type": "ping", "payload": { "n": 1 } }));
    assert_eq!(
        client.receive_json().await,
        json!({ "type": "pong", "payload": { "n": 1 } }),
        "and no echo of complete"
    );
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(client.script.open.load(Ordering::SeqCst), 0, "it has ended");
    assert!(client.from_server.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_own_operation_alone() {
    let mut client = Client::authenticated(10).await;
    client.subscribe("calm", "ticking");
    client.subscribe("wild", "panic");
    client.subscribe("wilder", "panic at once");
    let (mut ticks, mut ended) = (0, Vec::new());
    while ticks < 3 {
        let message = client.receive_json().await;
        match (message.text("/id").as_str(), message.text("/type").as_str()) {
            ("calm", "next") => ticks += 1,
            ("wild", "next") => assert_eq!(message.text("/payload/data"), "before"),
            (id, "error") => {
                assert_eq!(message.text("/payload/0/extensions/code"), "INTERNAL_SERVER_ERROR");
                assert_eq!(message.text("/payload/0/extensions/requestId"), "the-connection");
                assert!(!message.to_string().contains("purpose"), "{message}");
                ended.push(id.to_owned());
            }
            other => panic!("{other:?}"),
        }
    }
    ended.sort();
    assert_eq!(ended, ["wild", "wilder"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_floods_keeps_no_other_waiting() {
    let mut client = Client::authenticated(1).await;
    client.subscribe("flood", "flood");
    for _ in 0..50 {
        assert_eq!(client.receive_json().await.text("/id"), "flood");
    }
    for n in 1..100 {
        client.subscribe(&format!("calm-{n}"), "once");
    }
    let (mut floods, mut calm) = (0, 0);
    while calm < 99 {
        let message = client.receive_json().await;
        match (message.text("/id").as_str(), message.text("/type").as_str()) {
            ("flood", _) => floods += 1,
            (_, "complete") => calm += 1,
            _ => {}
        }
    }
    assert!(floods < 400, "the flood said {floods} while 99 others said two each");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_operations_and_no_more() {
    let mut client = Client::authenticated(10).await;
    for n in 0..100 {
        client.subscribe(&n.to_string(), "never");
    }
    client.subscribe("more", "never");
    let refused = client.receive_json().await;
    assert_eq!((refused.text("/type"), refused.text("/id")), ("error".into(), "more".into()));
    assert_eq!(refused.text("/payload/0/extensions/code"), "BAD_USER_INPUT");
    assert!(refused.text("/payload/0/message").contains("100"));
    client.send_message(json!({ "id": "7", "type": "complete" }));
    client.subscribe("more", "once");
    assert_eq!(client.receive_json().await.text("/type"), "next");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_closed_and_costs_no_memory() {
    let mut client = Client::authenticated(1).await;
    for n in 0..100 {
        client.subscribe(&n.to_string(), "long");
    }
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert!(!client.session.is_finished());
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Now the client reads: the messages so far, and the reason for the end.
    let mut read = 0;
    let close = loop {
        let message = client.receive_json().await;
        if message.get("closed").is_some() {
            break message;
        }
        read += 1;
    };
    assert_eq!(close["closed"], 1013);
    assert!(close.text("/reason").contains("unread for 15 seconds"));
    assert!(read <= 3, "{read} messages were kept for it");
    assert_eq!(client.script.open.load(Ordering::SeqCst), 0, "all has ended");
}

#[tokio::test(start_paused = true)]
async fn answers_are_not_made_before_somebody_takes_them() {
    let mut client = Client::authenticated(1).await;
    for n in 0..100 {
        client.subscribe(&n.to_string(), "once, and large");
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let begun = client.script.begun.load(Ordering::SeqCst);
    assert!((8..=10).contains(&begun), "{begun} were made for nobody");
    let mut ended = 0;
    while ended < 100 {
        ended += usize::from(client.receive_json().await.text("/type") == "complete");
    }
    assert_eq!(client.script.begun.load(Ordering::SeqCst), 100);
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_token_that_does_nothing_is_closed_though_it_answers_pings() {
    let began = Instant::now();
    let mut client = Client::connect_to(Script { anonymous: true, ..Script::default() }, 10);
    client.send_message(json!({ "type": "connection_init" }));
    assert_eq!(client.receive_json().await, json!({ "type": "connection_ack" }));
    client.subscribe("a", "ticking");
    for _ in 0..300 {
        assert_eq!(client.receive_json().await.text("/type"), "next");
    }
    client.send_message(json!({ "id": "a", "type": "complete" }));
    let stopped = Instant::now();
    assert!(stopped - began > Duration::from_secs(75), "an operation is something");
    assert_eq!(client.closed().await, 1000);
    assert!((74..=77).contains(&stopped.elapsed().as_secs()), "{:?}", stopped.elapsed());
    // A client with a token may stay idle.
    let mut client = Client::authenticated(10).await;
    assert!(tokio::time::timeout(Duration::from_secs(300), client.closed()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_token_ends_is_closed_when_no_operation_is_in_progress() {
    let script = || Script { token_ends: Some(Duration::from_secs(600)), ..Script::default() };
    let mut idle = Client::connect_to(script(), 10);
    idle.send_message(json!({ "type": "connection_init" }));
    let began = Instant::now();
    assert_eq!(idle.closed().await, 4403);
    assert_eq!(began.elapsed().as_secs(), 600);
    let mut busy = Client::connect_to(script(), 10);
    busy.send_message(json!({ "type": "connection_init" }));
    assert_eq!(busy.receive_json().await, json!({ "type": "connection_ack" }));
    busy.subscribe("a", "ticking");
    for _ in 0..700 {
        assert_eq!(busy.receive_json().await.text("/type"), "next");
    }
    busy.send_message(json!({ "id": "a", "type": "complete" }));
    let stopped = Instant::now();
    assert_eq!(busy.closed().await, 4403);
    assert!(stopped.elapsed() < Duration::from_secs(2), "{:?}", stopped.elapsed());
}

/// Ten thousand connections that are pinged each at its own instant wake the server's threads ten thousand times.
#[tokio::test(start_paused = true)]
async fn connections_are_pinged_at_the_same_instants() {
    let pinged = async |client: &mut Client| {
        while !matches!(client.from_server.recv().await, Some(Message::Ping(_))) {}
        Instant::now()
    };
    let mut one = Client::authenticated(10).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut other = Client::authenticated(10).await;
    let (one, other) = tokio::join!(pinged(&mut one), pinged(&mut other));
    let apart = other.saturating_duration_since(one).as_millis();
    assert!([0, 249, 250, 251].contains(&apart), "{apart} ms");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_no_ping_is_closed() {
    let began = Instant::now();
    let mut client = Client::authenticated(10).await;
    client.answers_pings = false;
    assert_eq!(client.closed().await, 4408);
    let lasted = began.elapsed().as_secs_f32();
    assert!((44.2..=45.1).contains(&lasted), "after two pings without an answer: {lasted} s");
    // Any message of the client counts as an answer.
    let mut client = Client::authenticated(100).await;
    client.subscribe("a", "ticking");
    for _ in 0..300 {
        assert_eq!(client.receive_json().await.text("/type"), "next");
    }
    let began = Instant::now();
    let silent = Client::connect(10);
    let mut pings = 0;
    let Client { to_server, mut from_server, .. } = silent;
    to_server.send(Message::text(json!({ "type": "connection_init" }).to_string())).unwrap();
    while began.elapsed().as_secs() < 100 {
        if let Some(Message::Ping(data)) = from_server.recv().await {
            pings += 1;
            to_server.send(Message::Pong(data)).unwrap();
        }
    }
    assert!(pings >= 6, "the socket's own answer is enough");
}

#[tokio::test(start_paused = true)]
async fn messages_are_text_and_not_too_long() {
    for (message, code) in [
        (Message::binary(json!({ "type": "ping" }).to_string().into_bytes()), 4400),
        (Message::text("nonsense"), 4400),
        (Message::text(json!({ "type": "ping", "payload": { "x": "y".repeat(1_000) } }).to_string()), 1009),
    ] {
        let mut client = Client::authenticated(10).await;
        client.subscribe("a", "never");
        client.to_server.send(message).unwrap();
        assert_eq!(client.closed().await, code);
        drop(client.to_server);
        client.session.await.unwrap();
        assert_eq!(client.script.open.load(Ordering::SeqCst), 0, "nothing goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_says_so() {
    let mut client = Client::authenticated(10).await;
    client.subscribe("a", "never");
    client.send_message(json!({ "type": "ping" }));
    assert_eq!(client.receive_json().await, json!({ "type": "pong" }));
    client.end.send_replace(true);
    assert_eq!(client.closed().await, 1001);
}

/// Whether a message refuses an operation because the server ends.
fn is_refused(message: &Value, id: &str) -> bool {
    let code = "/payload/0/extensions/code";
    message.text("/type") == "error" && message.text("/id") == id && message.text(code) == "UNAVAILABLE"
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_refuses_what_comes_while_it_answers() {
    let mut client = Client::authenticated(10).await;
    client.subscribe("a", "once, after a second");
    client.send_message(json!({ "type": "ping" }));
    assert_eq!(client.receive_json().await, json!({ "type": "pong" }));
    client.end.send_replace(true);
    tokio::time::sleep(Duration::from_millis(100)).await;
    for id in ["b", "c"] {
        client.subscribe(id, "once");
        let refused = client.receive_json().await;
        assert!(is_refused(&refused, id), "{refused}");
        assert_eq!(refused.int("/payload/0/extensions/retryAfterSeconds"), 1);
    }
    assert_eq!(client.receive_json().await.text("/payload/data"), "late");
    assert_eq!(client.receive_json().await.text("/type"), "complete");
    assert_eq!(client.receive_json().await["closed"], 1001);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_leaves_no_operation_unanswered_that_has_come_before() {
    for _ in 0..30 {
        let mut client = Client::authenticated(10).await;
        client.end.send_replace(true);
        client.subscribe("a", "once");
        client.subscribe("b", "once");
        let mut answered = Vec::new();
        loop {
            let message = client.receive_json().await;
            if message.get("closed").is_some() {
                assert_eq!(message["closed"], 1001);
                break;
            }
            if message.text("/type") == "complete" || is_refused(&message, &message.text("/id")) {
                answered.push(message.text("/id"));
            }
        }
        answered.sort();
        assert_eq!(answered, ["a", "b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_stops_does_not_keep_a_server_from_ending() {
    let mut client = Client::authenticated(1_000).await;
    let began = Instant::now();
    client.end.send_replace(true);
    let to_server = client.to_server.clone();
    let flood = tokio::spawn(async move {
        while to_server.send(Message::Ping(axum::body::Bytes::new())).is_ok() {
            for _ in 0..100 {
                let _ = to_server.send(Message::Ping(axum::body::Bytes::new()));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(client.closed().await, 1001);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    flood.abort();
}
