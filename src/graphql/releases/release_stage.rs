//! The stages of a release, as its publisher sees them (R54, R55).

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, OneofObject, Result, SimpleObject};
use futures_util::future::try_join_all;

use crate::domain::Instant;
use crate::domain::id::ReleaseId;
use crate::domain::releases as domain;
use crate::domain::releases::{EVERYBODY, Holds, RequestedHolds, RequestedStage, Stage, StageDate, last_stage_state};
use crate::domain::releases::{Window, lateness};
use crate::graphql::connection::int;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::ReleaseStageState;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids;
use crate::graphql::releases::release_window::ReleaseWindow;
use crate::graphql::scalars::{Date, DateTime};
use crate::graphql::sharing::AccountGroup;

/// The type `ReleaseStage`: an early stage of a release, or its last one.
#[derive(Clone, Debug)]
pub struct ReleaseStage {
    release: Arc<domain::Release>,
    /// The early stage and its position; `None` for the last stage.
    early: Option<(Stage, usize)>,
    window: Window,
    now: Instant,
}

impl ReleaseStage {
    /// The stages of a release, oldest first; none if it has no early ones.
    pub(crate) async fn all(ctx: &Context<'_>, release: &Arc<domain::Release>) -> Result<Vec<Self>> {
        let Some(last) = release.window.clone().filter(|_| release.has_stages) else { return Ok(Vec::new()) };
        let loaders = ctx.loaders();
        let now = loaders.now();
        let found = loaders.releases.stages.one(release.id).await.or_failure()?.unwrap_or_default();
        let of = |early: Option<(Stage, usize)>, window| Self { release: release.clone(), early, window, now };
        let early =
            found.iter().enumerate().map(|(index, stage)| of(Some((stage.clone(), index)), stage.window.clone()));
        Ok(early.chain([of(None, last)]).collect())
    }

    /// An early stage by its position.
    pub(crate) async fn at(ctx: &Context<'_>, release: ReleaseId, index: usize) -> Result<Option<Self>> {
        let Some(found) = ctx.loaders().releases.by_id.one(release).await.or_failure()? else { return Ok(None) };
        Ok(Self::all(ctx, &found.release).await?.into_iter().nth(index))
    }
}

/// A stage of a release.
#[Object]
impl ReleaseStage {
    /// 1 to 80 characters; `everybody` for the last one.
    pub async fn name(&self) -> &str {
        self.early.as_ref().map_or(EVERYBODY, |(stage, _)| &stage.name)
    }

    /// The window in which it opens.
    pub async fn window(&self) -> Option<ReleaseWindow> {
        Some(match &self.early {
            Some((stage, _)) => {
                let late = stage.opened_at.and_then(|opened| lateness(stage.window.ends_at, opened));
                ReleaseWindow::late_by(self.window.clone(), late)
            }
            None => ReleaseWindow::late_by(self.window.clone(), self.release.lateness_seconds),
        })
    }

    /// Its state.
    pub async fn state(&self) -> ReleaseStageState {
        match &self.early {
            Some((stage, _)) => stage.state_at(&self.release, self.now),
            None => last_stage_state(&self.release, self.now),
        }
        .into()
    }

    /// The groups that it holds, by name; empty for a percent stage and the last one.
    pub async fn groups(&self, ctx: &Context<'_>) -> Result<Vec<AccountGroup>> {
        let Some((Stage { holds: Holds::Groups(ids), .. }, _)) = &self.early else { return Ok(Vec::new()) };
        let found = try_join_all(ids.iter().map(|id| AccountGroup::by_id(ctx, *id))).await?;
        let mut groups: Vec<_> = found.into_iter().flatten().collect();
        groups.sort_by_cached_key(AccountGroup::name_key);
        Ok(groups)
    }

    /// The part of the installations that it holds; null for a stage of groups; 100 for the last one.
    pub async fn percent(&self) -> Option<f64> {
        match &self.early {
            Some((Stage { holds: Holds::Percent(percent, _), .. }, _)) => Some(percent.value()),
            Some(_) => None,
            None => Some(100.0),
        }
    }

    /// How many installations it holds by the groups and grants of now, without the installations of earlier stages. Null for the last one.
    pub async fn installation_count(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        let Some((_, index)) = &self.early else { return Ok(None) };
        let counts = ctx.loaders().releases.stage_counts.one(self.release.id).await.or_failure()?.unwrap_or_default();
        Ok(Some(counts.get(*index).map_or(0, |count| int(*count))))
    }

    /// When it opened; null before.
    pub async fn opened_at(&self) -> Option<DateTime> {
        match &self.early {
            Some((stage, _)) => stage.opened_at,
            None => self.release.started_at,
        }
        .map(Into::into)
    }

    /// When all of its installations were processed; null before.
    pub async fn completed_at(&self) -> Option<DateTime> {
        match &self.early {
            Some((stage, _)) => stage.completed_in(&self.release),
            None => self.release.ended_at.filter(|_| self.release.started_at.is_some()),
        }
        .map(Into::into)
    }
}

/// The effect of a stage of a release.
#[derive(SimpleObject)]
pub(super) struct StagePreview {
    /// The stage's name; `everybody` for the last one.
    name: String,
    /// The window in which it opens.
    window: ReleaseWindow,
    /// How many installations it would move.
    will_move_count: i32,
}

impl StagePreview {
    pub(super) fn new(name: &str, window: Window, count: i64) -> Self {
        Self { name: name.to_owned(), window: window.into(), will_move_count: int(count) }
    }
}

/// An early stage of a dated release that is to be made.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct ReleaseStageInput {
    /// 1 to 80 characters, unique in the release.
    name: String,
    /// Its date, in the account's time zone; after the stage before it and before the release's own date.
    on_date: Date,
    /// The installations that it holds.
    holds: StageSelectorInput,
}

/// The installations that a stage holds.
#[derive(OneofObject, Clone)]
enum StageSelectorInput {
    /// The installations of accounts that are in one of these groups when the stage opens: 1 to 20 IDs of AccountGroups.
    GroupIds(Vec<ID>),
    /// This percentage of the installations, by their buckets: 0.01 to 99.99, and more than the percent stages before it.
    Percent(f64),
}

impl ReleaseStageInput {
    /// The stages as the rules need them.
    pub(in crate::graphql) fn read(inputs: Vec<Self>) -> Vec<RequestedStage> {
        let read = |input: Self| {
            let holds = match input.holds {
                StageSelectorInput::GroupIds(groups) => RequestedHolds::Groups(ids::group_ids(&groups)),
                StageSelectorInput::Percent(percent) => RequestedHolds::Percent(percent),
            };
            RequestedStage { name: input.name, date: input.on_date.0, holds }
        };
        inputs.into_iter().map(read).collect()
    }
}

/// The new date of a stage.
#[derive(InputObject)]
pub(super) struct StageDateInput {
    /// The stage's name.
    name: String,
    /// Its new date, in the zone that the release keeps.
    on_date: Date,
}

impl From<StageDateInput> for StageDate {
    fn from(input: StageDateInput) -> Self {
        Self { name: input.name, date: input.on_date.0 }
    }
}
