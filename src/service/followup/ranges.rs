//! Splits rollouts and roll backs into ranges, whose batches are at work at the same time (ADR 55).
//!
//! A batch of a whole work locks its pack, so it has the pack for itself. A batch of a range holds the pack together
//! with the batches of other ranges, and with calls of accounts. Commands on the pack and on the release lock the pack,
//! so they meet no batch. An installation that is made while a batch holds the pack has the version that the batch
//! moves to, or that it moves back to.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::id::{PackId, ReleaseId};
use crate::domain::packs::Pack;
use crate::service::error::Failure;
use crate::store::followup::ranges;
use crate::store::installations::{staged, write_counts as counts};
use crate::store::packs::awaited;
use crate::store::packs::write as packs;

use super::runner::has_one_writer;
use super::{Batch, Next};

/// The most ranges of a release: more than batches that a process runs at the same time, because ranges don't take
/// equally long, and because there may be several servers.
const RANGES: usize = 8;
/// How often a batch looks whether others still wait for its pack, and how long it rests in between. After that it
/// waits in line with them.
const LOOKS: u32 = 100;
const REST: Duration = Duration::from_millis(20);

/// A pack, and how its batch keeps it from being changed.
pub(super) struct Kept {
    /// `None` if the pack is gone.
    pub pack: Option<Pack>,
    /// Whether the batch has locked the pack. Otherwise it holds the pack together with others.
    pub is_locked: bool,
}

/// Locks the pack of a batch, or holds it for a range. The pack of a range must be locked if `is_judged` and the
/// release has a halt rule, because each step is then judged before the next one (R58), or if the batch begins again
/// because it was overtaken.
pub(super) async fn keep_pack(
    batch: &Batch<'_>,
    pack: PackId,
    release: ReleaseId,
    is_judged: bool,
) -> Result<Kept, Failure> {
    let tx = batch.tx;
    let looks = if batch.task.work.is_range() && !batch.locks_pack { LOOKS } else { 0 };
    for _ in 0..looks {
        let look = awaited::look(tx, pack, release).await?;
        if is_judged && look.has_rule {
            break;
        }
        if !look.is_awaited {
            return Ok(Kept { pack: packs::hold(tx, pack).await?, is_locked: false });
        }
        tokio::time::sleep(REST).await;
    }
    Ok(Kept { pack: packs::lock_any(tx, pack).await?, is_locked: true })
}

/// How a work goes on after the installation `last`, which a full batch has processed: split into ranges, if so many
/// installations are left that it pays. Not on SQLite, which has one writer. The batch has locked the pack.
pub(super) async fn go_on(batch: &Batch<'_>, pack: PackId, last: Uuid) -> Result<Next, Failure> {
    let (tx, size, least) = (batch.tx, batch.size.max(1), batch.services.settings.split_from);
    if batch.task.work.range().is_none() || has_one_writer(batch.services) {
        return Ok(Next::More(last));
    }
    let least = size.saturating_mul(least);
    let all = u64::try_from(counts::of_pack(tx, pack).await?).unwrap_or(0);
    if all < least || staged::nth_after(tx, pack, Some(last), least).await?.is_none() {
        return Ok(Next::More(last));
    }
    let length = size.max(all / RANGES as u64);
    let (mut begins, mut at) = (Vec::new(), last);
    while begins.len() < RANGES - 1 {
        let Some(end) = staged::nth_after(tx, pack, Some(at), length).await? else {
            // The rest is shorter than a range, so the last range has it too.
            begins.pop();
            break;
        };
        begins.push(end);
        at = end;
    }
    Ok(if begins.is_empty() { Next::More(last) } else { Next::Split(last, begins) })
}

/// How the task of a range goes on that has no further installations. The last range becomes the whole work again,
/// whose next batch ends the release with the pack locked.
pub(super) async fn end(batch: &Batch<'_>, release: ReleaseId) -> Result<Next, Failure> {
    Ok(if ranges::is_last(batch.tx, batch.task, release).await? { Next::Join } else { Next::Done })
}
