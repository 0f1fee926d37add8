//! Reads of adoption's curves. They are read from tallies, never from installations or their updates.

use std::collections::HashMap;

use entity::{integration_pack as pack, pack_release as release, release_tally as tally};
use sea_orm::prelude::{DateTimeUtc, Uuid};
use sea_orm::sea_query::{Expr, ExprTrait as _, JoinType, Query, SelectStatement, Value, ValueTuple};
use sea_orm::{ConnectionTrait as _, FromQueryResult, QueryResult};

use super::adoption::{AdoptionOf, both};
use crate::domain::Instant;
use crate::domain::installations::{CurvePart, CurvePoint, Tally};
use crate::domain::releases::ReleaseState;
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::page::checked;
use crate::store::scope::PublisherScope;
use crate::store::{DatabaseKind, Snapshot, StoreResult};

/// Installations, and the part of their curve.
pub type CurveKey = (AdoptionOf, CurvePart);

/// Updates that no batch has written yet. They are offered since the release's creation (R49).
#[derive(FromQueryResult)]
struct Waiting {
    subject: Uuid,
    created_at: DateTimeUtc,
    count: i64,
}

/// The facts about a curve before its points are read.
#[derive(Default)]
struct Beginning {
    /// The time of the first tally.
    first: Option<Instant>,
    waiting: Vec<(Instant, i64)>,
}

/// Parts of curves. The sums at each instant are exact. The number of statements grows with the number of points, not
/// with the number of curves.
pub async fn curves(
    snapshot: &Snapshot<PublisherScope>,
    keys: &[CurveKey],
) -> StoreResult<HashMap<CurveKey, Vec<CurvePoint>>> {
    let subjects: Vec<AdoptionOf> = keys.iter().map(|(of, _)| *of).collect();
    let beginnings = beginnings(snapshot, &subjects).await?;
    let mut curves: Vec<(CurveKey, Vec<CurvePoint>)> = Vec::new();
    for key in keys {
        let Some(beginning) = beginnings.get(&key.0) else { continue };
        let since = beginning.waiting.iter().map(|(at, _)| *at).chain(beginning.first).min();
        let instants = since.map(|since| key.1.instants(since)).unwrap_or_default();
        let points = instants.into_iter().map(|at| CurvePoint { at, tally: Tally::default() });
        curves.push((*key, points.collect()));
    }
    sum(snapshot, &mut curves).await?;
    for ((of, _), points) in &mut curves {
        let waiting = beginnings.get(of).map(|beginning| beginning.waiting.as_slice()).unwrap_or_default();
        run_up(points, waiting);
    }
    Ok(curves.into_iter().collect())
}

/// Replaces the changes between points by sums, and adds updates that no batch has written yet.
fn run_up(points: &mut [CurvePoint], waiting: &[(Instant, i64)]) {
    let Some(from) = points.first().map(|point| point.at) else { return };
    let mut sum = Tally::default();
    for point in points {
        sum += point.tally;
        let offered: i64 =
            waiting.iter().filter(|(at, _)| (from..=point.at).contains(at)).map(|(_, count)| count).sum();
        point.tally = sum;
        point.tally.offered += offered;
    }
}

/// The beginnings of the publisher's curves. Others are absent.
async fn beginnings(
    snapshot: &Snapshot<PublisherScope>,
    subjects: &[AdoptionOf],
) -> StoreResult<HashMap<AdoptionOf, Beginning>> {
    let mut beginnings: HashMap<AdoptionOf, Beginning> = HashMap::new();
    for (of, row) in both(snapshot, subjects, |ids, packs| firsts(snapshot, ids, packs)).await? {
        let first: Option<DateTimeUtc> = row.try_get("", "first")?;
        beginnings.insert(of, Beginning { first, waiting: Vec::new() });
    }
    for (of, row) in both(snapshot, subjects, |ids, packs| waiting(snapshot, ids, packs)).await? {
        let row = Waiting::from_query_result(&row, "")?;
        debug_assert_eq!(row.subject, of.id());
        beginnings.entry(of).or_default().waiting.push((row.created_at, row.count));
    }
    Ok(beginnings)
}

fn firsts(snapshot: &Snapshot<PublisherScope>, ids: &[Uuid], packs: bool) -> SelectStatement {
    let (id, tallied) = if packs {
        (col(pack::Column::Id), col(tally::Column::PackId))
    } else {
        (col(release::Column::Id), col(tally::Column::ReleaseId))
    };
    // The first entry of an index, for each pack or release.
    let first =
        Query::select().expr(col(tally::Column::At).min()).from(tally::Entity).and_where(tallied.eq(id.clone())).take();
    let mut select = Query::select();
    select
        .expr_as(id.clone(), "subject")
        .expr_as(Expr::SubQuery(None, Box::new(first.into())), "first")
        .and_where(snapshot.any_of(id, ids.iter().copied()));
    let publisher = Expr::from(snapshot.scope().publisher_id().0);
    if packs {
        select.from(pack::Entity).and_where(checked(col(pack::Column::PublisherId).eq(publisher)));
    } else {
        select.from(release::Entity).and_where(checked(col(release::Column::PublisherId).eq(publisher)));
    }
    select
}

