//! Mutations of webhook endpoints (R61–R66).

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::domain::id::WebhookId;
use crate::domain::log::Position;
use crate::domain::webhooks::EndpointFilter;
use crate::events::hub::{Interest, StreamEnd};
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::{ResultExt as _, bad_input};
use crate::graphql::ids;
use crate::graphql::log::{EventFilter, position};
use crate::graphql::mutations::{PayloadField, answer, result_and_errors, viewer};
use crate::graphql::scalars::Uri;
use crate::graphql::webhooks::delivery::WebhookDelivery;
use crate::graphql::webhooks::document;
use crate::graphql::webhooks::endpoint::WebhookEndpoint;
use crate::graphql::webhooks::refusal::WebhookError;
use crate::service::webhooks::{self, Begin, ChangedEndpoint, NewEndpoint};

/// Input of `createWebhookEndpoint`.
#[derive(InputObject)]
struct CreateWebhookEndpointInput {
    /// 1 to 255 characters, unique in the account whatever the case.
    name: String,
    /// An https address of up to 2,000 characters without user and fragment.
    url: Uri,
    /// Which events; all when left out.
    filter: Option<EventFilter>,
    /// One subscription of `events` alone, whose answer is the payload's `data`; the common fields when left out.
    document: Option<String>,
    /// Begins after this cursor; with what happens next when left out.
    after: Option<String>,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours makes no other endpoint, and doesn't answer the secret again.
    client_request_id: Option<String>,
}

/// Answer of `createWebhookEndpoint`.
#[derive(SimpleObject)]
struct CreateWebhookEndpointPayload {
    /// The endpoint; null when refused.
    endpoint: PayloadField<WebhookEndpoint>,
    /// The secret, this once, as Standard Webhooks write it (`whsec_…`); null when refused or repeated.
    secret: Option<String>,
    /// Why it was refused; empty when it was done.
    errors: Vec<WebhookError>,
}

/// Input of `updateWebhookEndpoint`; a field that is left out stays unchanged.
#[derive(InputObject)]
struct UpdateWebhookEndpointInput {
    /// The ID of a WebhookEndpoint.
    endpoint_id: ID,
    /// 1 to 255 characters, unique in the account whatever the case.
    name: Option<String>,
    /// An https address of up to 2,000 characters without user and fragment.
    url: Option<Uri>,
    /// Which events; null for all.
    filter: MaybeUndefined<EventFilter>,
    /// One subscription of `events` alone; null for the common fields.
    document: MaybeUndefined<String>,
}

/// Answer of `updateWebhookEndpoint`.
#[derive(SimpleObject)]
struct UpdateWebhookEndpointPayload {
    /// The endpoint; null when refused.
    endpoint: PayloadField<WebhookEndpoint>,
    /// Why it was refused; empty when it was done.
    errors: Vec<WebhookError>,
}

/// Input of `deleteWebhookEndpoint`.
#[derive(InputObject)]
struct DeleteWebhookEndpointInput {
    /// The ID of a WebhookEndpoint.
    endpoint_id: ID,
}

/// Answer of `deleteWebhookEndpoint`.
#[derive(SimpleObject)]
struct DeleteWebhookEndpointPayload {
    /// The ID that the endpoint had; null when refused.
    deleted_endpoint_id: Option<ID>,
    /// Why it was refused; empty when it was done.
    errors: Vec<WebhookError>,
}

/// Input of `pauseWebhookEndpoint`.
#[derive(InputObject)]
struct PauseWebhookEndpointInput {
    /// The ID of a WebhookEndpoint.
    endpoint_id: ID,
}

/// Answer of `pauseWebhookEndpoint`.
#[derive(SimpleObject)]
struct PauseWebhookEndpointPayload {
    /// The endpoint; null when refused.
    endpoint: PayloadField<WebhookEndpoint>,
    /// Why it was refused; empty when it was done.
    errors: Vec<WebhookError>,
}

/// Input of `resumeWebhookEndpoint`.
#[derive(InputObject)]
struct ResumeWebhookEndpointInput {
    /// The ID of a WebhookEndpoint.
    endpoint_id: ID,
    /// Goes on after this cursor, older or newer; where it stopped when left out.
    after: Option<String>,
}

/// Answer of `resumeWebhookEndpoint`.
#[derive(SimpleObject)]
struct ResumeWebhookEndpointPayload {
    /// The endpoint; null when refused.
    endpoint: PayloadField<WebhookEndpoint>,
    /// Why it was refused; empty when it was done.
    errors: Vec<WebhookError>,
}

/// Input of `rotateWebhookSecret`.
#[derive(InputObject)]
struct RotateWebhookSecretInput {
    /// The ID of a WebhookEndpoint.
    endpoint_id: ID,
    /// For how many seconds the former secret signs, too: 0 to 604,800.
    #[graphql(default = 86_400)]
    overlap_seconds: i32,
}

