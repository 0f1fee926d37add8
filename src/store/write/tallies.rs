//! The tallies of updates: how many came to which state, and when.

use std::collections::BTreeMap;

use entity::release_tally;
use sea_orm::{ActiveValue::Set, EntityTrait as _};

use super::updates::UpdateRow;
use crate::domain::Instant;
use crate::domain::adoption::Tally;
use crate::domain::id::{PackId, ReleaseId};
use crate::store::{StoreResult, Tx};

/// Adds what saving these updates changes: one row for each release and instant.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub(super) async fn add(tx: &Tx, rows: &[UpdateRow]) -> StoreResult<()> {
    let tallies = of(rows);
    if tallies.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = tallies.iter().map(|((release, at, pack), tally)| active(*release, *pack, *at, tally)).collect();
    for chunk in rows.chunks(500) {
        release_tally::Entity::insert_many(chunk.to_vec()).exec_without_returning(tx.conn()).await?;
    }
    Ok(())
}

/// Adds one row, of a release at one instant.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub(super) async fn add_one(tx: &Tx, release: ReleaseId, pack: PackId, at: Instant, tally: &Tally) -> StoreResult<()> {
    if !tally.is_empty() {
        let row = active(release, pack, at, tally);
        release_tally::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    }
    Ok(())
}

/// What is tallied of some updates. An update counts as offered from when it was offered, which for one that
/// was derived until now is before its row (R49); it counts as settled when it was settled.
fn of(rows: &[UpdateRow]) -> BTreeMap<(ReleaseId, Instant, PackId), Tally> {
    let mut tallies: BTreeMap<_, Tally> = BTreeMap::new();
    for UpdateRow { update, stored, .. } in rows {
        let mut count = |at, tally: Tally| {
            if !tally.is_empty() {
                *tallies.entry((update.id.release, at, update.pack_id)).or_default() += tally;
            }
        };
        if stored.is_none() {
            count(update.offered_at, Tally::OFFER);
        }
        count(update.settled_at.unwrap_or(update.offered_at), Tally::of_change(*stored, (update.state, update.how)));
    }
    tallies
}

/// A row of tallies.
pub(super) fn active(release: ReleaseId, pack: PackId, at: Instant, tally: &Tally) -> release_tally::ActiveModel {
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
        now_skipped: count(tally.now.skipped),
        now_failed: count(tally.now.failed),
        now_withdrawn: count(tally.now.withdrawn),
    }
}
