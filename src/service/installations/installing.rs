//! Installs packs (R31, R43).

use std::slice::from_ref;

use crate::domain::accounts::{Account, Privilege};
use crate::domain::id::{InstallationId, PackId};
use crate::domain::installations::{Installation, InstallationRefusal};
use crate::domain::log::EventKind;
use crate::domain::packs::{InstallationType, Pack};
use crate::service::Services;
use crate::service::access::Managed;
use crate::service::error::{Failure, Outcome};
use crate::service::followup::offer_to;
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::service::requests::Repeatable;
use crate::store::accounts::write as accounts;
use crate::store::installations::write::NewInstallation;
use crate::store::installations::{tallies, write as installations};
use crate::store::log::journal as log;
use crate::store::packs::write as packs;
use crate::store::sharing::write_grants as grants;
use crate::store::{StoreError, Tx};

use super::names::{check_free, installation_key, valid_name};

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
    let reused = InstallationRefusal::ClientRequestIdReused;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), reused).await? {
        return Ok(installed_before(&tx, request.pack, &made).await?);
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
    insert(&tx, &account, &pack, &installation).await?;
    let number = packs::version_number(&tx, version_id).await?;
    record_install(&mut journal, &pack, &installation, number);
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

/// The installation that a repeated call made. It may be gone since, or its pack deleted; then there is nothing to
/// return.
async fn installed_before(tx: &Tx, pack: PackId, made: &[uuid::Uuid]) -> Result<InstallationId, Failure> {
    let made = made.first().map(|id| InstallationId::from(*id)).ok_or(Failure::NotFound)?;
    packs::hold(tx, pack).await?.ok_or(Failure::NotFound)?;
    let still = installations::lock_live(tx, &[made]).await?;
    still.first().map(|installation| installation.id).ok_or(Failure::NotFound)
}

/// Inserts the row of an installation. The account's lock should prevent a conflict. The database's constraints enforce
/// the same rules.
async fn insert(
    tx: &Tx,
    account: &Account,
    pack: &Pack,
    installation: &Installation,
) -> Outcome<(), InstallationRefusal> {
    let new = NewInstallation {
        installation,
        installation_type: pack.installation_type,
        pack_name: &pack.name,
        account_name: &account.name,
        visible_after: log::head(tx).await?,
    };
    match installations::insert(tx, new).await {
        Err(StoreError::Conflict(_)) if pack.installation_type == InstallationType::Single => {
            Err(InstallationRefusal::AlreadyInstalled { existing: None }.into())
        }
        Err(StoreError::Conflict(_)) => Err(InstallationRefusal::OverrideNameTaken { existing: None }.into()),
        other => Ok(other?),
    }
}

/// Appends a new installation to both logs.
fn record_install(journal: &mut Journal<'_>, pack: &Pack, installation: &Installation, version_number: i32) {
    let shown = installation.override_name.clone().unwrap_or_else(|| pack.name.clone());
    journal.append_event(JournalEvent::installation(
        EventKind::InstallationCreated,
        pack,
        installation,
        version_number,
    ));
    journal.append_entry(
        Entry::of("installPack", Subject::Installation(installation.id), shown)
            .concerning(installation.account_id)
            .set("version", version_number)
            .change_private("key", None, installation.key.clone()),
    );
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