/// Answer of `rotateWebhookSecret`.
#[derive(SimpleObject)]
struct RotateWebhookSecretPayload {
    /// The endpoint; null when refused.
    endpoint: PayloadField<WebhookEndpoint>,
    /// The new secret, this once; null when refused.
    secret: Option<String>,
    /// Why it was refused; empty when it was done.
    errors: Vec<WebhookError>,
}

/// Input of `sendTestEvent`.
#[derive(InputObject)]
struct SendTestEventInput {
    /// The ID of a WebhookEndpoint.
    endpoint_id: ID,
}

/// Answer of `sendTestEvent`.
#[derive(SimpleObject)]
struct SendTestEventPayload {
    /// The attempt; null when refused.
    delivery: Option<WebhookDelivery>,
    /// Why it was refused; empty when it was done.
    errors: Vec<WebhookError>,
}

/// Webhook endpoints.
#[derive(Default)]
pub(in crate::graphql) struct Webhooks;

#[Object]
impl Webhooks {
    /// Makes a webhook endpoint for the caller's own account; its secret is shown this once. Must be the last mutation of its operation: an error of a later one would lose the secret. Codes: CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, TOO_MANY_ENDPOINTS, URL_NOT_ALLOWED, DOCUMENT_NOT_ALLOWED, CURSOR_EXPIRED.
    async fn create_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new endpoint's name, its address, and what it is sent.")]
        input: CreateWebhookEndpointInput,
    ) -> Result<CreateWebhookEndpointPayload> {
        let caller = viewer(ctx, Privilege::AccountAdministration)?;
        let filter = filter(ctx, input.filter.unwrap_or_default()).await?;
        let begin = match &input.after {
            Some(cursor) => begin_after(ctx, cursor).await?,
            None => Begin::After(ctx.data_of_request().hub.position(ctx.scope()?).await.or_failure()?),
        };
        let new = NewEndpoint {
            name: input.name,
            url: input.url.0,
            filter,
            document_fault: document::fault(ctx, input.document.as_deref()),
            document: input.document,
            begin,
            after: input.after,
            client_request_id: input.client_request_id,
        };
        let outcome = webhooks::create(ctx.services(), caller, new).await;
        let secret = webhooks::made_secret(outcome.as_ref().ok());
        let (endpoint, errors) = answer(ctx, outcome, |made| WebhookEndpoint::by_id(ctx, made.id)).await?;
        Ok(CreateWebhookEndpointPayload { endpoint, secret, errors })
    }

    /// Changes a webhook endpoint; its place in the log stays. Codes: NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, URL_NOT_ALLOWED, DOCUMENT_NOT_ALLOWED.
    async fn update_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint, and what changes.")] input: UpdateWebhookEndpointInput,
    ) -> Result<UpdateWebhookEndpointPayload> {
        let caller = viewer(ctx, Privilege::AccountAdministration)?;
        let id = ids::webhook_endpoint_id(&input.endpoint_id)?;
        let filter = match input.filter {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(EndpointFilter::default()),
            MaybeUndefined::Value(given) => Some(filter(ctx, given).await?),
        };
        let document = match input.document {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(document) => Some(Some(document)),
        };
        let document_fault = document::fault(ctx, document.as_ref().and_then(Option::as_deref));
        let url = input.url.map(|url| url.0);
        let changed = ChangedEndpoint { name: input.name, url, filter, document, document_fault };
        let outcome = webhooks::update(ctx.services(), caller, id, changed).await;
        let (endpoint, errors) = answer(ctx, outcome, |()| WebhookEndpoint::by_id(ctx, id)).await?;
        Ok(UpdateWebhookEndpointPayload { endpoint, errors })
    }

    /// Deletes a webhook endpoint.
    async fn delete_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint that goes.")] input: DeleteWebhookEndpointInput,
    ) -> Result<DeleteWebhookEndpointPayload> {
        let caller = viewer(ctx, Privilege::AccountAdministration)?;
        let id = ids::webhook_endpoint_id(&input.endpoint_id)?;
        let (deleted, errors) = result_and_errors(ctx, webhooks::delete(ctx.services(), caller, id).await)?;
        Ok(DeleteWebhookEndpointPayload { deleted_endpoint_id: deleted.map(|()| input.endpoint_id), errors })
    }

    /// Sends no more to a webhook endpoint, until it is resumed. Codes: ALREADY_PAUSED.
    async fn pause_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint that is sent nothing from now on.")] input: PauseWebhookEndpointInput,
    ) -> Result<PauseWebhookEndpointPayload> {
        let caller = viewer(ctx, Privilege::AccountAdministration)?;
        let id = ids::webhook_endpoint_id(&input.endpoint_id)?;
        let outcome = webhooks::pause(ctx.services(), caller, id).await;
        let (endpoint, errors) = answer(ctx, outcome, |()| WebhookEndpoint::by_id(ctx, id)).await?;
        Ok(PauseWebhookEndpointPayload { endpoint, errors })
    }

    /// Goes on with a paused, failing or disabled webhook endpoint, where it stopped or after a cursor. Codes: NOT_PAUSED, CURSOR_EXPIRED.
    async fn resume_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint, and from where on.")] input: ResumeWebhookEndpointInput,
    ) -> Result<ResumeWebhookEndpointPayload> {
        let caller = viewer(ctx, Privilege::AccountAdministration)?;
        let id = ids::webhook_endpoint_id(&input.endpoint_id)?;
        let begin = begin_again(ctx, id, input.after.as_deref()).await?;
        let outcome = webhooks::resume(ctx.services(), caller, id, begin).await;
        let (endpoint, errors) = answer(ctx, outcome, |()| WebhookEndpoint::by_id(ctx, id)).await?;
        Ok(ResumeWebhookEndpointPayload { endpoint, errors })
    }

    /// Gives a webhook endpoint a new secret, which is shown this once. Must be the last mutation of its operation. Codes: OVERLAP_OUT_OF_BOUNDS.
    async fn rotate_webhook_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint, and for how long the former secret signs, too.")]
        input: RotateWebhookSecretInput,
    ) -> Result<RotateWebhookSecretPayload> {
        let caller = viewer(ctx, Privilege::AccountAdministration)?;
        let id = ids::webhook_endpoint_id(&input.endpoint_id)?;
        let outcome = webhooks::rotate(ctx.services(), caller, id, input.overlap_seconds).await;
        let secret = outcome.as_ref().ok().cloned();
        let (endpoint, errors) = answer(ctx, outcome, |_| WebhookEndpoint::by_id(ctx, id)).await?;
        Ok(RotateWebhookSecretPayload { endpoint, secret, errors })
    }

    /// Sends an event of the kind WEBHOOK_TEST to a webhook endpoint, now, and answers what came of it.
    async fn send_test_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint that is tried.")] input: SendTestEventInput,
    ) -> Result<SendTestEventPayload> {
        let caller = viewer(ctx, Privilege::AccountAdministration)?;
        let id = ids::webhook_endpoint_id(&input.endpoint_id)?;
        let (hub, scope) = (ctx.data_of_request().hub.clone(), ctx.scope()?);
        let end = hub.position(scope).await.or_failure()?;
        let cursor = hub.sealer().seal(scope.account_id(), end);
        let outcome = webhooks::send_test(ctx.services(), caller, id, &cursor, ctx.now()).await;
        let (delivery, errors) = result_and_errors(ctx, outcome)?;
        Ok(SendTestEventPayload { delivery: delivery.map(Into::into), errors })
    }
}

