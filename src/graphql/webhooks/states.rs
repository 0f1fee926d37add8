//! The states of endpoints and of attempts.

use async_graphql::Enum;

/// Whether an endpoint is sent events.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::webhooks::WebhookState")]
pub enum WebhookState {
    /// Events are sent.
    Active,
    /// Its last attempt failed; the same event is tried again.
    Failing,
    /// Somebody paused it.
    Paused,
    /// The server has given it up, and sends nothing until it is resumed.
    Disabled,
}

/// Why an endpoint was given up.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::webhooks::DisabledReason")]
pub enum WebhookDisabledReason {
    /// The last attempt of an event failed.
    AttemptsExhausted,
    /// It answered 410.
    Gone,
    /// The events after its place are no longer kept.
    CursorExpired,
    /// The server no longer accepts its document, since the schema or the server's limits have changed.
    DocumentRefused,
}

/// Why an event wasn't taken.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::webhooks::WebhookFailure")]
pub enum WebhookFailure {
    /// It answered with another status than 2xx.
    Status,
    /// It didn't answer within 15 seconds.
    Timeout,
    /// No connection could be made, or it broke; also for an address that isn't allowed.
    Connection,
}
