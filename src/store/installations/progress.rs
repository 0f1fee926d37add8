//! Reads the progress of releases from the tallies of their updates. Updates and installations are never counted.

use entity::{pack_release as release, release_tally as tally};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{ConnectionTrait as _, QueryResult};

use crate::domain::id::ReleaseId;
use crate::domain::log::Progress;
use crate::domain::releases::HaltFigures;
use crate::store::column::col;
use crate::store::{StoreResult, Tx};

const SUMS: [(tally::Column, &str); 13] = [
    (tally::Column::NowOffered, "offered"),
    (tally::Column::NowApplied, "applied"),
    (tally::Column::NowAppliedEarly, "applied_early"),
    (tally::Column::NowAppliedStaged, "applied_staged"),
    (tally::Column::NowSkipped, "skipped"),
    (tally::Column::NowFailed, "failed"),
    (tally::Column::NowWithdrawn, "withdrawn"),
    (tally::Column::NowMovedBack, "moved_back"),
    (tally::Column::Remaining, "coming"),
    (tally::Column::NowWorks, "works"),
    (tally::Column::NowBroken, "broken"),
    (tally::Column::Executed, "executed"),
    (tally::Column::Bad, "bad"),
];

/// The tallies of releases that add up to the present numbers: the rows since the last compaction.
pub(in crate::store) fn current() -> SelectStatement {
    let own = col(tally::Column::ReleaseId).eq(col(release::Column::Id));
    Query::select()
        .from(release::Entity)
        .inner_join(tally::Entity, own.and(col(tally::Column::Id).gte(col(release::Column::TallyBaseId))))
        .take()
}

/// The progress of a release.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// The updates that are stored.
    pub updates: Progress,
    /// The number of installations that the release has still to reach.
    pub remaining: i64,
    /// The number of applied updates that were reported to work (R57).
    pub works: i64,
    /// The number of applied updates that were reported to be broken (R57).
    pub broken: i64,
    /// The figures that a halt rule is judged by (R58).
    pub judged: HaltFigures,
    /// How many tallies were added up.
    pub rows: i64,
}

/// Adds the sums of tallies to a statement.
pub(in crate::store) fn sums(select: &mut SelectStatement) -> &mut SelectStatement {
    for (column, name) in SUMS {
        select.expr_as(col(column).sum(), name);
    }
    select.expr_as(Expr::cust("COUNT(*)"), "rows")
}

/// Reads a row of a statement with [`sums`].
pub(in crate::store) fn read(row: &QueryResult) -> StoreResult<Kept> {
    // The sum of no rows is null.
    let sum = |column: &str| row.try_get::<Option<i64>>("", column).map(Option::unwrap_or_default);
    let updates = Progress {
        offered: sum("offered")?,
        applied: sum("applied")?,
        applied_early: sum("applied_early")?,
        applied_staged: sum("applied_staged")?,
        skipped: sum("skipped")?,
        failed: sum("failed")?,
        withdrawn: sum("withdrawn")?,
        moved_back: sum("moved_back")?,
        to_move_back: None,
    };
    let judged = HaltFigures { executed: sum("executed")?, bad: sum("bad")? };
    let (remaining, works, broken, rows) = (sum("coming")?, sum("works")?, sum("broken")?, row.try_get("", "rows")?);
    Ok(Kept { updates, remaining, works, broken, judged, rows })
}

/// The sums of a release's tallies; zeros if it has none.
pub(in crate::store) async fn of_release(tx: &Tx, id: ReleaseId) -> StoreResult<Kept> {
    let mut select = current();
    select.and_where(col(release::Column::Id).eq(id.0));
    let row = tx.conn().query_one(sums(&mut select)).await?;
    row.as_ref().map(read).transpose().map(Option::unwrap_or_default)
}
