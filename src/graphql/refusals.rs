//! A helper for the error types of refusals. Each subject has an error type with its own enum of codes, mapped from the
//! subject's refusals by an exhaustive match. Errors load the objects at fault only when a client selects them.

use std::future::Future;

use async_graphql::Result;
use futures_util::future::try_join_all;

/// The most objects that an error lists.
const SHOWN_MAX: usize = 100;

/// Loads the objects at fault, without those that the caller may not see. `None` when the code concerns no objects.
pub(in crate::graphql) async fn all<I, T, F>(at_fault: Option<&[I]>, load: impl Fn(I) -> F) -> Result<Option<Vec<T>>>
where
    I: Copy,
    F: Future<Output = Result<Option<T>>>,
{
    let Some(ids) = at_fault else { return Ok(None) };
    let found = try_join_all(ids.iter().take(SHOWN_MAX).map(|id| load(*id))).await?;
    Ok(Some(found.into_iter().flatten().collect()))
}
