//! How an update went, in its account's words (R57).

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use crate::domain::id::{OutcomeReportId, UpdateId};
use crate::domain::installations as domain;
use crate::graphql::accounts::Actor;
use crate::graphql::connection::{PageArgs, connection, int};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::UpdateOutcome;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::scalars::{DateTime, Markdown};
use crate::store::installations::outcomes;

connection!("reports", UpdateOutcomeReportConnection, UpdateOutcomeReportEdge, UpdateOutcomeReport);

/// The type `UpdateOutcomeReport`: only the account and the publisher of the pack read it.
pub struct UpdateOutcomeReport(domain::OutcomeReport);

/// How an update went, in its account's words.
#[Object]
impl UpdateOutcomeReport {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::UpdateOutcomeReport(self.0.id).encode()
    }

    /// How it went.
    async fn outcome(&self) -> UpdateOutcome {
        self.0.outcome.into()
    }

    /// Up to 2,000 characters; empty when nothing was said.
    async fn comment(&self) -> Markdown {
        Markdown(self.0.comment.clone())
    }

    /// When it was reported.
    async fn reported_at(&self) -> DateTime {
        self.0.reported_at.into()
    }

    /// The token that reported it; to the publisher the account alone.
    async fn reported_by(&self, ctx: &Context<'_>) -> Option<Actor> {
        let reader = ctx.caller().viewer().ok()?.account.id;
        Some(self.0.reported_by.clone().seen_by(reader, Some(self.0.account_name.clone())).into())
    }
}

impl UpdateOutcomeReport {
    /// The report with this id, if the caller may see it.
    pub(in crate::graphql) async fn by_id(ctx: &Context<'_>, id: OutcomeReportId) -> Result<Option<Self>> {
        Ok(ctx.loaders().installations.outcomes.one(id).await.or_failure()?.map(Self))
    }

    /// The newest report of an update, if there is one.
    pub(in crate::graphql) async fn newest_of(ctx: &Context<'_>, update: UpdateId) -> Result<Option<Self>> {
        Ok(ctx.loaders().installations.newest_outcomes.one(update).await.or_failure()?.map(Self))
    }
}

/// The reports of an update, newest first. Fails with BAD_USER_INPUT for invalid arguments.
pub(in crate::graphql) async fn reports_connection(
    ctx: &Context<'_>,
    update: UpdateId,
    args: PageArgs,
) -> Result<UpdateOutcomeReportConnection> {
    let key = (update, args.request(ctx, outcomes::NEWEST)?);
    let page = ctx.loaders().installations.outcome_pages.must(key).await.or_failure()?;
    Ok(UpdateOutcomeReportConnection::of(page, UpdateOutcomeReport))
}

/// How the updates of a release went, by the newest report of each.
#[derive(SimpleObject)]
pub struct OutcomeCounts {
    /// Applied, and reported to work.
    works: i32,
    /// Applied, and reported broken.
    broken: i32,
    /// Applied, and nothing was reported.
    unreported: i32,
}

impl From<domain::OutcomeCounts> for OutcomeCounts {
    fn from(counts: domain::OutcomeCounts) -> Self {
        Self { works: int(counts.works), broken: int(counts.broken), unreported: int(counts.unreported()) }
    }
}
