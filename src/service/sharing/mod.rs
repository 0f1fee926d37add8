//! Account groups, their members, and sharing packs with them (R24, R45, R48).

mod groups;

pub(crate) use groups::{GroupEdit, NewGroup, create_group, update_group};

use std::collections::BTreeSet;

use crate::domain::accounts::{Account, AccountGroup, Privilege};
use crate::domain::id::{AccountId, GroupId, PackId};
use crate::domain::log::EventKind;
use crate::domain::sharing::SharingRefusal;
use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::error::{Error, Failure, Outcome};
use crate::service::followup::run_first_grants;
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::service::sharing::groups::editable_group;
use crate::store::accounts::write as accounts;
use crate::store::followup::task_sets;
use crate::store::followup::tasks::Work;
use crate::store::packs::write as packs;
use crate::store::sharing::write_grants as grants;
use crate::store::sharing::write_grants::LostGrants;
use crate::store::{StoreResult, Tx};

/// The most ids in an input's list.
const LIST_MAX: usize = 100;

/// Deletes a group and the grants that it gave. Returns how many installations will be frozen (R45).
///
/// # Errors
/// ALL_ACCOUNTS_IS_FIXED; not found.
pub async fn delete_group(cx: &Services, caller: &Publisher, group: GroupId) -> Outcome<u64, SharingRefusal> {
    caller.viewer.require(Privilege::AccountGroupManagement)?;
    let attempt = || try_delete_group(cx, caller, group);
    cx.after_due_windows(Touched::PacksOf(caller.id()), attempt).await
}

async fn try_delete_group(cx: &Services, caller: &Publisher, group: GroupId) -> Outcome<u64, SharingRefusal> {
    let tx = cx.db.begin().await?;
    let packs = packs_to_change(&tx, caller, group).await?;
    let group = editable_group(&tx, caller, group).await?;
    check_packs(&tx, group.id, &packs).await?;
    let mut journal = Journal::of(cx, caller, cx.instant_of(&tx, &packs).await?);
    grants::unshare_all(&tx, group.id).await?;
    let frozen = grants::count_frozen(&tx, &packs, LostGrants::MembersOf(group.id)).await?;
    grants::delete_group(&tx, group.id).await?;
    for pack in packs::lock_all(&tx, &packs).await? {
        journal.append_event(JournalEvent {
            group_id: Some(group.id),
            ..JournalEvent::of(EventKind::PackUnshared, &pack)
        });
    }
    journal.append_event(JournalEvent::group(&group));
    journal.append_entry(Entry::of("deleteAccountGroup", Subject::AccountGroup(group.id), group.name));
    let works = packs.iter().map(|pack| Work::GrantsOfPack(*pack)).collect();
    let follow = follow(cx, &tx, caller, works, &journal).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    run_first_grants(cx, &follow).await;
    Ok(frozen)
}

/// Adds managed accounts to a group, all or none.
///
/// # Errors
/// ALL_ACCOUNTS_IS_FIXED, EMPTY_LIST, TOO_MANY, ALREADY_IN_GROUP; not found.
pub async fn add_accounts(
    cx: &Services,
    caller: &Publisher,
    group: GroupId,
    accounts: Vec<AccountId>,
) -> Outcome<(), SharingRefusal> {
    change_members(cx, caller, group, accounts, true).await.map(|_| ())
}

/// Removes managed accounts from a group, all or none. Returns how many installations will be frozen (R45).
///
/// # Errors
/// ALL_ACCOUNTS_IS_FIXED, EMPTY_LIST, TOO_MANY, NOT_IN_GROUP; not found.
pub async fn remove_accounts(
    cx: &Services,
    caller: &Publisher,
    group: GroupId,
    accounts: Vec<AccountId>,
) -> Outcome<u64, SharingRefusal> {
    change_members(cx, caller, group, accounts, false).await
}

async fn change_members(
    cx: &Services,
    caller: &Publisher,
    group: GroupId,
    ids: Vec<AccountId>,
    add: bool,
) -> Outcome<u64, SharingRefusal> {
    caller.viewer.require(Privilege::AccountGroupManagement)?;
    let attempt = || try_change_members(cx, caller, group, &ids, add);
    cx.after_due_windows(Touched::PacksOf(caller.id()), attempt).await
}

