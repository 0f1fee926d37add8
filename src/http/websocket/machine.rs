//! The protocol as a machine without a socket: what follows from what a client says, and from silence.

use std::collections::HashMap;

use super::message::{ClientMessage, Payload};
use crate::http::request::GraphqlRequest;

/// The longest reason that a close frame holds, in bytes.
const REASON_MAX: usize = 123;
/// How many questions whether it is still there a client may leave unanswered.
const UNANSWERED_MAX: u8 = 2;

/// The end of a connection: a code and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub reason: String,
}

impl Close {
    /// An end with a reason, cut to what a close frame holds.
    #[must_use]
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if reason.len() > REASON_MAX {
            let end = (0..=REASON_MAX).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
            reason.truncate(end);
        }
        Self { code, reason }
    }

    /// Something that the protocol doesn't have.
    #[must_use]
    pub fn bad_request(why: impl Into<String>) -> Self {
        Self::new(4400, why)
    }

    /// A token that is refused.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(4403, "Forbidden")
    }

    /// A fault of ours; the client may come back.
    #[must_use]
    pub fn try_again() -> Self {
        Self::new(1013, "The server has failed; try again")
    }
}

/// What has to be done.
#[derive(Debug)]
pub enum Step {
    Nothing,
    /// Answer a question.
    Pong(Option<Payload>),
    /// Find out who it is; [`Machine::greeted`] afterwards.
    Greet(Option<Payload>),
    /// Start an operation, under a number of its own.
    Start {
        id: String,
        number: u64,
        request: Box<GraphqlRequest>,
    },
    /// Stop the operation of this number.
    Stop(u64),
    /// Refuse one operation more than a connection may have.
    Refuse {
        id: String,
        most: usize,
    },
    Close(Close),
}

/// How far the greeting has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    Awaited,
    Asked,
    Done,
}

/// One connection's state.
#[derive(Debug)]
pub struct Machine {
    greeting: Greeting,
    /// The operations that run, by id. A number tells two of one id apart, one after the other.
    running: HashMap<String, u64>,
    started: u64,
    most: usize,
    unanswered: u8,
}

impl Machine {
    /// A connection that begins, and may have `most` operations at a time.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { greeting: Greeting::Awaited, running: HashMap::new(), started: 0, most, unanswered: 0 }
    }

    /// What follows from a text.
    pub fn receive(&mut self, text: &str) -> Step {
        let message = match ClientMessage::parse(text) {
            Ok(message) => message,
            Err(invalid) => return Step::Close(Close::bad_request(invalid.0)),
        };
        match message {
            ClientMessage::ConnectionInit(_) if self.greeting != Greeting::Awaited => {
                Step::Close(Close::new(4429, "Too many initialisation requests"))
            }
            ClientMessage::ConnectionInit(payload) => {
                self.greeting = Greeting::Asked;
                Step::Greet(payload)
            }
            ClientMessage::Ping(payload) => Step::Pong(payload),
            ClientMessage::Pong => Step::Nothing,
            ClientMessage::Subscribe { id, request } => self.start(id, request),
            ClientMessage::Complete { id } => self.running.remove(&id).map_or(Step::Nothing, Step::Stop),
        }
    }

    fn start(&mut self, id: String, request: Box<GraphqlRequest>) -> Step {
        if self.greeting != Greeting::Done {
            return Step::Close(Close::new(4401, "Unauthorized"));
        }
        if self.running.contains_key(&id) {
            return Step::Close(Close::new(4409, already_exists(&id)));
        }
        if self.running.len() >= self.most {
            return Step::Refuse { id, most: self.most };
        }
        self.started += 1;
        self.running.insert(id.clone(), self.started);
        Step::Start { id, number: self.started, request }
    }

    /// The client is let in.
    pub fn greeted(&mut self) {
        self.greeting = Greeting::Done;
    }

    /// Whether the client has not yet asked to be let in.
    #[must_use]
    pub fn awaits_greeting(&self) -> bool {
        self.greeting == Greeting::Awaited
    }

    /// Whether the client is let in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.greeting == Greeting::Done
    }

    /// Whether an operation runs.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        !self.running.is_empty()
    }

    /// The client took too long to ask to be let in.
    #[must_use]
    pub fn greeting_overdue() -> Close {
        Close::new(4408, "Connection initialisation timeout")
    }

    /// Something came, whatever it was: the client is there.
    pub fn heard(&mut self) {
        self.unanswered = 0;
    }

    /// It is time to ask whether the client is still there.
    ///
    /// # Errors
    /// The end, when it left the last questions unanswered.
    pub fn ask(&mut self) -> Result<(), Close> {
        if self.unanswered >= UNANSWERED_MAX {
            return Err(Close::new(4408, "No answer to two pings"));
        }
        self.unanswered += 1;
        Ok(())
    }

    /// Whether an operation still runs: one that was stopped has nothing more to say.
    #[must_use]
    pub fn runs(&self, id: &str, number: u64) -> bool {
        self.running.get(id) == Some(&number)
    }

    /// An operation has come to its end.
    pub fn ended(&mut self, id: &str) {
        self.running.remove(id);
    }
}

/// The protocol's own words; a long id is cut, so that the words stay.
fn already_exists(id: &str) -> String {
    let room = REASON_MAX - "Subscriber for … already exists".len();
    if id.len() <= room {
        return format!("Subscriber for {id} already exists");
    }
    let end = (0..=room).rev().find(|at| id.is_char_boundary(*at)).unwrap_or(0);
    format!("Subscriber for {}… already exists", &id[..end])
}
