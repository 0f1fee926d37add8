//! Reading any object by its id.

use async_graphql::{Context, ID, Object, Result};
use futures_util::future::join_all;

use super::context::ContextExt as _;
use super::error::bad_input;
use super::ids::Gid;
use super::interfaces::Node;
use crate::graphql::accounts::{ApiToken, ManagedAccount, OwnAccount, PublisherAccount, TrustedPublisher};
use crate::graphql::components::{Component, PackagedComponent};
use crate::graphql::installations::{Installation, InstallationUpdate, UpdateOutcomeReport};
use crate::graphql::library::{AvailableProcess, Publication, PublishedProcess};
use crate::graphql::log::{AuditEntry, event_by_id};
use crate::graphql::packs::{IntegrationPack, PackVersion};
use crate::graphql::releases::{AnnouncedRelease, Release};
use crate::graphql::sharing::{AccountGroup, AvailablePack, AvailablePackVersion};
use crate::graphql::webhooks::WebhookEndpoint;

/// The most ids in one `nodes`.
const NODES_MAX: usize = 100;

/// The fields of `Query` that read any object by its id.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The object with this ID; null when it doesn't exist or the caller may not see it.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An ID that this API gave out.")] id: ID,
    ) -> Option<Result<Node>> {
        if let Err(error) = ctx.viewer() {
            return Some(Err(error));
        }
        visible_node(ctx, &id).await.transpose()
    }

    /// The objects with these IDs, in the same order; null for each that doesn't exist or that the caller may not see.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 IDs.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Result<Node>>>> {
        ctx.viewer()?;
        if ids.len() > NODES_MAX {
            return Err(bad_input(format!("Give at most {NODES_MAX} IDs.")));
        }
        Ok(join_all(ids.iter().map(async |id| visible_node(ctx, id).await.transpose())).await)
    }
}

/// The object with this id, if the caller may see it. Hidden and unknown ids take the same number of statements,
/// because each type's `by_id` treats both alike (R3).
pub async fn visible_node(ctx: &Context<'_>, id: &ID) -> Result<Option<Node>> {
    let Some(gid) = Gid::decode(id) else { return Ok(None) };
    Ok(match gid {
        Gid::IntegrationPack(id) => IntegrationPack::by_id(ctx, id).await?.map(Into::into),
        Gid::AvailablePack(id) => AvailablePack::by_id(ctx, id).await?.map(Into::into),
        Gid::PackVersion(id) => PackVersion::by_id(ctx, id).await?.map(Into::into),
        Gid::AvailablePackVersion(id) => AvailablePackVersion::by_id(ctx, id).await?.map(Into::into),
        Gid::Release(id) => Release::by_id(ctx, id).await?.map(Into::into),
        Gid::AnnouncedRelease(id) => AnnouncedRelease::by_id(ctx, id).await?.map(Into::into),
        Gid::Component(id) => Component::by_id(ctx, id).await?.map(Into::into),
        Gid::PublishedProcess(id) => PublishedProcess::by_id(ctx, id).await?.map(Into::into),
        Gid::AvailableProcess(id) => AvailableProcess::by_id(ctx, id).await?.map(Into::into),
        Gid::Publication(id) => Publication::by_id(ctx, id).await?.map(Into::into),
        Gid::PackagedComponent(id) => PackagedComponent::by_id(ctx, id).await?.map(Into::into),
        Gid::Installation(id) => Installation::by_id(ctx, id).await?.map(Into::into),
        Gid::InstallationUpdate(id) => InstallationUpdate::by_id(ctx, id).await?.map(Into::into),
        Gid::UpdateOutcomeReport(id) => UpdateOutcomeReport::by_id(ctx, id).await?.map(Into::into),
        Gid::PublisherAccount(id) => PublisherAccount::by_id(ctx, id).await?.map(Into::into),
        Gid::OwnAccount(id) => OwnAccount::by_id(ctx, id).await?.map(Into::into),
        Gid::ManagedAccount(id) => ManagedAccount::by_id(ctx, id).await?.map(Into::into),
        Gid::AccountGroup(id) => AccountGroup::by_id(ctx, id).await?.map(Into::into),
        Gid::ApiToken(id) => ApiToken::by_id(ctx, id).await?.map(Into::into),
        Gid::Event(id) => event_by_id(ctx, id).await?,
        Gid::AuditEntry(id) => AuditEntry::by_id(ctx, id).await?.map(Into::into),
        Gid::WebhookEndpoint(id) => WebhookEndpoint::by_id(ctx, id).await?.map(Into::into),
        Gid::TrustedPublisher(id) => TrustedPublisher::by_id(ctx, id).await?.map(Into::into),
    })
}
