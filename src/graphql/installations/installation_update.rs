//! An installation update: one installation and one release.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::domain::id::{InstallationId, ReleaseId, UpdateId};
use crate::domain::installations::{Failure, FailureCode, UpdateState};
use crate::domain::releases::{Release, ReleaseState};
use crate::graphql::accounts::Actor;
use crate::graphql::connection::{PageArgs, connection};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::{InstallationUpdateState, SkipReason, UpdateFailureCode, UpdateMethod, UpdateOutcome};
use crate::graphql::error::{ResultExt as _, bug};
use crate::graphql::filters::all;
use crate::graphql::ids::Gid;
use crate::graphql::installations::installation::{Installation, may_here, version};
use crate::graphql::installations::outcome::{UpdateOutcomeReport, UpdateOutcomeReportConnection, reports_connection};
use crate::graphql::interfaces::{PackRelease, PackSnapshot};
use crate::graphql::packs::PackDiff;
use crate::graphql::releases::ReleaseWindow;
use crate::graphql::scalars::DateTime;
use crate::store::installations::updates::{UpdateFilter, UpdatesOf, VisibleUpdate};
use crate::store::scope::Scope;

connection!("updates", InstallationUpdateConnection, InstallationUpdateEdge, InstallationUpdate);

/// The type `InstallationUpdate`, as the account or the publisher of the pack sees it.
pub struct InstallationUpdate(VisibleUpdate);

/// One installation and one release: whether and how the installation was moved to the release's version.
#[Object]
impl InstallationUpdate {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::InstallationUpdate(self.0.update.id).encode()
    }

    /// The installation; null when it was uninstalled.
    async fn installation(&self, ctx: &Context<'_>) -> Option<Result<Installation>> {
        Installation::by_id(ctx, self.0.update.id.installation).await.transpose()
    }

    /// The release, as the reader may see it.
    async fn release(&self, ctx: &Context<'_>) -> Result<PackRelease> {
        let release = PackRelease::by_id(ctx, self.0.update.id.release).await?;
        release.ok_or_else(|| bug("an update whose release may not be seen"))
    }

    /// Its state.
    async fn state(&self) -> InstallationUpdateState {
        self.0.update.state.into()
    }

    /// How it came about; null while it is OFFERED, and where nothing was done.
    async fn how(&self) -> Option<UpdateMethod> {
        self.0.update.how.filter(|_| self.0.update.state != UpdateState::Offered).map(Into::into)
    }

    /// The version before.
    #[graphql(name = "fromVersion")]
    async fn version_before(&self, ctx: &Context<'_>) -> Result<PackSnapshot> {
        version(ctx, self.0.update.from_version_id).await
    }

    /// The version that the release brings.
    async fn to_version(&self, ctx: &Context<'_>) -> Result<PackSnapshot> {
        version(ctx, self.0.update.to_version_id).await
    }

    /// Its changes to this installation's version.
    async fn diff(&self, ctx: &Context<'_>) -> Result<PackDiff> {
        PackDiff::between(ctx, Some(self.0.update.from_version_id), self.0.update.to_version_id).await
    }

    /// Why it was skipped; null unless SKIPPED.
    async fn skip_reason(&self) -> Option<SkipReason> {
        self.0.update.skip_reason.filter(|_| self.0.update.state == UpdateState::Skipped).map(Into::into)
    }

    /// The failure; null unless FAILED.
    async fn failure(&self) -> Option<UpdateFailure> {
        self.0.update.failure.as_ref().filter(|_| self.0.update.state == UpdateState::Failed).map(Into::into)
    }

    /// When it was offered, or for an update that was never offered when it began.
    async fn offered_at(&self) -> DateTime {
        self.0.update.offered_at.into()
    }

    /// When it reached its present state; null while it is OFFERED.
    async fn settled_at(&self) -> Option<DateTime> {
        self.0.update.settled_at.filter(|_| self.0.update.state != UpdateState::Offered).map(Into::into)
    }

    /// The actor that applied it early; null for the publisher, and when nobody did.
    async fn applied_by(&self, ctx: &Context<'_>) -> Option<Actor> {
        let account = ctx.caller().viewer().ok()?.account.id;
        self.0.update.applied_by.clone().filter(|_| account == self.0.update.account_id).map(Into::into)
    }

    /// Whether the caller may now apply it early.
    async fn viewer_can_apply(&self, ctx: &Context<'_>) -> Result<bool> {
        // A managed account sees an open offer only while a group grants the pack, so no check is needed (R45).
        let open = self.0.update.state == UpdateState::Offered
            && self.0.release_state == ReleaseState::Scheduled
            && !self.0.is_paused;
        Ok(open && !self.0.in_open_stage && may_here(ctx, Privilege::ApplyUpdates)?)
    }

    /// When it is applied, if the account doesn't apply it before: the window of the stage that holds the installation by the groups of now, or of the release. Null once it has reached its final state, and for an immediate release.
    async fn applies_in(&self, ctx: &Context<'_>) -> Result<Option<ReleaseWindow>> {
        if self.0.update.state != UpdateState::Offered {
            return Ok(None);
        }
        let (loaders, id) = (ctx.loaders(), self.0.update.id);
        let Some(release) = release(ctx, id.release).await? else { return Ok(None) };
        if !release.has_stages {
            return Ok(release.window.clone().map(Into::into));
        }
        let stages = loaders.installations.stages_of_updates.one(id).await.or_failure()?.unwrap_or_default();
        Ok(stages.applies_in(&release, loaders.now()).map(Into::into))
    }

    /// Whether the release is paused: nobody is moved to its version now.
    async fn is_paused(&self) -> bool {
        self.0.is_paused
    }

    /// The newest report of how it went; null when there is none.
    async fn outcome(&self, ctx: &Context<'_>) -> Result<Option<UpdateOutcomeReport>> {
        UpdateOutcomeReport::newest_of(ctx, self.0.update.id).await
    }

    /// All reports of how it went, newest first.
    async fn outcomes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<UpdateOutcomeReportConnection> {
        reports_connection(ctx, self.0.update.id, PageArgs::new(first, after, last, before)).await
    }

    /// Whether the caller may now report how it went.
    async fn viewer_can_report_outcome(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.0.can_be_reported && may_here(ctx, Privilege::ApplyUpdates)?)
    }
}

