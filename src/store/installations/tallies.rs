//! Tallies of updates: how many reached which state, and when.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::{pack_release, release_tally};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::store::installations::write_counts::ROWS_MAX;
use crate::store::installations::write_updates::UpdateRow;
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{PackId, ReleaseId};
use crate::domain::installations::{Tally, UpdateState};
use crate::domain::releases::{HaltFigures, Release};
use crate::store::column::col;
use crate::store::installations::progress::{self, Kept};
use crate::store::{StoreResult, Tx, WholeServer};

/// When releases have ended; those that are open are absent.
pub type Ends = BTreeMap<ReleaseId, Instant>;

/// The microseconds from a release's end to an instant; `None` for a release that is open.
fn since_end(ended: Option<Instant>, at: Instant) -> Option<i64> {
    ended.map(|ended| Ord::max((at - ended).num_microseconds().unwrap_or(i64::MAX), 0))
}

/// [`since_end`] for a change of a release's numbers. After the release was taken back no rule could be judged any more,
/// however long its watch.
pub(in crate::store) fn since_end_of(release: &Release, at: Instant) -> Option<i64> {
    if release.state.is_taken_back() { Some(i64::MAX) } else { since_end(release.ended_at, at) }
}

/// Adds tallies for updates that are being saved at `now`: one row for each release and instant. The `further` tally is of
/// the same transaction: all changes of its instant are one row.
pub(in crate::store) async fn add(
    tx: &Tx,
    rows: &[UpdateRow],
    further: Option<(ReleaseId, PackId, Instant, Tally)>,
    ends: &Ends,
    now: Instant,
) -> StoreResult<()> {
    let mut tallies = of(rows, now);
    if let Some((release, pack, at, tally)) = further.filter(|(.., tally)| !tally.is_empty()) {
        *tallies.entry((release, at, pack)).or_default() += tally;
    }
    if tallies.is_empty() {
        return Ok(());
    }
    let row = |((release, at, pack), tally): (&(ReleaseId, Instant, PackId), &Tally)| release_tally::ActiveModel {
        since_end: Set(since_end(ends.get(release).copied(), *at)),
        ..active(*release, *pack, *at, tally)
    };
    let rows: Vec<_> = tallies.iter().map(row).collect();
    for chunk in rows.chunks(500) {
        release_tally::Entity::insert_many(chunk.to_vec()).exec_without_returning(tx.conn()).await?;
    }
    Ok(())
}

/// Sets the figures of a release's halt rule back to zero, by a tally that subtracts them (R58).
pub async fn begin_figures_anew(tx: &Tx, release: &Release, at: Instant) -> StoreResult<()> {
    let HaltFigures { executed, bad } = progress::of_release(tx, release.id).await?.judged;
    let tally = Tally { judged: HaltFigures { executed: -executed, bad: -bad }, ..Tally::default() };
    add_one(tx, (release.id, release.pack_id), at, &tally, since_end_of(release, at)).await
}

/// The instant of a resume at `now`: later than the resume before it, and than all changes of the release's updates, if
/// these carry a later instant, because the clock was set back since. So what was executed before the resume can be told
/// from what is executed after it (R58).
pub async fn instant_of_resume(tx: &Tx, release: &Release, now: Instant) -> StoreResult<Instant> {
    use release_tally::{Column, Entity};
    let last: Option<Instant> = Entity::find()
        .select_only()
        .column(Column::At)
        .filter(Column::ReleaseId.eq(Uuid::from(release.id)))
        .order_by_desc(Column::At)
        .limit(1)
        .into_tuple()
        .one(tx.conn())
        .await?;
    let last = Ord::max(last, release.resumed_at);
    Ok(last.filter(|last| *last > now).map_or(now, |last| last + TimeDelta::microseconds(1)))
}

