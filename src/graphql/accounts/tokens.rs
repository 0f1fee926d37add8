//! API tokens of the caller's own account (R1).

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::domain::id::TokenId;
use crate::graphql::accounts::api_token::ApiToken;
use crate::graphql::accounts::refusal::AccountError;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::Role;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids;
use crate::graphql::scalars::DateTime;
use crate::service::access::Caller;
use crate::service::accounts::{create_token, revoke_token, tokens_of};

use crate::graphql::mutations::{PayloadField, answer, result_and_errors, viewer};

/// Input of `createApiToken`.
#[derive(InputObject)]
struct CreateApiTokenInput {
    /// 1 to 255 characters.
    name: String,
    /// What it may do.
    role: Role,
    /// When it ends; never when left out.
    expires_at: Option<DateTime>,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours makes no other token, and doesn't answer the secret again.
    client_request_id: Option<String>,
}

/// Answer of `createApiToken`.
#[derive(SimpleObject)]
struct CreateApiTokenPayload {
    /// The token; null when refused.
    api_token: PayloadField<ApiToken>,
    /// The secret: shown this once. Null when refused or repeated.
    secret: Option<String>,
    /// Why it was refused; empty when it was done.
    errors: Vec<AccountError>,
}

/// Input of `revokeApiToken`.
#[derive(InputObject)]
struct RevokeApiTokenInput {
    /// The ID of an ApiToken.
    token_id: ID,
}

/// Answer of `revokeApiToken`.
#[derive(SimpleObject)]
struct RevokeApiTokenPayload {
    /// The token; null when refused.
    api_token: PayloadField<ApiToken>,
    /// Why it was refused; empty when it was done.
    errors: Vec<AccountError>,
}

/// API tokens.
#[derive(Default)]
pub(in crate::graphql) struct Tokens;

#[Object]
impl Tokens {
    /// Makes an API token for the caller's own account; its secret is shown this once. Must be the last mutation of its operation: an error of a later one would lose the secret. Codes: CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, EXPIRY_NOT_IN_FUTURE.
    async fn create_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new token's name, its role, and when it ends.")] input: CreateApiTokenInput,
    ) -> Result<CreateApiTokenPayload> {
        let caller = maker(ctx)?;
        let (role, expires_at) = (input.role.into(), input.expires_at.map(Into::into));
        let repeat = input.client_request_id.as_deref();
        let outcome = create_token(ctx.services(), caller, &input.name, role, expires_at, repeat).await;
        let (issued, errors) = result_and_errors(ctx, outcome)?;
        let Some(issued) = issued else {
            return Ok(CreateApiTokenPayload { api_token: None, secret: None, errors });
        };
        let api_token = made(ctx, issued.token_id).await.transpose();
        Ok(CreateApiTokenPayload { api_token, secret: issued.secret, errors })
    }

    /// Revokes a token of the caller's own account; its open subscriptions end. Codes: ALREADY_REVOKED, LAST_ADMINISTRATOR_TOKEN.
    async fn revoke_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token that is refused from now on.")] input: RevokeApiTokenInput,
    ) -> Result<RevokeApiTokenPayload> {
        let caller = viewer(ctx, Privilege::AccountAdministration)?;
        let id = ids::token_id(&input.token_id)?;
        let outcome = revoke_token(ctx.services(), caller, id).await;
        let (api_token, errors) = answer(ctx, outcome, |()| ApiToken::by_id(ctx, id)).await?;
        Ok(RevokeApiTokenPayload { api_token, errors })
    }
}

/// The caller, if it may create tokens: an administrator, or the account itself with its enrolment token (R1).
fn maker<'ctx>(ctx: &'ctx Context<'_>) -> Result<&'ctx Caller> {
    if !matches!(ctx.caller(), Caller::Enrolment(_)) {
        viewer(ctx, Privilege::AccountAdministration)?;
    }
    Ok(ctx.caller())
}

/// The new token. An enrolment token may not read anything, so the new token is loaded through its account.
async fn made(ctx: &Context<'_>, id: TokenId) -> Result<Option<ApiToken>> {
    let Caller::Enrolment(enrolment) = ctx.caller() else { return ApiToken::by_id(ctx, id).await };
    let tokens = tokens_of(ctx.services(), enrolment.account.id).await.or_failure()?;
    Ok(tokens.into_iter().find(|token| token.id == id).map(ApiToken::from))
}
