//! Deleting packs (R47).

use std::collections::BTreeMap;

use crate::domain::account::Privilege;
use crate::domain::event::{Audience, EventData, EventKind};
use crate::domain::id::{AccountId, PackId, ReleaseId};
use crate::domain::installation::Installation;
use crate::domain::pack::Pack;
use crate::domain::refusal::PackRefusal;
use crate::store::Tx;
use crate::store::write::tasks::{self, Task, Work};
use crate::store::write::{deletion, grants, installations, journal as log, packs, releases, updates};

use super::Services;
use super::access::Publisher;
use super::error::{Failure, Outcome};
use super::journal::{Entry, Happening, Journal, Subject};
use super::moment::Touched;
use super::releases::Ending;
use super::rollout::Batch;
use super::updates::{Numbers, Step, hide, tell_update, withdraw_row};

/// How a pack is to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Says what would happen, and changes nothing.
    DryRun,
    /// With the number of installations that the publisher confirms, if it gave one.
    Confirmed(Option<i32>),
}

/// What deleting a pack did, or would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    pub installations: i64,
    /// The pending release that was, or would be, canceled.
    pub canceled: Option<ReleaseId>,
}

impl Services {
    /// Deletes a pack: uninstalls it everywhere and cancels its pending release (R47).
    ///
    /// # Errors
    /// RELEASE_IN_PROGRESS after CONFIRMATION_REQUIRED and CONFIRMATION_MISMATCH; not found.
    pub async fn delete_pack(
        &self,
        caller: &Publisher,
        pack: PackId,
        deletion: Deletion,
    ) -> Outcome<Deleted, PackRefusal> {
        caller.viewer.require(Privilege::IntegrationPack)?;
        let touched = Touched::Pack(caller.id(), pack);
        self.once_opened(touched, || self.try_delete_pack(caller, pack, deletion)).await
    }

    async fn try_delete_pack(
        &self,
        caller: &Publisher,
        pack: PackId,
        deletion: Deletion,
    ) -> Outcome<Deleted, PackRefusal> {
        let tx = self.db.begin().await?;
        // Locked: who installs or uninstalls holds the pack, so that the count stands until the commit.
        let mut pack = packs::lock(&tx, &caller.scope, pack).await?.ok_or(Failure::NotFound)?;
        let mut journal = Journal::of(self, caller, self.instant(&tx, [&pack])?);
        let installations = deletion::count_installations(&tx, pack.id).await?;
        check_confirmation(deletion, installations)?;
        if pack.standing.running_release.is_some() || tasks::moving(&tx, pack.id).await?.is_some() {
            return Err(PackRefusal::ReleaseInProgress.into());
        }
        let canceled = pack.standing.pending.map(|pending| pending.release_id);
        let deleted = Deleted { installations, canceled };
        if deletion == Deletion::DryRun {
            return Ok(deleted);
        }
        if let Some(release) = canceled
            && let Some(mut release) = releases::lock(&tx, pack.id, release).await?
        {
            let ending = Ending::Canceled("deleteIntegrationPack");
            self.end_pending(&tx, &mut journal, &mut pack, &mut release, ending).await?;
            packs::save_standing(&tx, pack.id, &pack.standing).await?;
        }
        deletion::delete(&tx, pack.id, journal.now).await?;
        journal.note(
            Entry::of("deleteIntegrationPack", Subject::IntegrationPack(pack.id), pack.name.clone())
                .change("name", Some(pack.name.clone()), None)
                .change("installations", Some(installations.to_string()), None),
        );
        journal.tell(Happening {
            data: EventData { uninstalled_count: Some(installations), ..EventData::default() },
            ..Happening::of(EventKind::PackDeleted, &pack)
        });
        let task = self.add_task(&tx, &pack, Work::Delete(pack.id), false, journal.now).await?;
        journal.write(&tx).await?;
        tx.commit().await?;
        self.run_first_batch(task).await;
        Ok(deleted)
    }

    /// Uninstalls a deleted pack in some accounts, and tells those that had it or could have it.
    pub(super) async fn uninstall_everywhere(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        task: &Task,
        pack: PackId,
    ) -> Result<Batch, Failure> {
        let Some(pack) = deletion::lock_deleted(tx, pack).await? else { return Ok(Batch::Done) };
        journal.now = self.now(tx);
        let accounts = grants::accounts_after(tx, task.publisher_id, task.done_to, self.settings.batch_size).await?;
        let told = grants::announced(tx, pack.id, &accounts).await?;
        let mut uninstalled: BTreeMap<AccountId, i64> = told.iter().map(|account| (*account, 0)).collect();
        let found: Vec<_> = installations::of_accounts(tx, &[pack.id], &accounts).await?;
        for (installation, _) in &found {
            *uninstalled.entry(installation.account_id).or_default() += 1;
        }
        self.uninstall_all(tx, journal, &pack, &found).await?;
        for (account, count) in uninstalled {
            journal.tell(Happening {
                audience: Audience::Account,
                account_id: Some(account),
                data: EventData { uninstalled_count: Some(count), ..EventData::default() },
                ..Happening::of(EventKind::PackDeleted, &pack)
            });
        }
        grants::forget_announced(tx, pack.id, &told.into_iter().collect::<Vec<_>>()).await?;
        Ok(self.after_batch(accounts.len(), accounts.last().map(|id| id.0)).map_or(Batch::Done, Batch::More))
    }

    /// Uninstalls locked installations, each with whether it is frozen, and withdraws what is offered to them.
    pub(super) async fn uninstall_all(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        pack: &Pack,
        found: &[(Installation, bool)],
    ) -> Result<(), Failure> {
        let ids: Vec<_> = found.iter().map(|(installation, _)| installation.id).collect();
        let numbers = Numbers::of(tx, found.iter().map(|(i, _)| i.version_id)).await?;
        let mut offers = updates::open_offers(tx, &ids).await?;
        for row in &mut offers {
            let of = found.iter().find(|(i, _)| i.id == row.update.id.installation);
            let number = of.map_or(0, |(i, _)| numbers.get(i.version_id));
            let before = row.update.state;
            withdraw_row(row, None, journal.now);
            if of.is_some_and(|(_, frozen)| *frozen) {
                hide(row);
            }
            tell_update(journal, pack, &row.update, Some(before), Step::stays(number), "scheduler.withdrawUpdate");
        }
        for (installation, _) in found {
            let number = numbers.get(installation.version_id);
            let shown = installation.override_name.clone().unwrap_or_else(|| pack.name.clone());
            let entry = Entry::of("scheduler.uninstallPack", Subject::Installation(installation.id), shown);
            journal.note(entry.concerning(installation.account_id).change("version", Some(number.to_string()), None));
        }
        updates::save(tx, &offers).await?;
        Ok(installations::uninstall(tx, &ids, journal.now, log::head(tx).await?).await?)
    }
}

fn check_confirmation(deletion: Deletion, installations: i64) -> Result<(), PackRefusal> {
    match deletion {
        Deletion::Confirmed(None) => Err(PackRefusal::ConfirmationRequired { installations }),
        Deletion::Confirmed(Some(count)) if i64::from(count) != installations => {
            Err(PackRefusal::ConfirmationMismatch { installations })
        }
        Deletion::Confirmed(Some(_)) | Deletion::DryRun => Ok(()),
    }
}
