//! Installs packs, applies updates early, and uninstalls installations (R26, R31, R43, R44).

use std::slice::from_ref;
use std::sync::atomic::AtomicBool;

use crate::domain::Instant;
use crate::domain::accounts::Privilege;
use crate::domain::id::{InstallationId, PackId, UpdateId};
use crate::domain::installations::{
    EarlyApplyDecision, Installation, InstallationRefusal, UpdateMethod, UpdateState, decide_early_apply,
};
use crate::domain::log::EventKind;
use crate::domain::packs::{InstallationType, Pack};
use crate::service::followup::offer_to;
use crate::store::accounts::write as accounts;
use crate::store::installations::write::NewInstallation;
use crate::store::installations::write_updates::UpdateRow;
use crate::store::installations::{tallies, write as installations, write_updates as updates};
use crate::store::log::journal as log;
use crate::store::packs::write as packs;
use crate::store::releases::stages::is_in_open_stage;
use crate::store::releases::write as releases;
use crate::store::sharing::write_grants as grants;
use crate::store::{StoreError, Tx};

use super::Services;
use super::access::Managed;
use super::ending::commit;
use super::error::{Failure, Outcome};
pub(crate) use super::installation_names::{InstallationEdit, rename_installation};
use super::installation_names::{check_free, installation_key, valid_name};
use super::instant::Touched;
use super::journal::{Entry, Journal, JournalEvent, Subject};
use super::releases::{hold_to_judge, judge_step};
use super::requests::{CallState, Repeatable};
use crate::service::followup::{VersionChange, hide, offered, record_update, withdraw_row};

/// What an account asks to install.
#[derive(Clone, Debug, serde::Serialize)]
pub struct InstallRequest {
    pub pack: PackId,
    pub override_name: Option<String>,
    pub key: Option<String>,
}

/// Installs a pack's current version (R31, R43). During a testing period the pending version is offered to the
/// installation.
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, NOT_ENTITLED, ALREADY_INSTALLED, OVERRIDE_NAME_NOT_ALLOWED,
/// OVERRIDE_NAME_INVALID, OVERRIDE_NAME_TAKEN, KEY_INVALID, KEY_TAKEN; not found for a pack that the account can't see.
pub async fn install(
    cx: &Services,
    caller: &Managed,
    request: InstallRequest,
    client_request_id: Option<String>,
) -> Outcome<InstallationId, InstallationRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let call = Repeatable::call(caller.id(), "installPack", client_request_id.as_deref(), &request)?;
    let touched = Touched::Pack(caller.scope.publisher_id(), request.pack);
    cx.after_due_windows(touched, || try_install(cx, caller, &request, &call)).await
}

async fn try_install(
    cx: &Services,
    caller: &Managed,
    request: &InstallRequest,
    call: &Repeatable,
) -> Outcome<InstallationId, InstallationRefusal> {
    let tx = cx.db.begin().await?;
    match call.state(&tx, cx.now(&tx)).await? {
        CallState::Do => {}
        CallState::Done(made) => {
            let made = made.first().map(|id| InstallationId::from(*id)).ok_or(Failure::NotFound)?;
            // The installation of the first call may be gone since, or its pack deleted. Then there is nothing to
            // return.
            packs::hold(&tx, request.pack).await?.ok_or(Failure::NotFound)?;
            let still = installations::lock_live(&tx, &[made]).await?;
            return still.first().map(|i| i.id).ok_or_else(|| Failure::NotFound.into());
        }
        CallState::Reused => return Err(InstallationRefusal::ClientRequestIdReused.into()),
    }
    // The account's lock serializes its installations, so that the checks of names and of SINGLE packs are right.
    let account = accounts::lock(&tx, caller.id()).await?.ok_or(Failure::NotFound)?;
    let pack = visible_pack(cx, &tx, caller, request.pack).await?;
    let mut journal = Journal::of_managed(cx, caller, cx.instant(&tx, [&pack])?);
    let name = check_install(&tx, caller, &pack, request.override_name.as_deref()).await?;
    let key = installation_key(&tx, caller, request.key.as_deref(), None).await?;
    let version_id = pack.standing.at(journal.now).offered_version().ok_or(Failure::NotFound)?;
    let installation = Installation {
        id: cx.ids.next(),
        pack_id: pack.id,
        account_id: caller.id(),
        publisher_id: pack.publisher_id,
        override_name: name,
        version_id,
        installed_at: journal.now,
        moved_at: None,
        uninstalled_at: None,
        key,
    };
    let new = NewInstallation {
        installation: &installation,
        installation_type: pack.installation_type,
        pack_name: &pack.name,
        account_name: &account.name,
        visible_after: log::head(&tx).await?,
    };
    match installations::insert(&tx, new).await {
        Err(StoreError::Conflict(_)) if pack.installation_type == InstallationType::Single => {
            return Err(InstallationRefusal::AlreadyInstalled { existing: None }.into());
        }
        Err(StoreError::Conflict(_)) => {
            return Err(InstallationRefusal::OverrideNameTaken { existing: None }.into());
        }
        other => other?,
    }
    let number = packs::version_number(&tx, version_id).await?;
    let shown = installation.override_name.clone().unwrap_or_else(|| pack.name.clone());
    let created = JournalEvent::installation(EventKind::InstallationCreated, &pack, &installation, number);
    journal.append_event(created);
    journal.append_entry(
        Entry::of("installPack", Subject::Installation(installation.id), shown)
            .concerning(caller.id())
            .set("version", number)
            .change_private("key", None, installation.key.clone()),
    );
    let standing = pack.standing.at(journal.now);
    let pending = standing.pending.map(|pending| pending.release_id);
    if let Some(release) = pending.or(standing.paused_rollout()) {
        tallies::add_remaining(&tx, (release, pack.id), journal.now, 1).await?;
    }
    offer_to(&tx, &mut journal, from_ref(&pack), from_ref(&installation), "installPack").await?;
    call.remember(&tx, &[installation.id.0]).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(installation.id)
}

