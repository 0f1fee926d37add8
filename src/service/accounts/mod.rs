//! Accounts: the publisher's own account, and its managed accounts (R1, R35, R46).

mod enrolment;
mod made_token;
mod pipelines;
mod signed_tokens;
mod suspending;
mod token_rotation;
mod token_uses;
mod token_watch;
mod tokens;
mod trusted_publishers;

pub(crate) use enrolment::{Enrollable, reissue_enrolment};
pub use pipelines::NamedAccount;
pub use suspending::{reactivate_account, set_account_status, suspend_account};
pub(crate) use token_rotation::Rotated;
pub use token_rotation::{Rotation, rotate_token_of};
pub(crate) use token_uses::{TokenUses, save_token_uses};
pub(crate) use token_watch::{TokenWatch, Watched};
pub use tokens::{
    IssuedToken, authenticate, authenticate_for, check_token_valid, create_token_for, create_token_with_secret,
    tokens_of,
};
pub(in crate::service) use tokens::{REFUSED, check_status};
pub(crate) use tokens::{create_token, revoke_token, revoke_token_of};
pub(crate) use trusted_publishers::{NewTrustedPublisher, create_trusted_publisher, delete_trusted_publisher};

use crate::domain::Instant;
use crate::domain::accounts::{
    ALL_ACCOUNTS, Account, AccountGroup, AccountKind, AccountRefusal, AccountStatus, Privilege,
};
use crate::domain::id::{AccountId, ReleaseId};
use crate::domain::log::{Audience, EventKind};
use crate::domain::text::Name;
use crate::service::accounts::enrolment::{issue, issued_before};
use crate::service::ending::commit_and_begin;
use crate::store::accounts::write as accounts;
use crate::store::followup::tasks;
use crate::store::followup::tasks::Work;
use crate::store::installations::write as installations;
use crate::store::sharing::write_grants as grants;
use crate::store::{StoreResult, Tx};

use super::Services;
use super::access::{Publisher, Viewer};
use super::error::{Failure, Outcome, is_conflict, text_fault};
use super::journal::{Entry, Journal, JournalEvent, Subject};
use super::own_keys::{KeyRefusals, free_key};
use super::requests::Repeatable;

/// Changes of an account.
#[derive(Clone, Debug, Default)]
pub struct AccountEdit {
    /// `None` leaves the name unchanged.
    pub name: Option<String>,
    /// `None` leaves the zone unchanged, `Some(None)` removes it.
    pub time_zone: Option<Option<String>>,
    /// `None` leaves the publisher's key unchanged, `Some(None)` takes it away.
    pub key: Option<Option<String>>,
}

/// A managed account to be created.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct NewAccount {
    pub name: String,
    pub time_zone: Option<String>,
    pub key: Option<String>,
}

/// A changed account.
#[derive(Clone, Debug)]
pub struct EditedAccount {
    pub account_id: AccountId,
    /// The pending releases that keep the old zone, soonest first; at most 100 (R35).
    pub releases_keeping_time_zone: Vec<ReleaseId>,
}

/// Creates a managed account. Adds it to All Accounts, and issues an enrolment token for it (R1).
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, TIME_ZONE_UNKNOWN, KEY_INVALID, KEY_TAKEN.
pub async fn create_managed_account(
    cx: &Services,
    caller: &Publisher,
    new: NewAccount,
    client_request_id: Option<&str>,
) -> Outcome<Enrollable, AccountRefusal> {
    caller.viewer.require(Privilege::AccountAdministration)?;
    let call = Repeatable::call(caller.id(), "createManagedAccount", client_request_id, &new)?;
    let tx = cx.db.begin().await?;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), AccountRefusal::ClientRequestIdReused).await? {
        return Ok(issued_before(&tx, &made).await?);
    }
    let mut journal = Journal::of(cx, caller, cx.now(&tx));
    let name = account_name(&new.name)?;
    let publisher = Some(caller.id());
    if let Some(other) = accounts::with_name(&tx, AccountKind::Managed, publisher, &name.key(), None).await? {
        return Err(AccountRefusal::NameTaken { taken_by: Some(other) }.into());
    }
    let time_zone = find_zone(cx, new.time_zone)?;
    let key = account_key(&tx, caller.id(), new.key.as_deref(), None).await?;
    let account = new_account(cx, AccountKind::Managed, Some(caller.id()), &name, time_zone, journal.now);
    let account = Account { key, ..account };
    if is_conflict(accounts::insert(&tx, &account).await)? {
        return Err(was_taken(cx, tx, &account).await?.into());
    }
    let everybody = grants::all_accounts(&tx, &caller.scope)
        .await?
        .ok_or_else(|| Failure::bug("a publisher without the group All Accounts"))?;
    grants::add_members(&tx, everybody.id, &[account.id]).await?;
    let issued = issue(cx, &tx, account.id, journal.now).await?;
    journal.append_event(JournalEvent::account(EventKind::AccountCreated, &account));
    journal.append_entry(
        Entry::of("createManagedAccount", Subject::ManagedAccount(account.id), account.name.clone())
            .concerning(account.id)
            .set("name", &account.name)
            .change("timeZone", None, account.time_zone.clone())
            .change_private("key", None, account.key.clone()),
    );
    // Needed even when nothing is shared with All Accounts, because a concurrent call may be sharing a pack with it.
    let work = Work::GrantsOfAccount(account.id);
    let task = tasks::add(&tx, cx.ids.next(), caller.id(), work, false, journal.now).await?;
    call.remember(&tx, &[account.id.0, issued.id]).await?;
    commit_and_begin(cx, tx, journal, [task]).await?;
    Ok(issued.of(account.id))
}

