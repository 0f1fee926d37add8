//! The actor of a part of a use case.

use crate::domain::accounts::Actor;

/// An actor, its account's name, and the request. By default the scheduler, which does by rule what follows from a call.
#[derive(Clone, Debug)]
pub(super) struct ActingActor(pub(super) Actor, pub(super) Option<String>, pub(super) Option<String>);

impl Default for ActingActor {
    fn default() -> Self {
        Self(Actor::scheduler(), None, None)
    }
}
