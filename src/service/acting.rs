//! The actor of a part of a use case.

use crate::domain::accounts::Actor;

/// An actor, with the name of its account and the id of its request. The default is the scheduler, which is the actor
/// of steps that a rule demands after a call.
#[derive(Clone, Debug)]
pub(super) struct ActingActor {
    pub(super) actor: Actor,
    pub(super) account_name: Option<String>,
    pub(super) request_id: Option<String>,
}

impl Default for ActingActor {
    fn default() -> Self {
        Self { actor: Actor::scheduler(), account_name: None, request_id: None }
    }
}
