//! Sharing packs with groups (R24, R45, R48).

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::graphql::context::ContextExt as _;
use crate::graphql::ids;
use crate::graphql::packs::IntegrationPack;
use crate::graphql::sharing::refusal::SharingError;
use crate::service::sharing::{share_pack, unshare_pack};

use crate::graphql::mutations::{PayloadField, answer, count, publisher};

/// Input of `sharePack`.
#[derive(InputObject)]
struct SharePackInput {
    /// The ID of an IntegrationPack.
    pack_id: ID,
    /// 1 to 100 IDs of AccountGroups.
    group_ids: Vec<ID>,
}

/// Answer of `sharePack`.
#[derive(SimpleObject)]
struct SharePackPayload {
    /// The pack; null when refused.
    integration_pack: PayloadField<IntegrationPack>,
    /// Why it was refused; empty when it was done.
    errors: Vec<SharingError>,
}

/// Input of `unsharePack`.
#[derive(InputObject)]
struct UnsharePackInput {
    /// The ID of an IntegrationPack.
    pack_id: ID,
    /// 1 to 100 IDs of AccountGroups.
    group_ids: Vec<ID>,
}

/// Answer of `unsharePack`.
#[derive(SimpleObject)]
struct UnsharePackPayload {
    /// The pack; null when refused.
    integration_pack: PayloadField<IntegrationPack>,
    /// How many installations froze; null when refused.
    frozen_count: Option<i32>,
    /// Why it was refused; empty when it was done.
    errors: Vec<SharingError>,
}

/// Sharing packs.
#[derive(Default)]
pub(in crate::graphql) struct Sharing;

#[Object]
impl Sharing {
    /// Shares a pack with groups, all or none; before its first release too. Codes: EMPTY_LIST, TOO_MANY, ALREADY_SHARED.
    async fn share_pack(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pack, and the groups that may install it from now on.")] input: SharePackInput,
    ) -> Result<SharePackPayload> {
        let caller = publisher(ctx, Privilege::AccountGroupManagement)?;
        let (id, groups) = (ids::pack_or_nothing(&input.pack_id), ids::group_ids(&input.group_ids));
        let outcome = share_pack(ctx.services(), &caller, id, groups).await;
        let (integration_pack, errors) = answer(ctx, outcome, |()| IntegrationPack::by_id(ctx, id)).await?;
        Ok(SharePackPayload { integration_pack, errors })
    }

    /// Stops sharing a pack with groups, all or none; installations without another grant freeze. Codes: EMPTY_LIST, TOO_MANY, NOT_SHARED.
    async fn unshare_pack(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pack, and the groups that it is no longer shared with.")] input: UnsharePackInput,
    ) -> Result<UnsharePackPayload> {
        let caller = publisher(ctx, Privilege::AccountGroupManagement)?;
        let (id, groups) = (ids::pack_or_nothing(&input.pack_id), ids::group_ids(&input.group_ids));
        let outcome = unshare_pack(ctx.services(), &caller, id, groups).await;
        let frozen_count = outcome.as_ref().ok().copied().map(count);
        let (integration_pack, errors) = answer(ctx, outcome, |_| IntegrationPack::by_id(ctx, id)).await?;
        Ok(UnsharePackPayload { integration_pack, frozen_count, errors })
    }
}
