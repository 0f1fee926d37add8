//! The pause of a release (R56).

use async_graphql::SimpleObject;

use crate::domain::releases::Pause;
use crate::graphql::accounts::Actor;
use crate::graphql::releases::halting::HaltFigures;
use crate::graphql::scalars::DateTime;

/// Since when and why nobody is moved to a release's version.
#[derive(SimpleObject)]
pub(crate) struct ReleasePause {
    /// When it began.
    at: DateTime,
    /// The actor that paused it: the scheduler, when the halt rule did.
    by: Actor,
    /// Why.
    reason: String,
    /// The numbers that decided; null when somebody paused it.
    figures: Option<HaltFigures>,
}

impl From<Pause> for ReleasePause {
    fn from(pause: Pause) -> Self {
        Self { at: pause.at.into(), by: pause.by.into(), reason: pause.reason, figures: pause.figures.map(Into::into) }
    }
}
