//! When a release stops by itself (R58), and when a rule would have stopped those of the past (R60).

use std::sync::Arc;

use async_graphql::{Context, InputObject, Result, SimpleObject};
use futures_util::future::try_join_all;

use crate::domain::id::PackId;
use crate::domain::refusal::Refusal as _;
use crate::domain::releases as domain;
use crate::graphql::connection::int;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::HaltAction;
use crate::graphql::error::{ResultExt as _, bad_input};
use crate::graphql::releases::release::Release;
use crate::graphql::scalars::DateTime;
use crate::store::page::PageRequest;
use crate::store::releases::halting::HistoryKey;
use crate::store::releases::read::ReleaseFilter;

/// When a release stops by itself.
#[derive(InputObject)]
pub struct HaltRuleInput {
    /// Stops when more than this of the executed updates is bad: 0.01 to 100, with at most two decimals.
    percent: f64,
    /// Judged from this many executed updates on: 1 to 1,000,000.
    #[graphql(default = 20)]
    at_least: i32,
    /// What is done then.
    #[graphql(default_with = "HaltAction::Pause")]
    then: HaltAction,
    /// For how many hours after its end reports still decide: 0 to 336.
    #[graphql(default = 24)]
    watch_hours: i32,
}

impl From<HaltRuleInput> for domain::RequestedHaltRule {
    fn from(input: HaltRuleInput) -> Self {
        let HaltRuleInput { percent, at_least, then, watch_hours } = input;
        Self { percent, at_least, then: then.into(), watch_hours }
    }
}

/// When a release stops by itself.
#[derive(SimpleObject)]
pub struct HaltRule {
    /// Stops when more than this of the executed updates is bad.
    percent: f64,
    /// Judged from this many executed updates on.
    at_least: i32,
    /// What is done then.
    then: HaltAction,
    /// For how many hours after its end reports still decide.
    watch_hours: i32,
}

impl From<domain::HaltRule> for HaltRule {
    fn from(rule: domain::HaltRule) -> Self {
        Self { percent: rule.percent(), at_least: rule.at_least, then: rule.then.into(), watch_hours: rule.watch_hours }
    }
}

/// The numbers that a halt rule is judged by.
#[derive(SimpleObject)]
pub struct HaltFigures {
    /// The updates that were applied or failed since the release was made or last resumed; an update that was taken back later still counts.
    executed: i32,
    /// The executed updates that failed or were reported broken.
    bad: i32,
    /// `bad` of `executed`, in percent; 0 when nothing was executed.
    percent: f64,
}

impl From<domain::HaltFigures> for HaltFigures {
    fn from(figures: domain::HaltFigures) -> Self {
        Self { executed: int(figures.executed), bad: int(figures.bad), percent: figures.percent() }
    }
}

/// What a halt rule would have done to a release.
#[derive(SimpleObject)]
pub struct HaltRuleVerdict {
    /// The release.
    release: Release,
    /// When it would have halted; null when it wouldn't have.
    halts_at: Option<DateTime>,
    /// The numbers at that instant; at the end of its watch when it wouldn't have halted.
    figures: HaltFigures,
}

/// How many releases of a pack the history has.
const HISTORY: u32 = 20;

/// What a rule would have done to the last releases of a pack, newest first. Fails with BAD_USER_INPUT for a rule whose
/// numbers lie outside their bounds.
pub(in crate::graphql) async fn verdicts(
    ctx: &Context<'_>,
    pack: PackId,
    rule: HaltRuleInput,
) -> Result<Vec<HaltRuleVerdict>> {
    let rule = domain::RequestedHaltRule::from(rule).checked().map_err(|refusal| bad_input(refusal.message()))?;
    let loaders = ctx.loaders();
    let filter = ReleaseFilter { pack: Some(pack), ..ReleaseFilter::default() };
    let page = loaders.releases.pages.one((filter, PageRequest::first(HISTORY))).await.or_failure()?;
    let releases = page.map(|page| page.items).unwrap_or_default();
    let verdict = async |release: Arc<domain::Release>| -> Result<HaltRuleVerdict> {
        let key = HistoryKey { release: release.id, rule };
        let decisive = loaders.releases.decisive.one(key).await.or_failure()?;
        let domain::HaltVerdict { halts_at, figures } = domain::HaltVerdict::of(&rule, decisive);
        let release = Release::new(release, loaders.now());
        Ok(HaltRuleVerdict { release, halts_at: halts_at.map(Into::into), figures: figures.into() })
    };
    try_join_all(releases.into_iter().map(|(_, release)| verdict(release))).await
}
