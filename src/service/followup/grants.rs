//! Batches that announce gained and lost grants to accounts, and freeze the installations of lost ones (R24, R45, R50).
//!
//! Whether an account has a grant is always derived from groups and shares. Only the announced grants are stored. A
//! batch compares the two and announces the difference, so it can run at any time, in any process, and repeatedly.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::domain::id::{AccountId, PackId};
use crate::domain::installations::Installation;
use crate::domain::log::{Audience, Change, Class, EntryClass, EventClass, EventKind, Record};
use crate::domain::packs::Pack;
use crate::service::Services;
use crate::service::ending::commit;
use crate::service::error::Failure;
use crate::service::followup::catch_up::{catch_up, offer_to};
use crate::service::followup::judging::judge_all;
use crate::service::followup::updates::VersionNumbers;
use crate::service::journal::Journal;
use crate::store::Tx;
use crate::store::followup::task_sets;
use crate::store::installations::write as installations;
use crate::store::log::journal as log;
use crate::store::packs::write as packs;
use crate::store::sharing::pairs::Pair;
use crate::store::sharing::{pairs, write_grants as grants};
use crate::traces::{Kind, Value, within};

use super::{Batch, FollowUp, Next};

/// Compares the grants of a pack with the ones that were announced to its publisher's accounts.
pub(super) struct GrantsOfPack {
    pub pack: PackId,
}

impl FollowUp for GrantsOfPack {
    async fn run_batch(self, batch: &mut Batch<'_>) -> Result<Next, Failure> {
        let Batch { services, tx, journal, task, size, .. } = batch;
        // The lock prevents that two batches find the same difference and both announce it.
        let Some(pack) = packs::lock_any(tx, self.pack).await? else { return Ok(Next::Done) };
        journal.now = services.instant_of_batch(tx, [&pack])?;
        let accounts = grants::accounts_after(tx, task.publisher_id, task.resume_after, *size).await?;
        reconcile(services, tx, journal, std::slice::from_ref(&pack), &accounts).await?;
        Ok(Next::after(batch.processed(accounts.len(), accounts.last().map(|id| id.0))))
    }
}

/// Compares the grants of one account, for all packs, with the ones that were announced to it. A batch with room for
/// more does the tasks of other accounts, too.
pub(super) struct GrantsOfAccount {
    pub account: AccountId,
}

impl FollowUp for GrantsOfAccount {
    async fn run_batch(self, batch: &mut Batch<'_>) -> Result<Next, Failure> {
        let Batch { services, tx, journal, task, size, alone, .. } = batch;
        let begins = task.resume_after.is_none() && !*alone;
        let room = if begins { *size / packs::count_all(tx, task.publisher_id).await?.max(1) } else { 0 };
        // Claims the other tasks before it lists the packs. Locking the packs may take a while, and a task that is
        // added meanwhile may be about a pack that isn't in the list.
        let others = task_sets::claim_alike(tx, task, services.now(tx), room.saturating_sub(1)).await?;
        let packs = packs::lock_after(tx, task.publisher_id, task.resume_after, *size).await?;
        journal.now = services.instant_of_batch(tx, &packs)?;
        let accounts = others.iter().filter_map(|other| other.work.account()).chain([self.account]);
        // There may be two tasks for one account.
        let accounts: Vec<_> = accounts.collect::<BTreeSet<_>>().into_iter().collect();
        reconcile(services, tx, journal, &packs, &accounts).await?;
        // Packs that were made since they were counted may not fit.
        let is_full = u64::try_from(packs.len()).is_ok_and(|found| found >= *size);
        let last = packs.last().map(|pack| pack.id.0).filter(|_| is_full);
        task_sets::after_batch(tx, &others, last, 0, journal.now).await?;
        Ok(Next::after(batch.processed(packs.len() * accounts.len(), last)))
    }
}

