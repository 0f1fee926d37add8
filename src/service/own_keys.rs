//! Own keys (R67): the check that all use cases with a key share.

use crate::domain::own_key::checked_key;
use crate::domain::refusal::Refusal;
use crate::service::error::Outcome;
use crate::store::StoreResult;

/// The two refusals of a key. Each type of object has its own enum of refusals, so the use case provides them.
pub(super) struct KeyRefusals<R, T> {
    pub malformed: R,
    /// Another object has the key.
    pub taken: fn(T) -> R,
}

/// Checks the key that a call gives, if it gives one. `holder` finds another object that has the key.
///
/// # Errors
/// One of `refusals`.
pub(super) async fn free_key<R: Refusal, T>(
    raw: Option<&str>,
    refusals: KeyRefusals<R, T>,
    holder: impl AsyncFnOnce(&str) -> StoreResult<Option<T>>,
) -> Outcome<Option<String>, R> {
    let Ok(key) = checked_key(raw) else { return Err(refusals.malformed.into()) };
    if let Some(key) = &key
        && let Some(other) = holder(key).await?
    {
        return Err((refusals.taken)(other).into());
    }
    Ok(key)
}
