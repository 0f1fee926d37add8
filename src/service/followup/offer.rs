//! Offering a scheduled release (R26).

use std::collections::BTreeMap;

use crate::domain::id::{PackId, PackVersionId, ReleaseId};
use crate::domain::installations::UpdateState;
use crate::domain::releases::ReleaseState;
use crate::service::error::Failure;
use crate::service::followup::completion::pack_and_release;
use crate::service::followup::updates::VersionNumbers;
use crate::store::installations::changes::{Change, Changes};
use crate::store::installations::classes;
use crate::store::installations::classes::InstallationFacts;
use crate::store::packs::write as packs;

use super::class_change::ClassChange;
use super::{Batch, FollowUp, Next};

/// Offers a scheduled release to the entitled installations of its pack.
pub(super) struct Offer {
    pub pack: PackId,
    pub release: ReleaseId,
}

impl FollowUp for Offer {
    async fn run_batch(self, batch: &mut Batch<'_>) -> Result<Next, Failure> {
        let (services, tx, task) = (batch.services, batch.tx, batch.task);
        let scheduled = |state| state == ReleaseState::Scheduled;
        let pack = packs::hold(tx, self.pack).await?;
        batch.journal.now = services.instant(tx, &pack)?;
        let Some((pack, release)) = pack_and_release(tx, pack, self.release, scheduled).await? else {
            return Ok(Next::Done);
        };
        let (found, last) = classes::lock_of_pack(tx, pack.id, task.resume_after, batch.size).await?;
        let Some(last) = last else { return Ok(Next::Done) };
        let judged = classes::of_pack(tx, pack.id, release.id, task.resume_after, last).await?;
        let mut by_version: BTreeMap<PackVersionId, Vec<&InstallationFacts>> = BTreeMap::new();
        for installation in judged.iter().filter(|i| i.update.is_none() && i.is_entitled) {
            by_version.entry(installation.version_id).or_default().push(installation);
        }
        let numbers = VersionNumbers::of(tx, by_version.keys().copied()).await?;
        let mut changes = Changes::new(tx, &release, batch.journal.now);
        for (version, members) in by_version {
            let change = Change::to(UpdateState::Offered);
            let class_change = ClassChange {
                tx,
                pack: &pack,
                release: &release,
                numbers: &numbers,
                change,
                before: None,
                from: version,
                to: version,
                action: "scheduler.offerUpdate",
                section: None,
            };
            class_change.write(&mut batch.journal, &mut changes, &members).await?;
        }
        changes.end().await?;
        Ok(Next::after(batch.processed(found, Some(last))))
    }
}
