//! The errors of use cases.

use crate::domain::refusal::Refusal;
use crate::domain::text::TextFault;
use crate::store::{StoreError, StoreResult};
use uuid::Uuid;

/// An error that isn't a refusal by a rule. The API returns it as a GraphQL error with `extensions.code`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// No token, or an invalid one.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The token doesn't allow it.
    #[error("{0}")]
    Forbidden(String),
    /// The object doesn't exist or is hidden; the answers don't differ (R3).
    #[error("There is no such object.")]
    NotFound,
    /// Not found, in a call that names several objects. Carries the ids that weren't found.
    #[error("There is no such object.")]
    NoneOf(Vec<Uuid>),
    /// The input is invalid.
    #[error("{0}")]
    BadInput(String),
    /// The database can't be reached. The same call may succeed later.
    #[error("The server can't do this at the moment; try again.")]
    Unavailable(String),
    /// The database's answer to a commit was lost, so the result isn't known.
    #[error(
        "It isn't known whether this was done, as the database's answer was lost. It was done as a whole or not at all: look before you send it again, or send it with the same clientRequestId."
    )]
    OutcomeUnknown(String),
    /// The database took too long. The same call may succeed later, or when it requests less.
    #[error("The database did not answer in time; ask for less at once, or try again.")]
    Timeout(String),
    /// The objects changed during the transaction: a pack's window has opened, a component was added to another pack,
    /// an account was suspended. Or a subscription's document needed data that wasn't read in advance. The operation
    /// starts again, so clients never see this failure.
    #[error("The server can't do this at the moment; try again.")]
    Overtaken,
    /// A bug. Its text is only logged.
    #[error("The server has failed.")]
    Fault(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(text) | StoreError::Newer(text) => Self::Unavailable(text),
            // Use cases turn the conflicts that they expect into refusals. After any other conflict, the caller should
            // repeat the call.
            StoreError::Conflict(text) => Self::Unavailable(text),
            StoreError::OutcomeUnknown(text) => Self::OutcomeUnknown(text),
            StoreError::Timeout(text) => Self::Timeout(text),
            StoreError::NotRead | StoreError::Overtaken => Self::Overtaken,
            StoreError::Fault(text) => Self::Fault(text),
        }
    }
}

impl Failure {
    /// The failure for the `named` ids that aren't `is_known`; `None` if all are.
    pub(super) fn unless_known<I: Copy + Into<Uuid>>(
        named: impl IntoIterator<Item = I>,
        is_known: impl Fn(I) -> bool,
    ) -> Option<Self> {
        let unknown: Vec<Uuid> = named.into_iter().filter(|id| !is_known(*id)).map(Into::into).collect();
        (!unknown.is_empty()).then_some(Self::NoneOf(unknown))
    }

    /// Adds further ids that weren't found. Changes only [`Failure::NoneOf`].
    #[must_use]
    pub(super) fn and_none_of<I: Into<Uuid>>(self, more: impl IntoIterator<Item = I>) -> Self {
        match self {
            Self::NoneOf(ids) => Self::NoneOf(ids.into_iter().chain(more.into_iter().map(Into::into)).collect()),
            other => other,
        }
    }

    /// The failure for an object that doesn't exist or that the caller may not see (R3).
    pub(super) fn none_of<I: Into<Uuid>>(id: I) -> Self {
        Self::NoneOf(vec![id.into()])
    }

    /// The failure with its cause, for the server's log. Clients get the failure without the cause.
    #[must_use]
    pub fn for_operators(&self) -> String {
        match self {
            Self::Fault(cause) => cause.clone(),
            Self::Unavailable(cause) => format!("the database can't do this at the moment: {cause}"),
            Self::Timeout(cause) => format!("the database did not answer in time: {cause}"),
            Self::OutcomeUnknown(cause) => {
                format!("it isn't known whether this was done, as the database's answer was lost: {cause}")
            }
            other => other.to_string(),
        }
    }

    /// A state that can only be the result of a bug in this program.
    #[must_use]
    pub fn bug(what: impl Into<String>) -> Self {
        Self::Fault(what.into())
    }
}

/// The error of a use case: refused by a rule of its area, or failed.
#[derive(Clone, Debug)]
pub enum Error<R> {
    /// The refusals by the first check that failed, one per item at fault. Never empty.
    Refused(Vec<R>),
    Failed(Failure),
}

impl<R: Refusal> From<R> for Error<R> {
    fn from(refusal: R) -> Self {
        Self::Refused(vec![refusal])
    }
}

impl<R> From<Failure> for Error<R> {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl<R> From<StoreError> for Error<R> {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// The result of a use case.
pub type Outcome<T, R> = Result<T, Error<R>>;

/// Whether a write conflicted with a concurrent transaction's, which the checks before could not see.
pub(super) fn is_conflict(result: StoreResult<()>) -> StoreResult<bool> {
    match result {
        Err(StoreError::Conflict(_)) => Ok(true),
        other => other.map(|()| false),
    }
}

/// Maps a text's fault to the area's refusals. A forbidden character is bad input.
pub fn text_fault<R: Refusal>(fault: TextFault, empty: R, too_long: R) -> Error<R> {
    match fault {
        TextFault::ControlCharacter => Failure::BadInput(CONTROL_CHARACTER.into()).into(),
        TextFault::Empty => empty.into(),
        TextFault::TooLong => too_long.into(),
    }
}

/// The message for a text with a character that it can't have.
pub(super) const CONTROL_CHARACTER: &str = "A text holds a character that it can't have: U+0000, or in a name or label a control character, a bidirectional control, a separator of lines, or a noncharacter. Leave it out.";
