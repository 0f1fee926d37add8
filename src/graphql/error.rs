//! What is no refusal by a rule: GraphQL errors with `extensions.code`. The one place that maps them.

use async_graphql::{Context, Error, ErrorExtensions as _, ID, Value};

use super::ids::named;
use crate::ids;
use crate::service::error::Failure;

/// The code of an input that can't be what is meant.
pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";

/// The code of what the server can't do at the moment.
pub const UNAVAILABLE: &str = "UNAVAILABLE";

/// The `extensions.code` of a failure.
#[must_use]
pub fn code(failure: &Failure) -> &'static str {
    match failure {
        Failure::Unauthenticated(_) => "UNAUTHENTICATED",
        Failure::Forbidden(_) => "FORBIDDEN",
        Failure::NotFound | Failure::NoneOf(_) => "NOT_FOUND",
        Failure::BadInput(_) => BAD_USER_INPUT,
        Failure::Unavailable(_) | Failure::Unsettled(_) | Failure::Overtaken => UNAVAILABLE,
        Failure::Timeout(_) => "TIMEOUT",
        Failure::Fault(_) => "INTERNAL_SERVER_ERROR",
    }
}

/// A failure as a GraphQL error. Of what went wrong inside only an id is shown, that the log has too.
#[must_use]
pub fn failure(failure: Failure) -> Error {
    let message = match &failure {
        Failure::Unavailable(inside)
        | Failure::Unsettled(inside)
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

/// The answer for an id that doesn't exist, is not to be seen, or is another type's (R3), as its caller spelled it.
#[must_use]
pub fn not_found(id: &ID) -> Error {
    none_of(vec![id.to_string()])
}

/// The same for several.
fn none_of(ids: Vec<String>) -> Error {
    let ids = ids.into_iter().map(Value::String).collect();
    failure(Failure::NotFound).extend_with(|_, extensions| extensions.set("ids", Value::List(ids)))
}

/// A failure of a field's work. Where something wasn't found, it names the ids that the field was given and that are
/// meant.
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

/// Input that can't be what is meant.
#[must_use]
pub fn bad_input(message: impl Into<String>) -> Error {
    failure(Failure::BadInput(message.into()))
}

/// The answer for an event cursor that is older than what is kept, or names an event that is there no more; after
/// `oldest` everything that is there is told.
#[must_use]
pub fn cursor_expired(oldest: String) -> Error {
    let message = "The events after this cursor are no longer kept, or a restored backup has others. Read the state again, and go on after `viewer.eventCursor`.";
    Error::new(message).extend_with(|_, extensions| {
        extensions.set("code", "CURSOR_EXPIRED");
        extensions.set("oldestCursor", oldest);
    })
}

/// A mistake in this program.
#[must_use]
pub fn bug(what: impl Into<String>) -> Error {
    failure(Failure::bug(what))
}

fn incident() -> String {
    format!("{:016x}", u64::from_be_bytes(ids::random()))
}

/// Turns what a use case or the store answers into what a resolver answers. A plain `?` would lose the code.
pub trait ResultExt<T> {
    /// # Errors
    /// [`failure`] of the error.
    fn or_failure(self) -> async_graphql::Result<T>;
}

impl<T, E: Into<Failure>> ResultExt<T> for Result<T, E> {
    fn or_failure(self) -> async_graphql::Result<T> {
        self.map_err(|error| failure(error.into()))
    }
}