async fn try_change_members(
    cx: &Services,
    caller: &Publisher,
    group: GroupId,
    ids: &[AccountId],
    add: bool,
) -> Outcome<u64, SharingRefusal> {
    let named = ids.len();
    if named > LIST_MAX {
        return check_list("accountIds", named).map(|()| 0);
    }
    let ids: Vec<_> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let tx = cx.db.begin().await?;
    let Membership { packs, group, accounts } = lock_membership(&tx, caller, group, &ids).await?;
    let mut journal = Journal::of(cx, caller, cx.instant_of(&tx, &packs).await?);
    if group.is_all_accounts {
        return Err(SharingRefusal::AllAccountsIsFixed.into());
    }
    check_list("accountIds", named)?;
    check_members(&tx, &group, &ids, add).await?;
    let frozen = if add {
        grants::add_members(&tx, group.id, &ids).await?;
        0
    } else {
        grants::remove_members(&tx, group.id, &ids).await?;
        grants::count_frozen(&tx, &packs, LostGrants::Accounts(&ids)).await?
    };
    journal.append_event(JournalEvent::group(&group));
    for account in &accounts {
        let action = if add { "addAccountsToGroup" } else { "removeAccountsFromGroup" };
        let member = Some(account.name.clone());
        let (before, after) = if add { (None, member) } else { (member, None) };
        let entry = Entry::of(action, Subject::AccountGroup(group.id), group.name.clone());
        journal.append_entry(entry.concerning_account(account).change("accounts", before, after));
    }
    // Needed even when nothing is shared with the group, because a concurrent call may be sharing a pack with it.
    let works = accounts.iter().map(|account| Work::GrantsOfAccount(account.id)).collect();
    let follow = follow(cx, &tx, caller, works, &journal).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    run_first_grants(cx, &follow).await;
    Ok(frozen)
}

/// A locked group, the locked accounts that join or leave it, and the locked packs that are shared with it.
struct Membership {
    packs: Vec<PackId>,
    group: AccountGroup,
    accounts: Vec<Account>,
}

/// Locks a group, its packs, and accounts.
///
/// # Errors
/// Not found, with each id that isn't the caller's.
async fn lock_membership(
    tx: &Tx,
    caller: &Publisher,
    group: GroupId,
    ids: &[AccountId],
) -> Outcome<Membership, SharingRefusal> {
    let accounts = accounts::lock_managed_all(tx, &caller.scope, ids).await?;
    let is_known = |id| accounts.iter().any(|account| account.id == id);
    let unknown = Failure::unless_known(ids.iter().copied(), is_known);
    let packs = match packs_to_change(tx, caller, group).await {
        Err(Error::Failed(failure @ Failure::NoneOf(_))) => {
            return Err(failure.and_none_of(ids.iter().copied().filter(|id| !is_known(*id))).into());
        }
        other => other?,
    };
    let found = grants::lock_groups(tx, &caller.scope, &[group]).await?;
    let group = found.into_iter().next().ok_or_else(|| Failure::none_of(group))?;
    if let Some(unknown) = unknown {
        return Err(unknown.into());
    }
    check_packs(tx, group.id, &packs).await?;
    Ok(Membership { packs, group, accounts })
}

/// Checks that none of the accounts is in the group, before they are added; or that all are, before they are removed.
async fn check_members(tx: &Tx, group: &AccountGroup, ids: &[AccountId], add: bool) -> Outcome<(), SharingRefusal> {
    let inside = grants::members_of(tx, group.id, ids).await?;
    let at_fault: Vec<_> = ids.iter().copied().filter(|id| inside.contains(id) == add).collect();
    if at_fault.is_empty() {
        return Ok(());
    }
    Err(if add {
        SharingRefusal::AlreadyInGroup { accounts: at_fault }.into()
    } else {
        SharingRefusal::NotInGroup { accounts: at_fault }.into()
    })
}

/// Shares a pack with groups, all or none. A pack can be shared before its first release (R24, R48).
///
/// # Errors
/// EMPTY_LIST, TOO_MANY, ALREADY_SHARED; not found.
pub async fn share_pack(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    groups: Vec<GroupId>,
) -> Outcome<(), SharingRefusal> {
    change_shares(cx, caller, pack, groups, true).await.map(|_| ())
}

