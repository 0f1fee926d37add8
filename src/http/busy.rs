//! Answers to valid requests that the server doesn't execute now, or not completely.

use std::time::Duration;

use crate::gate::OperationKind;

use super::answer::{Allowance, Answer, Phase, set};
use super::workload::Busy;

/// The answer when the token's or peer's allowance is too small for the request.
pub(super) fn limited(cost: u64, allowance: Allowance, owner: &str) -> Answer {
    let wait = allowance.retry_after_seconds.unwrap_or_default();
    let message = format!(
        "The request costs {cost}, and of the {} that {owner} in a minute {} are left; try again in {wait} s.",
        allowance.limit, allowance.remaining
    );
    let mut answer = Answer::refused("RATE_LIMITED", message);
    for error in &mut answer.response.errors {
        set(error, "limit", allowance.limit);
        set(error, "requested", cost);
        set(error, "remaining", allowance.remaining);
        set(error, "retryAfterSeconds", wait);
    }
    Answer { phase: Phase::Limited, allowance: Some(allowance), ..answer }
}

/// The answer when an operation took too long. Uncommitted changes are rolled back, but a mutation may have committed
/// before.
pub(super) fn timed_out(kind: OperationKind, limit: Duration) -> Answer {
    let limit = limit.as_secs_f64();
    let message = match kind {
        OperationKind::Mutation => format!(
            "The mutation did not end within {limit} s. What it began was done as a whole or not at all: look before you send it again, or send it with the same clientRequestId."
        ),
        _ => format!("The operation did not end within {limit} s; ask for less at once."),
    };
    let mut answer = Answer::refused("TIMEOUT", message);
    for error in &mut answer.response.errors {
        set(error, "limitSeconds", limit);
    }
    Answer { phase: Phase::Executed, ..answer }
}

/// The answer to an operation on a connection that is closed because the server ends.
pub(super) fn ending() -> Answer {
    let message = "The server ends, and the operation was not executed; send it again on another connection.";
    retried(Answer::refused("UNAVAILABLE", message), Phase::Overloaded)
}

/// The answer when an operation got no turn in time.
pub(super) fn turned_away(busy: Busy, waited: Duration) -> Answer {
    let waited = waited.as_secs_f64();
    match busy {
        Busy::Owner => own(format!(
            "You have as many operations in progress as you may, or they cost as much as they may together. This one has waited for up to {waited} s. Wait for the others, or ask for less at once."
        )),
        Busy::Server => of_server(),
    }
}

/// The answer when a request's memory can't be reserved.
pub(super) fn memory_full(busy: Busy) -> Answer {
    match busy {
        Busy::Owner => {
            own("Your requests and open subscriptions take as much memory as they may; end some of them first.".into())
        }
        Busy::Server => of_server(),
    }
}

fn own(message: String) -> Answer {
    retried(Answer::refused("RATE_LIMITED", message), Phase::Limited)
}

fn of_server() -> Answer {
    retried(
        Answer::refused("UNAVAILABLE", "The server has as much work as it can do at a time; try again."),
        Phase::Overloaded,
    )
}

fn retried(mut answer: Answer, phase: Phase) -> Answer {
    for error in &mut answer.response.errors {
        set(error, "retryAfterSeconds", 1);
    }
    Answer { phase, ..answer }
}