/// A pack that the account can see: granted and released, or installed by it (R2). The pack is held.
async fn visible_pack(cx: &Services, tx: &Tx, caller: &Managed, pack: PackId) -> Outcome<Pack, InstallationRefusal> {
    // One scoped statement, so that a hidden pack takes as long as one that doesn't exist (R3).
    let pack = packs::hold_visible(tx, &caller.scope, pack, cx.now(tx)).await?.ok_or(Failure::NotFound)?;
    if grants::entitled(tx, pack.id, &[caller.id()]).await?.is_empty() {
        return Err(InstallationRefusal::NotEntitled.into());
    }
    Ok(pack)
}

/// Checks that a visible pack can be installed. Returns the installation's override name (R43).
async fn check_install(
    tx: &Tx,
    caller: &Managed,
    pack: &Pack,
    override_name: Option<&str>,
) -> Outcome<Option<String>, InstallationRefusal> {
    if pack.installation_type == InstallationType::Single {
        if let Some(existing) = installations::own_of_pack(tx, &caller.scope, pack.id).await?.first() {
            return Err(InstallationRefusal::AlreadyInstalled { existing: Some(existing.id) }.into());
        }
        return match override_name {
            Some(_) => Err(InstallationRefusal::OverrideNameNotAllowed.into()),
            None => Ok(None),
        };
    }
    let name = valid_name(override_name.unwrap_or(&pack.name))?;
    check_free(tx, caller, &name, None).await?;
    Ok(Some(name))
}

/// Removes an installation. Its open offer is withdrawn (R44).
///
/// # Errors
/// Not found.
pub async fn uninstall(
    cx: &Services,
    caller: &Managed,
    installation: InstallationId,
) -> Outcome<(), InstallationRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let pack = installations::pack_of_own(&cx.look_up(caller.scope), installation).await?.ok_or(Failure::NotFound)?;
    let touched = Touched::Pack(caller.scope.publisher_id(), pack);
    cx.after_due_windows(touched, || try_uninstall(cx, caller, pack, installation)).await
}

async fn try_uninstall(
    cx: &Services,
    caller: &Managed,
    pack: PackId,
    installation: InstallationId,
) -> Outcome<(), InstallationRefusal> {
    let tx = cx.db.begin().await?;
    // The account's lock serializes two calls that uninstall the last two installations of a pack, so that one of them
    // knows that it is the last.
    accounts::lock(&tx, caller.id()).await?.ok_or(Failure::NotFound)?;
    let pack = packs::hold(&tx, pack).await?.ok_or(Failure::NotFound)?;
    let found = installations::lock_own(&tx, &caller.scope, installation).await?;
    let installation = found.filter(|i| i.uninstalled_at.is_none()).ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_managed(cx, caller, cx.instant(&tx, [&pack])?);
    let entitled = !grants::entitled(&tx, pack.id, &[caller.id()]).await?.is_empty();
    let number = packs::version_number(&tx, installation.version_id).await?;
    let mut rows = updates::open_offers(&tx, &[installation.id]).await?;
    rows.extend(derived_update(&tx, &pack, &installation, &rows, journal.now).await?);
    for row in &mut rows {
        let before = row.update.state;
        withdraw_row(row, None, journal.now);
        if !entitled {
            hide(row);
        }
        record_update(&mut journal, &pack, &row.update, Some(before), VersionChange::stays(number), "uninstallPack");
    }
    updates::save(&tx, &rows).await?;
    installations::uninstall(&tx, &[installation.id], journal.now, log::head(&tx).await?).await?;
    let shown = installation.override_name.clone().unwrap_or_else(|| pack.name.clone());
    let removed = JournalEvent::installation(EventKind::InstallationRemoved, &pack, &installation, number);
    journal.append_event(removed);
    journal.append_entry(
        Entry::of("uninstallPack", Subject::Installation(installation.id), shown).concerning(caller.id()).change(
            "version",
            Some(number.to_string()),
            None,
        ),
    );
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(())
}

