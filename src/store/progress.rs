//! How far releases have got, by what is tallied of their updates: what a release has done is never counted over
//! the install base.

use entity::release_tally as tally;
use sea_orm::sea_query::{ExprTrait as _, Query, SelectStatement};
use sea_orm::{ConnectionTrait as _, QueryResult};

use super::grants::col;
use super::{StoreResult, Tx};
use crate::domain::event::Progress;
use crate::domain::id::ReleaseId;

const SUMS: [(tally::Column, &str); 6] = [
    (tally::Column::NowOffered, "offered"),
    (tally::Column::NowApplied, "applied"),
    (tally::Column::NowAppliedEarly, "applied_early"),
    (tally::Column::NowSkipped, "skipped"),
    (tally::Column::NowFailed, "failed"),
    (tally::Column::NowWithdrawn, "withdrawn"),
];

/// Asks a statement over tallies for their sums.
pub(in crate::store) fn sums(select: &mut SelectStatement) -> &mut SelectStatement {
    for (column, name) in SUMS {
        select.expr_as(col(column).sum(), name);
    }
    select
}

/// What [`sums`] gave.
pub(in crate::store) fn read(row: &QueryResult) -> StoreResult<Progress> {
    // The sum of no rows is null.
    let sum = |column: &str| row.try_get::<Option<i64>>("", column).map(Option::unwrap_or_default);
    Ok(Progress {
        offered: sum("offered")?,
        applied: sum("applied")?,
        applied_early: sum("applied_early")?,
        skipped: sum("skipped")?,
        failed: sum("failed")?,
        withdrawn: sum("withdrawn")?,
    })
}

/// The updates of a release that have a row, by their state.
pub(in crate::store) async fn of_release(tx: &Tx, release: ReleaseId) -> StoreResult<Progress> {
    let mut select = Query::select().from(tally::Entity).and_where(col(tally::Column::ReleaseId).eq(release.0)).take();
    let row = tx.conn().query_one(sums(&mut select)).await?;
    row.as_ref().map(read).transpose().map(Option::unwrap_or_default)
}
