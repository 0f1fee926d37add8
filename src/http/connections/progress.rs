//! How far a connection is, and until when it may stay there.

use std::time::Duration;

use tokio::time::Instant;

/// How long a connection may take for each thing that a client could draw out.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    /// From a request's first byte, or the connection's beginning, to the end of its headers.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For the client to take anything of an answer.
    pub write: Duration,
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    Head,
    Idle,
    Write,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The headers of a request are being read.
    Head { since: Instant },
    /// Between two requests.
    Idle { since: Instant },
    /// A request is being answered; its body and its execution have limits of their own.
    Serving,
    /// Somebody else speaks over the connection now, and looks after it.
    HandedOver,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    stage: Stage,
    /// Since when the client takes nothing of what is written.
    blocked: Option<Instant>,
}

impl Progress {
    /// A connection that begins: its first request is expected at once.
    #[must_use]
    pub fn begun(now: Instant) -> Self {
        Self { stage: Stage::Head { since: now }, blocked: None }
    }

    /// Bytes came. Says, as all of these do, whether another limit holds now.
    pub fn read(&mut self, now: Instant) -> bool {
        let begins = matches!(self.stage, Stage::Idle { .. });
        if begins {
            self.stage = Stage::Head { since: now };
        }
        begins
    }

    /// A request's headers are there.
    pub fn serving(&mut self) -> bool {
        self.stage = Stage::Serving;
        true
    }

    /// A request is answered.
    pub fn served(&mut self, now: Instant) -> bool {
        let ends = self.stage == Stage::Serving;
        if ends {
            self.stage = Stage::Idle { since: now };
        }
        ends
    }

    /// The connection became another protocol's.
    pub fn handed_over(&mut self) -> bool {
        self.stage = Stage::HandedOver;
        true
    }

    /// The client takes nothing of what is written.
    pub fn blocked(&mut self, now: Instant) -> bool {
        let begins = self.blocked.is_none();
        self.blocked.get_or_insert(now);
        begins
    }

    /// The client took something.
    pub fn written(&mut self) -> bool {
        self.blocked.take().is_some()
    }

    /// Until when something must happen, and what is overdue then.
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
