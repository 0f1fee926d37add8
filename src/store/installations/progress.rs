//! How far releases have got, by what is tallied of their updates: what a release has done is never counted over
//! the install base.

use entity::{pack_release as release, release_tally as tally};
use sea_orm::sea_query::{ExprTrait as _, Query, SelectStatement};
use sea_orm::{ConnectionTrait as _, QueryResult};

use crate::domain::id::ReleaseId;
use crate::domain::log::event::Progress;
use crate::store::sharing::grants::col;
use crate::store::{StoreResult, Tx};

const SUMS: [(tally::Column, &str); 7] = [
    (tally::Column::NowOffered, "offered"),
    (tally::Column::NowApplied, "applied"),
    (tally::Column::NowAppliedEarly, "applied_early"),
    (tally::Column::NowSkipped, "skipped"),
    (tally::Column::NowFailed, "failed"),
    (tally::Column::NowWithdrawn, "withdrawn"),
    (tally::Column::Coming, "coming"),
];

/// The rows of releases that add up to what is so now: one that adds up what came before, and those after it.
pub(in crate::store) fn current() -> SelectStatement {
    let own = col(tally::Column::ReleaseId).eq(col(release::Column::Id));
    Query::select()
        .from(release::Entity)
        .inner_join(tally::Entity, own.and(col(tally::Column::Id).gte(col(release::Column::TalliedFrom))))
        .take()
}

/// How far a release has got.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// The updates that have a row.
    pub updates: Progress,
    /// How many installations it has still to come to.
    pub coming: i64,
}

/// Asks a statement over tallies for their sums.
pub(in crate::store) fn sums(select: &mut SelectStatement) -> &mut SelectStatement {
    for (column, name) in SUMS {
        select.expr_as(col(column).sum(), name);
    }
    select
}

/// What [`sums`] gave.
pub(in crate::store) fn read(row: &QueryResult) -> StoreResult<Kept> {
    // The sum of no rows is null.
    let sum = |column: &str| row.try_get::<Option<i64>>("", column).map(Option::unwrap_or_default);
    let updates = Progress {
        offered: sum("offered")?,
        applied: sum("applied")?,
        applied_early: sum("applied_early")?,
        skipped: sum("skipped")?,
        failed: sum("failed")?,
        withdrawn: sum("withdrawn")?,
    };
    Ok(Kept { updates, coming: sum("coming")? })
}

/// How far a release has got.
pub(in crate::store) async fn of_release(tx: &Tx, id: ReleaseId) -> StoreResult<Kept> {
    let mut select = current();
    select.and_where(col(release::Column::Id).eq(id.0));
    let row = tx.conn().query_one(sums(&mut select)).await?;
    row.as_ref().map(read).transpose().map(Option::unwrap_or_default)
}
