//! The state machine of the protocol, without a socket: what the server does after a client's message, or after
//! silence.

use std::collections::HashMap;

use super::message::{ClientMessage, Payload};
use crate::http::request::GraphqlRequest;

/// The most bytes of the reason in a close frame.
const REASON_MAX: usize = 123;
/// How many pings in a row a client may leave unanswered.
const UNANSWERED_MAX: u8 = 2;

/// The end of a connection: the code and the reason of its close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub reason: String,
}

impl Close {
    /// Cuts the reason to the length that a close frame allows.
    #[must_use]
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if reason.len() > REASON_MAX {
            let end = (0..=REASON_MAX).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
            reason.truncate(end);
        }
        Self { code, reason }
    }

    /// The client sent something that the protocol doesn't allow.
    #[must_use]
    pub fn bad_request(why: impl Into<String>) -> Self {
        Self::new(4400, why)
    }

    /// The client's token was refused.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(4403, "Forbidden")
    }

    /// The server failed. The client may connect again.
    #[must_use]
    pub fn try_again() -> Self {
        Self::new(1013, "The server has failed; try again")
    }
}

/// What the session must do next.
#[derive(Debug)]
pub enum Action {
    Nothing,
    /// Answer a ping.
    Pong(Option<Payload>),
    /// Authenticate the client, and then call [`Machine::authenticated`].
    Authenticate(Option<Payload>),
    /// Start an operation. The number is unique within the connection.
    Start {
        id: String,
        number: u64,
        request: Box<GraphqlRequest>,
    },
    /// Stop the operation with this number.
    Stop(u64),
    /// Refuse an operation, because the connection has as many as it may have.
    Refuse {
        id: String,
        most: usize,
    },
    Close(Close),
}

/// The state of the greeting: `connection_init` and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InitState {
    Pending,
    Received,
    Done,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Machine {
    init: InitState,
    /// The running operations by id. A client may use an id again after an operation has ended; the number tells the
    /// two apart.
    running: HashMap<String, u64>,
    started: u64,
    most: usize,
    unanswered: u8,
}

impl Machine {
    /// A new connection, which may have `most` operations at a time.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { init: InitState::Pending, running: HashMap::new(), started: 0, most, unanswered: 0 }
    }

    /// Handles a client's message.
    pub fn receive(&mut self, text: &str) -> Action {
        let message = match ClientMessage::parse(text) {
            Ok(message) => message,
            Err(invalid) => return Action::Close(Close::bad_request(invalid.0)),
        };
        match message {
            ClientMessage::ConnectionInit(_) if self.init != InitState::Pending => {
                Action::Close(Close::new(4429, "Too many initialisation requests"))
            }
            ClientMessage::ConnectionInit(payload) => {
                self.init = InitState::Received;
                Action::Authenticate(payload)
            }
            ClientMessage::Ping(payload) => Action::Pong(payload),
            ClientMessage::Pong => Action::Nothing,
            ClientMessage::Subscribe { id, request } => self.start(id, request),
            ClientMessage::Complete { id } => self.running.remove(&id).map_or(Action::Nothing, Action::Stop),
        }
    }

    fn start(&mut self, id: String, request: Box<GraphqlRequest>) -> Action {
        if self.init != InitState::Done {
            return Action::Close(Close::new(4401, "Unauthorized"));
        }
        if self.running.contains_key(&id) {
            return Action::Close(Close::new(4409, already_exists(&id)));
        }
        if self.running.len() >= self.most {
            return Action::Refuse { id, most: self.most };
        }
        self.started += 1;
        self.running.insert(id.clone(), self.started);
        Action::Start { id, number: self.started, request }
    }

    /// The client was authenticated.
    pub fn authenticated(&mut self) {
        self.init = InitState::Done;
    }

    /// Whether the client has not sent `connection_init` yet.
    #[must_use]
    pub fn awaits_init(&self) -> bool {
        self.init == InitState::Pending
    }

    /// Whether the client was authenticated.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.init == InitState::Done
    }

    /// Whether an operation is running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// The end for a client that sent `connection_init` too late.
    #[must_use]
    pub fn init_overdue() -> Close {
        Close::new(4408, "Connection initialisation timeout")
    }

    /// Any message of the client shows that it is still there.
    pub fn received(&mut self) {
        self.unanswered = 0;
    }

    /// Counts a ping that is about to be sent. The error is the end of the connection, when the client left the last
    /// pings unanswered.
    pub fn count_ping(&mut self) -> Result<(), Close> {
        if self.unanswered >= UNANSWERED_MAX {
            return Err(Close::new(4408, "No answer to two pings"));
        }
        self.unanswered += 1;
        Ok(())
    }

    /// Whether an operation is still running. Answers of an operation that was stopped must not be sent.
    #[must_use]
    pub fn runs(&self, id: &str, number: u64) -> bool {
        self.running.get(id) == Some(&number)
    }

    /// An operation has ended.
    pub fn ended(&mut self, id: &str) {
        self.running.remove(id);
    }
}

/// The reason that the protocol prescribes. A long id is cut, so that the rest of the reason fits.
fn already_exists(id: &str) -> String {
    let room = REASON_MAX - "Subscriber for … already exists".len();
    if id.len() <= room {
        return format!("Subscriber for {id} already exists");
    }
    let end = (0..=room).rev().find(|at| id.is_char_boundary(*at)).unwrap_or(0);
    format!("Subscriber for {}… already exists", &id[..end])
}
