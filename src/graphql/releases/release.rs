//! A release, as its publisher sees it.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};

use crate::domain::accounts::Privilege;
use crate::domain::id::ReleaseId;
use crate::domain::releases::{
    Command, RetryFacts, RollBackFacts, StageState, decide_pause, decide_resume, decide_retry, decide_roll_back,
    transition,
};
use crate::domain::{Instant, releases as domain};
use crate::graphql::accounts::Actor;
use crate::graphql::connection::{PageArgs, connection};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::{ReleaseSchedule, ReleaseState};
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::installations::{
    Adoption, InstallationUpdateConnection, InstallationUpdateFilter, OutcomeCounts, updates_connection,
};
use crate::graphql::packs::{IntegrationPack, PackDiff, PackVersion};
use crate::graphql::releases::halting::{HaltFigures, HaltRule};
use crate::graphql::releases::progress::ReleaseProgress;
use crate::graphql::releases::release_pause::ReleasePause;
use crate::graphql::releases::release_stage::ReleaseStage;
use crate::graphql::releases::release_window::ReleaseWindow;
use crate::graphql::releases::testing_period::TestingPeriod;
use crate::graphql::scalars::{DateTime, Markdown};
use crate::graphql::source::Source;
use crate::store::installations::updates::UpdatesOf;
use crate::store::page::Page;
use crate::store::releases::read as releases;
use crate::store::releases::read::ReleaseFilter;
use crate::store::scope::Scope;

/// The type `Release`: a release in its publisher's view, with its state at the time of the read.
pub struct Release {
    release: Arc<domain::Release>,
    state: domain::ReleaseState,
    now: Instant,
}

connection!("releases", ReleaseConnection, ReleaseEdge, Release);

/// A page of releases, newest first.
pub(crate) async fn releases_connection(
    ctx: &Context<'_>,
    filter: ReleaseFilter,
    args: PageArgs,
) -> Result<ReleaseConnection> {
    ctx.publisher()?;
    let key = (filter, args.request(ctx, releases::NEWEST)?);
    let loaders = ctx.loaders();
    let page = loaders.releases.pages.one(key).await.or_failure()?;
    let show = |release| Release::new(release, loaders.now());
    Ok(ReleaseConnection::of(page.unwrap_or_else(|| Page::empty(false)), show))
}

impl Release {
    /// A release with its state at `now`.
    pub(crate) fn new(release: Arc<domain::Release>, now: Instant) -> Self {
        Self { state: release.state_at(now), release, now }
    }

    /// The release with this id, if the caller may see it.
    pub async fn by_id(ctx: &Context<'_>, id: ReleaseId) -> Result<Option<Self>> {
        if let Scope::Managed(_) = ctx.scope()? {
            return Ok(None);
        }
        let loaders = ctx.loaders();
        let found = loaders.releases.by_id.one(id).await.or_failure()?;
        Ok(found.filter(|found| found.of_living_pack).map(|found| Self::new(found.release, loaders.now())))
    }

    /// The release with this id, which must exist; its pack may be deleted. Callers check that the reader may see it.
    pub(crate) async fn must(ctx: &Context<'_>, id: ReleaseId) -> Result<Self> {
        let loaders = ctx.loaders();
        Ok(Self::new(loaders.releases.by_id.must(id).await.or_failure()?.release, loaders.now()))
    }

    /// The facts that decide whether it can be rolled back now.
    pub(crate) async fn roll_back_facts(&self, ctx: &Context<'_>) -> Result<RollBackFacts> {
        let standing = IntegrationPack::must(ctx, self.release.pack_id).await?.standing();
        let moving = ctx.loaders().packs.moving.one(self.release.pack_id).await.or_failure()?;
        Ok(RollBackFacts {
            release: self.release.id,
            state: self.state,
            former: self.release.previous_version_id,
            is_current: standing.current_version == Some(self.release.version_id),
            pending: standing.pending.map(|pending| pending.release_id),
            moving: standing.running_release.or(moving),
        })
    }

    pub(crate) fn release(&self) -> &domain::Release {
        &self.release
    }

