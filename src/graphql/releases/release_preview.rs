//! The preview of a release (R34).

use std::collections::BTreeMap;

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use futures_util::future::try_join_all;

use crate::domain::id::{ComponentId, ComponentVersionId, GroupId, PackId};
use crate::domain::packs::next_content;
use crate::domain::releases::{
    Buckets, EVERYBODY, Planning, PreviewFacts, ReleaseRefusal, RequestedHolds, RequestedSchedule, Stage, Window,
    buckets_again, future_window, plan_stages, warnings,
};
use crate::graphql::connection::int;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::SkipReason;
use crate::graphql::error::{ResultExt as _, failure_of, not_found};
use crate::graphql::ids::{self, Gid};
use crate::graphql::installations::VersionCount;
use crate::graphql::packs::{IntegrationPack, PackComponent, PackDiff};
use crate::graphql::releases::refusal::ReleaseError;
use crate::graphql::releases::release::Release;
use crate::graphql::releases::release_stage::{ReleaseStageInput, StagePreview};
use crate::graphql::releases::release_warning::{ReleaseWarning, labelled, manifests};
use crate::graphql::releases::release_window::ReleaseWindow;
use crate::graphql::sharing::AccountGroup;
use crate::service::error::Error;
use crate::service::packs::content_token;
use crate::service::releases::checked_stages;
use crate::store::installations::adoption::AdoptionOf;
use crate::store::installations::read as installations;
use crate::store::installations::read::ReleaseImpact;
use crate::store::packs::drafts;
use crate::store::page::PageRequest;
use crate::store::releases::read_stages;
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
    stages: Vec<StagePreview>,
}

impl ReleasePreview {
    /// Previews a release of one of the caller's packs. Changes nothing.
    pub(in crate::graphql) async fn of(
        ctx: &Context<'_>,
        pack: IntegrationPack,
        schedule: RequestedSchedule,
        stages: PreviewedStages,
    ) -> Result<Self> {
        let (loaders, id) = (ctx.loaders(), pack.pack().id);
        let zone = loaders.accounts.own.must(()).await.or_failure()?.time_zone;
        let rows = loaders.packs.drafts.one(pack.draft()).await.or_failure()?.unwrap_or_default();
        let mut refusal = pack.decide(ctx, schedule, zone.as_deref()).await?.err();
        let days_ahead = ctx.services().settings.release_days_ahead;
        // The window is shown even when the release would be refused for another reason.
        let window = match (schedule, ctx.services().zone(zone.as_deref())) {
            (RequestedSchedule::OnDate(date), Some(zone)) => future_window(loaders.now(), date, &zone, days_ahead).ok(),
            _ => None,
        };
        let planned = stages.plan(ctx, &pack, window.as_ref(), zone.as_deref()).await?;
        let stages = match &planned {
            Ok(planned) => previews(ctx, id, planned, window.as_ref()).await?,
            Err(_) => Vec::new(),
        };
        refusal = refusal.or(planned.err());
        let impact = installations::impact(&ctx.publisher_snapshot()?, id).await.or_failure()?;
        Ok(Self { content: next_content(&rows), pack, schedule, window, refusal, impact, stages })
    }
}

/// The early stages of a previewed release.
pub(in crate::graphql) struct PreviewedStages {
    pub stages: Vec<ReleaseStageInput>,
    pub cohort_of: Option<ID>,
}

impl PreviewedStages {
    async fn plan(
        self,
        ctx: &Context<'_>,
        pack: &IntegrationPack,
        window: Option<&Window>,
        zone: Option<&str>,
    ) -> Result<std::result::Result<Vec<Stage>, ReleaseRefusal>> {
        let (loaders, of) = (ctx.loaders(), pack.pack());
        let buckets = match &self.cohort_of {
            None => Buckets::of(of.id, of.last_number.saturating_add(1)),
            Some(id) => {
                let found = loaders.releases.by_id.one(ids::release_id(id)?).await.or_failure()?;
                let named = found.filter(|found| found.release.pack_id == of.id).ok_or_else(|| not_found(id))?;
                let number = loaders.packs.versions.must(named.release.version_id).await.or_failure()?.number;
                let stages = loaders.releases.stages.one(named.release.id).await.or_failure()?;
                buckets_again(stages.as_deref().map(Vec::as_slice).unwrap_or_default(), &named.release, number)
            }
        };
        let requested = match checked_stages(&ReleaseStageInput::read(self.stages)) {
            Ok(requested) => requested,
            Err(Error::Refused(refusals)) => return Ok(refusals.into_iter().next().map_or(Ok(Vec::new()), Err)),
            Err(Error::Failed(failure)) => return Err(failure_of(ctx, failure)),
        };
        for stage in &requested {
            if let RequestedHolds::Groups(groups) = &stage.holds {
                try_join_all(groups.iter().map(|group| existing_group(ctx, *group))).await?;
            }
        }
        let services = ctx.services();
        let zone = services.zone(zone);
        let planning = Planning {
            window,
            is_first: pack.standing().current_version.is_none(),
            zone: zone.as_ref(),
            days_ahead: services.settings.release_days_ahead,
            buckets,
            now: loaders.now(),
        };
        Ok(plan_stages(&requested, planning))
    }
}

async fn existing_group(ctx: &Context<'_>, group: GroupId) -> Result<AccountGroup> {
    let id = Gid::AccountGroup(group).encode();
    AccountGroup::by_id(ctx, group).await?.ok_or_else(|| not_found(&id))
}

async fn previews(
    ctx: &Context<'_>,
    pack: PackId,
    planned: &[Stage],
    last: Option<&Window>,
) -> Result<Vec<StagePreview>> {
    let Some(last) = last.filter(|_| !planned.is_empty()) else { return Ok(Vec::new()) };
    let counts = read_stages::planned(&ctx.publisher_snapshot()?, pack, planned).await.or_failure()?;
    let named = planned.iter().map(|stage| (stage.name.as_str(), &stage.window)).chain([(EVERYBODY, last)]);
    let preview = |((name, window), count): ((&str, &Window), i64)| StagePreview::new(name, window.clone(), count);
    Ok(named.zip(counts).map(preview).collect())
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

    /// What each stage would move, if groups and grants stay as they are, the last one included; empty without early stages.
    async fn stages(&self) -> &[StagePreview] {
        &self.stages
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