fn waiting(snapshot: &Snapshot<PublisherScope>, ids: &[Uuid], packs: bool) -> SelectStatement {
    let mut select = crate::store::installations::progress::current();
    let subject = if packs { col(release::Column::PackId) } else { col(release::Column::Id) };
    let open = crate::store::releases::OPEN_STATES.map(ReleaseState::stored);
    select
        .expr_as(subject.clone(), "subject")
        .column((release::Entity, release::Column::CreatedAt))
        .expr_as(col(tally::Column::Remaining).sum(), "count")
        .and_where(snapshot.any_of(subject, ids.iter().copied()))
        .and_where(checked(col(release::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .and_where(col(release::Column::State).is_in(open))
        .add_group_by([col(release::Column::Id), col(release::Column::PackId), col(release::Column::CreatedAt)])
        .and_having(col(tally::Column::Remaining).sum().ne(0));
    select
}

/// The number of ranges that one statement sums. Each range has four parameters, and SQLite accepts 32,766.
const RANGES_MAX: usize = 5_000;

/// Reads for each point the tally since the previous point; for the first point, the tally at its instant.
async fn sum(snapshot: &Snapshot<PublisherScope>, curves: &mut [(CurveKey, Vec<CurvePoint>)]) -> StoreResult<()> {
    for packs in [true, false] {
        let mut ranges = Vec::new();
        for (curve, ((of, _), points)) in curves.iter().enumerate() {
            if matches!(of, AdoptionOf::Pack(_)) != packs {
                continue;
            }
            let mut after = points.first().map(|point| point.at - chrono::TimeDelta::microseconds(1));
            for (index, point) in points.iter().enumerate() {
                let from = after.replace(point.at).unwrap_or(point.at);
                if from < point.at {
                    ranges.push(((curve, index), (of.id(), from, point.at)));
                }
            }
        }
        for chunk in ranges.chunks(RANGES_MAX) {
            let bounds = chunk.iter().map(|(_, range)| *range);
            for row in snapshot.conn().query_all(&range_sums(bounds, packs, snapshot.reader().kind())).await? {
                let number: i32 = row.try_get("", "number")?;
                let curve_point = usize::try_from(number).ok().and_then(|number| chunk.get(number));
                let Some(((curve, index), _)) = curve_point else { continue };
                if let Some(point) = curves.get_mut(*curve).and_then(|(_, points)| points.get_mut(*index)) {
                    point.tally = read(&row)?;
                }
            }
        }
    }
    Ok(())
}

/// The sums of the tallies after one instant and until another, for each range, with one index search per range.
/// PostgreSQL doesn't know the ranges when it plans, and would join whole tables by hash; LATERAL prevents that. SQLite
/// searches the index on its own, and doesn't support LATERAL.
fn range_sums(
    ranges: impl Iterator<Item = (Uuid, Instant, Instant)>,
    packs: bool,
    kind: DatabaseKind,
) -> SelectStatement {
    let tuples = ranges.enumerate().map(|(number, (of, after, until))| {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let values: [Value; 4] = [number.into(), of.into(), after.into(), until.into()];
        ValueTuple::Many(values.to_vec())
    });
    let tallied = if packs { tally::Column::PackId } else { tally::Column::ReleaseId };
    let within = col(tallied)
        .eq(of_range("column2"))
        .and(col(tally::Column::At).gt(of_range("column3")))
        .and(col(tally::Column::At).lte(of_range("column4")));
    let mut select = Query::select().expr_as(of_range("column1"), "number").from_values(tuples, "range").take();
    match kind {
        DatabaseKind::Sqlite => {
            for (column, name) in SUMS {
                select.expr_as(col(column).sum(), name);
            }
            select.inner_join(tally::Entity, within).add_group_by([of_range("column1")]);
        }
        DatabaseKind::Postgresql => {
            let mut sums = Query::select();
            for (column, name) in SUMS {
                sums.expr_as(col(column).sum(), name);
                select.column(("sums", name));
            }
            let sums = sums.from(tally::Entity).and_where(within).take();
            select.join_lateral(JoinType::InnerJoin, sums, "sums", Expr::val(true));
        }
    }
    select
}

/// A column of the list of values. Both databases name these columns alike.
fn of_range(column: &'static str) -> Expr {
    Expr::col(("range", column))
}

const SUMS: [(tally::Column, &str); 6] = [
    (tally::Column::Offered, "offered"),
    (tally::Column::AppliedEarly, "applied_early"),
    (tally::Column::AppliedAutomatically, "applied_automatically"),
    (tally::Column::AppliedImmediately, "applied_immediately"),
    (tally::Column::Skipped, "skipped"),
    (tally::Column::Failed, "failed"),
];

fn read(row: &QueryResult) -> StoreResult<Tally> {
    // The sum of no rows is null.
    let sum = |column: &str| row.try_get::<Option<i64>>("", column).map(Option::unwrap_or_default);
    Ok(Tally {
        offered: sum("offered")?,
        applied_early: sum("applied_early")?,
        applied_automatically: sum("applied_automatically")?,
        applied_immediately: sum("applied_immediately")?,
        skipped: sum("skipped")?,
        failed: sum("failed")?,
        ..Tally::default()
    })
}