/// Runs the first batch of tasks that a command has just created, all for accounts or all for packs. Does as many tasks
/// together as fit into a batch, so that in a small installation all is done before the command answers. A failure
/// doesn't fail the command, because the scheduler tries again.
pub(in crate::service) async fn run_first_grants(cx: &Services, tasks: &[Uuid]) {
    let mut trace = cx.traces.span("batch", Kind::Internal, None);
    trace.set("packwright.task.kind", Value::Name("GRANTS"));
    if let Err(failure) = within(trace.place(), first_grants(cx, tasks)).await {
        trace.has_failed();
        tracing::warn!(failure = %failure.for_operators(), "a first batch failed; the scheduler will try again");
    }
}

async fn first_grants(cx: &Services, ids: &[Uuid]) -> Result<(), Failure> {
    let limit = cx.follow_ups.size("GRANTS", &cx.settings);
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let tx = cx.db.begin().await?;
    let mut tasks = task_sets::claim_new(&tx, ids.get(..size.min(ids.len())).unwrap_or(ids)).await?;
    let Some(publisher) = tasks.first().map(|task| task.publisher_id) else { return Ok(()) };
    let mut journal = Journal::of_scheduler(cx, publisher, cx.now(&tx));
    let accounts: Vec<_> = tasks.iter().filter_map(|task| task.work.account()).collect();
    let last = if accounts.is_empty() {
        let accounts = grants::accounts_after(&tx, publisher, None, limit).await?;
        tasks.truncate((size / accounts.len().max(1)).max(1));
        let packs: Vec<_> = tasks.iter().filter_map(|task| task.work.pack()).collect();
        let packs = packs::lock_all(&tx, &packs).await?;
        journal.now = cx.instant_of_batch(&tx, &packs)?;
        reconcile(cx, &tx, &mut journal, &packs, &accounts).await?;
        accounts.last().map(|id| id.0).filter(|_| accounts.len() >= size)
    } else {
        let packs = packs::lock_after(&tx, publisher, None, limit).await?;
        journal.now = cx.instant_of_batch(&tx, &packs)?;
        tasks.truncate((size / packs.len().max(1)).max(1));
        let accounts = accounts.get(..tasks.len()).unwrap_or_default();
        reconcile(cx, &tx, &mut journal, &packs, accounts).await?;
        packs.last().map(|pack| pack.id.0).filter(|_| packs.len() >= size)
    };
    let done = i64::try_from(size).unwrap_or(i64::MAX);
    task_sets::after_batch(&tx, &tasks, last, done, journal.now).await?;
    commit(tx, journal).await
}

/// Announces the difference between the grants of some accounts and the announced ones, for locked packs.
async fn reconcile(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    packs: &[Pack],
    accounts: &[AccountId],
) -> Result<(), Failure> {
    let ids: Vec<_> = packs.iter().map(|pack| pack.id).collect();
    let entitled = pairs::entitled(tx, &ids, accounts).await?;
    let announced_pairs = pairs::announced(tx, &ids, accounts).await?;
    let (mut gained, mut lost) = (Vec::new(), false);
    for pack in packs {
        let released = pack.standing.at(journal.now).current_version.is_some();
        let of_pack = |pairs: &BTreeSet<Pair>, others: &BTreeSet<Pair>| -> Vec<AccountId> {
            let candidates = accounts.iter().filter(|account| pairs.contains(&(pack.id, **account)));
            candidates.filter(|account| !others.contains(&(pack.id, **account))).copied().collect()
        };
        let gains = if released { of_pack(&entitled, &announced_pairs) } else { Vec::new() };
        let losses = of_pack(&announced_pairs, &entitled);
        for (accounts, kind) in [(&gains, EventKind::PackShared), (&losses, EventKind::PackUnshared)] {
            let event = EventClass { kind, audience: Audience::Account, update_state: None };
            let class = Class { event: Some(event), ..journal.class(pack) };
            let of = |account: &AccountId| Record {
                account_id: *account,
                installation_id: None,
                version_before: None,
                name: None,
            };
            journal.append_records(class, accounts.iter().map(of).collect(), None);
        }
        gained.extend(gains.into_iter().map(|account| (pack.id, account)));
        lost |= !losses.is_empty();
    }
    pairs::save_announced(tx, &gained).await?;
    if lost {
        pairs::forget_not_granted(tx, &ids, accounts).await?;
    }
    freeze(cx, tx, journal, packs, accounts, &entitled).await
}

