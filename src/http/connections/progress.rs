//! The progress of a connection, and the time limit of each step.

use std::time::Duration;

use tokio::time::Instant;

/// The time limits of the steps that a slow client could draw out.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    /// From a request's first byte, or the connection's beginning, to the end of the headers.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Until the client accepts a part of the answer.
    pub write: Duration,
}

impl Timers {
    /// The shortest of the time limits.
    #[must_use]
    pub fn shortest(&self) -> Duration {
        self.head.min(self.idle).min(self.write)
    }
}

/// The step that took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    Head,
    Idle,
    Write,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waiting for a request's headers.
    Head { since: Instant },
    /// Waiting for the next request.
    Idle { since: Instant },
    /// Answering a request. Its body and its execution have their own limits.
    Serving,
    /// The connection was upgraded, and the WebSocket has its own limits.
    HandedOver,
}

/// The step that a connection is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    stage: Stage,
    /// When the client stopped accepting data, if it did.
    blocked: Option<Instant>,
}

impl Progress {
    /// A new connection. Its first request must come at once.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { stage: Stage::Head { since: now }, blocked: None }
    }

    /// The client sent bytes. Like the following methods, returns whether the deadline has changed.
    pub fn read(&mut self, now: Instant) -> bool {
        let begins = matches!(self.stage, Stage::Idle { .. });
        if begins {
            self.stage = Stage::Head { since: now };
        }
        begins
    }

    /// The headers of a request are complete.
    pub fn serving(&mut self) -> bool {
        self.stage = Stage::Serving;
        true
    }

    /// The answer is complete.
    pub fn answered(&mut self, now: Instant) -> bool {
        let ends = self.stage == Stage::Serving;
        if ends {
            self.stage = Stage::Idle { since: now };
        }
        ends
    }

    /// The connection was upgraded to another protocol.
    pub fn handed_over(&mut self) -> bool {
        self.stage = Stage::HandedOver;
        true
    }

    /// The client accepts no more data.
    pub fn blocked(&mut self, now: Instant) -> bool {
        let begins = self.blocked.is_none();
        self.blocked.get_or_insert(now);
        begins
    }

    /// The client accepted data.
    pub fn written(&mut self) -> bool {
        self.blocked.take().is_some()
    }

    /// The deadline of the current step, and the step; `None` without a time limit.
    #[must_use]
    pub fn deadline(&self, timers: &Timers) -> Option<(Instant, Overdue)> {
        if let Some(since) = self.blocked {
            return Some((since + timers.write, Overdue::Write));
        }
        match self.stage {
            Stage::Head { since } => Some((since + timers.head, Overdue::Head)),
            Stage::Idle { since } => Some((since + timers.idle, Overdue::Idle)),
            Stage::Serving | Stage::HandedOver => None,
        }
    }
}
