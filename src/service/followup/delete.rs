//! Uninstalling a deleted pack everywhere (R47).

use std::collections::BTreeMap;

use crate::domain::id::{AccountId, PackId};
use crate::domain::installations::Installation;
use crate::domain::log::{Audience, Class, EntryClass, EventData, EventKind, VersionAfter};
use crate::domain::packs::Pack;
use crate::service::error::Failure;
use crate::service::followup::updates::{VersionChange, VersionNumbers, hide, record_update, withdraw_row};
use crate::service::journal::{Journal, JournalEvent};
use crate::store::Tx;
use crate::store::installations::{write as installations, write_updates as updates};
use crate::store::log::journal as log;
use crate::store::packs::deletion;
use crate::store::sharing::write_grants as grants;

use super::grants::record_of;
use super::{Batch, FollowUp, Next};

/// Uninstalls a deleted pack in a batch of accounts, and sends an event to each account that had an installation or a
/// grant.
pub(super) struct Delete {
    pub pack: PackId,
}

impl FollowUp for Delete {
    async fn run_batch(self, batch: &mut Batch<'_>) -> Result<Next, Failure> {
        let Batch { services, tx, journal, task, size, .. } = batch;
        let Some(pack) = deletion::lock_deleted(tx, self.pack).await? else { return Ok(Next::Done) };
        journal.now = services.now(tx);
        let accounts = grants::accounts_after(tx, task.publisher_id, task.resume_after, *size).await?;
        let announced_pairs = grants::announced(tx, pack.id, &accounts).await?;
        let mut uninstalled: BTreeMap<AccountId, i64> = announced_pairs.iter().map(|account| (*account, 0)).collect();
        let found: Vec<_> = installations::of_accounts(tx, &[pack.id], &accounts).await?;
        for (installation, _) in &found {
            *uninstalled.entry(installation.account_id).or_default() += 1;
        }
        uninstall_all(tx, journal, &pack, &found).await?;
        for (account, count) in uninstalled {
            journal.append_event(JournalEvent {
                audience: Audience::Account,
                account_id: Some(account),
                data: EventData { uninstalled_count: Some(count), ..EventData::default() },
                ..JournalEvent::of(EventKind::PackDeleted, &pack)
            });
        }
        grants::forget_announced(tx, pack.id, &announced_pairs.into_iter().collect::<Vec<_>>()).await?;
        Ok(Next::after(batch.processed(accounts.len(), accounts.last().map(|id| id.0))))
    }
}

/// Uninstalls locked installations, and withdraws their open offers. `found` has each installation, and whether it is
/// frozen.
pub(in crate::service) async fn uninstall_all(
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &Pack,
    found: &[(Installation, bool)],
) -> Result<(), Failure> {
    let ids: Vec<_> = found.iter().map(|(installation, _)| installation.id).collect();
    let numbers = VersionNumbers::of(tx, found.iter().map(|(i, _)| i.version_id)).await?;
    let mut offers = updates::open_offers(tx, &ids).await?;
    let by_id: BTreeMap<_, _> = found.iter().map(|of| (of.0.id, of)).collect();
    for row in &mut offers {
        let of = by_id.get(&row.update.id.installation);
        let number = of.map_or(0, |(i, _)| numbers.get(i.version_id));
        let before = row.update.state;
        withdraw_row(row, None, journal.now);
        if of.is_some_and(|(_, frozen)| *frozen) {
            hide(row);
        }
        record_update(
            journal,
            pack,
            &row.update,
            Some(before),
            VersionChange::stays(number),
            "scheduler.withdrawUpdate",
        );
    }
    for (installation, _) in found {
        let number = numbers.get(installation.version_id);
        let entry = EntryClass { action: "scheduler.uninstallPack".into(), for_account: true, changes: Vec::new() };
        let class = Class { entry: Some(entry), version: VersionAfter::Gone, ..journal.class(pack) };
        journal.append_record(class, record_of(installation, Some(number)));
    }
    updates::save(tx, &offers, journal.now).await?;
    Ok(installations::uninstall(tx, &ids, journal.now, log::head(tx).await?).await?)
}