/// Saves that a retry has opened a release again, and that its halt rule is judged at this instant (R58, R60).
pub async fn reopen(tx: &Tx, release: &Release, at: Instant) -> StoreResult<()> {
    let row = active(release.id, release.pack_id, at, &Tally::default());
    let row = release_tally::ActiveModel { reopens: Set(true), ..row };
    release_tally::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// Adds a tally of a release at an instant, unless it is empty. `since_end` comes from [`since_end_of`].
pub(in crate::store) async fn add_one(
    tx: &Tx,
    (release, pack): (ReleaseId, PackId),
    at: Instant,
    tally: &Tally,
    since_end: Option<i64>,
) -> StoreResult<()> {
    if !tally.is_empty() {
        let row = release_tally::ActiveModel { since_end: Set(since_end), ..active(release, pack, at, tally) };
        release_tally::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    }
    Ok(())
}

/// Changes the number of installations that a release has still to reach by `installations`, which may be negative.
pub async fn add_remaining(tx: &Tx, of: (ReleaseId, PackId), at: Instant, installations: i64) -> StoreResult<()> {
    let tally = Tally { remaining: installations, ..Tally::default() };
    add_one(tx, of, at, &tally, None).await
}

/// Releases with so many rows of tallies that they should be compacted, each with its pack; at most `limit`.
pub async fn to_compact(server: &WholeServer, limit: u64) -> StoreResult<Vec<(PackId, ReleaseId)>> {
    let columns = [release_tally::Column::PackId, release_tally::Column::ReleaseId];
    let mut select = progress::current();
    select
        .columns(columns.map(|column| (release_tally::Entity, column)))
        .add_group_by(columns.map(col))
        .and_having(Expr::cust("COUNT(*)").gt(ROWS_MAX))
        .limit(limit);
    let rows = server.conn().query_all(&select).await?;
    rows.iter()
        .map(|row| {
            let (pack, release): (Uuid, Uuid) = (row.try_get("", "pack_id")?, row.try_get("", "release_id")?);
            Ok((pack.into(), release.into()))
        })
        .collect()
}

/// Compacts a release's tallies if more than `most` rows have to be summed: adds a row with their sums, from which the
/// present numbers are summed afterwards. Older rows stay for curves. The caller has locked the release's pack, so that
/// nobody adds rows meanwhile.
pub async fn compact(tx: &Tx, release: &Release, at: Instant, most: i64) -> StoreResult<()> {
    let mut select = progress::current();
    select
        .expr_as(Expr::cust("COUNT(*)"), "count")
        .expr_as(col(release_tally::Column::Id).max(), "last")
        .and_where(col(pack_release::Column::Id).eq(release.id.0));
    let Some(row) = tx.conn().query_one(&select).await? else { return Ok(()) };
    let (count, last): (i64, Option<i64>) = (row.try_get("", "count")?, row.try_get("", "last")?);
    let Some(last) = last.filter(|_| count > most) else { return Ok(()) };
    let kept = progress::of_release(tx, release.id).await?;
    let Kept { updates: now, remaining, works, broken, judged, rows: _ } = kept;
    let tally = Tally { now, remaining, works, broken, judged, ..Tally::default() };
    // Written even if the sums are zero, because the present numbers are summed from this row on.
    let row = active(release.id, release.pack_id, at, &tally);
    let row = release_tally::ActiveModel { is_sum: Set(true), ..row };
    release_tally::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    let from =
        pack_release::ActiveModel { id: Set(release.id.into()), tally_base_id: Set(last + 1), ..Default::default() };
    pack_release::Entity::update(from).exec(tx.conn()).await?;
    Ok(())
}

/// The tallies of updates. An update counts as offered at its time of offer, which can be before its row was written
/// (R49), and with its state since its `settled_at`. That may lie after `now`, at the release's resume, because the clock
/// was set back since: then the state counts since `now`. Otherwise a curve would not show it yet, and a halt rule that is
/// tried on the history would take it for later than it was judged (R60).
fn of(rows: &[UpdateRow], now: Instant) -> BTreeMap<(ReleaseId, Instant, PackId), Tally> {
    let mut tallies: BTreeMap<_, Tally> = BTreeMap::new();
    for UpdateRow { update, stored, outcome, .. } in rows {
        let mut count = |at, tally: Tally| {
            if !tally.is_empty() {
                *tallies.entry((update.id.release, at, update.pack_id)).or_default() += tally;
            }
        };
        if stored.is_none() {
            count(update.offered_at, Tally::OFFER);
        }
        let mut tally = Tally::of_change(*stored, (update.state, update.how));
        let was_applied = stored.is_some_and(|(state, _)| state == UpdateState::Applied);
        if was_applied && update.state != UpdateState::Applied {
            tally += Tally::of_report(*outcome, None);
        }
        count(Ord::min(update.settled_at.unwrap_or(update.offered_at), now), tally);
    }
    tallies
}

/// The row for a tally of a release's updates at an instant.
pub(in crate::store) fn active(
    release: ReleaseId,
    pack: PackId,
    at: Instant,
    tally: &Tally,
) -> release_tally::ActiveModel {
    let count = |n: i64| Set(i32::try_from(n).unwrap_or(i32::MAX));
    release_tally::ActiveModel {
        id: sea_orm::ActiveValue::NotSet,
        release_id: Set(release.into()),
        pack_id: Set(pack.into()),
        at: Set(at),
        offered: count(tally.offered),
        applied_early: count(tally.applied_early),
        applied_automatically: count(tally.applied_automatically),
        applied_immediately: count(tally.applied_immediately),
        skipped: count(tally.skipped),
        failed: count(tally.failed),
        now_offered: count(tally.now.offered),
        now_applied: count(tally.now.applied),
        now_applied_early: count(tally.now.applied_early),
        now_applied_staged: count(tally.now.applied_staged),
        now_skipped: count(tally.now.skipped),
        now_failed: count(tally.now.failed),
        now_withdrawn: count(tally.now.withdrawn),
        now_moved_back: count(tally.now.moved_back),
        remaining: count(tally.remaining),
        now_works: count(tally.works),
        now_broken: count(tally.broken),
        executed: count(tally.judged.executed),
        bad: count(tally.judged.bad),
        since_end: Set(None),
        reopens: Set(false),
        is_sum: Set(false),
    }
}
