//! What a use case answers when it doesn't do what it was asked.

use crate::domain::refusal::Refusal;
use crate::domain::text::TextFault;
use crate::store::{StoreError, StoreResult};
use uuid::Uuid;

/// What is no refusal by a rule: a GraphQL error with `extensions.code`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// No token, or one that opens nothing.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Not with this token.
    #[error("{0}")]
    Forbidden(String),
    /// Doesn't exist, or is not to be seen: the same answer (R3).
    #[error("There is no such object.")]
    NotFound,
    /// The same, where a call names several: these of them.
    #[error("There is no such object.")]
    NoneOf(Vec<Uuid>),
    /// The input can't be what is meant.
    #[error("{0}")]
    BadInput(String),
    /// The database can't be reached; the same call may pass later.
    #[error("The server can't do this at the moment; try again.")]
    Unavailable(String),
    /// The answer to a commit was lost.
    #[error(
        "It isn't known whether this was done, as the database's answer was lost. It was done as a whole or not at all: look before you send it again, or send it with the same clientRequestId."
    )]
    Unsettled(String),
    /// The database took too long; the same call may pass later, or when it asks for less.
    #[error("The database did not answer in time; ask for less at once, or try again.")]
    Timeout(String),
    /// What was to be changed became another while the locks were waited for: the window of a pack has opened, a
    /// component came into another pack. The use case begins anew; nobody outside is told.
    #[error("The server can't do this at the moment; try again.")]
    Overtaken,
    /// A fault of ours. Its text is for the log alone.
    #[error("The server has failed.")]
    Fault(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(text) => Self::Unavailable(text),
            // Who races expects a refusal; where none fits, the same call again gets the right answer.
            StoreError::Conflict(text) => Self::Unavailable(text),
            StoreError::Unsettled(text) => Self::Unsettled(text),
            StoreError::Timeout(text) => Self::Timeout(text),
            StoreError::Fault(text) => Self::Fault(text),
        }
    }
}

impl Failure {
    /// Those of the `named` that aren't `known`; `None` when all are.
    pub(super) fn unless_known<I: Copy + Into<Uuid>>(
        named: impl IntoIterator<Item = I>,
        known: impl Fn(I) -> bool,
    ) -> Option<Self> {
        let unknown: Vec<Uuid> = named.into_iter().filter(|id| !known(*id)).map(Into::into).collect();
        (!unknown.is_empty()).then_some(Self::NoneOf(unknown))
    }

    /// None of these, beside those that are meant already.
    #[must_use]
    pub(super) fn and_none_of<I: Into<Uuid>>(self, more: impl IntoIterator<Item = I>) -> Self {
        match self {
            Self::NoneOf(ids) => Self::NoneOf(ids.into_iter().chain(more.into_iter().map(Into::into)).collect()),
            other => other,
        }
    }

    pub(super) fn none_of<I: Into<Uuid>>(id: I) -> Self {
        Self::NoneOf(vec![id.into()])
    }

    /// For what cannot be unless there is a mistake in this program.
    #[must_use]
    pub fn bug(what: impl Into<String>) -> Self {
        Self::Fault(what.into())
    }
}

/// What a use case of an area answers: refused by a rule, or failed.
#[derive(Clone, Debug)]
pub enum Error<R> {
    /// The first check that failed, for each item at fault; never empty.
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

/// What a use case gives.
pub type Outcome<T, R> = Result<T, Error<R>>;

/// Whether a write met what another transaction wrote past all checks.
pub(super) fn is_conflict(result: StoreResult<()>) -> StoreResult<bool> {
    match result {
        Err(StoreError::Conflict(_)) => Ok(true),
        other => other.map(|()| false),
    }
}

/// A text's fault as the area's refusals, or as bad input when it holds what no text may hold.
pub fn text_fault<R: Refusal>(fault: TextFault, empty: R, too_long: R) -> Error<R> {
    match fault {
        TextFault::ControlCharacter => Failure::BadInput(CONTROL_CHARACTER.into()).into(),
        TextFault::Empty => empty.into(),
        TextFault::TooLong => too_long.into(),
    }
}

pub(super) const CONTROL_CHARACTER: &str = "A text holds a character that it can't have: U+0000, or in a name or label a control character, a bidirectional control, a separator of lines, or a noncharacter. Leave it out.";