/// Changes the name or the time zone of the caller's account. If `account` is given, changes the name, the time zone or
/// the key of that account, which the caller must manage (R35, R67).
///
/// # Errors
/// NAME_NOT_EDITABLE, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, TIME_ZONE_UNKNOWN, KEY_INVALID, KEY_TAKEN; not found;
/// bad input for a key of the caller's own account.
pub async fn update_account(
    cx: &Services,
    caller: &Viewer,
    account: Option<AccountId>,
    edit: AccountEdit,
) -> Outcome<EditedAccount, AccountRefusal> {
    caller.require(Privilege::AccountAdministration)?;
    let tx = cx.db.begin().await?;
    let before = match account {
        Some(id) => {
            let publisher = caller.publisher()?;
            accounts::lock_managed(&tx, &publisher.scope, id).await?
        }
        None => accounts::lock(&tx, caller.account.id).await?,
    };
    let before = before.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_viewer(cx, caller, cx.now(&tx));
    let after = edited(cx, &tx, caller, &before, account.is_some(), edit).await?;
    if after == before {
        return Ok(EditedAccount { account_id: after.id, releases_keeping_time_zone: Vec::new() });
    }
    if is_conflict(accounts::save(&tx, &after).await)? {
        return Err(was_taken(cx, tx, &after).await?.into());
    }
    if after.name != before.name {
        let key = crate::domain::text::key(&after.name);
        installations::save_account_name_key(&tx, after.id, &key).await?;
    }
    let releases = if before.kind == AccountKind::Publisher && after.time_zone != before.time_zone {
        accounts::pending_in_other_zones(&tx, after.id, after.time_zone.as_deref(), journal.now).await?
    } else {
        Vec::new()
    };
    tell_edit(&mut journal, before, &after);
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(EditedAccount { account_id: after.id, releases_keeping_time_zone: releases })
}

/// The account after an edit. `is_named` says whether the call names an account, and not the caller's own.
async fn edited(
    cx: &Services,
    tx: &Tx,
    caller: &Viewer,
    before: &Account,
    is_named: bool,
    edit: AccountEdit,
) -> Outcome<Account, AccountRefusal> {
    let mut after = before.clone();
    if let Some(name) = edit.name.as_deref() {
        if caller.account.kind == AccountKind::Managed {
            return Err(AccountRefusal::NameNotEditable.into());
        }
        let name = account_name(name)?;
        let publisher = (before.kind == AccountKind::Managed).then_some(before.publisher_id);
        if let Some(other) = accounts::with_name(tx, before.kind, publisher, &name.key(), Some(before.id)).await? {
            return Err(AccountRefusal::NameTaken { taken_by: Some(other) }.into());
        }
        after.name = name.as_str().to_owned();
    }
    if let Some(zone) = edit.time_zone {
        after.time_zone = find_zone(cx, zone)?;
    }
    if let Some(key) = edit.key {
        if !is_named {
            return Err(Failure::BadInput(
                "Only an account that you manage can have a key: name it with accountId, or leave the key out.".into(),
            )
            .into());
        }
        after.key = account_key(tx, before.publisher_id, key.as_deref(), Some(before.id)).await?;
    }
    Ok(after)
}

/// Appends an edit to both logs. The account doesn't see its publisher's key, so it gets no event and no entry if only
/// the key changes.
fn tell_edit(journal: &mut Journal<'_>, before: Account, after: &Account) {
    let seen = after.kind == AccountKind::Managed && Account { key: before.key.clone(), ..after.clone() } != before;
    let mut event = JournalEvent::account(EventKind::AccountUpdated, after);
    if !seen {
        event.audience = Audience::Publisher;
    }
    journal.append_event(event);
    let mut entry = Entry::of("updateAccount", Subject::account(after), after.name.clone())
        .change("name", Some(before.name), Some(after.name.clone()))
        .change("timeZone", before.time_zone, after.time_zone.clone())
        .change_private("key", before.key, after.key.clone());
    if seen {
        entry = entry.concerning(after.id);
    }
    journal.append_entry(entry);
}