impl InstallationUpdate {
    /// The update with this id, if the caller may see it.
    pub async fn by_id(ctx: &Context<'_>, id: UpdateId) -> Result<Option<Self>> {
        Ok(ctx.loaders().installations.updates.one(id).await.or_failure()?.map(Self))
    }

    /// The update of an installation that can be applied early now, if there is one (R26, R31).
    pub async fn pending_of(ctx: &Context<'_>, installation: InstallationId) -> Result<Option<Self>> {
        Ok(ctx.loaders().installations.pending.one(installation).await.or_failure()?.map(Self))
    }
}

/// The release of an update that the caller may see.
async fn release(ctx: &Context<'_>, id: ReleaseId) -> Result<Option<Arc<Release>>> {
    let loaders = ctx.loaders();
    Ok(match ctx.scope()? {
        Scope::Publisher(_) => loaders.releases.by_id.one(id).await.or_failure()?.map(|found| found.release),
        Scope::Managed(_) => loaders.sharing.announced_releases.one(id).await.or_failure()?.map(Arc::new),
    })
}

/// Why an update failed.
#[derive(SimpleObject)]
pub(crate) struct UpdateFailure {
    /// The kind of fault.
    code: UpdateFailureCode,
    /// A sentence in English, without internals of the server.
    message: String,
    /// How often it was tried.
    attempts: i32,
}

impl From<&Failure> for UpdateFailure {
    fn from(failure: &Failure) -> Self {
        let message = match failure.code {
            FailureCode::Temporary => "The installation could not be moved, and trying again did not help.",
            FailureCode::Internal => "The server failed to move the installation; its operator has been told.",
        };
        Self { code: failure.code.into(), message: message.into(), attempts: failure.attempts }
    }
}

/// A filter of installation updates.
#[derive(InputObject, Default)]
pub struct InstallationUpdateFilter {
    /// Is in one of these states.
    states: Option<Vec<InstallationUpdateState>>,
    /// Came about in one of these ways.
    how: Option<Vec<UpdateMethod>>,
    /// The newest report of how it went is one of these.
    outcomes: Option<Vec<UpdateOutcome>>,
}

impl From<InstallationUpdateFilter> for UpdateFilter {
    fn from(filter: InstallationUpdateFilter) -> Self {
        let states = filter.states.map(all);
        let how = filter.how.map(all);
        let outcomes = filter.outcomes.map(all);
        Self { states, how, outcomes }
    }
}

/// The updates that the caller may see. Fails with BAD_USER_INPUT for invalid arguments.
pub async fn updates_connection(
    ctx: &Context<'_>,
    of: UpdatesOf,
    filter: Option<InstallationUpdateFilter>,
    args: PageArgs,
) -> Result<InstallationUpdateConnection> {
    let request = args.request(ctx, of.cursors())?;
    let key = (of, filter.unwrap_or_default().into(), request);
    let page = ctx.loaders().installations.update_pages.must(key).await.or_failure()?;
    Ok(InstallationUpdateConnection::of(page, InstallationUpdate))
}
