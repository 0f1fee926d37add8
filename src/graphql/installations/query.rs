//! The fields of `Query` for managed accounts, and for installations, which both kinds of accounts read.

use async_graphql::{Context, ID, Object, Result};

use crate::graphql::connection::PageArgs;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::not_found;
use crate::graphql::ids;
use crate::graphql::installations::installation::{
    Installation, InstallationConnection, InstallationFilter, InstallationsOf, installations_connection, visible_pack,
};
use crate::graphql::installations::installation_update::{InstallationUpdateConnection, updates_connection};
use crate::graphql::lookup;
use crate::graphql::sharing::{
    AvailablePack, AvailablePackConnection, AvailablePackFilter, available_packs_connection,
};
use crate::store::installations::updates::UpdatesOf;

#[derive(Default)]
pub struct ManagedQuery;

#[Object]
impl ManagedQuery {
    /// Managed account: the packs that are shared with it and were released at least once, by name.
    async fn available_packs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only packs that match all of it.")] filter: Option<AvailablePackFilter>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<AvailablePackConnection> {
        ctx.managed()?;
        available_packs_connection(ctx, filter, PageArgs::new(first, after, last, before)).await
    }

    /// Managed account: one pack that is shared with it or that it has installed.
    async fn available_pack(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of an AvailablePack.")] id: ID,
    ) -> Option<Result<AvailablePack>> {
        Some(available_pack(ctx, &id).await)
    }

    /// A managed account's own installations, or a publisher's packs as installed by its accounts. By name.
    async fn installations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only installations that match all of it.")] filter: Option<InstallationFilter>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<InstallationConnection> {
        ctx.viewer()?;
        let args = PageArgs::new(first, after, last, before);
        installations_connection(ctx, InstallationsOf::Everything, filter, args).await
    }

    /// One installation.
    async fn installation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of an Installation; this or `key`.")] id: Option<ID>,
        #[graphql(desc = "The key that the caller, a managed account, gave it; this or `id`.")] key: Option<String>,
    ) -> Option<Result<Installation>> {
        Some(installation(ctx, id, key).await)
    }

    /// Managed account: the updates that it may apply early now (state OFFERED), soonest window first.
    async fn pending_updates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only updates of this pack: the ID of an AvailablePack.")] pack_id: Option<ID>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<InstallationUpdateConnection> {
        ctx.managed()?;
        let pack = match &pack_id {
            Some(id) => Some(visible_pack(ctx, id).await?),
            None => None,
        };
        let args = PageArgs::new(first, after, last, before);
        updates_connection(ctx, UpdatesOf::Pending(pack), None, args).await
    }
}

async fn available_pack(ctx: &Context<'_>, id: &ID) -> Result<AvailablePack> {
    ctx.managed()?;
    AvailablePack::by_id(ctx, ids::available_pack_id(id)?).await?.ok_or_else(|| not_found(id))
}

async fn installation(ctx: &Context<'_>, id: Option<ID>, key: Option<String>) -> Result<Installation> {
    ctx.viewer()?;
    let by_id = async |id: ID| Installation::by_id(ctx, ids::installation_id(&id)?).await;
    lookup::one(id, key, by_id, |key| Installation::by_key(ctx, key)).await
}