/// The update of an installation that no batch has saved yet: by the pending release or by the running one (R49).
async fn derived_update(
    tx: &Tx,
    pack: &Pack,
    installation: &Installation,
    update_rows: &[UpdateRow],
    now: Instant,
) -> Result<Option<UpdateRow>, Failure> {
    let standing = pack.standing.at(now);
    let Some(id) = standing.pending.map(|p| p.release_id).or(standing.running_release) else { return Ok(None) };
    let Some(release) = releases::get(tx, pack.id, id).await? else { return Ok(None) };
    let concerned = release.version_id != installation.version_id
        && release.previous_version_id.is_some()
        && !release.state.is_taken_back();
    if !concerned || update_rows.iter().any(|row| row.update.id.release == id) {
        return Ok(None);
    }
    let there = updates::of_release(tx, id, &[installation.id]).await?;
    let entitled = !grants::entitled(tx, pack.id, &[installation.account_id]).await?.is_empty();
    if !there.is_empty() {
        return Ok(None);
    }
    if !entitled {
        // The account never saw the update, so it ends without an event. Only the release's number of expected updates
        // changes.
        tallies::add_remaining(tx, (id, pack.id), now, -1).await?;
        return Ok(None);
    }
    Ok(Some(offered(installation, &release, release.created_at.max(installation.installed_at))))
}

/// Applies an offered update early (R26). Returns whether it had been applied before this call.
///
/// # Errors
/// NOT_ENTITLED, UPDATE_WITHDRAWN, RELEASE_IN_PROGRESS, RELEASE_PAUSED; not found.
pub async fn apply_early(cx: &Services, caller: &Managed, update: UpdateId) -> Outcome<bool, InstallationRefusal> {
    caller.viewer.require(Privilege::ApplyUpdates)?;
    let pack =
        installations::pack_of_own(&cx.look_up(caller.scope), update.installation).await?.ok_or(Failure::NotFound)?;
    let touched = Touched::Pack(caller.scope.publisher_id(), pack);
    let alone = AtomicBool::new(false);
    cx.after_due_windows(touched, || try_apply_early(cx, caller, pack, update, &alone)).await
}

async fn try_apply_early(
    cx: &Services,
    caller: &Managed,
    pack: PackId,
    update: UpdateId,
    alone: &AtomicBool,
) -> Outcome<bool, InstallationRefusal> {
    let tx = cx.db.begin().await?;
    let (mut pack, mut release) = hold_to_judge(&tx, pack, update.release, alone).await?;
    let installation =
        installations::lock_own(&tx, &caller.scope, update.installation).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_managed(cx, caller, cx.instant(&tx, [&pack])?);
    let stored = updates::own(&tx, &caller.scope, update).await?;
    let live = installation.uninstalled_at.is_none();
    let row = match stored {
        Some(row) => Some(row),
        None if live => derived_update(&tx, &pack, &installation, &[], journal.now).await?,
        None => None,
    };
    let entitled = !grants::entitled(&tx, pack.id, &[caller.id()]).await?.is_empty();
    let was_offered = installation.version_id != release.version_id
        && release.taken_back_at().is_some_and(|end| installation.installed_at <= end);
    if row.is_none() && was_offered {
        // Readers saw the offer although no batch had saved it. It ended with the release.
        let refusal = if entitled { InstallationRefusal::UpdateWithdrawn } else { InstallationRefusal::NotEntitled };
        return Err(refusal.into());
    }
    let mut row = row.filter(|row| row.update.id == update).ok_or(Failure::NotFound)?;
    let in_open_stage = is_in_open_stage(&tx, &release, installation.id, journal.now).await?;
    match decide_early_apply(
        row.update.state,
        release.state_at(journal.now),
        release.is_paused(),
        entitled,
        in_open_stage,
    ) {
        EarlyApplyDecision::AlreadyApplied => return Ok(true),
        EarlyApplyDecision::Withdrawn => return Err(InstallationRefusal::UpdateWithdrawn.into()),
        EarlyApplyDecision::NotEntitled => return Err(InstallationRefusal::NotEntitled.into()),
        EarlyApplyDecision::InProgress => return Err(InstallationRefusal::ReleaseInProgress.into()),
        EarlyApplyDecision::Paused => return Err(InstallationRefusal::ReleasePaused.into()),
        EarlyApplyDecision::Apply => {}
    }
    cx.mover
        .move_installation(installation.id, release.id)
        .map_err(|code| Failure::Unavailable(format!("an installation could not be moved: {code:?}")))?;
    let before = row.update.state;
    row.update.state = UpdateState::Applied;
    row.update.how = Some(UpdateMethod::Early);
    row.update.settled_at = Some(release.settles_at(journal.now));
    row.update.applied_by = Some(journal.actor().clone());
    let version_change = VersionChange {
        before: packs::version_number(&tx, installation.version_id).await?,
        after: packs::version_number(&tx, release.version_id).await?,
    };
    record_update(&mut journal, &pack, &row.update, Some(before), version_change, "applyPendingUpdate");
    updates::save(&tx, &[row]).await?;
    installations::move_to(&tx, &[installation.id], release.version_id, journal.now).await?;
    judge_step(cx, &tx, &mut journal, &mut pack, &mut release).await?;
    commit(tx, journal).await?;
    Ok(false)
}
