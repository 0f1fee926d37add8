//! `graphql-transport-ws`: operations over a WebSocket.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::extract::{FromRequestParts as _, WebSocketUpgrade};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::Instrument as _;

use crate::service::access::Caller;
use crate::service::error::Failure;

use super::answer::{Answer, Phase};
use super::auth::{Credentials, failure_response};
use super::graphql::refusal;
use super::params;
use super::router::Front;

const PROTOCOL: &str = "graphql-transport-ws";
/// How long a client may take to say who it is.
const INIT_WITHIN: Duration = Duration::from_secs(10);
/// How often a client is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(15);
/// How long a reader may stay behind before it is given up.
const SEND_WITHIN: Duration = Duration::from_secs(15);
/// The most open operations of one connection.
const OPERATIONS_MAX: usize = 100;
/// How many answers wait to be sent. An operation that has one more waits with it, so that a client that
/// doesn't read costs no more memory, and nobody else's time.
const STEPS_MAX: usize = 16;
/// The longest reason that a close frame holds.
const REASON_MAX: usize = 123;

pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Takes the connection over, when the client speaks our protocol.
pub(super) async fn upgrade(front: Arc<Front>, request_id: String, request: Request<Body>) -> Response {
    let (mut parts, _) = request.into_parts();
    let credentials = Credentials::of(&parts.headers);
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade.protocols([PROTOCOL]),
        Err(rejection) => return rejection.into_response(),
    };
    if upgrade.selected_protocol().is_none() {
        return refusal(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", "Offer the sub-protocol graphql-transport-ws.");
    }
    let limit = front.options.body_limit;
    let span = tracing::Span::current();
    upgrade.max_message_size(limit).max_frame_size(limit).on_upgrade(move |socket| {
        let (speak, steps) = mpsc::channel(STEPS_MAX);
        let session = Session {
            front,
            request_id,
            credentials,
            socket,
            caller: None,
            running: HashMap::new(),
            started: 0,
            speak,
            steps,
        };
        session.serve().instrument(span)
    })
}

/// The end of a connection: a code of the protocol and what it means.
struct Close(u16, &'static str);

type Served<T> = Result<T, Close>;

/// One answer of an operation, or `None` for its end. The number tells two operations apart that
/// bear one id, one after the other.
type Step = (String, u64, Option<Answer>);

/// An answer, written straight from its fields: they stand in the order of the document.
#[derive(Serialize)]
struct Next<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    payload: &'a Answer,
}

struct Session {
    front: Arc<Front>,
    request_id: String,
    /// Those of the upgrade; the first message may bring others.
    credentials: Credentials,
    socket: WebSocket,
    /// Who it is; `None` before the first message.
    caller: Option<Caller>,
    running: HashMap<String, (u64, AbortHandle)>,
    started: u64,
    speak: mpsc::Sender<Step>,
    steps: mpsc::Receiver<Step>,
}

impl Session {
    async fn serve(mut self) {
        if let Err(Close(code, reason)) = self.run().await {
            let reason = reason.get(..REASON_MAX.min(reason.len())).unwrap_or_default();
            let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            // Whoever doesn't read this has gone.
            let _ = timeout(SEND_WITHIN, self.socket.send(close)).await;
        }
    }

