//! The columns of a release's pause and of its halt rule, and the history of the figures that a rule is judged by (R56,
//! R58, R60).

use std::collections::{HashMap, HashSet};

use entity::{pack_release as release, release_tally as tally};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Order, Query, SelectStatement, WindowStatement};
use sea_orm::{ActiveValue::Set, ConnectionTrait as _};
use uuid::Uuid;

use crate::domain::id::ReleaseId;
use crate::domain::releases::{FiguresAt, HaltFigures, HaltRule, Pause};
use crate::store::column::col;
use crate::store::convert::{Stored as _, actor, read_some};
use crate::store::locks::ActorColumns;
use crate::store::page::checked;
use crate::store::scope::PublisherScope;
use crate::store::{Snapshot, StoreError, StoreResult};

/// The pause in a row.
pub(in crate::store) fn pause(m: &release::Model) -> StoreResult<Option<Pause>> {
    let Some(at) = m.paused_at else { return Ok(None) };
    let (Some(kind), Some(name)) = (&m.pause_actor_kind, &m.pause_actor_name) else {
        return Err(StoreError::Fault(format!("the pause of the release {} has no actor", m.id)));
    };
    let by = actor(kind, name.clone(), m.pause_actor_token_id, m.pause_actor_account_id)?;
    let figures = m.pause_executed.zip(m.pause_bad).map(|(executed, bad)| HaltFigures { executed, bad });
    Ok(Some(Pause { at, reason: m.pause_reason.clone().unwrap_or_default(), by, figures }))
}

/// The halt rule in a row.
pub(in crate::store) fn rule(m: &release::Model) -> StoreResult<Option<HaltRule>> {
    let then = read_some(m.halt_then.as_deref())?;
    let rule = (m.halt_hundredths, m.halt_at_least, then, m.halt_watch_hours);
    match rule {
        (Some(hundredths), Some(at_least), Some(then), Some(watch_hours)) => {
            Ok(Some(HaltRule { hundredths, at_least, then, watch_hours }))
        }
        (None, None, None, None) => Ok(None),
        // An incomplete rule can't be judged, so the error stops the batch (R58).
        _ => Err(StoreError::Fault(format!("the halt rule of the release {} is incomplete", m.id))),
    }
}

/// Sets the columns of the pause and of the halt rule.
pub(in crate::store) fn columns(
    row: release::ActiveModel,
    pause: Option<&Pause>,
    rule: Option<&HaltRule>,
) -> release::ActiveModel {
    let by = pause.map(|pause| ActorColumns::from(&pause.by));
    let figures = pause.and_then(|pause| pause.figures);
    release::ActiveModel {
        paused_at: Set(pause.map(|pause| pause.at)),
        pause_reason: Set(pause.map(|pause| pause.reason.clone())),
        pause_actor_kind: Set(by.as_ref().map(|by| by.kind.clone())),
        pause_actor_name: Set(by.as_ref().map(|by| by.name.clone())),
        pause_actor_token_id: Set(by.as_ref().and_then(|by| by.token_id)),
        pause_actor_account_id: Set(by.as_ref().and_then(|by| by.account_id)),
        pause_executed: Set(figures.map(|figures| figures.executed)),
        pause_bad: Set(figures.map(|figures| figures.bad)),
        halt_hundredths: Set(rule.map(|rule| rule.hundredths)),
        halt_at_least: Set(rule.map(|rule| rule.at_least)),
        halt_then: Set(rule.map(|rule| rule.then.stored().into())),
        halt_watch_hours: Set(rule.map(|rule| rule.watch_hours)),
        ..row
    }
}

/// A release, and a rule that is tried on its history (R60).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HistoryKey {
    pub release: ReleaseId,
    pub rule: HaltRule,
}

