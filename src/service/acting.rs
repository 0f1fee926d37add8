//! The actor of a part of a use case.

use crate::domain::accounts::Actor;

/// An actor, the name of its account, and the request's id. The default is the scheduler, which is the actor of steps
/// that a rule demands after a call.
#[derive(Clone, Debug)]
pub(super) struct ActingActor(pub(super) Actor, pub(super) Option<String>, pub(super) Option<String>);

impl Default for ActingActor {
    fn default() -> Self {
        Self(Actor::scheduler(), None, None)
    }
}
