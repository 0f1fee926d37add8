//! Why a rule refused: for each area an error type with its own enum of codes, each made from the area's
//! refusals in one exhaustive match. What they name is read when it is asked for.

mod account;
mod installation;
mod library;
mod pack;
mod packaging;
mod release;
mod sharing;

pub use account::{AccountError, AccountErrorCode};
pub use installation::{InstallationError, InstallationErrorCode};
pub use library::{LibraryError, LibraryErrorCode};
pub use pack::{PackError, PackErrorCode};
pub use packaging::{PackagingError, PackagingErrorCode};
pub use release::{ReleaseError, ReleaseErrorCode};
pub use sharing::{SharingError, SharingErrorCode};

use std::future::Future;

use async_graphql::Result;
use futures_util::future::try_join_all;

/// How many objects at fault an error shows.
const SHOWN_MAX: usize = 100;

/// What is at fault, as far as it may be seen; `None` where the code names nothing.
async fn all<I, T, F>(at_fault: Option<&[I]>, load: impl Fn(I) -> F) -> Result<Option<Vec<T>>>
where
    I: Copy,
    F: Future<Output = Result<Option<T>>>,
{
    let Some(ids) = at_fault else { return Ok(None) };
    let found = try_join_all(ids.iter().take(SHOWN_MAX).map(|id| load(*id))).await?;
    Ok(Some(found.into_iter().flatten().collect()))
}