    fn viewer_can(&self, ctx: &Context<'_>, command: Command) -> Result<bool> {
        let held_up = command == Command::Promote && self.release.is_paused();
        let may = ctx.viewer()?.may(Privilege::IntegrationPack);
        Ok(may && !held_up && transition(self.state, command).is_ok())
    }
}

/// The move of a pack's whole install base to one version. The publisher's view: a managed account reads an AnnouncedRelease.
#[Object]
impl Release {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::Release(self.release.id).encode()
    }

    /// The pack.
    pub async fn pack(&self, ctx: &Context<'_>) -> Result<IntegrationPack> {
        IntegrationPack::must(ctx, self.release.pack_id).await
    }

    /// The version that it brings, frozen when the release was made.
    pub async fn version(&self, ctx: &Context<'_>) -> Result<PackVersion> {
        PackVersion::must(ctx, self.release.version_id).await
    }

    /// The version that was current when it was made; null for the first release.
    pub async fn previous_version(&self, ctx: &Context<'_>) -> Option<Result<PackVersion>> {
        Some(PackVersion::must(ctx, self.release.previous_version_id?).await)
    }

    /// Its state.
    pub async fn state(&self) -> ReleaseState {
        self.state.into()
    }

    /// How it was made; a promoted release stays RELEASE_ON_SPECIFIED_DATE.
    pub async fn schedule(&self) -> ReleaseSchedule {
        self.release.schedule.into()
    }

    /// When it opens and closes, in the zone copied at the call; null for an immediate one.
    pub async fn window(&self) -> Option<ReleaseWindow> {
        ReleaseWindow::of_release(&self.release)
    }

    /// When accounts may apply early; null for an immediate and for a first release.
    pub async fn testing_period(&self) -> Option<TestingPeriod> {
        TestingPeriod::of(&self.release, self.now)
    }

    /// The release notes.
    pub async fn notes(&self, ctx: &Context<'_>) -> Result<Markdown> {
        let version = ctx.loaders().packs.versions.must(self.release.version_id).await.or_failure()?;
        Ok(Markdown(version.notes.clone()))
    }

    /// Where its content comes from; null when nothing was said. Managed accounts don't see it.
    pub async fn source(&self) -> Option<Source> {
        self.release().source.clone().map(Into::into)
    }

    /// Its changes from `previousVersion`; the preview's diff, kept for good.
    pub async fn diff(&self, ctx: &Context<'_>) -> Result<PackDiff> {
        PackDiff::between(ctx, self.release.previous_version_id, self.release.version_id).await
    }

    /// Its progress.
    pub async fn progress(&self, ctx: &Context<'_>) -> Result<ReleaseProgress> {
        Ok(ctx.loaders().releases.progress.must(self.release.id).await.or_failure()?.into())
    }

    /// Its adoption over time.
    pub async fn adoption(&self) -> Adoption {
        Adoption::of_release(&self.release, self.now)
    }

    /// Its installation updates, one for each installation; by account name.
    pub async fn updates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only updates that match all of it.")] filter: Option<InstallationUpdateFilter>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<InstallationUpdateConnection> {
        let args = PageArgs::new(first, after, last, before);
        updates_connection(ctx, UpdatesOf::Release(self.release.id), filter, args).await
    }

    /// The release that took its place; null unless its state is SUPERSEDED.
    pub async fn superseded_by(&self, ctx: &Context<'_>) -> Option<Result<Release>> {
        Some(Release::must(ctx, self.release.superseded_by?).await)
    }

    /// When it was made.
    pub async fn created_at(&self) -> DateTime {
        self.release.created_at.into()
    }

    /// The actor that made it.
    pub async fn created_by(&self) -> Actor {
        Actor::from(self.release.created_by.clone())
    }

    /// When it was promoted; null when it wasn't.
    pub async fn promoted_at(&self) -> Option<DateTime> {
        self.release.promoted_at.map(Into::into)
    }

    /// When the first installation could be moved; null before.
    pub async fn started_at(&self) -> Option<DateTime> {
        self.release.started_at.map(Into::into)
    }

    /// When it reached its final state; null before.
    pub async fn ended_at(&self) -> Option<DateTime> {
        self.release.ended_at.map(Into::into)
    }

    /// Why it was rolled back, or canceled by its halt rule; null otherwise.
    pub async fn reason(&self) -> Option<String> {
        self.release.reason.clone()
    }

    /// Whether the caller may now reschedule it.
    pub async fn viewer_can_reschedule(&self, ctx: &Context<'_>) -> Result<bool> {
        self.viewer_can(ctx, Command::Reschedule)
    }

    /// Whether the caller may now promote it.
    pub async fn viewer_can_promote(&self, ctx: &Context<'_>) -> Result<bool> {
        self.viewer_can(ctx, Command::Promote)
    }

    /// Whether the caller may now cancel it.
    pub async fn viewer_can_cancel(&self, ctx: &Context<'_>) -> Result<bool> {
        self.viewer_can(ctx, Command::Cancel)
    }

    /// Its stages, oldest first, the last one is everybody; empty for an immediate and a first release, and for one without early stages.
    pub async fn stages(&self, ctx: &Context<'_>) -> Result<Vec<ReleaseStage>> {
        ReleaseStage::all(ctx, &self.release).await
    }

    /// Whether the caller may now open its next early stage.
    pub async fn viewer_can_open_next_stage(&self, ctx: &Context<'_>) -> Result<bool> {
        if !self.release.has_stages || self.release.is_paused() || !self.viewer_can(ctx, Command::Reschedule)? {
            return Ok(false);
        }
        let stages = ctx.loaders().releases.stages.one(self.release.id).await.or_failure()?.unwrap_or_default();
        Ok(stages.iter().any(|stage| stage.state_at(&self.release, self.now) == StageState::Waiting))
    }

    /// Whether the caller may now retry failed updates.
    pub async fn viewer_can_retry_failed(&self, ctx: &Context<'_>) -> Result<bool> {
        if !self.state.may_be_retried() || !ctx.viewer()?.may(Privilege::IntegrationPack) {
            return Ok(false);
        }
        let loaders = ctx.loaders();
        let standing = IntegrationPack::must(ctx, self.release.pack_id).await?.standing();
        let facts = RetryFacts {
            release: self.release.id,
            state: self.state,
            newest: standing.current_version == Some(self.release.version_id),
            pending: standing.pending.map(|pending| pending.release_id),
            moving: loaders.packs.moving.one(self.release.pack_id).await.or_failure()?,
            failed: loaders.releases.retriable.one(self.release.id).await.or_failure()?.unwrap_or(0),
        };
        Ok(decide_retry(&facts).is_ok())
    }

    /// Since when and why nobody is moved to its version; null while it isn't paused.
    pub async fn pause(&self) -> Option<ReleasePause> {
        self.release.pause.clone().map(Into::into)
    }

    /// How its updates went, by the newest report of each.
    pub async fn outcomes(&self, ctx: &Context<'_>) -> Result<OutcomeCounts> {
        Ok(ctx.loaders().releases.outcomes.must(self.release.id).await.or_failure()?.0.into())
    }

    /// When it stops by itself; null for never.
    pub async fn halt_when(&self) -> Option<HaltRule> {
        self.release.halt.map(Into::into)
    }

    /// The numbers that its halt rule is judged by.
    pub async fn halt_figures(&self, ctx: &Context<'_>) -> Result<HaltFigures> {
        Ok(ctx.loaders().releases.outcomes.must(self.release.id).await.or_failure()?.1.into())
    }

    /// Until when reports decide; null before its end and without a rule.
    pub async fn watched_until(&self) -> Option<DateTime> {
        self.release.watched_until().map(Into::into)
    }

    /// Whether the caller may now pause it.
    pub async fn viewer_can_pause(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(ctx.viewer()?.may(Privilege::IntegrationPack) && decide_pause(&self.release, self.now).is_ok())
    }

    /// Whether the caller may now resume it.
    pub async fn viewer_can_resume(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(ctx.viewer()?.may(Privilege::IntegrationPack) && decide_resume(&self.release).is_ok())
    }

    /// Whether the caller may now roll it back.
    pub async fn viewer_can_roll_back(&self, ctx: &Context<'_>) -> Result<bool> {
        if !ctx.viewer()?.may(Privilege::IntegrationPack) || transition(self.state, Command::RollBack).is_err() {
            return Ok(false);
        }
        Ok(decide_roll_back(&self.roll_back_facts(ctx).await?).is_ok())
    }
}
