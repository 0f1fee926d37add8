//! A release, as a managed account with the pack installed sees it.

use async_graphql::{Context, ID, Object, Result};

use crate::domain::id::ReleaseId;
use crate::domain::releases::Release;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::{AnnouncedReleaseState, ReleaseSchedule};
use crate::graphql::error::{ResultExt as _, bug};
use crate::graphql::ids::Gid;
use crate::graphql::releases::release_window::ReleaseWindow;
use crate::graphql::releases::testing_period::TestingPeriod;
use crate::graphql::scalars::{DateTime, Markdown};
use crate::graphql::sharing::{AvailablePack, AvailablePackVersion};

/// The type `AnnouncedRelease`: a release in a managed account's view.
pub struct AnnouncedRelease(Release);

/// A release as an account that has the pack installed sees it. Has no information about other accounts.
#[Object]
impl AnnouncedRelease {
    /// Opaque, and not the publisher's ID of the release.
    pub async fn id(&self) -> ID {
        Gid::AnnouncedRelease(self.0.id).encode()
    }

    /// The pack.
    pub async fn pack(&self, ctx: &Context<'_>) -> Result<AvailablePack> {
        AvailablePack::by_id(ctx, self.0.pack_id).await?.ok_or_else(|| bug("a release whose pack may not be seen"))
    }

    /// The version that it brings.
    pub async fn version(&self, ctx: &Context<'_>) -> Result<AvailablePackVersion> {
        let version = AvailablePackVersion::by_id(ctx, self.0.version_id).await?;
        version.ok_or_else(|| bug("a release whose version may not be seen"))
    }

    /// Its state.
    async fn state(&self, ctx: &Context<'_>) -> AnnouncedReleaseState {
        self.0.state_at(ctx.now()).into()
    }

    /// Whether it was made to be applied at once or on a date.
    pub async fn schedule(&self) -> ReleaseSchedule {
        self.0.schedule.into()
    }

    /// When it opens and closes; null for an immediate one.
    pub async fn window(&self) -> Option<ReleaseWindow> {
        ReleaseWindow::of_release(&self.0)
    }

    /// When the account may apply early; null for an immediate release.
    pub async fn testing_period(&self, ctx: &Context<'_>) -> Option<TestingPeriod> {
        TestingPeriod::of(&self.0, ctx.now())
    }

    /// The release notes.
    pub async fn notes(&self, ctx: &Context<'_>) -> Result<Markdown> {
        let version = ctx.loaders().sharing.available_versions.must(self.0.version_id).await.or_failure()?;
        Ok(version.notes.clone().into())
    }

    /// When it was made.
    pub async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}

impl AnnouncedRelease {
    /// The release with this id, if the caller may see it.
    pub async fn by_id(ctx: &Context<'_>, id: ReleaseId) -> Result<Option<Self>> {
        Ok(ctx.loaders().sharing.announced_releases.one(id).await.or_failure()?.map(Self))
    }
}
