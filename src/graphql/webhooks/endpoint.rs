//! A webhook endpoint of the caller's account, and the connection of endpoints.

use async_graphql::{Context, ID, Object, Result};

use crate::domain::accounts::Privilege;
use crate::domain::id::WebhookId;
use crate::domain::webhooks::{Endpoint, EndpointFilter, WebhookState as State};
use crate::events::hub::Interest;
use crate::graphql::accounts::Actor;
use crate::graphql::connection::{PageArgs, connection};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::EventKind;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::interfaces::Pack;
use crate::graphql::scalars::{DateTime, Uri};
use crate::graphql::webhooks::delivery::{WebhookDeliveryConnection, deliveries_connection};
use crate::graphql::webhooks::states::{WebhookDisabledReason, WebhookState};
use crate::store::log::events;
use crate::store::webhooks::endpoints;

connection!("endpoints", WebhookEndpointConnection, WebhookEndpointEdge, WebhookEndpoint);

/// The most waiting events that are counted.
const WAITING_MAX: u32 = 500;

/// The type `WebhookEndpoint`.
pub struct WebhookEndpoint(Endpoint);

/// A subscriber of the event log whose cursor the server keeps. Needs ACCOUNT_ADMINISTRATION. The events after the cursor are sent by POST, one at a time, each until it is taken.
#[Object]
impl WebhookEndpoint {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::WebhookEndpoint(self.0.id).encode()
    }

    /// 1 to 255 characters, unique in the account whatever the case.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Where events are sent.
    async fn url(&self) -> Uri {
        self.0.url.clone().into()
    }

    /// Which events are sent.
    async fn filter(&self) -> WebhookFilter {
        WebhookFilter(self.0.filter.clone())
    }

    /// The subscription whose answer is the payload's `data`; null for the common fields.
    async fn document(&self) -> Option<&str> {
        self.0.document.as_deref()
    }

    /// Whether events are sent.
    async fn state(&self) -> WebhookState {
        self.0.state.into()
    }

    /// Why it was disabled; null unless it is DISABLED.
    async fn disabled_reason(&self) -> Option<WebhookDisabledReason> {
        self.0.disabled_reason.map(Into::into)
    }

    /// The cursor of the last event that was taken; null when none was. It can be a second behind.
    async fn last_delivered_cursor(&self, ctx: &Context<'_>) -> Option<String> {
        let sealer = ctx.data_of_request().hub.sealer();
        self.0.delivered.map(|position| sealer.seal(self.0.account_id, position))
    }

    /// How many events wait to be sent; null when there are more than 500.
    async fn waiting_count(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        let interest = Interest::from(&self.0.filter);
        let after = self.0.place.sequence;
        let next = events::after(&ctx.snapshot()?, after, &interest, WAITING_MAX).await.or_failure()?;
        Ok(if next.more_after.is_some() { None } else { i32::try_from(next.events.len()).ok() })
    }

    /// When an event whose last attempt failed is sent again; null when no attempt failed.
    async fn next_attempt_at(&self) -> Option<DateTime> {
        self.0.next_attempt_at.filter(|_| self.0.state == State::Failing).map(Into::into)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// The actor that made it.
    async fn created_by(&self) -> Actor {
        self.0.created_by.clone().into()
    }

    /// Until when the former secret signs, too; null when there is none.
    async fn former_secret_until(&self, ctx: &Context<'_>) -> Option<DateTime> {
        let now = ctx.now();
        self.0.former_secret_until.filter(|until| *until > now).map(Into::into)
    }

    /// The attempts of the last 30 days, newest first. A busy endpoint keeps its newest ones, up to 10,000.
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<WebhookDeliveryConnection> {
        deliveries_connection(ctx, self.0.id, PageArgs::new(first, after, last, before)).await
    }
}

impl WebhookEndpoint {
    /// The endpoint with this id, if it is the account's and the caller may keep endpoints.
    pub async fn by_id(ctx: &Context<'_>, id: WebhookId) -> Result<Option<Self>> {
        let may = ctx.viewer()?.may(Privilege::AccountAdministration);
        let endpoint = ctx.loaders().webhooks.endpoints.one(id).await.or_failure()?;
        Ok(endpoint.filter(|_| may).map(Self))
    }
}

/// The endpoints of the caller's account, by name. Fails with FORBIDDEN without the privilege ACCOUNT_ADMINISTRATION.
pub(super) async fn endpoints_connection(ctx: &Context<'_>, args: PageArgs) -> Result<WebhookEndpointConnection> {
    ctx.viewer()?.require(Privilege::AccountAdministration).or_failure()?;
    let request = args.request(ctx, endpoints::BY_NAME)?;
    let page = ctx.loaders().webhooks.pages.must(request).await.or_failure()?;
    Ok(WebhookEndpointConnection::of(page, WebhookEndpoint))
}

/// The type `WebhookFilter`.
pub struct WebhookFilter(EndpointFilter);

/// Which events an endpoint is sent.
#[Object]
impl WebhookFilter {
    /// These kinds; null for all.
    async fn kinds(&self) -> Option<Vec<EventKind>> {
        self.0.kinds.as_ref().map(|kinds| kinds.iter().copied().map(Into::into).collect())
    }

    /// Of this pack; null for all, and when the pack is gone or no longer to be seen.
    async fn pack(&self, ctx: &Context<'_>) -> Result<Option<Pack>> {
        match self.0.pack_id {
            Some(id) => Pack::by_id(ctx, id).await,
            None => Ok(None),
        }
    }
}
