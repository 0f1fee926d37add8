//! The preview of a roll back (R59).

use async_graphql::{Context, Object, Result};

use crate::domain::id::{PackVersionId, ReleaseId};
use crate::domain::releases::{ReleaseRefusal, decide_roll_back};
use crate::graphql::connection::int;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::ResultExt as _;
use crate::graphql::packs::{PackDiff, PackVersion};
use crate::graphql::releases::refusal::ReleaseError;
use crate::graphql::releases::release::Release;
use crate::graphql::releases::release_preview::SkipCount;
use crate::store::installations::read::{ReleaseImpact, impact_back};

/// The type `RollBackPreview`: what a roll back would do at the time of the read.
pub struct RollBackPreview {
    release: ReleaseId,
    /// The release's version, and the one before.
    backward: (PackVersionId, Option<PackVersionId>),
    refusal: Option<ReleaseRefusal>,
    impact: ReleaseImpact,
}

impl RollBackPreview {
    /// Previews the roll back of one of the caller's releases. Changes nothing.
    pub async fn of(ctx: &Context<'_>, release: Release) -> Result<Self> {
        let facts = release.roll_back_facts(ctx).await?;
        let (id, pack, version) = (release.release().id, release.release().pack_id, release.release().version_id);
        let impact = match facts.former {
            Some(former) => impact_back(&ctx.publisher_snapshot()?, pack, former).await.or_failure()?,
            None => ReleaseImpact::default(),
        };
        let refusal = decide_roll_back(&facts).err();
        Ok(Self { release: id, backward: (version, facts.former), refusal, impact })
    }
}

/// The effects of rolling a release back now.
#[Object]
impl RollBackPreview {
    /// The release.
    async fn release(&self, ctx: &Context<'_>) -> Result<Release> {
        Release::must(ctx, self.release).await
    }

    /// The version that would be in its place again; null when there is none.
    async fn back_to(&self, ctx: &Context<'_>) -> Option<Result<PackVersion>> {
        Some(PackVersion::must(ctx, self.backward.1?).await)
    }

    /// How many of the installations that have the release's version would be moved.
    async fn will_move_count(&self) -> i32 {
        int(self.impact.moved)
    }

    /// How many of them would be skipped, by reason.
    async fn will_skip(&self) -> Vec<SkipCount> {
        self.impact.skipped.iter().map(|(reason, count)| SkipCount::of(*reason, *count)).collect()
    }

    /// The changes of an installation that is moved; null when there is no former version.
    async fn diff(&self, ctx: &Context<'_>) -> Option<Result<PackDiff>> {
        let (version, former) = (self.backward.0, self.backward.1?);
        Some(PackDiff::between(ctx, Some(version), former).await)
    }

    /// Why rollBackRelease would refuse now, whatever `atMost`; empty when it would accept.
    async fn refusals(&self) -> Vec<ReleaseError> {
        self.refusal.iter().map(|refusal| refusal.clone().into()).collect()
    }
}
