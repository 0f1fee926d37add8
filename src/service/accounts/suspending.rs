//! Suspends and reactivates managed accounts (R4, R46).

use crate::domain::accounts::{Account, AccountKind, AccountRefusal, AccountStatus, Privilege};
use crate::domain::id::AccountId;
use crate::domain::log::EventKind;
use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::ending::commit_and_begin;
use crate::service::error::{Failure, Outcome};
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::store::Tx;
use crate::store::accounts::write as accounts;
use crate::store::convert::Stored as _;
use crate::store::followup::tasks;
use crate::store::followup::tasks::Work;

/// Suspends a managed account of the caller: its tokens are refused, and its updates skipped (R4, R46).
///
/// # Errors
/// ALREADY_SUSPENDED; not found.
pub async fn suspend_account(cx: &Services, caller: &Publisher, account: AccountId) -> Outcome<(), AccountRefusal> {
    set_managed_status(cx, caller, account, AccountStatus::Suspended, "suspendAccount").await
}

/// Makes a suspended managed account of the caller active again. Its installations catch up (R46).
///
/// # Errors
/// NOT_SUSPENDED; not found.
pub async fn reactivate_account(cx: &Services, caller: &Publisher, account: AccountId) -> Outcome<(), AccountRefusal> {
    set_managed_status(cx, caller, account, AccountStatus::Active, "reactivateAccount").await
}

async fn set_managed_status(
    cx: &Services,
    caller: &Publisher,
    account: AccountId,
    status: AccountStatus,
    action: &'static str,
) -> Outcome<(), AccountRefusal> {
    caller.viewer.require(Privilege::AccountAdministration)?;
    let tx = cx.db.begin().await?;
    let account = accounts::lock_managed(&tx, &caller.scope, account).await?.ok_or(Failure::NotFound)?;
    let journal = Journal::of(cx, caller, cx.now(&tx));
    set_status(cx, tx, journal, account, status, action).await
}

/// Suspends or reactivates any managed account. For the command line.
///
/// # Errors
/// ALREADY_SUSPENDED, NOT_SUSPENDED; not found; bad input for a publisher's account.
pub async fn set_account_status(
    cx: &Services,
    account: AccountId,
    status: AccountStatus,
) -> Outcome<(), AccountRefusal> {
    let tx = cx.db.begin().await?;
    let account = accounts::lock(&tx, account).await?.ok_or(Failure::NotFound)?;
    if account.kind != AccountKind::Managed {
        return Err(Failure::BadInput("Only a managed account can be suspended and reactivated.".into()).into());
    }
    let action = match status {
        AccountStatus::Suspended => "commandLine.suspendAccount",
        AccountStatus::Active => "commandLine.reactivateAccount",
    };
    let journal = Journal::of_command_line(cx, account.publisher_id, cx.now(&tx));
    set_status(cx, tx, journal, account, status, action).await
}

async fn set_status(
    cx: &Services,
    tx: Tx,
    mut journal: Journal<'_>,
    mut account: Account,
    status: AccountStatus,
    action: &'static str,
) -> Outcome<(), AccountRefusal> {
    let suspend = status == AccountStatus::Suspended;
    if account.status == status {
        if suspend {
            tx.roll_back_after_cache_expiry().await;
        }
        return Err(if suspend { AccountRefusal::AlreadySuspended } else { AccountRefusal::NotSuspended }.into());
    }
    let before = account.status;
    account.status = status;
    account.suspended_at = suspend.then_some(journal.now);
    accounts::save(&tx, &account).await?;
    let kind = if suspend { EventKind::AccountSuspended } else { EventKind::AccountReactivated };
    journal.append_event(JournalEvent::account(kind, &account));
    let entry = Entry::of(action, Subject::ManagedAccount(account.id), account.name).concerning(account.id);
    journal.append_entry(entry.change("status", Some(before.stored().into()), Some(status.stored().into())));
    // Updates that a release skips before this commit are applied by this task (R46).
    let catch_up = if suspend {
        None
    } else {
        let (id, work) = (cx.ids.next(), Work::CatchUp(account.id));
        Some(tasks::add(&tx, id, account.publisher_id, work, false, journal.now).await?)
    };
    Ok(commit_and_begin(cx, tx, journal, catch_up).await?)
}