/// The figures that decide whether a rule would have halted a release: for each release, the first ones by which the
/// rule would halt it, or else the last ones that the rule would be judged by. A release without figures is absent. The
/// database adds up the changes of all releases in one statement, so that a million rows needn't be sent.
pub async fn decisive(
    snapshot: &Snapshot<PublisherScope>,
    keys: &[HistoryKey],
) -> StoreResult<HashMap<HistoryKey, FiguresAt>> {
    let rules: HashSet<_> = keys.iter().map(|key| key.rule).collect();
    let mut found = HashMap::new();
    for rule in rules {
        let of_rule: Vec<_> = keys.iter().filter(|key| key.rule == rule).copied().collect();
        for row in snapshot.conn().query_all(&decisive_rows(snapshot, &rule, &of_rule)).await? {
            let release: Uuid = row.try_get("", "release_id")?;
            let (executed, bad) = (row.try_get("", "executed_so_far")?, row.try_get("", "bad_so_far")?);
            let numbers = FiguresAt { at: row.try_get("", "at")?, figures: HaltFigures { executed, bad } };
            found.extend(of_rule.iter().filter(|key| key.release.0 == release).map(|key| (*key, numbers)));
        }
    }
    Ok(found)
}

/// The rows of [`decisive`] for one rule. There are three nested selects: the sums after each change; of these, the
/// first that halts and the last that is judged; and of these two, the one that decides.
fn decisive_rows(snapshot: &Snapshot<PublisherScope>, rule: &HaltRule, keys: &[HistoryKey]) -> SelectStatement {
    let own = Query::select()
        .column((release::Entity, release::Column::Id))
        .from(release::Entity)
        .and_where(snapshot.any_of(col(release::Column::Id), keys.iter().map(|key| key.release.0)))
        .and_where(checked(col(release::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .take();
    let until_now = WindowStatement::partition_by((tally::Entity, tally::Column::ReleaseId))
        .order_by((tally::Entity, tally::Column::Id), Order::Asc)
        .take();
    let columns = [tally::Column::Id, tally::Column::ReleaseId, tally::Column::At, tally::Column::SinceEnd];
    let changes = col(tally::Column::Executed).ne(0).or(col(tally::Column::Bad).ne(0));
    let mut sums = Query::select();
    sums.columns(columns.map(|column| (tally::Entity, column)))
        .expr_window_as(col(tally::Column::Executed).sum(), until_now.clone(), "executed_so_far")
        .expr_window_as(col(tally::Column::Bad).sum(), until_now, "bad_so_far")
        .from(tally::Entity)
        .and_where(col(tally::Column::ReleaseId).in_subquery(own))
        .and_where(col(tally::Column::IsSum).eq(false))
        .and_where(changes.or(col(tally::Column::Reopens).eq(true)));
    let sum = |name: &'static str| Expr::col(("sums", name));
    let watch = rule.watch().num_microseconds().unwrap_or(i64::MAX);
    let is_judged = sum("since_end").is_null().or(sum("since_end").lt(watch));
    // The same comparison as `judge`.
    let is_bad = sum("bad_so_far").mul(10_000_i64).gt(sum("executed_so_far").mul(i64::from(rule.hundredths)));
    let halts = is_judged.clone().and(sum("executed_so_far").gte(i64::from(rule.at_least))).and(is_bad);
    let of_release = || WindowStatement::partition_by(("sums", "release_id"));
    let id_if = |condition: Expr| -> Expr { Expr::case(condition, sum("id")).into() };
    let decides = ["id", "release_id", "at", "executed_so_far", "bad_so_far"];
    let found = Query::select()
        .columns(decides.map(|name| ("sums", name)))
        .expr_window_as(Func::min(id_if(halts)), of_release(), "first_halting")
        .expr_window_as(Func::max(id_if(is_judged)), of_release(), "last_judged")
        .from_subquery(sums, "sums")
        .take();
    let of_found = |name: &'static str| Expr::col(("found", name));
    Query::select()
        .columns(decides.map(|name| ("found", name)))
        .from_subquery(found, "found")
        .and_where(of_found("id").eq(Func::coalesce([of_found("first_halting"), of_found("last_judged")])))
        .take()
}
