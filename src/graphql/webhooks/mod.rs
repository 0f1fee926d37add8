//! Webhook endpoints (R61–R66).

mod delivery;
mod document;
mod endpoint;
mod loaders;
mod mutations;
mod query;
mod refusal;
mod states;

pub use delivery::{WebhookDelivery, WebhookDeliveryConnection};
pub use document::CheckDocument;
pub use endpoint::{WebhookEndpoint, WebhookEndpointConnection, WebhookFilter};
pub(in crate::graphql) use loaders::WebhookLoaders;
pub(in crate::graphql) use mutations::Webhooks;
pub use query::WebhookQuery;
pub use refusal::WebhookError;
