//! Events for all accounts that have a pack installed, as one account may see them (R50).
//!
//! A publisher has many more releases than the packs of one account, so the events are found by the account's packs.
//! The cost of a page depends on the number of these packs, but neither on the publisher's other packs nor on the
//! length of the log.

use entity::{event, installation, past_visibility};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{
    Alias, Expr, ExprTrait as _, Func, IntoTableRef as _, JoinType, Order as Way, Query, SelectStatement,
    SubQueryStatement, TableRef, UnionType,
};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryTrait as _};

use crate::store::column::col;
use crate::store::log::interest::Interest;
use crate::store::log::records::{PositionRange, pruned_to};
use crate::store::reader::Reader;
use crate::store::scope::ManagedScope;
use crate::store::{DatabaseKind, Snapshot, StoreResult};

/// Spelt as in the partial index `event_for_installed`, so that the database uses it.
pub(in crate::store::log) fn for_installed() -> Expr {
    col(event::Column::Audience).eq(Expr::cust("'PUBLISHER_AND_INSTALLED'"))
}

/// The intervals of positions in which an account sees the events of a pack, from one of two tables. An account can
/// have had a pack any number of times. Intervals that end together are merged, and intervals that ended before the log
/// begins are left out.
struct Intervals {
    merged: SelectStatement,
}

const INTERVALS: &str = "intervals";
const PACK: &str = "pack";
/// The column with the position after which the account sees the pack's events.
const AFTER: &str = "seen_after";
/// The column with the last position at which the account sees the pack's events; null if there is none.
const UNTIL: &str = "seen_until";

impl Intervals {
    fn of(scope: ManagedScope) -> [Self; 2] {
        use installation::Column as I;
        use past_visibility::Column as H;
        let account = scope.account_id().0;
        let merged = |table: TableRef, of_account: Expr, [pack, after, until]: [Expr; 3]| {
            let has_events = until.clone().is_null().or(until.clone().gt(pruned_to()));
            let merged = Query::select()
                .expr_as(pack.clone(), PACK)
                .expr_as(Func::min(after), AFTER)
                .expr_as(until.clone(), UNTIL)
                .from(table)
                .and_where(of_account)
                .and_where(has_events)
                .add_group_by([pack, until])
                .take();
            Self { merged }
        };
        [
            merged(
                installation::Entity.into_table_ref(),
                col(I::AccountId).eq(account),
                [col(I::PackId), col(I::VisibleAfter), col(I::VisibleUntil)],
            ),
            merged(
                past_visibility::Entity.into_table_ref(),
                col(H::AccountId).eq(account),
                [col(H::PackId), col(H::VisibleAfter), col(H::VisibleUntil)],
            ),
        ]
    }

    fn column(name: &'static str) -> Expr {
        Expr::col((INTERVALS, name))
    }

    /// Selects the account's intervals, as yet without columns.
    fn select(&self) -> SelectStatement {
        Query::select().from_subquery(self.merged.clone(), INTERVALS).take()
    }

    /// The positions of the matching events in one interval and in the range, for each row of the intervals.
    fn positions(interest: &Interest, range: PositionRange) -> SelectStatement {
        let position = || col(event::Column::Sequence);
        let until = Func::coalesce([Self::column(UNTIL), Expr::val(i64::MAX)]);
        let mut select = Query::select();
        select
            .expr_as(position(), POSITION)
            .from(event::Entity)
            .and_where(col(event::Column::PackId).eq(Self::column(PACK)))
            .and_where(for_installed())
            .and_where(position().gt(Self::column(AFTER)))
            .and_where(position().lte(until))
            .and_where_option(range.after.map(|after| position().gt(after)))
            .and_where_option(range.before.map(|before| position().lt(before)));
        interest.check(&mut select);
        select
    }
}

const POSITION: &str = "position";

fn way(range: PositionRange) -> Way {
    if range.from_end { Way::Desc } else { Way::Asc }
}

/// Orders positions and cuts them off after the first ones of a page, and one more.
fn first_of_page(mut select: SelectStatement, range: PositionRange) -> SelectStatement {
    select.order_by(Alias::new(POSITION), way(range)).limit(u64::from(range.size) + 1).take()
}

/// The event of each pack that is nearest to the start of a range; at most as many as a page has, and one more.
struct Nearest {
    packs: Vec<Uuid>,
    /// The nearest event of all.
    first: Option<i64>,
    /// The farthest of these events, if there are enough for a page. The page has no event beyond it.
    bound: Option<i64>,
}