    async fn run(&mut self) -> Served<()> {
        let mut shutdown = self.front.options.shutdown.clone();
        let init_until = Instant::now() + INIT_WITHIN;
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unanswered = 0;
        loop {
            tokio::select! {
                received = self.socket.recv() => {
                    unanswered = 0;
                    match received {
                        None | Some(Err(_)) => return Ok(()),
                        Some(Ok(Message::Close(_))) => {
                            // Reading on sends the answer that the client waits for.
                            let _ = timeout(SEND_WITHIN, self.socket.recv()).await;
                            return Ok(());
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Binary(_))) => return Err(Close(4400, "Send text")),
                        Some(Ok(Message::Text(text))) => self.receive(text.as_str()).await?,
                    }
                }
                Some(step) = self.steps.recv() => self.pass_on(step).await?,
                () = tokio::time::sleep_until(init_until), if self.caller.is_none() => {
                    return Err(Close(4408, "Connection initialisation timeout"));
                }
                _ = ping.tick() => {
                    if unanswered >= 2 {
                        return Err(Close(4408, "No answer to two pings"));
                    }
                    unanswered += 1;
                    self.send_frame(Message::Ping(axum::body::Bytes::new())).await?;
                }
                () = ended(&mut shutdown) => return Err(Close(1001, "The server ends")),
            }
        }
    }

    async fn receive(&mut self, text: &str) -> Served<()> {
        let Ok(Value::Object(mut message)) = serde_json::from_str(text) else {
            return Err(Close(4400, "Send a JSON object"));
        };
        let id = match message.get("id") {
            Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
            _ => None,
        };
        let payload = message.remove("payload");
        match message.get("type").and_then(Value::as_str) {
            Some("connection_init") => self.init(payload).await,
            Some("ping") => self.send(&json!({ "type": "pong" })).await,
            Some("pong") => Ok(()),
            Some("subscribe") => match (id, payload) {
                (Some(id), Some(payload)) => self.subscribe(id, payload).await,
                _ => Err(Close(4400, "subscribe needs an id and a payload")),
            },
            Some("complete") => match id {
                Some(id) => {
                    self.stop(&id);
                    Ok(())
                }
                None => Err(Close(4400, "complete needs an id")),
            },
            _ => Err(Close(4400, "Unknown type of message")),
        }
    }

    async fn init(&mut self, payload: Option<Value>) -> Served<()> {
        if self.caller.is_some() {
            return Err(Close(4429, "Too many initialisation requests"));
        }
        let given = match &payload {
            None | Some(Value::Null) => None,
            Some(Value::Object(payload)) => {
                payload.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| value)
            }
            Some(_) => return Err(Close(4400, "The payload of connection_init must be an object")),
        };
        let credentials = match given {
            None | Some(Value::Null) => self.credentials.clone(),
            Some(Value::String(value)) => Credentials::parse(value),
            Some(_) => Credentials::Unreadable,
        };
        let caller = match credentials.secret() {
            Ok(secret) => self.front.engine.services.authenticate(secret, Some(self.request_id.clone())).await,
            Err(failure) => Err(failure),
        };
        match caller {
            Ok(caller) => {
                self.caller = Some(caller);
                self.send(&json!({ "type": "connection_ack" })).await
            }
            Err(Failure::Unauthenticated(_) | Failure::Forbidden(_)) => Err(Close(4403, "Forbidden")),
            Err(failure) => {
                let _ = failure_response(&failure, &self.request_id);
                Err(Close(1011, "The server has failed; try again"))
            }
        }
    }

    async fn subscribe(&mut self, id: String, payload: Value) -> Served<()> {
        let Some(caller) = self.caller.clone() else { return Err(Close(4401, "Unauthorized")) };
        // The token was good when the connection began; it may have been revoked since.
        if let Caller::Viewer(viewer) = &caller {
            match self.front.engine.services.check_still_welcome(viewer).await {
                Ok(()) => {}
                Err(Failure::Unauthenticated(_) | Failure::Forbidden(_)) => return Err(Close(4403, "Forbidden")),
                Err(_) => return Err(Close(1011, "The server has failed; try again")),
            }
        }
        if self.running.contains_key(&id) {
            return Err(Close(4409, "There is an operation with this id already"));
        }
        if self.running.len() >= OPERATIONS_MAX {
            let refused =
                Answer::refused("BAD_USER_INPUT", format!("At most {OPERATIONS_MAX} operations a connection."));
            return self.send_errors(&id, &refused).await;
        }
        let request = match params::from_json(payload) {
            Ok(request) => request,
            Err(malformed) => return self.send_errors(&id, &Answer::refused(malformed.code, malformed.message)).await,
        };
        let admitted = match self.front.engine.admit(&caller, request) {
            Ok(admitted) => admitted,
            Err(refused) => return self.send_errors(&id, &refused).await,
        };
        self.started += 1;
        let number = self.started;
        let mut answers = self.front.engine.execute_stream(caller, &self.request_id, admitted);
        let (speak, key) = (self.speak.clone(), id.clone());
        // A task of its own: one operation doesn't wait for another, nor its connection to the database for
        // the client to read.
        let operation = async move {
            while let Some(answer) = answers.next().await {
                if speak.send((key.clone(), number, Some(answer))).await.is_err() {
                    return;
                }
            }
            // Nobody is left to hear it when this fails.
            let _ = speak.send((key, number, None)).await;
        };
        let task = tokio::spawn(operation.instrument(tracing::Span::current()));
        self.running.insert(id, (number, task.abort_handle()));
        Ok(())
    }

    fn stop(&mut self, id: &str) {
        if let Some((_, handle)) = self.running.remove(id) {
            handle.abort();
        }
    }

    async fn pass_on(&mut self, (id, number, answer): Step) -> Served<()> {
        // An operation that was stopped has nothing more to say.
        if self.running.get(&id).is_none_or(|(running, _)| *running != number) {
            return Ok(());
        }
        match answer {
            Some(answer) if answer.phase != Phase::Executed => {
                self.stop(&id);
                self.send_errors(&id, &answer).await
            }
            Some(answer) => self.send(&Next { kind: "next", id: &id, payload: &answer }).await,
            None => {
                self.running.remove(&id);
                self.send(&json!({ "type": "complete", "id": id })).await
            }
        }
    }

    async fn send_errors(&mut self, id: &str, answer: &Answer) -> Served<()> {
        self.send(&json!({ "type": "error", "id": id, "payload": answer.response.errors })).await
    }

    async fn send(&mut self, message: &impl Serialize) -> Served<()> {
        let text = serde_json::to_string(message).map_err(|_| Close(1011, "The server has failed"))?;
        self.send_frame(Message::Text(text.into())).await
    }

    async fn send_frame(&mut self, frame: Message) -> Served<()> {
        match timeout(SEND_WITHIN, self.socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Close(1001, "The client has gone")),
            Err(_) => Err(Close(1008, "The client reads too slowly")),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for (_, handle) in self.running.values() {
            handle.abort();
        }
    }
}

/// Comes to an end when the server does.
async fn ended(shutdown: &mut Option<tokio::sync::watch::Receiver<bool>>) {
    if let Some(shutdown) = shutdown
        && shutdown.wait_for(|ending| *ending).await.is_ok()
    {
        return;
    }
    // Nobody is left who could end the server, or nobody ever could.
    std::future::pending().await
}
