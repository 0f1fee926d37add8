//! Refusals: why a rule refuses a call. Each subject has an enum of its refusals, with data that helps the caller.

/// The path to an input field, below the mutation's `input`.
pub type Field = Vec<String>;

/// The path of a refused field, as [`Refusal::field`] returns it.
pub(in crate::domain) fn path(parts: &[&str]) -> Option<Field> {
    Some(parts.iter().map(|part| (*part).to_owned()).collect())
}

/// The parts of a refusal that the API shows for every subject.
pub trait Refusal {
    /// A sentence in English that says what to do.
    fn message(&self) -> String;
    /// The field at fault; `None` when it isn't a single field.
    fn field(&self) -> Option<Field>;
}

/// The message for a `clientRequestId` that was used before with a different input.
pub(in crate::domain) const REUSED: &str =
    "This clientRequestId came with another input in the last 24 hours; use a new one for a new request.";
