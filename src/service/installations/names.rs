//! The names and keys that accounts give their installations (R43, R67).

use crate::domain::accounts::Privilege;
use crate::domain::id::InstallationId;
use crate::domain::installations::InstallationRefusal;
use crate::domain::log::EventKind;
use crate::domain::text::{self, NAME_MAX, TextFault};
use crate::service::Services;
use crate::service::access::Managed;
use crate::service::error::{CONTROL_CHARACTER, Failure, Outcome, is_conflict};
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::service::own_keys::{KeyRefusals, free_key};
use crate::store::Tx;
use crate::store::accounts::write as accounts;
use crate::store::installations::{names, write as installations};
use crate::store::packs::write as packs;

/// Changes of an installation.
#[derive(Clone, Debug, Default)]
pub(crate) struct InstallationEdit {
    /// `None` leaves the name unchanged.
    pub name: Option<String>,
    /// `None` leaves the key unchanged, `Some(None)` takes it away.
    pub key: Option<Option<String>>,
}

/// Renames an installation of a MULTI pack, or changes the key of any installation (R43, R67).
///
/// # Errors
/// OVERRIDE_NAME_NOT_ALLOWED, OVERRIDE_NAME_INVALID, OVERRIDE_NAME_TAKEN, KEY_INVALID, KEY_TAKEN; not found.
pub(crate) async fn rename_installation(
    cx: &Services,
    caller: &Managed,
    installation: InstallationId,
    edit: InstallationEdit,
) -> Outcome<(), InstallationRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let pack = installations::pack_of_own(&cx.look_up(caller.scope), installation).await?.ok_or(Failure::NotFound)?;
    let tx = cx.db.begin().await?;
    // The account's lock serializes its installations, so that the checks of names and keys are right.
    accounts::lock(&tx, caller.id()).await?.ok_or(Failure::NotFound)?;
    // A deleted pack's installations count as gone even before a batch has uninstalled them (R47).
    let pack = packs::hold(&tx, pack).await?.ok_or(Failure::NotFound)?;
    let found = installations::lock_own(&tx, &caller.scope, installation).await?;
    let before = found.filter(|i| i.uninstalled_at.is_none()).ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_managed(cx, caller, cx.now(&tx));
    let mut after = before.clone();
    if let Some(name) = edit.name.as_deref() {
        if before.override_name.is_none() {
            return Err(InstallationRefusal::OverrideNameNotAllowed.into());
        }
        let name = valid_name(name)?;
        check_free(&tx, caller, &name, Some(before.id)).await?;
        after.override_name = Some(name);
    }
    if let Some(key) = edit.key {
        after.key = installation_key(&tx, caller, key.as_deref(), Some(before.id)).await?;
    }
    if after == before {
        return Ok(());
    }
    if let Some(name) = after.override_name.as_deref().filter(|_| after.override_name != before.override_name)
        && is_conflict(names::rename(&tx, after.id, name).await)?
    {
        return Err(InstallationRefusal::OverrideNameTaken { existing: None }.into());
    }
    if after.key != before.key && is_conflict(names::save_key(&tx, after.id, after.key.as_deref()).await)? {
        return Err(InstallationRefusal::KeyTaken { existing: None }.into());
    }
    if after.override_name != before.override_name {
        let number = packs::version_number(&tx, after.version_id).await?;
        let mut renamed = JournalEvent::installation(EventKind::InstallationRenamed, &pack, &after, number);
        renamed.data.previous_name.clone_from(&before.override_name);
        journal.append_event(renamed);
    }
    let shown = after.override_name.clone().unwrap_or(pack.name);
    journal.append_entry(
        Entry::of("renameInstallation", Subject::Installation(after.id), shown)
            .concerning(caller.id())
            .change("name", before.override_name, after.override_name)
            .change_private("key", before.key, after.key),
    );
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Checks that no other installation of the account has the name. The caller has locked the account.
pub(super) async fn check_free(
    tx: &Tx,
    caller: &Managed,
    name: &str,
    but: Option<InstallationId>,
) -> Outcome<(), InstallationRefusal> {
    match names::with_override_name(tx, &caller.scope, &text::key(name)).await? {
        Some(existing) if Some(existing) != but && !names::take_names_of_deleted(tx, existing).await? => {
            Err(InstallationRefusal::OverrideNameTaken { existing: Some(existing) }.into())
        }
        _ => Ok(()),
    }
}

/// Checks the key that a call gives to the installation `of`, or to a new installation. The caller has locked the
/// account.
pub(super) async fn installation_key(
    tx: &Tx,
    caller: &Managed,
    raw: Option<&str>,
    of: Option<InstallationId>,
) -> Outcome<Option<String>, InstallationRefusal> {
    let refusals = KeyRefusals {
        malformed: InstallationRefusal::KeyInvalid,
        taken: |existing| InstallationRefusal::KeyTaken { existing: Some(existing) },
    };
    let holder =
        async |key: &str| match names::with_key(tx, &caller.scope, key).await?.filter(|existing| Some(*existing) != of)
        {
            Some(existing) if names::take_names_of_deleted(tx, existing).await? => Ok(None),
            found => Ok(found),
        };
    free_key(raw, refusals, holder).await
}

/// Checks an override name.
pub(super) fn valid_name(raw: &str) -> Outcome<String, InstallationRefusal> {
    text::label(raw, NAME_MAX).map_err(|fault| match fault {
        TextFault::ControlCharacter => Failure::BadInput(CONTROL_CHARACTER.into()).into(),
        TextFault::Empty | TextFault::TooLong => InstallationRefusal::OverrideNameInvalid.into(),
    })
}
