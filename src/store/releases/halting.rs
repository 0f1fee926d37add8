//! The columns of a release's pause and of its halt rule, and the history of the numbers that a rule is judged by
//! (R56, R58, R60).

use std::collections::HashMap;

use entity::{pack_release as release, release_tally as tally};
use sea_orm::sea_query::{ExprTrait as _, Query};
use sea_orm::{ActiveValue::Set, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::ReleaseId;
use crate::domain::releases::{FiguresChange, HaltFigures, HaltRule, Pause};
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
        return Err(StoreError::Fault(format!("nobody is known to have paused the release {}", m.id)));
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
        // Without its numbers nothing is moved (R58).
        _ => Err(StoreError::Fault(format!("the halt rule of the release {} is incomplete", m.id))),
    }
}

/// Sets the columns of both.
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

/// All changes of these releases' numbers, in their order. A release without any is absent.
pub async fn changes(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[ReleaseId],
) -> StoreResult<HashMap<ReleaseId, Vec<FiguresChange>>> {
    let own = Query::select()
        .column((release::Entity, release::Column::Id))
        .from(release::Entity)
        .and_where(snapshot.any_of(col(release::Column::Id), ids.iter().map(|id| id.0)))
        .and_where(checked(col(release::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .take();
    let rows: Vec<(Uuid, Instant, i32, i32)> = tally::Entity::find()
        .select_only()
        .columns([tally::Column::ReleaseId, tally::Column::At, tally::Column::Executed, tally::Column::Bad])
        .filter(col(tally::Column::ReleaseId).in_subquery(own))
        .filter(col(tally::Column::IsSum).eq(false))
        .filter(col(tally::Column::Executed).ne(0).or(col(tally::Column::Bad).ne(0)))
        .order_by_asc(tally::Column::Id)
        .into_tuple()
        .all(snapshot.conn())
        .await?;
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for (release, at, executed, bad) in rows {
        let change = HaltFigures { executed: executed.into(), bad: bad.into() };
        found.entry(release.into()).or_default().push(FiguresChange { at, change });
    }
    Ok(found)
}
