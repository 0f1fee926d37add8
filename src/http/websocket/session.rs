//! A running connection: the state machine, a socket, and a task for each operation.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message};
use futures_util::{FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::machine::{Action, Close, Machine};
use super::message::ServerMessage;
pub use super::operations::{Operations, Started};
use crate::http::answer::{Answer, Phase};
use crate::http::busy;
use crate::http::request::GraphqlRequest;
use crate::http::settings::ended;
use crate::service::error::Failure;

/// How many answers of all operations wait to be sent. When there are more, the operations wait in turn. So a client
/// that doesn't read costs little memory, and no operation blocks the others.
const EVENTS_MAX: usize = 16;
/// How many queries and mutations of a connection may be executing or have unread answers at the same time. Further
/// ones wait before they start, because answers can be large even without a token.
const ONCE_MAX: usize = 8;
/// How often a server that ends looks whether a connection's queries and mutations are answered.
const LOOK: Duration = Duration::from_millis(20);
/// The distance of the instants at which connections are pinged, at most. Connections that share an instant share the
/// wake-ups of the server's threads, too.
const PING_TURN: Duration = Duration::from_millis(250);
/// How long to keep a closed connection open, so that the client can read the reason.
const LINGER: Duration = Duration::from_secs(2);

/// The limits of a connection.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a client may take to send `connection_init`.
    pub init: Duration,
    /// The interval of pings.
    pub ping: Duration,
    /// How long a client may leave a message unread.
    pub send: Duration,
    /// The most bytes of a message.
    pub message: usize,
    /// The most operations at a time.
    pub operations: usize,
    /// How long a client without a token may have no operation.
    pub idle: Duration,
}

/// A message from an operation's task.
enum Event {
    /// An answer. The permit of a query or mutation is returned when the client has accepted it.
    Answer(Box<Answer>, Option<OwnedSemaphorePermit>),
    /// The operation panicked.
    Failed,
    Ended,
    /// The whole connection must end.
    Close(Close),
}

/// An event, with its operation's id and number. Boxed, because a channel allocates space for many events at once.
type Tagged = Box<(Arc<str>, u64, Event)>;

type SessionResult<T> = Result<T, Close>;

/// A connection that is being served.
pub struct Session<S> {
    socket: S,
    operations: Arc<dyn Operations>,
    machine: Machine,
    limits: Limits,
    tasks: HashMap<u64, AbortHandle>,
    turns: Arc<Semaphore>,
    /// Each operation that may be a query or a mutation holds a clone until its last answer waits to be sent.
    at_work: Arc<()>,
    /// Since when the server ends. From then on no operation is started.
    ending_since: Option<Instant>,
    speak: mpsc::Sender<Tagged>,
    events: mpsc::Receiver<Tagged>,
}

