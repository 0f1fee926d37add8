//! An API token of the caller's account, and the connection of tokens.

use async_graphql::{Context, ID, Object, Result};

use crate::domain::accounts as account;
use crate::domain::accounts::Privilege;
use crate::domain::id::TokenId;
use crate::graphql::accounts::actor::Actor;
use crate::graphql::connection::{PageArgs, connection};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::Role;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::scalars::DateTime;
use crate::service::access::Bearer;
use crate::store::accounts::tokens;

connection!("tokens", ApiTokenConnection, ApiTokenEdge, ApiToken);

/// The type `ApiToken`.
pub struct ApiToken(account::ApiToken);

impl From<account::ApiToken> for ApiToken {
    fn from(token: account::ApiToken) -> Self {
        Self(token)
    }
}

/// A token of the caller's own account; another than the one of the request needs ACCOUNT_ADMINISTRATION. Its secret is not kept and can't be read again.
#[Object]
impl ApiToken {
    /// Opaque; no part of the secret.
    pub async fn id(&self) -> ID {
        Gid::ApiToken(self.0.id).encode()
    }

    /// Its name.
    pub async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it may do.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// When it was made.
    pub async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// The actor that made it.
    async fn created_by(&self) -> Actor {
        self.0.created_by.clone().into()
    }

    /// When it was last used, to the minute; null when never.
    async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used_at.map(Into::into)
    }

    /// When it ends; null for never.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(Into::into)
    }

    /// When it was revoked; null while it isn't.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(Into::into)
    }

    /// Whether it is the token of this request.
    async fn is_current(&self, ctx: &Context<'_>) -> bool {
        ctx.caller().viewer().is_ok_and(|viewer| viewer.token.id == self.0.id)
    }

    /// Whether the caller may now revoke it.
    async fn viewer_can_revoke(&self, ctx: &Context<'_>) -> Result<bool> {
        let may = ctx.caller().viewer().is_ok_and(|viewer| viewer.may(Privilege::AccountAdministration));
        // A JWT can't be revoked here. It expires by itself.
        let stored = ctx.caller().viewer().is_ok_and(|v| v.bearer == Bearer::Stored || v.token.id != self.0.id);
        if !may || !stored || self.0.revoked_at.is_some() {
            return Ok(false);
        }
        Ok(!self.0.keeps_the_account_open() || !self.is_last(ctx).await?)
    }
}

impl ApiToken {
    /// The token with this id, if the caller may see it: an administrator sees all tokens of the account, others see
    /// their own.
    pub async fn by_id(ctx: &Context<'_>, id: TokenId) -> Result<Option<Self>> {
        let viewer = ctx.viewer()?;
        if viewer.bearer != Bearer::Stored && viewer.token.id == id {
            return Ok(Some(Self((*viewer.token).clone())));
        }
        let may = viewer.may(Privilege::AccountAdministration) || viewer.token.id == id;
        let token = ctx.loaders().accounts.tokens.one(id).await.or_failure()?;
        Ok(token.filter(|_| may).map(Self))
    }

    /// Whether this is the account's last administrator token that doesn't expire (R1).
    async fn is_last(&self, ctx: &Context<'_>) -> Result<bool> {
        let open = ctx.loaders().accounts.open_tokens.one(()).await.or_failure()?.unwrap_or_default();
        Ok(open.iter().all(|id| *id == self.0.id))
    }
}

/// The tokens of the caller's account, newest first; `None` without the privilege ACCOUNT_ADMINISTRATION.
pub(crate) async fn own_tokens(ctx: &Context<'_>, args: PageArgs) -> Result<Option<ApiTokenConnection>> {
    if !ctx.viewer()?.may(Privilege::AccountAdministration) {
        return Ok(None);
    }
    let request = args.request(ctx, tokens::NEWEST)?;
    let page = ctx.loaders().accounts.token_pages.must(request).await.or_failure()?;
    Ok(Some(ApiTokenConnection::of(page, ApiToken)))
}
