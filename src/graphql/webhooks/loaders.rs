//! The loaders for webhook endpoints and their attempts.

use crate::domain::id::WebhookId;
use crate::domain::webhooks::{Delivery, Endpoint};
use crate::graphql::batch::{Base, Batch};
use crate::store::page::{Page, PageRequest};
use crate::store::webhooks::{attempts, endpoints};

/// Loaders of endpoints, for both kinds of callers.
pub struct WebhookLoaders {
    pub endpoints: Batch<WebhookId, Endpoint>,
    pub pages: Batch<PageRequest, Page<Endpoint>>,
    pub deliveries: Batch<(WebhookId, PageRequest), Page<Delivery>>,
}

impl WebhookLoaders {
    pub(in crate::graphql) fn new(base: &Base) -> Self {
        Self {
            endpoints: Batch::scoped(base, async |snapshot, ids| endpoints::by_ids(&snapshot, &ids).await),
            pages: Batch::scoped(base, async |snapshot, keys| endpoints::pages(&snapshot, &keys).await),
            deliveries: Batch::scoped(base, async |snapshot, keys| attempts::pages(&snapshot, &keys).await),
        }
    }
}
