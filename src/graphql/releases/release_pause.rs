//! The pause of a release (R56).

use async_graphql::SimpleObject;

use crate::domain::releases::Pause;
use crate::graphql::accounts::Actor;
use crate::graphql::scalars::DateTime;

/// Since when and why nobody is moved to a release's version.
#[derive(SimpleObject)]
pub(crate) struct ReleasePause {
    /// When it began.
    at: DateTime,
    /// The actor that paused it.
    by: Actor,
    /// Why.
    reason: String,
}

impl From<Pause> for ReleasePause {
    fn from(pause: Pause) -> Self {
        Self { at: pause.at.into(), by: pause.by.into(), reason: pause.reason }
    }
}
