//! The fields of `Query` for webhooks.

use async_graphql::{Context, Object, Result};

use crate::graphql::connection::PageArgs;
use crate::graphql::webhooks::endpoint::{WebhookEndpointConnection, endpoints_connection};

#[derive(Default)]
pub struct WebhookQuery;

#[Object]
impl WebhookQuery {
    /// The webhook endpoints of the caller's account, by name. Needs ACCOUNT_ADMINISTRATION.
    async fn webhook_endpoints(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<WebhookEndpointConnection> {
        Box::pin(endpoints_connection(ctx, PageArgs::new(first, after, last, before))).await
    }
}