/// Unshares a pack from groups, all or none. Returns how many installations will be frozen (R45).
///
/// # Errors
/// EMPTY_LIST, TOO_MANY, NOT_SHARED; not found.
pub async fn unshare_pack(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    groups: Vec<GroupId>,
) -> Outcome<u64, SharingRefusal> {
    change_shares(cx, caller, pack, groups, false).await
}

async fn change_shares(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    ids: Vec<GroupId>,
    share: bool,
) -> Outcome<u64, SharingRefusal> {
    caller.viewer.require(Privilege::AccountGroupManagement)?;
    let attempt = || try_change_shares(cx, caller, pack, &ids, share);
    cx.after_due_windows(Touched::Pack(caller.id(), pack), attempt).await
}

async fn try_change_shares(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    ids: &[GroupId],
    share: bool,
) -> Outcome<u64, SharingRefusal> {
    let named = ids.len();
    if named > LIST_MAX {
        return check_list("groupIds", named).map(|()| 0);
    }
    let ids: Vec<_> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let tx = cx.db.begin().await?;
    let found = packs::lock(&tx, &caller.scope, pack).await?;
    let groups = grants::lock_groups(&tx, &caller.scope, &ids).await?;
    let unknown = ids.iter().copied().filter(|id| !groups.iter().any(|group| group.id == *id));
    let Some(pack) = found else { return Err(Failure::none_of(pack).and_none_of(unknown).into()) };
    if let Some(unknown) = Failure::unless_known(unknown, |_| false) {
        return Err(unknown.into());
    }
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, [&pack])?);
    check_list("groupIds", named)?;
    let shared = grants::groups_of(&tx, pack.id).await?;
    let at_fault: Vec<_> = ids.iter().copied().filter(|id| shared.contains(id) == share).collect();
    if !at_fault.is_empty() {
        return Err(if share {
            SharingRefusal::AlreadyShared { groups: at_fault }.into()
        } else {
            SharingRefusal::NotShared { groups: at_fault }.into()
        });
    }
    let frozen = if share {
        grants::share(&tx, pack.id, &ids).await?;
        0
    } else {
        grants::unshare(&tx, pack.id, &ids).await?;
        grants::count_frozen(&tx, &[pack.id], LostGrants::OfUnshared(&ids)).await?
    };
    let (kind, action) =
        if share { (EventKind::PackShared, "sharePack") } else { (EventKind::PackUnshared, "unsharePack") };
    for group in groups {
        journal.append_event(JournalEvent { group_id: Some(group.id), ..JournalEvent::of(kind, &pack) });
        let name = Some(group.name);
        let (before, after) = if share { (None, name) } else { (name, None) };
        let entry = Entry::of(action, Subject::IntegrationPack(pack.id), pack.name.clone());
        journal.append_entry(entry.change("groups", before, after));
    }
    let follow = follow(cx, &tx, caller, vec![Work::GrantsOfPack(pack.id)], &journal).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    run_first_grants(cx, &follow).await;
    Ok(frozen)
}

/// Locks the packs that are shared with a group, because a change of the group changes their grants.
async fn packs_to_change(tx: &Tx, caller: &Publisher, group: GroupId) -> Outcome<Vec<PackId>, SharingRefusal> {
    if grants::is_own_group(tx, &caller.scope, group).await? {
        Ok(grants::lock_packs_of(tx, group).await?)
    } else {
        Err(Failure::none_of(group).into())
    }
}

/// Checks that a locked group still has the locked packs: none was shared with it, or unshared, while this call waited.
async fn check_packs(tx: &Tx, group: GroupId, locked: &[PackId]) -> Result<(), Failure> {
    if grants::packs_of(tx, group).await? == locked { Ok(()) } else { Err(Failure::Overtaken) }
}

/// Adds tasks that announce changed grants. Returns their ids.
async fn follow(
    cx: &Services,
    tx: &Tx,
    caller: &Publisher,
    works: Vec<Work>,
    journal: &Journal<'_>,
) -> StoreResult<Vec<uuid::Uuid>> {
    let tasks: Vec<_> = works.into_iter().map(|work| (cx.ids.next(), work)).collect();
    task_sets::add_grants(tx, caller.id(), &tasks, journal.now).await
}

fn check_list(list: &'static str, length: usize) -> Outcome<(), SharingRefusal> {
    match length {
        0 => Err(SharingRefusal::EmptyList { list }.into()),
        n if n > LIST_MAX => Err(SharingRefusal::TooMany { list }.into()),
        _ => Ok(()),
    }
}
