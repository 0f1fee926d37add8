//! The preview of a release (R34).

use std::collections::BTreeMap;

use async_graphql::{Context, Object, Result, SimpleObject};

use crate::domain::id::{ComponentId, ComponentVersionId};
use crate::domain::packs::next_content;
use crate::domain::releases::{PreviewFacts, ReleaseRefusal, RequestedSchedule, Window, future_window, warnings};
use crate::graphql::connection::int;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::SkipReason;
use crate::graphql::error::ResultExt as _;
use crate::graphql::installations::VersionCount;
use crate::graphql::packs::{IntegrationPack, PackComponent, PackDiff};
use crate::graphql::releases::refusal::ReleaseError;
use crate::graphql::releases::release::Release;
use crate::graphql::releases::release_warning::{ReleaseWarning, labelled, manifests};
use crate::graphql::releases::release_window::ReleaseWindow;
use crate::service::packs::content_token;
use crate::store::installations::adoption::AdoptionOf;
use crate::store::installations::read as installations;
use crate::store::installations::read::ReleaseImpact;
use crate::store::packs::drafts;
use crate::store::page::PageRequest;
use crate::store::sharing::groups::GroupFilter;

/// The type `ReleasePreview`: what a release would do at the time of the read.
pub struct ReleasePreview {
    pack: IntegrationPack,
    schedule: RequestedSchedule,
    /// The content of the release.
    content: BTreeMap<ComponentId, ComponentVersionId>,
    window: Option<Window>,
    refusal: Option<ReleaseRefusal>,
    impact: ReleaseImpact,
}

impl ReleasePreview {
    /// Previews a release of one of the caller's packs. Changes nothing.
    pub async fn of(ctx: &Context<'_>, pack: IntegrationPack, schedule: RequestedSchedule) -> Result<Self> {
        let (loaders, id) = (ctx.loaders(), pack.pack().id);
        let zone = loaders.accounts.own.must(()).await.or_failure()?.time_zone;
        let rows = loaders.packs.drafts.one(pack.draft()).await.or_failure()?.unwrap_or_default();
        let refusal = pack.decide(ctx, schedule, zone.as_deref()).await?.err();
        let days_ahead = ctx.services().settings.release_days_ahead;
        // The window is shown even when the release would be refused for another reason.
        let window = match (schedule, ctx.services().zone(zone.as_deref())) {
            (RequestedSchedule::OnDate(date), Some(zone)) => future_window(loaders.now(), date, &zone, days_ahead).ok(),
            _ => None,
        };
        let impact = installations::impact(&ctx.publisher_snapshot()?, id).await.or_failure()?;
        Ok(Self { content: next_content(&rows), pack, schedule, window, refusal, impact })
    }
}

/// The effects of a release made now.
#[Object]
impl ReleasePreview {
    /// The pack.
    async fn pack(&self) -> IntegrationPack {
        self.pack.clone()
    }

    /// The revision that was previewed.
    async fn revision(&self) -> i32 {
        self.pack.pack().revision
    }

    /// Names exactly the versions that were previewed; give it to releaseIntegrationPack as `expectedContent`, so that nothing else is released. Opaque.
    async fn content_token(&self) -> String {
        content_token(self.pack.pack().id, &self.content)
    }

    /// The number that the version would get.
    async fn next_number(&self) -> i32 {
        self.pack.pack().last_number.saturating_add(1)
    }

    /// The rows as a release would take them, with those it would drop; at most 100.
    async fn components(&self, ctx: &Context<'_>) -> Result<Vec<PackComponent>> {
        PackComponent::draft(&ctx.loaders(), self.pack.draft(), self.pack.standing()).await
    }

    /// The changes from the current version; from nothing for a first release.
    async fn diff(&self, ctx: &Context<'_>) -> Result<PackDiff> {
        let pack = self.pack.pack().id;
        let next = drafts::items(&ctx.publisher_snapshot()?, pack, &self.content).await.or_failure()?;
        PackDiff::from_version(ctx, self.pack.standing().current_version, &next).await
    }

    /// The installations by the version that they have now, newest version first; at most 100 versions.
    async fn installations_by_version(&self, ctx: &Context<'_>) -> Result<Vec<VersionCount>> {
        let of = AdoptionOf::Pack(self.pack.pack().id);
        let distribution = ctx.loaders().installations.distribution.one(of).await.or_failure()?.unwrap_or_default();
        Ok(distribution.versions.iter().map(|(version, count)| VersionCount::new(*version, *count)).collect())
    }

    /// How many installations would be moved.
    async fn will_move_count(&self) -> i32 {
        int(self.impact.moved)
    }

    /// How many would be skipped, by reason.
    async fn will_skip(&self) -> Vec<SkipCount> {
        self.impact.skipped.iter().map(|(reason, count)| SkipCount::of(*reason, *count)).collect()
    }

    /// When it would open; null for an immediate release, and for a date that is refused.
    async fn window(&self) -> Option<ReleaseWindow> {
        self.window.clone().map(Into::into)
    }

    /// The pending release that an immediate one would supersede; null when there is none.
    async fn supersedes(&self, ctx: &Context<'_>) -> Option<Result<Release>> {
        let pending = self.pack.standing().pending.filter(|_| self.schedule == RequestedSchedule::Immediately)?;
        Some(Release::must(ctx, pending.release_id).await)
    }

    /// The warnings; they never block a release.
    async fn warnings(&self, ctx: &Context<'_>) -> Result<Vec<ReleaseWarning>> {
        let pack = self.pack.pack();
        let manifests = manifests(ctx, self.content.values().copied()).await?;
        let shared = (GroupFilter { with_pack: Some(pack.id), ..GroupFilter::default() }, PageRequest::first(1));
        let groups = ctx.loaders().sharing.group_pages.must(shared).await.or_failure()?;
        let facts = PreviewFacts {
            components: self.content.len(),
            manifests: &manifests.iter().map(|(id, manifest)| (*id, manifest.as_slice())).collect(),
            has_contact: pack.support.contact.is_some(),
            is_shared: !groups.items.is_empty(),
            rows: &labelled(ctx, pack.id, self.pack.standing(), &self.content).await?,
        };
        Ok(warnings(&facts).into_iter().map(Into::into).collect())
    }

    /// Why releaseIntegrationPack would refuse now; empty when it would accept.
    async fn refusals(&self) -> Vec<ReleaseError> {
        self.refusal.iter().map(|refusal| ReleaseError::from(refusal.clone()).in_schedule()).collect()
    }
}

/// How many installations would be skipped for one reason.
#[derive(SimpleObject)]
pub(crate) struct SkipCount {
    /// The reason.
    reason: SkipReason,
    /// How many installations.
    installation_count: i32,
}

impl SkipCount {
    pub(crate) fn of(reason: crate::domain::installations::SkipReason, count: i64) -> Self {
        Self { reason: reason.into(), installation_count: int(count) }
    }
}