/// Checks the key that a publisher gives to the account `of`, or to a new account.
async fn account_key(
    tx: &Tx,
    publisher: AccountId,
    raw: Option<&str>,
    of: Option<AccountId>,
) -> Outcome<Option<String>, AccountRefusal> {
    let refusals = KeyRefusals {
        malformed: AccountRefusal::KeyInvalid,
        taken: |other| AccountRefusal::KeyTaken { taken_by: Some(other) },
    };
    free_key(raw, refusals, async |key| accounts::with_key(tx, publisher, key, of).await).await
}

/// The refusal when a concurrent call took the name or the key after the check. `tx` can't be used after the conflict,
/// so the other account is found in a new transaction.
async fn was_taken(cx: &Services, tx: Tx, account: &Account) -> StoreResult<AccountRefusal> {
    drop(tx);
    let tx = cx.db.begin().await?;
    let publisher = (account.kind == AccountKind::Managed).then_some(account.publisher_id);
    let key = crate::domain::text::key(&account.name);
    let named = accounts::with_name(&tx, account.kind, publisher, &key, Some(account.id)).await?;
    if let (None, Some(key)) = (named, &account.key)
        && let Some(other) = accounts::with_key(&tx, account.publisher_id, key, Some(account.id)).await?
    {
        return Ok(AccountRefusal::KeyTaken { taken_by: Some(other) });
    }
    Ok(AccountRefusal::NameTaken { taken_by: named })
}

fn new_account(
    cx: &Services,
    kind: AccountKind,
    publisher: Option<AccountId>,
    name: &Name,
    time_zone: Option<String>,
    now: Instant,
) -> Account {
    let id: AccountId = cx.ids.next();
    Account {
        id,
        kind,
        publisher_id: publisher.unwrap_or(id),
        name: name.as_str().to_owned(),
        time_zone,
        status: AccountStatus::Active,
        suspended_at: None,
        enrolled_at: None,
        created_at: now,
        key: None,
    }
}

/// Creates a publisher with its group All Accounts. For the command line.
///
/// # Errors
/// NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, TIME_ZONE_UNKNOWN.
pub async fn create_publisher(
    cx: &Services,
    name: &str,
    time_zone: Option<String>,
) -> Outcome<AccountId, AccountRefusal> {
    let name = account_name(name)?;
    let time_zone = find_zone(cx, time_zone)?;
    let tx = cx.db.begin().await?;
    let now = cx.now(&tx);
    if let Some(other) = accounts::with_name(&tx, AccountKind::Publisher, None, &name.key(), None).await? {
        return Err(AccountRefusal::NameTaken { taken_by: Some(other) }.into());
    }
    let account = new_account(cx, AccountKind::Publisher, None, &name, time_zone, now);
    if is_conflict(accounts::insert(&tx, &account).await)? {
        return Err(was_taken(cx, tx, &account).await?.into());
    }
    let everybody = AccountGroup {
        id: cx.ids.next(),
        publisher_id: account.id,
        name: ALL_ACCOUNTS.into(),
        is_all_accounts: true,
        created_at: now,
        key: None,
    };
    grants::insert_group(&tx, &everybody).await?;
    let mut journal = Journal::of_command_line(cx, account.id, now);
    journal.append_entry(
        Entry::of("commandLine.createAccount", Subject::PublisherAccount(account.id), account.name.clone())
            .set("name", &account.name),
    );
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(account.id)
}

/// Whether there are any accounts.
pub async fn has_accounts(cx: &Services) -> Result<bool, Failure> {
    Ok(accounts::any(&cx.db.whole_server()).await?)
}

/// Finds a time zone, and returns its name in IANA's spelling (R42).
fn find_zone(cx: &Services, name: Option<String>) -> Outcome<Option<String>, AccountRefusal> {
    let Some(name) = name else { return Ok(None) };
    match cx.zones.find(&name) {
        Ok(zone) => Ok(Some(zone.name)),
        Err(unknown) => Err(AccountRefusal::TimeZoneUnknown { nearest: unknown.nearest }.into()),
    }
}

/// All accounts, each publisher before its managed accounts. For the command line.
pub async fn all_accounts(cx: &Services) -> Result<Vec<Account>, Failure> {
    Ok(accounts::all(&cx.db.whole_server()).await?)
}

fn account_name(raw: &str) -> Outcome<Name, AccountRefusal> {
    Name::parse(raw).map_err(|fault| text_fault(fault, AccountRefusal::NameRequired, AccountRefusal::NameTooLong))
}
