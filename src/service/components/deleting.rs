//! Deletes and restores packages (R8, R19).

use crate::domain::accounts::Privilege;
use crate::domain::components::{ComponentVersion, PackagingRefusal, VersionKind};
use crate::domain::id::ComponentVersionId;
use crate::domain::packs::DeploymentModel;
use crate::service::components::holders::{Holders, save_holders};
use crate::store::Tx;
use crate::store::components::{write as components, write_uses as uses};
use crate::store::library::write as library;

use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::error::{Failure, Outcome};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, Subject};

/// The most packs that a refusal lists.
const NAMED_MAX: u64 = 100;

/// The change of a package.
#[derive(Clone, Copy)]
enum Change {
    Delete,
    Restore,
}

/// Deletes a package. Its label can't be used again. Draft rows that followed it then follow the next older shareable
/// package (R8, R19).
///
/// # Errors
/// ALREADY_DELETED, PACKAGE_IN_USE; not found.
pub(crate) async fn delete_package(
    cx: &Services,
    caller: &Publisher,
    package: ComponentVersionId,
) -> Outcome<(), PackagingRefusal> {
    change_package(cx, caller, package, Change::Delete).await
}

/// Restores a deleted package. If it becomes the newest shareable one, the packs with its component get an event.
///
/// # Errors
/// NOT_DELETED; not found.
pub(crate) async fn restore_package(
    cx: &Services,
    caller: &Publisher,
    package: ComponentVersionId,
) -> Outcome<(), PackagingRefusal> {
    change_package(cx, caller, package, Change::Restore).await
}

async fn change_package(
    cx: &Services,
    caller: &Publisher,
    package: ComponentVersionId,
    change: Change,
) -> Outcome<(), PackagingRefusal> {
    caller.viewer.require(Privilege::PackagedComponentManagement)?;
    let touched = Touched::PacksOf(caller.id());
    cx.after_due_windows(touched, || try_change_package(cx, caller, package, change)).await
}

async fn try_change_package(
    cx: &Services,
    caller: &Publisher,
    package: ComponentVersionId,
    change: Change,
) -> Outcome<(), PackagingRefusal> {
    let tx = cx.db.begin().await?;
    let component = find(&tx, caller, package).await?.0.component_id;
    let mut holders = Holders::lock(&tx, caller, &[component], DeploymentModel::Packaged).await?;
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, &holders.packs)?);
    // Read again under the locks.
    let (version, deleted) = find(&tx, caller, package).await?;
    match change {
        Change::Delete if deleted => return Err(PackagingRefusal::AlreadyDeleted.into()),
        Change::Restore if !deleted => return Err(PackagingRefusal::NotDeleted.into()),
        Change::Delete => {
            let packs = uses::packs_holding(&tx, package, journal.now, NAMED_MAX).await?;
            let in_library = library::holds(&tx, package).await?;
            if in_library || !packs.is_empty() {
                return Err(PackagingRefusal::PackageInUse { packs, in_library }.into());
            }
        }
        Change::Restore => {}
    }
    let Some(counters) = holders.components.get_mut(&component) else { return Err(Failure::NotFound.into()) };
    let deleted_at = matches!(change, Change::Delete).then_some(journal.now);
    components::save_deleted(&tx, package, deleted_at).await?;
    counters.latest_shareable = components::newest_shareable(&tx, component).await?;
    let newest_now = counters.latest_shareable == Some(package);
    let entry = Entry::of(action(change), Subject::PackagedComponent(package), counters.component.name.clone());
    let (before, after) = match change {
        Change::Delete => (Some(version.version), None),
        Change::Restore => (None, Some(version.version)),
    };
    journal.append_entry(entry.change("version", before, after));
    if newest_now {
        holders.announce_newer(&mut journal, component, package);
    }
    save_holders(cx, &tx, &holders).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(())
}

/// A package of the caller, and whether it is deleted.
async fn find(
    tx: &Tx,
    caller: &Publisher,
    package: ComponentVersionId,
) -> Outcome<(ComponentVersion, bool), PackagingRefusal> {
    let found = components::version(tx, &caller.scope, package).await?;
    found.filter(|(version, _)| version.kind == VersionKind::Package).ok_or_else(|| Failure::NotFound.into())
}

fn action(change: Change) -> &'static str {
    match change {
        Change::Delete => "deletePackagedComponent",
        Change::Restore => "restorePackagedComponent",
    }
}
