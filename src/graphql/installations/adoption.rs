//! Adoption: how far the versions of a pack have spread, now and over time.

use async_graphql::{Context, Object, Result, SimpleObject};

use crate::domain::Instant;
use crate::domain::id::PackId;
use crate::domain::installations::{CurveFault, CurvePart, CurvePoint, POINTS_MAX, POINTS_MIN};
use crate::domain::releases::Release;
use crate::graphql::connection::int;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::{ResultExt as _, bad_input};
use crate::graphql::installations::version_count::VersionCount;
use crate::graphql::scalars::DateTime;
use crate::store::installations::adoption::AdoptionOf;

/// The adoption of a pack or of a release, at the time of the read. Uninstalled installations don't count, except in
/// the curve, which shows what happened.
pub struct Adoption {
    of: AdoptionOf,
    pack: PackId,
    /// The default beginning of the curve; `None` begins with the first offer.
    begin: Option<Instant>,
    end: Instant,
    now: Instant,
    /// The number of installations, if it is known already.
    installations: Option<i64>,
}

impl Adoption {
    /// The adoption of a pack, over all its installations.
    pub(crate) fn of_pack(pack: PackId, installations: Option<i64>, now: Instant) -> Self {
        Self { of: AdoptionOf::Pack(pack), pack, begin: None, end: now, now, installations }
    }

    /// The adoption of a release, over the installations that it concerns.
    pub(crate) fn of_release(release: &Release, now: Instant) -> Self {
        Self {
            of: AdoptionOf::Release(release.id),
            pack: release.pack_id,
            begin: Some(release.created_at),
            end: release.ended_at.unwrap_or(now),
            now,
            installations: None,
        }
    }

    fn part(&self, from: Option<DateTime>, to: Option<DateTime>, points: i32) -> Result<CurvePart> {
        let part = CurvePart::new(from.map(Into::into), to.map(Into::into), points, self.end, self.now);
        let part = part.map_err(|fault| bad_input(message(fault)))?;
        Ok(match self.of {
            AdoptionOf::Pack(_) => part.of_a_year(),
            AdoptionOf::Release(_) => CurvePart { from: part.from.or(self.begin), ..part },
        })
    }
}

fn message(fault: CurveFault) -> String {
    match fault {
        CurveFault::Points => format!("`points` must be {POINTS_MIN} to {POINTS_MAX}."),
        CurveFault::FromAfterTo => {
            "`from` is after `to`, or after the end of the curve: give an earlier `from`, or leave it out.".into()
        }
    }
}

/// The adoption of versions: by all installations of a pack, or by those that one release concerns.
#[Object]
impl Adoption {
    /// How many installations there are.
    pub async fn installation_count(&self, ctx: &Context<'_>) -> Result<i32> {
        if let Some(count) = self.installations {
            return Ok(int(count));
        }
        let loaders = ctx.loaders();
        let count = match self.of {
            AdoptionOf::Pack(pack) => loaders.installations.pack_counts.one(pack).await.or_failure()?,
            AdoptionOf::Release(_) => loaders
                .installations
                .distribution
                .one(self.of)
                .await
                .or_failure()?
                .map(|distribution| distribution.installations),
        };
        Ok(int(count.unwrap_or(0)))
    }

    /// How many accounts have these installations.
    pub async fn account_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(ctx.loaders().installations.account_counts.one(self.of).await.or_failure()?.unwrap_or(0)))
    }

    /// How many of the installations are frozen.
    pub async fn frozen_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(ctx.loaders().installations.frozen_counts.one(self.of).await.or_failure()?.unwrap_or(0)))
    }

    /// The number of installations by version, newest version first; only versions that an installation has, at most 100.
    pub async fn by_version(&self, ctx: &Context<'_>) -> Result<Vec<VersionCount>> {
        let distribution =
            ctx.loaders().installations.distribution.one(self.of).await.or_failure()?.unwrap_or_default();
        Ok(distribution.versions.iter().map(|(version, count)| VersionCount::new(*version, *count)).collect())
    }

    /// The number of installations by version at an instant; empty before the pack's first installation. For a release too, it counts all installations of its pack.
    pub async fn at(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "When; not in the future.")] instant: DateTime,
    ) -> Result<Vec<VersionCount>> {
        let at: Instant = instant.into();
        if at > self.now {
            return Err(bad_input("`instant` is in the future: give an earlier one."));
        }
        let distribution =
            ctx.loaders().installations.distributions_at.one((self.pack, at)).await.or_failure()?.unwrap_or_default();
        Ok(distribution.versions.iter().map(|(version, count)| VersionCount::new(*version, *count)).collect())
    }

    /// The curve: running sums at evenly spaced instants. Empty before anything was offered.
    pub async fn curve(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The beginning; by default the first offer, and at most a year back for a pack.")]
        from: Option<DateTime>,
        #[graphql(desc = "The end; by default now, or the end of the release.")] to: Option<DateTime>,
        #[graphql(desc = "How many points, 2 to 200.", default = 50)] points: i32,
    ) -> Result<Vec<AdoptionPoint>> {
        let key = (self.of, self.part(from, to, points)?);
        let points = ctx.loaders().installations.curves.one(key).await.or_failure()?.unwrap_or_default();
        Ok(points.into_iter().map(Into::into).collect())
    }
}

/// Running sums at one instant, since the beginning of the curve.
#[derive(SimpleObject, Clone, Debug)]
pub struct AdoptionPoint {
    /// The instant.
    pub at: DateTime,
    /// Updates offered until then.
    pub offered: i32,
    /// Applied early, by their accounts.
    pub applied_early: i32,
    /// Applied in a window, by a late start included.
    pub applied_automatically: i32,
    /// Applied by an immediate or promoted release.
    pub applied_immediately: i32,
    /// Skipped for a reason, such as a suspended account.
    pub skipped: i32,
    /// Failed, and not applied by a retry until then.
    pub failed: i32,
}

impl From<CurvePoint> for AdoptionPoint {
    fn from(CurvePoint { at, tally }: CurvePoint) -> Self {
        Self {
            at: at.into(),
            offered: int(tally.offered),
            applied_early: int(tally.applied_early),
            applied_automatically: int(tally.applied_automatically),
            applied_immediately: int(tally.applied_immediately),
            skipped: int(tally.skipped),
            failed: int(tally.failed),
        }
    }
}
