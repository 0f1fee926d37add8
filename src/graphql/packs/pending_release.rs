//! The field with a pack's pending release. If only its id and version are selected, it is answered from the pack's row
//! alone.

use std::borrow::Cow;

use async_graphql::parser::types::{Field, Selection};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::{ContainerType, resolve_container};
use async_graphql::{Context, ContextSelectionSet, ID, OutputType, Positioned, ServerResult, Value};

use crate::domain::packs as pack;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::packs::pack_version::PackVersion;
use crate::graphql::releases::Release;

/// The pending release in a pack's row.
pub struct PendingRelease(pub(in crate::graphql) pack::PendingRelease);

impl OutputType for PendingRelease {
    fn type_name() -> Cow<'static, str> {
        Release::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Release::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let is_of_pack = |selection: &Positioned<Selection>| match &selection.node {
            Selection::Field(field) => {
                let name = field.node.name.node.as_str();
                field.node.directives.is_empty() && matches!(name, "id" | "version" | "__typename")
            }
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => false,
        };
        if ctx.item.node.items.iter().all(is_of_pack) {
            return resolve_container(ctx, self).await;
        }
        // Boxed, so that this future is small when the pack's row suffices.
        Box::pin(self.read(ctx, field)).await
    }
}

impl PendingRelease {
    async fn read(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let loaders = ctx.data_of_request().loaders();
        let found = loaders.releases.by_id.must(self.0.release_id).await.or_failure();
        let found = found.map_err(|error| ctx.set_error_path(error.into_server_error(field.pos)))?;
        OutputType::resolve(&Release::new(found.release, loaders.now()), ctx, field).await
    }
}

impl ContainerType for PendingRelease {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        let under = ctx.with_selection_set(&ctx.item.node.selection_set);
        let value = match ctx.item.node.name.node.as_str() {
            "id" => {
                let id: ID = Gid::Release(self.0.release_id).encode();
                OutputType::resolve(&id, &under, ctx.item).await?
            }
            "version" => {
                let version = PackVersion::must(ctx, self.0.version_id).await;
                let version = version.map_err(|error| ctx.set_error_path(error.into_server_error(ctx.item.pos)))?;
                OutputType::resolve(&version, &under, ctx.item).await?
            }
            _ => return Ok(None),
        };
        Ok(Some(value))
    }
}
