//! Overrides the framework's fixed description of the schema.

use async_graphql::extensions::{Extension, ExtensionContext, NextResolve, ResolveInfo};
use async_graphql::{ServerResult, Value};

use super::schema::DESCRIPTION;

/// Resolves the field `description` of `__schema`.
#[derive(Clone, Copy)]
pub(super) struct OwnDescription;

#[async_graphql::async_trait::async_trait]
impl Extension for OwnDescription {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        if info.parent_type == "__Schema" && info.name == "description" {
            return Ok(Some(Value::from(DESCRIPTION)));
        }
        next.run(ctx, info).await
    }
}
