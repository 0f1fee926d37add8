//! Attempts to deliver events (R65).

use async_graphql::{Context, ID, Object, Result};

use crate::domain::id::WebhookId;
use crate::domain::webhooks::Delivery;
use crate::graphql::connection::{PageArgs, connection, int};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::EventKind;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::scalars::DateTime;
use crate::graphql::webhooks::states::WebhookFailure;
use crate::store::webhooks::attempts;

connection!("attempts", WebhookDeliveryConnection, WebhookDeliveryEdge, WebhookDelivery);

/// The type `WebhookDelivery`.
pub struct WebhookDelivery(Delivery);

impl From<Delivery> for WebhookDelivery {
    fn from(delivery: Delivery) -> Self {
        Self(delivery)
    }
}

/// An attempt to deliver an event.
#[Object]
impl WebhookDelivery {
    /// The event's ID, as `webhook-id` has it.
    async fn event_id(&self) -> ID {
        Gid::Event(self.0.event).encode()
    }

    /// The event's kind.
    async fn kind(&self) -> EventKind {
        self.0.kind.into()
    }

    /// The number of the attempt for this event: 1, 2, 3 …
    async fn attempt(&self) -> i32 {
        int(self.0.attempt.into())
    }

    /// When it began.
    async fn at(&self) -> DateTime {
        self.0.at.into()
    }

    /// How long it took, in milliseconds.
    async fn milliseconds(&self) -> i32 {
        int(self.0.milliseconds.into())
    }

    /// The HTTP status of the answer; null when there was none.
    async fn status(&self) -> Option<i32> {
        self.0.status.map(Into::into)
    }

    /// Why the event wasn't taken; null when it was.
    async fn failure(&self) -> Option<WebhookFailure> {
        self.0.failure.map(Into::into)
    }
}

/// The attempts of an endpoint, newest first. Fails with BAD_USER_INPUT for invalid arguments.
pub(super) async fn deliveries_connection(
    ctx: &Context<'_>,
    id: WebhookId,
    args: PageArgs,
) -> Result<WebhookDeliveryConnection> {
    let key = (id, args.request(ctx, attempts::NEWEST)?);
    let page = ctx.loaders().webhooks.deliveries.must(key).await.or_failure()?;
    Ok(WebhookDeliveryConnection::of(page, WebhookDelivery))
}
