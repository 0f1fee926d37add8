//! Offering a scheduled release (R26).

use crate::domain::id::{PackId, ReleaseId};
use crate::domain::release::ReleaseState;
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::journal::Journal;
use crate::service::updates::{Numbers, Step, offered, tell_update};
use crate::store::Tx;
use crate::store::write::tasks::Task;
use crate::store::write::{installations, packs, updates};

use super::Batch;
use super::eligibility::Eligibility;

impl Services {
    /// Offers a scheduled release to installations, entitled ones alone (R26).
    pub(super) async fn offer(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        task: &Task,
        pack: PackId,
        release: ReleaseId,
    ) -> Result<Batch, Failure> {
        let scheduled = |state| state == ReleaseState::Scheduled;
        let pack = packs::hold(tx, pack).await?;
        journal.now = self.instant(tx, &pack)?;
        let Some((pack, release)) = self.pack_and_release(tx, pack, release, scheduled).await? else {
            return Ok(Batch::Done);
        };
        let found = installations::batch(tx, pack.id, task.done_to, self.settings.batch_size).await?;
        let ids: Vec<_> = found.iter().map(|i| i.id).collect();
        let known = updates::of_release(tx, release.id, &ids).await?;
        let eligible = Eligibility::of(tx, &found.iter().collect::<Vec<_>>()).await?;
        let numbers = Numbers::of(tx, found.iter().map(|i| i.version_id)).await?;
        let mut rows = Vec::new();
        for installation in found.iter().filter(|i| !known.contains_key(&i.id) && eligible.is_entitled(i)) {
            let row = offered(installation, &release, journal.now);
            tell_update(
                journal,
                &pack,
                &row.update,
                None,
                Step::stays(numbers.get(installation.version_id)),
                "scheduler.offerUpdate",
            );
            rows.push(row);
        }
        updates::save(tx, &rows).await?;
        Ok(self.after_batch(found.len(), found.last().map(|i| i.id.into())).map_or(Batch::Done, Batch::More))
    }
}
