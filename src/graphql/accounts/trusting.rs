//! Pipelines that act for the caller's account without a stored secret (R70).

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::domain::accounts as account;
use crate::domain::accounts::Privilege;
use crate::graphql::accounts::refusal::AccountError;
use crate::graphql::accounts::trusted_publisher::TrustedPublisher;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::Role;
use crate::graphql::ids;
use crate::graphql::scalars::Uri;
use crate::service::accounts::{NewTrustedPublisher, create_trusted_publisher, delete_trusted_publisher};

use crate::graphql::mutations::{PayloadField, answer, result_and_errors, viewer};

/// A claim that a JWT must have.
#[derive(InputObject)]
struct TrustedClaimInput {
    /// Its name, such as `repository`: 1 to 255 characters. Not `iss`, `aud`, `exp`, `nbf`, `iat` or `jti`, which tell no pipeline from another.
    name: String,
    /// Its text: 1 to 1,000 characters. The JWT must have exactly this one.
    value: String,
}

/// Input of `createTrustedPublisher`.
#[derive(InputObject)]
struct CreateTrustedPublisherInput {
    /// 1 to 255 characters, unique in the account whatever the case.
    name: String,
    /// An issuer that the operator allows.
    issuer: Uri,
    /// 1 to 10 claims. A JWT that has all of them acts for the account, so name enough to tell the pipeline from those of anybody else.
    claims: Vec<TrustedClaimInput>,
    /// Any role but ADMINISTRATOR.
    role: Role,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
}

/// Answer of `createTrustedPublisher`.
#[derive(SimpleObject)]
struct CreateTrustedPublisherPayload {
    /// The trusted publisher; null when refused.
    trusted_publisher: PayloadField<TrustedPublisher>,
    /// Why it was refused; empty when it was done.
    errors: Vec<AccountError>,
}

/// Input of `deleteTrustedPublisher`.
#[derive(InputObject)]
struct DeleteTrustedPublisherInput {
    /// The ID of a TrustedPublisher.
    trusted_publisher_id: ID,
}

/// Answer of `deleteTrustedPublisher`.
#[derive(SimpleObject)]
struct DeleteTrustedPublisherPayload {
    /// The ID of the trusted publisher; null when refused.
    deleted_trusted_publisher_id: Option<ID>,
    /// Why it was refused; empty when it was done.
    errors: Vec<AccountError>,
}

/// Trusted publishers.
#[derive(Default)]
pub(in crate::graphql) struct Trusting;

#[Object]
impl Trusting {
    /// Lets a pipeline act for the caller's own account: JWTs of its issuer that have all of the claims are accepted as tokens. Codes: CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, ISSUER_NOT_ALLOWED, CLAIMS_INVALID, ROLE_NOT_ALLOWED, TOO_MANY.
    async fn create_trusted_publisher(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pipeline, and what it may do.")] input: CreateTrustedPublisherInput,
    ) -> Result<CreateTrustedPublisherPayload> {
        let caller = viewer(ctx, Privilege::AccountAdministration)?;
        let claim = |TrustedClaimInput { name, value }| account::TrustedClaim { name, value };
        let new = NewTrustedPublisher {
            name: input.name,
            issuer: input.issuer.0,
            claims: input.claims.into_iter().map(claim).collect(),
            role: input.role.into(),
            client_request_id: input.client_request_id,
        };
        let outcome = create_trusted_publisher(ctx.services(), caller, new).await;
        let (trusted_publisher, errors) = answer(ctx, outcome, |id| TrustedPublisher::by_id(ctx, id)).await?;
        Ok(CreateTrustedPublisherPayload { trusted_publisher, errors })
    }

    /// Takes a trusted publisher away; the open subscriptions of its pipeline end.
    async fn delete_trusted_publisher(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The trusted publisher that is no longer accepted.")] input: DeleteTrustedPublisherInput,
    ) -> Result<DeleteTrustedPublisherPayload> {
        let caller = viewer(ctx, Privilege::AccountAdministration)?;
        let id = ids::trusted_publisher_id(&input.trusted_publisher_id)?;
        let outcome = delete_trusted_publisher(ctx.services(), caller, id).await;
        let (done, errors) = result_and_errors(ctx, outcome)?;
        let deleted_trusted_publisher_id = done.map(|()| input.trusted_publisher_id);
        Ok(DeleteTrustedPublisherPayload { deleted_trusted_publisher_id, errors })
    }
}