impl<S, E> Session<S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message> + Unpin,
    E: std::fmt::Display,
{
    pub fn new(socket: S, operations: Arc<dyn Operations>, limits: Limits) -> Self {
        let (speak, events) = mpsc::channel(EVENTS_MAX);
        let machine = Machine::new(limits.operations);
        let turns = Arc::new(Semaphore::new(ONCE_MAX));
        let (at_work, ending_since) = (Arc::new(()), None);
        Self { socket, operations, machine, limits, tasks: HashMap::new(), turns, at_work, ending_since, speak, events }
    }

    /// Serves the connection to its end.
    pub async fn serve(mut self, shutdown: Option<watch::Receiver<bool>>) {
        let Err(Close { code, reason }) = self.run(shutdown).await else { return self.operations.has_closed(None) };
        self.operations.has_closed(Some(code));
        tracing::debug!(code, reason, "a WebSocket is closed");
        self.stop_all();
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        // A failure means that the client has gone. The rest of its messages is read and discarded, because the
        // operating system would discard the close frame when unread bytes remain.
        let farewell = async {
            if self.socket.send(close).await.is_ok() {
                while let Ok(Some(Ok(_))) = timeout(LINGER, self.socket.next()).await {}
            }
        };
        let _ = timeout(self.limits.send.max(LINGER), farewell).await;
    }

    async fn run(&mut self, mut shutdown: Option<watch::Receiver<bool>>) -> SessionResult<()> {
        let init_until = Instant::now() + self.limits.init;
        let mut ping = pin!(tokio::time::sleep_until(self.next_ping()));
        let operations = self.operations.clone();
        let mut token_ends = operations.token_ends();
        // When the connection was last active. Pings and their answers don't count.
        let mut idle_since = Instant::now();
        loop {
            let is_idle = !self.machine.is_running() && self.operations.is_anonymous();
            if !is_idle {
                idle_since = Instant::now();
            }
            if let Some(since) = self.ending_since
                && Arc::strong_count(&self.at_work) == 1
                && self.events.is_empty()
            {
                // Messages that have already arrived are answered before the end, for a limited time.
                let Some(received) = self.socket.next().now_or_never().filter(|_| since.elapsed() < LINGER) else {
                    // Subscriptions get no `complete`, after which a client would not subscribe again.
                    return Err(Close::new(1001, "The server ends"));
                };
                if self.receive_next(received).await? {
                    return Ok(());
                }
                continue;
            }
            tokio::select! {
                received = self.socket.next() => if self.receive_next(received).await? {
                    return Ok(());
                },
                Some(event) = self.events.recv() => self.send_event(event).await?,
                () = tokio::time::sleep_until(init_until), if self.machine.awaits_init() => {
                    return Err(Machine::init_overdue());
                }
                () = tokio::time::sleep_until(idle_since + self.limits.idle), if is_idle => {
                    return Err(Close::new(1000, format!("No operation was running for {} s", self.limits.idle.as_secs_f32())));
                }
                // An operation in progress ends by itself, and its client is told why.
                close = &mut token_ends, if self.machine.is_open() && !self.machine.is_running() => return Err(close),
                () = &mut ping => {
                    self.send_pings().await?;
                    ping.as_mut().reset(self.next_ping());
                }
                () = ended(&mut shutdown), if self.ending_since.is_none() => self.ending_since = Some(Instant::now()),
                () = tokio::time::sleep(LOOK), if self.ending_since.is_some() => {}
            }
        }
    }

    /// Handles what the socket has read. Returns whether the connection has ended.
    async fn receive_next(&mut self, received: Option<Result<Message, E>>) -> SessionResult<bool> {
        match received {
            None => Ok(true),
            Some(Err(error)) => broken(&error).map(|()| true),
            Some(Ok(message)) => {
                self.machine.received();
                self.receive(message).await
            }
        }
    }

    /// Handles a message. Returns whether the client has closed the connection.
    async fn receive(&mut self, message: Message) -> SessionResult<bool> {
        match message {
            Message::Close(_) => {
                // Reading once more sends the answer to the close frame.
                let _ = timeout(LINGER, self.socket.next()).await;
                return Ok(true);
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Binary(_) => return Err(Close::bad_request("Messages are text, not binary")),
            Message::Text(text) => {
                let (length, most) = (text.len(), self.limits.message);
                if length > most {
                    return Err(Close::new(1009, format!("A message has at most {most} bytes, this one {length}")));
                }
                let action = self.machine.receive(text.as_str());
                self.take(action).await?;
            }
        }
        Ok(false)
    }

    async fn take(&mut self, action: Action) -> SessionResult<()> {
        match action {
            Action::Nothing => Ok(()),
            Action::Pong(payload) => self.send_message(&ServerMessage::Pong { payload: payload.as_ref() }).await,
            Action::Authenticate(payload) => {
                let operations = self.operations.clone();
                operations.authenticate(payload).await?;
                self.machine.authenticated();
                self.send_message(&ServerMessage::ConnectionAck).await
            }
            // A client that gets no answer would not know that it may send a mutation again.
            Action::Start { id, .. } if self.ending_since.is_some() => {
                self.machine.ended(&id);
                self.refuse(&id, &busy::ending()).await
            }
            Action::Start { id, number, request } => {
                self.start(id.into(), number, *request);
                Ok(())
            }
            Action::Stop(number) => {
                self.stop(number);
                Ok(())
            }
            Action::Refuse { id, most } => {
                let message = format!("A connection has at most {most} operations at a time; this one is one more.");
                self.refuse(&id, &Answer::refused("BAD_USER_INPUT", message)).await
            }
            Action::Close(close) => Err(close),
        }
    }

    /// Starts an operation in a task of its own. So operations don't wait for each other, a slow client doesn't block a
    /// database connection, and a panic ends one operation only.
    fn start(&mut self, id: Arc<str>, number: u64, request: GraphqlRequest) {
        let (operations, turns, speak) = (self.operations.clone(), self.turns.clone(), self.speak.clone());
        let mut at_work = Some(self.at_work.clone());
        let operation = async move {
            let tell = |event| speak.send(Box::new((id.clone(), number, event)));
            let run = run(operations.as_ref(), request, turns, &mut at_work, tell);
            let last = AssertUnwindSafe(run).catch_unwind().await.unwrap_or(Event::Failed);
            // A failure means that the connection has ended.
            let _ = speak.send(Box::new((id.clone(), number, last))).await;
            drop(at_work);
        };
        let task = tokio::spawn(operation.instrument(tracing::Span::current()));
        self.tasks.insert(number, task.abort_handle());
    }

    fn stop(&mut self, number: u64) {
        if let Some(task) = self.tasks.remove(&number) {
            task.abort();
        }
    }

    async fn send_event(&mut self, tagged: Tagged) -> SessionResult<()> {
        let (id, number, event) = *tagged;
        if !self.machine.runs(&id, number) {
            return Ok(());
        }
        match event {
            Event::Answer(answer, _turn) if answer.phase == Phase::Executed => {
                self.send_message(&ServerMessage::Next { id: &id, payload: &answer }).await
            }
            Event::Answer(answer, _turn) => self.end_with(&id, number, &answer).await,
            Event::Failed => {
                let answer = Answer::failed(&Failure::bug("an operation panicked"), self.operations.request_id());
                self.end_with(&id, number, &answer).await
            }
            Event::Ended => {
                self.forget(&id, number);
                self.send_message(&ServerMessage::Complete { id: &id }).await
            }
            Event::Close(close) => Err(close),
        }
    }

    /// Sends an operation's errors and ends it.
    async fn end_with(&mut self, id: &str, number: u64, answer: &Answer) -> SessionResult<()> {
        self.forget(id, number);
        self.refuse(id, answer).await
    }

    fn forget(&mut self, id: &str, number: u64) {
        self.machine.ended(id);
        self.stop(number);
    }

    async fn refuse(&mut self, id: &str, answer: &Answer) -> SessionResult<()> {
        self.send_message(&ServerMessage::Error { id, payload: &answer.response.errors }).await
    }

    /// Sends two pings: one of the WebSocket, which a browser answers by itself, and one of the protocol, which only a
    /// working client program answers.
    async fn send_pings(&mut self) -> SessionResult<()> {
        self.machine.count_ping()?;
        let ping = Message::Ping(axum::body::Bytes::new());
        if !self.machine.is_open() {
            return self.send(ping).await;
        }
        // Both leave in one piece: with thousands of idle connections, pings are the work of the server.
        self.within_limit(async |socket: &mut S| socket.feed(ping).await).await?;
        self.send_message(&ServerMessage::Ping).await
    }

    /// The instant of the next pings: an interval from now, or a little earlier, so that the pings of many connections
    /// fall on the same instants.
    fn next_ping(&self) -> Instant {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let turn = PING_TURN.min(self.limits.ping / 10).max(Duration::from_millis(1));
        let next = Instant::now() + self.limits.ping;
        let since = next.saturating_duration_since(*FIRST.get_or_init(Instant::now));
        let early = since.as_nanos() % turn.as_nanos();
        next - Duration::from_nanos(u64::try_from(early).unwrap_or(0))
    }

    async fn send_message(&mut self, message: &ServerMessage<'_>) -> SessionResult<()> {
        match serde_json::to_string(message) {
            Ok(text) => self.send(Message::Text(text.into())).await,
            Err(error) => {
                tracing::error!(%error, "a message could not be written");
                Err(Close::try_again())
            }
        }
    }

    async fn send(&mut self, message: Message) -> SessionResult<()> {
        self.within_limit(async |socket: &mut S| socket.send(message).await).await
    }

    /// Sends something, if the client reads it in time.
    async fn within_limit(&mut self, send: impl AsyncFnOnce(&mut S) -> Result<(), S::Error>) -> SessionResult<()> {
        let within = self.limits.send;
        match timeout(within, send(&mut self.socket)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Close::new(1001, "The client has gone")),
            Err(_) => {
                let within = within.as_secs_f32();
                Err(Close::new(1013, format!("The client left a message unread for {within} seconds")))
            }
        }
    }
}

