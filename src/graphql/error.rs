//! GraphQL errors with `extensions.code`, for failures that aren't refusals by a rule. Only this module maps them.

use async_graphql::{Context, Error, ErrorExtensions as _, ID, Value};

use super::ids::named;
use crate::ids;
use crate::service::error::Failure;

/// The code for invalid input.
pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";

/// The code when the server can't answer at the moment.
pub const UNAVAILABLE: &str = "UNAVAILABLE";

/// The `extensions.code` of a failure.
#[must_use]
pub fn code(failure: &Failure) -> &'static str {
    match failure {
        Failure::Unauthenticated(_) => "UNAUTHENTICATED",
        Failure::Forbidden(_) => "FORBIDDEN",
        Failure::NotFound | Failure::NoneOf(_) => "NOT_FOUND",
        Failure::BadInput(_) => BAD_USER_INPUT,
        Failure::Unavailable(_) | Failure::OutcomeUnknown(_) | Failure::Overtaken => UNAVAILABLE,
        Failure::Timeout(_) => "TIMEOUT",
        Failure::Fault(_) => "INTERNAL_SERVER_ERROR",
    }
}

/// Converts a failure to a GraphQL error. Internal details go to the log; the client gets only the id of the log entry.
#[must_use]
pub fn failure(failure: Failure) -> Error {
    let message = match &failure {
        Failure::Unavailable(inside)
        | Failure::OutcomeUnknown(inside)
        | Failure::Timeout(inside)
        | Failure::Fault(inside) => {
            let id = incident();
            tracing::error!(error.id = %id, error.code = code(&failure), "{inside}");
            format!("{failure} The log has it under {id}.")
        }
        _ => failure.to_string(),
    };
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code(&failure)))
}

/// The error for an unknown id, an id that the caller may not see, and an id of another type (R3). `id` is shown as the
/// caller spelled it.
#[must_use]
pub fn not_found(id: &ID) -> Error {
    none_of(vec![id.to_string()])
}

/// [`not_found`] for several ids.
fn none_of(ids: Vec<String>) -> Error {
    let ids = ids.into_iter().map(Value::String).collect();
    failure(Failure::NotFound).extend_with(|_, extensions| extensions.set("ids", Value::List(ids)))
}

/// Converts the failure of a field's use case. A NOT_FOUND error names the arguments of the field whose objects weren't
/// found.
#[must_use]
pub fn failure_of(ctx: &Context<'_>, inside: Failure) -> Error {
    let missing = match &inside {
        Failure::NotFound => None,
        Failure::NoneOf(missing) => Some(missing.as_slice()),
        _ => return failure(inside),
    };
    let arguments = ctx.field().arguments().unwrap_or_default();
    match named(arguments.iter().map(|(name, value)| (name.as_str(), value)), missing) {
        ids if ids.is_empty() => failure(inside),
        ids => none_of(ids),
    }
}

/// The error for invalid input.
#[must_use]
pub fn bad_input(message: impl Into<String>) -> Error {
    failure(Failure::BadInput(message.into()))
}

/// The error for a cursor whose event was pruned, or is gone since a backup was restored. Events after `oldest` can
/// still be read.
#[must_use]
pub fn cursor_expired(oldest: String) -> Error {
    let message = "The events after this cursor are no longer kept, or a restored backup has others. Read the state again, and go on after `viewer.eventCursor`.";
    Error::new(message).extend_with(|_, extensions| {
        extensions.set("code", "CURSOR_EXPIRED");
        extensions.set("oldestCursor", oldest);
    })
}

/// The error for a mistake in this program.
#[must_use]
pub fn bug(what: impl Into<String>) -> Error {
    failure(Failure::bug(what))
}

fn incident() -> String {
    format!("{:016x}", u64::from_be_bytes(ids::random()))
}

/// Converts the errors of use cases and of the store. A plain `?` would lose the code.
pub trait ResultExt<T> {
    /// Converts the error by [`failure`].
    fn or_failure(self) -> async_graphql::Result<T>;
}

impl<T, E: Into<Failure>> ResultExt<T> for Result<T, E> {
    fn or_failure(self) -> async_graphql::Result<T> {
        self.map_err(|error| failure(error.into()))
    }
}