/// Freezes installations without a grant. Unfreezes installations with one, and lets them catch up (R45).
async fn freeze(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    packs: &[Pack],
    accounts: &[AccountId],
    entitled: &BTreeSet<Pair>,
) -> Result<(), Failure> {
    let ids: Vec<_> = packs.iter().map(|pack| pack.id).collect();
    let found = installations::of_accounts(tx, &ids, accounts).await?;
    let versions: Vec<_> = found
        .iter()
        .filter(|(installation, was_frozen)| !was_frozen && !has_grant(entitled, installation))
        .map(|(installation, _)| installation.version_id)
        .collect();
    let numbers = VersionNumbers::of(tx, versions.into_iter()).await?;
    let packs_by_id: BTreeMap<_, _> = packs.iter().map(|pack| (pack.id, pack)).collect();
    let (mut frozen, mut unfrozen, mut entitled_here) = (Vec::new(), Vec::new(), Vec::new());
    for (installation, was_frozen) in found {
        let Some(pack) = packs_by_id.get(&installation.pack_id) else { continue };
        match (was_frozen, has_grant(entitled, &installation)) {
            (false, false) => {
                let number = numbers.get(installation.version_id);
                let event = EventClass {
                    kind: EventKind::InstallationFrozen,
                    audience: Audience::PublisherAndAccount,
                    update_state: None,
                };
                let entry = state_entry("scheduler.freezeInstallation", "ACTIVE", "FROZEN");
                let class = Class { event: Some(event), entry: Some(entry), ..journal.class(pack) };
                journal.append_record(class, record_of(&installation, Some(number)));
                frozen.push(installation.id);
            }
            (true, true) => {
                let entry = state_entry("scheduler.unfreezeInstallation", "FROZEN", "ACTIVE");
                let class = Class { entry: Some(entry), ..journal.class(pack) };
                journal.append_record(class, record_of(&installation, None));
                unfrozen.push(installation.id);
                entitled_here.push(installation);
            }
            // The grant may have been lost and regained before a batch ran.
            (false, true) => entitled_here.push(installation),
            (true, false) => {}
        }
    }
    let step = catch_up(cx, tx, journal, packs, entitled_here).await?;
    let caught_up = judge_all(cx, tx, journal, packs, step).await?;
    offer_to(tx, journal, packs, &caught_up, "scheduler.offerUpdate").await?;
    if frozen.is_empty() && unfrozen.is_empty() {
        return Ok(());
    }
    let end_of_log = log::head(tx).await?;
    installations::save_frozen(tx, &frozen, journal.now, end_of_log).await?;
    Ok(installations::save_unfrozen(tx, &unfrozen, end_of_log).await?)
}

fn has_grant(entitled: &BTreeSet<Pair>, installation: &Installation) -> bool {
    entitled.contains(&(installation.pack_id, installation.account_id))
}

fn state_entry(action: &'static str, before: &str, after: &str) -> EntryClass {
    let (before, after) = (Some(before.into()), Some(after.into()));
    let change = Change { field: "state".into(), before, after, of: None, private: false };
    EntryClass { action: action.into(), for_account: true, changes: vec![change] }
}

/// The record of one installation, with its override name.
pub(super) fn record_of(installation: &Installation, number: Option<i32>) -> Record {
    Record {
        account_id: installation.account_id,
        installation_id: Some(installation.id),
        version_before: number,
        name: installation.override_name.clone(),
    }
}