impl<S> Session<S> {
    fn stop_all(&mut self) {
        for (_, task) in self.tasks.drain() {
            task.abort();
        }
    }
}

impl<S> Drop for Session<S> {
    fn drop(&mut self) {
        self.stop_all();
    }
}

/// Runs an operation. Returns its last event.
async fn run<T, E>(
    operations: &dyn Operations,
    request: GraphqlRequest,
    turns: Arc<Semaphore>,
    at_work: &mut Option<Arc<()>>,
    wrap: impl Fn(Event) -> T,
) -> Event
where
    T: Future<Output = Result<(), E>>,
{
    let Started { mut answers, once } = match operations.start(request).await {
        Ok(started) => started,
        Err(close) => return Event::Close(close),
    };
    if !once {
        *at_work = None;
    }
    // Fails only for a closed semaphore, and this one is never closed.
    let mut turn = if once { turns.acquire_owned().await.ok() } else { None };
    while let Some(answer) = answers.next().await {
        if wrap(Event::Answer(Box::new(answer), turn.take())).await.is_err() {
            break;
        }
    }
    Event::Ended
}

/// Handles a read error: a message that is too long, or invalid data. Most often the client has gone.
fn broken(error: &impl std::fmt::Display) -> SessionResult<()> {
    let why = error.to_string();
    if why.contains("too long") {
        return Err(Close::new(1009, "The message is too long"));
    }
    if why.to_ascii_lowercase().contains("utf-8") {
        return Err(Close::new(1007, "A text must be UTF-8"));
    }
    Ok(())
}