async fn filter(ctx: &Context<'_>, given: EventFilter) -> Result<EndpointFilter> {
    let interest = given.read(ctx).await?;
    ctx.end_snapshot();
    let Interest { kinds, pack_id, release_id, installation_id, account_id } = interest;
    Ok(EndpointFilter { kinds, pack_id, installation_id, release_id, about_account_id: account_id })
}

/// The beginning after a cursor of the caller's account. Fails with BAD_USER_INPUT for any other text.
async fn begin_after(ctx: &Context<'_>, cursor: &str) -> Result<Begin> {
    let unfit = || bad_input("`after` isn't an event cursor of this account.");
    begin_at(ctx, position(ctx, cursor)?.ok_or_else(unfit)?).await
}

async fn begin_at(ctx: &Context<'_>, place: Position) -> Result<Begin> {
    match ctx.data_of_request().hub.check(&ctx.snapshot()?, place).await {
        Ok(()) => Ok(Begin::After(place)),
        Err(StreamEnd::Expired { .. }) => Ok(Begin::Expired),
        Err(StreamEnd::Failed(failure)) => Err(failure).or_failure(),
    }
}

/// Where a resumed endpoint goes on: after a given cursor, else where it stopped. `None` if it keeps its position, and
/// if the endpoint doesn't exist.
async fn begin_again(ctx: &Context<'_>, id: WebhookId, after: Option<&str>) -> Result<Option<Begin>> {
    // The use case reports an unknown endpoint. The cursor isn't looked at then.
    let Some(endpoint) = ctx.loaders().webhooks.endpoints.one(id).await.or_failure()? else { return Ok(None) };
    match after {
        Some(cursor) => Ok(Some(begin_after(ctx, cursor).await?)),
        None => Ok(Some(begin_at(ctx, endpoint.place).await?).filter(|begin| *begin == Begin::Expired)),
    }
}
