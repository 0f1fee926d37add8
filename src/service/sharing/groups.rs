//! Makes account groups, and changes their names and keys (R48, R67).

use crate::domain::accounts::{AccountGroup, Privilege};
use crate::domain::id::GroupId;
use crate::domain::sharing::SharingRefusal;
use crate::domain::text::{self, Name};
use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::error::{Failure, Outcome, is_conflict, text_fault};
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::service::own_keys::{KeyRefusals, free_key};
use crate::service::requests::{Repeatable, single};
use crate::store::sharing::write_grants as grants;
use crate::store::{StoreResult, Tx};

/// A group to be created.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct NewGroup {
    pub name: String,
    pub key: Option<String>,
}

/// Changes of a group.
#[derive(Clone, Debug)]
pub(crate) struct GroupEdit {
    pub name: String,
    /// `None` leaves the key unchanged, `Some(None)` takes it away.
    pub key: Option<Option<String>>,
}

/// Creates an account group.
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, KEY_INVALID, KEY_TAKEN; not found when a
/// repeated call's group was deleted since.
pub(crate) async fn create_group(
    cx: &Services,
    caller: &Publisher,
    new: NewGroup,
    client_request_id: Option<&str>,
) -> Outcome<GroupId, SharingRefusal> {
    caller.viewer.require(Privilege::AccountGroupManagement)?;
    let call = Repeatable::call(caller.id(), "createAccountGroup", client_request_id, &new)?;
    let tx = cx.db.begin().await?;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), SharingRefusal::ClientRequestIdReused).await? {
        let made = single(&made)?;
        let there = grants::is_own_group(&tx, &caller.scope, made).await?;
        return if there { Ok(made) } else { Err(Failure::NotFound.into()) };
    }
    let mut journal = Journal::of(cx, caller, cx.now(&tx));
    let name = group_name(&new.name)?;
    if let Some(other) = grants::with_name(&tx, &caller.scope, &name.key(), None).await? {
        return Err(SharingRefusal::NameTaken { taken_by: Some(other) }.into());
    }
    let group = AccountGroup {
        id: cx.ids.next(),
        publisher_id: caller.id(),
        name: name.as_str().to_owned(),
        is_all_accounts: false,
        created_at: journal.now,
        key: group_key(&tx, caller, new.key.as_deref(), None).await?,
    };
    if is_conflict(grants::insert_group(&tx, &group).await)? {
        return Err(was_taken(cx, tx, caller, &group).await?.into());
    }
    journal.append_event(JournalEvent::group(&group));
    journal.append_entry(
        Entry::of("createAccountGroup", Subject::AccountGroup(group.id), group.name.clone())
            .set("name", &group.name)
            .change("key", None, group.key),
    );
    call.remember(&tx, &[group.id.0]).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(group.id)
}

/// Renames an account group, or changes its key.
///
/// # Errors
/// ALL_ACCOUNTS_IS_FIXED, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, KEY_INVALID, KEY_TAKEN; not found.
pub(crate) async fn update_group(
    cx: &Services,
    caller: &Publisher,
    group: GroupId,
    edit: GroupEdit,
) -> Outcome<(), SharingRefusal> {
    caller.viewer.require(Privilege::AccountGroupManagement)?;
    let tx = cx.db.begin().await?;
    let before = editable_group(&tx, caller, group).await?;
    let mut journal = Journal::of(cx, caller, cx.now(&tx));
    let name = group_name(&edit.name)?;
    if let Some(other) = grants::with_name(&tx, &caller.scope, &name.key(), Some(before.id)).await? {
        return Err(SharingRefusal::NameTaken { taken_by: Some(other) }.into());
    }
    let key = match edit.key {
        Some(key) => group_key(&tx, caller, key.as_deref(), Some(before.id)).await?,
        None => before.key.clone(),
    };
    let after = AccountGroup { name: name.as_str().to_owned(), key, ..before.clone() };
    if after == before {
        return Ok(());
    }
    if is_conflict(grants::save_group(&tx, after.id, &after.name, after.key.as_deref()).await)? {
        return Err(was_taken(cx, tx, caller, &after).await?.into());
    }
    journal.append_event(JournalEvent::group(&after));
    let entry = Entry::of("updateAccountGroup", Subject::AccountGroup(after.id), after.name.clone());
    journal
        .append_entry(entry.change("name", Some(before.name), Some(after.name)).change("key", before.key, after.key));
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(())
}

/// The refusal when a concurrent call took the group's name or key after the check. `tx` can't be used after the
/// conflict, so the other group is found in a new transaction.
async fn was_taken(cx: &Services, tx: Tx, caller: &Publisher, group: &AccountGroup) -> StoreResult<SharingRefusal> {
    drop(tx);
    let tx = cx.db.begin().await?;
    let named = grants::with_name(&tx, &caller.scope, &text::key(&group.name), Some(group.id)).await?;
    if let (None, Some(key)) = (named, &group.key)
        && let Some(other) = grants::with_key(&tx, &caller.scope, key, Some(group.id)).await?
    {
        return Ok(SharingRefusal::KeyTaken { taken_by: Some(other) });
    }
    Ok(SharingRefusal::NameTaken { taken_by: named })
}

/// Checks the key that a call gives to the group `of`, or to a new group.
async fn group_key(
    tx: &Tx,
    caller: &Publisher,
    raw: Option<&str>,
    of: Option<GroupId>,
) -> Outcome<Option<String>, SharingRefusal> {
    let refusals = KeyRefusals {
        malformed: SharingRefusal::KeyInvalid,
        taken: |other| SharingRefusal::KeyTaken { taken_by: Some(other) },
    };
    free_key(raw, refusals, async |key| grants::with_key(tx, &caller.scope, key, of).await).await
}

/// A group of the caller that isn't All Accounts. Only All Accounts can't be renamed, deleted or given other members.
pub(super) async fn editable_group(
    tx: &Tx,
    caller: &Publisher,
    group: GroupId,
) -> Outcome<AccountGroup, SharingRefusal> {
    let found = grants::lock_groups(tx, &caller.scope, &[group]).await?;
    let group = found.into_iter().next().ok_or(Failure::NotFound)?;
    if group.is_all_accounts { Err(SharingRefusal::AllAccountsIsFixed.into()) } else { Ok(group) }
}

fn group_name(raw: &str) -> Outcome<Name, SharingRefusal> {
    Name::parse(raw).map_err(|fault| text_fault(fault, SharingRefusal::NameRequired, SharingRefusal::NameTooLong))
}