async fn nearest(
    reader: &Reader,
    scope: ManagedScope,
    interest: &Interest,
    range: PositionRange,
) -> StoreResult<Nearest> {
    let none = if range.from_end { 0 } else { i64::MAX };
    let [now, before] = Intervals::of(scope).map(|intervals| {
        let nearest = first_of_page(Intervals::positions(interest, range), PositionRange { size: 0, ..range });
        let nearest = Expr::from(SubQueryStatement::from(nearest));
        let mut select = intervals.select();
        // Packs without an event are last, because both databases would order nulls differently.
        select
            .expr_as(Func::coalesce([nearest, Expr::val(none)]), POSITION)
            .expr_as(Intervals::column(PACK), PACK)
            .take()
    });
    let of_intervals = SelectStatement::union(&mut now.clone(), UnionType::All, before).take();
    let select =
        Query::select().distinct().columns([POSITION, PACK]).from_subquery(of_intervals, "of_intervals").take();
    let (mut packs, mut positions) = (Vec::new(), Vec::new());
    for row in reader.conn().query_all(&first_of_page(select, range)).await? {
        let (position, pack): (i64, Uuid) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        if position != none {
            packs.push(pack);
            positions.push(position);
        }
    }
    packs.sort_unstable();
    packs.dedup();
    let is_enough = positions.len() > usize::try_from(range.size).unwrap_or(usize::MAX);
    let bound = positions.last().copied().filter(|_| is_enough);
    Ok(Nearest { packs, first: positions.first().copied(), bound })
}

/// Selects the events of a page, and one more, without order; `None` if there are none.
pub(in crate::store::log) async fn of_page(
    reader: &Reader,
    scope: ManagedScope,
    interest: &Interest,
    range: PositionRange,
) -> StoreResult<Option<SelectStatement>> {
    let nearest = nearest(reader, scope, interest, range).await?;
    if nearest.packs.is_empty() {
        return Ok(None);
    }
    let mut within = range;
    if range.from_end {
        within.after = std::cmp::max(range.after, nearest.bound.map(|bound| bound - 1));
    } else if let Some(bound) = nearest.bound {
        within.before = Some(range.before.map_or(bound + 1, |before| std::cmp::min(before, bound + 1)));
    }
    let [now, before] = Intervals::of(scope).map(|intervals| {
        let positions = first_of_page(Intervals::positions(interest, within), within);
        let mut rows = intervals.select();
        rows.and_where(reader.any_of(Intervals::column(PACK), nearest.packs.iter().copied()));
        each_of(reader.kind(), rows, positions)
    });
    let of_intervals = SelectStatement::union(&mut now.clone(), UnionType::Distinct, before).take();
    Ok(Some(events_at(first_of_page(of_intervals, within))))
}

/// Selects the positions of each row of a table. The cut of `positions` applies to each row.
fn each_of(kind: DatabaseKind, mut rows: SelectStatement, positions: SelectStatement) -> SelectStatement {
    match kind {
        DatabaseKind::Postgresql => rows.expr_as(Expr::col(("seen", POSITION)), POSITION).join_lateral(
            JoinType::InnerJoin,
            positions,
            "seen",
            Expr::val(true).eq(true),
        ),
        // SQLite has no LATERAL. CROSS JOIN keeps it from beginning with the events.
        DatabaseKind::Sqlite => rows
            .expr_as(col(event::Column::Sequence), POSITION)
            .cross_join(event::Entity)
            .and_where(col(event::Column::Sequence).in_subquery(positions)),
    }
    .take()
}

/// Selects all matching events that the account may see.
pub(in crate::store::log) fn all(scope: ManagedScope, interest: &Interest) -> SelectStatement {
    let [now, before] = Intervals::of(scope).map(|intervals| {
        let mut positions = Intervals::positions(interest, PositionRange::default());
        // The intervals become a second table of the same statement.
        positions.from_subquery(intervals.merged, INTERVALS).take()
    });
    events_at(SelectStatement::union(&mut now.clone(), UnionType::Distinct, before).take())
}

fn events_at(positions: SelectStatement) -> SelectStatement {
    event::Entity::find().filter(col(event::Column::Sequence).in_subquery(positions)).into_query()
}

/// The position of the newest event that the account may see.
pub(in crate::store::log) async fn newest(snapshot: &Snapshot, scope: ManagedScope) -> StoreResult<Option<i64>> {
    let last = PositionRange { from_end: true, ..PositionRange::default() };
    Ok(nearest(snapshot.reader(), scope, &Interest::default(), last).await?.first)
}
