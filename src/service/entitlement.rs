//! Batches that tell accounts what they gained or lost, and freeze what they lose (R24, R45, R50).
//!
//! Whether an account has a grant is always derived from groups and shares. What is stored is only what
//! was announced; a batch compares both and announces the difference, so that it can be run at any time,
//! by anybody, and again.

use std::collections::BTreeSet;

use crate::domain::event::{Audience, EventData, EventKind};
use crate::domain::id::{AccountId, PackId};
use crate::domain::pack::Pack;
use crate::store::Tx;
use crate::store::write::tasks::Task;
use crate::store::write::{grants, installations, journal as log, packs};

use super::Services;
use super::error::Failure;
use super::journal::{Entry, Happening, Journal, Subject};
use super::rollout::Batch;

impl Services {
    pub(super) async fn grants_of_pack(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        task: &Task,
        pack: PackId,
    ) -> Result<Batch, Failure> {
        // Locked: two batches that compared the same would both announce the difference.
        let Some(pack) = packs::lock_any(tx, pack).await? else { return Ok(Batch::Done) };
        let accounts = grants::accounts_after(tx, task.publisher_id, task.done_to, self.settings.batch_size).await?;
        self.reconcile(tx, journal, &pack, &accounts).await?;
        Ok(self.after_batch(accounts.len(), accounts.last().map(|id| id.0)).map_or(Batch::Done, Batch::More))
    }

    pub(super) async fn grants_of_account(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        task: &Task,
        account: AccountId,
    ) -> Result<Batch, Failure> {
        let packs = packs::lock_after(tx, task.publisher_id, task.done_to, self.settings.batch_size).await?;
        for pack in &packs {
            self.reconcile(tx, journal, pack, &[account]).await?;
        }
        Ok(self.after_batch(packs.len(), packs.last().map(|pack| pack.id.0)).map_or(Batch::Done, Batch::More))
    }

    /// Announces the difference between what some accounts may see of a pack and what they were told.
    async fn reconcile(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        pack: &Pack,
        accounts: &[AccountId],
    ) -> Result<(), Failure> {
        let entitled = grants::entitled(tx, pack.id, accounts).await?;
        let told = grants::announced(tx, pack.id, accounts).await?;
        let released = pack.standing.at(journal.now).current_version.is_some();
        let gained: Vec<_> = entitled.difference(&told).copied().filter(|_| released).collect();
        let lost: Vec<_> = told.difference(&entitled).copied().collect();
        for (accounts, kind) in [(&gained, EventKind::PackShared), (&lost, EventKind::PackUnshared)] {
            for account in accounts {
                journal.tell(Happening {
                    audience: Audience::Account,
                    account_id: Some(*account),
                    ..Happening::of(kind, pack)
                });
            }
        }
        grants::save_announced(tx, pack.id, &gained).await?;
        if !lost.is_empty() {
            grants::forget_announced(tx, pack.id, &lost).await?;
        }
        self.freeze(tx, journal, pack, accounts, &entitled).await
    }

    /// Freezes what lost its grant, and lets what has it catch up (R45).
    async fn freeze(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        pack: &Pack,
        accounts: &[AccountId],
        entitled: &BTreeSet<AccountId>,
    ) -> Result<(), Failure> {
        let (mut frozen, mut thawed, mut here) = (Vec::new(), Vec::new(), Vec::new());
        for (installation, was_frozen) in installations::of_accounts(tx, pack.id, accounts).await? {
            match (was_frozen, entitled.contains(&installation.account_id)) {
                (false, false) => {
                    let number = packs::version_number(tx, installation.version_id).await?;
                    journal.tell(Happening {
                        audience: Audience::PublisherAndAccount,
                        account_id: Some(installation.account_id),
                        installation_id: Some(installation.id),
                        data: EventData { version_number: Some(number), ..EventData::default() },
                        ..Happening::of(EventKind::InstallationFrozen, pack)
                    });
                    journal.note(state_entry("scheduler.freezeInstallation", &installation, pack, "ACTIVE", "FROZEN"));
                    frozen.push(installation.id);
                }
                (true, true) => {
                    let action = "scheduler.unfreezeInstallation";
                    journal.note(state_entry(action, &installation, pack, "FROZEN", "ACTIVE"));
                    thawed.push(installation.id);
                    here.push(installation);
                }
                // The grant may have been lost and regained before a batch came to say so.
                (false, true) => here.push(installation),
                (true, false) => {}
            }
        }
        let here = self.catch_up(tx, journal, pack, here).await?;
        self.offer_to(tx, journal, pack, &here, "scheduler.offerUpdate").await?;
        if frozen.is_empty() && thawed.is_empty() {
            return Ok(());
        }
        let place = log::head(tx).await?;
        installations::save_frozen(tx, &frozen, journal.now, place).await?;
        Ok(installations::save_thawed(tx, &thawed, place).await?)
    }
}

fn state_entry(
    action: &'static str,
    installation: &crate::domain::installation::Installation,
    pack: &Pack,
    before: &str,
    after: &str,
) -> Entry {
    let name = installation.override_name.clone().unwrap_or_else(|| pack.name.clone());
    Entry::of(action, Subject::Installation(installation.id), name).concerning(installation.account_id).change(
        "state",
        Some(before.into()),
        Some(after.into()),
    )
}
