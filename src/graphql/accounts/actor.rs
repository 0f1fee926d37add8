//! The actor of a change.

use async_graphql::{Context, Object, Result};

use crate::domain::accounts as account;
use crate::domain::accounts::Privilege;
use crate::domain::id::TokenId;
use crate::graphql::accounts::api_token::ApiToken;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::ActorKind;

/// The type `Actor`: who made a change, as the caller may see it.
pub struct Actor(account::Actor);

impl From<account::Actor> for Actor {
    fn from(actor: account::Actor) -> Self {
        Self(actor)
    }
}

/// The actor of a change, as it was then; it stays when the token is gone.
#[Object]
impl Actor {
    /// The kind of the actor.
    async fn kind(&self) -> ActorKind {
        self.0.kind.into()
    }

    /// The token's name, or its account's where that is another than the caller's; `scheduler`; `command line`.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The token; null when it was none, or is one of another account, or the caller has no ACCOUNT_ADMINISTRATION.
    async fn token(&self, ctx: &Context<'_>) -> Option<Result<ApiToken>> {
        let id = self.own_token(ctx)?;
        ApiToken::by_id(ctx, id).await.transpose()
    }
}

impl Actor {
    /// The id of the token, if it belongs to the caller's account and the caller may see it.
    fn own_token(&self, ctx: &Context<'_>) -> Option<TokenId> {
        let viewer = ctx.caller().viewer().ok()?;
        let id = self.0.token_id.filter(|_| self.0.account_id == Some(viewer.account.id))?;
        (viewer.may(Privilege::AccountAdministration) || id == viewer.token.id).then_some(id)
    }
}
