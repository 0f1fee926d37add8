//! Uninstalls installations (R44).

use crate::domain::accounts::Privilege;
use crate::domain::id::{InstallationId, PackId};
use crate::domain::installations::InstallationRefusal;
use crate::domain::log::EventKind;
use crate::service::Services;
use crate::service::access::Managed;
use crate::service::error::{Failure, Outcome};
use crate::service::followup::{VersionChange, hide, record_update, withdraw_row};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::store::accounts::write as accounts;
use crate::store::installations::{write as installations, write_updates as updates};
use crate::store::log::journal as log;
use crate::store::packs::write as packs;
use crate::store::sharing::write_grants as grants;

use super::applying::derived_update;

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
    updates::save(&tx, &rows, journal.now).await?;
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
