//! The process library: publishes, withdraws and copies processes (R53).

mod publishing;

pub(crate) use publishing::publish_component;

use std::collections::BTreeSet;

use crate::domain::Instant;
use crate::domain::accounts::Privilege;
use crate::domain::components::{Component, ComponentType, ComponentVersion, VersionKind};
use crate::domain::id::{ComponentId, ComponentVersionId, GroupId, LibraryProcessId};
use crate::domain::library::{DESCRIPTION_MAX, GROUPS_MAX, LibraryProcess, LibraryRefusal, check_publish};
use crate::domain::text::{self, Name};
use crate::store::components::write as components;
use crate::store::library::write as library;
use crate::store::sharing::write_grants as grants;
use crate::store::{StoreResult, Tx};

use super::Services;
use super::access::{Managed, Publisher, Viewer};
use super::error::{Failure, Outcome, text_fault};
use super::journal::{Entry, Journal, Subject};
use super::requests::{Repeatable, single};

/// A process to be published, or the new data of a published one.
#[derive(Clone, Debug)]
pub struct NewProcess {
    pub package: ComponentVersionId,
    /// All groups with which the process is shared from now on.
    pub groups: Vec<GroupId>,
    pub description: String,
}

impl NewProcess {
    /// Checks that the viewer may publish to this many groups. Sharing needs the privilege for groups, as it does for
    /// packs. Unsharing a process from all of its groups needs it too; `publish_to_library` checks that. The failure is
    /// [`Failure::Forbidden`] (R4).
    pub fn check_may(viewer: &Viewer, groups: usize) -> Result<(), Failure> {
        viewer.require(Privilege::PackagedComponentManagement)?;
        if groups == 0 { Ok(()) } else { viewer.require(Privilege::AccountGroupManagement) }
    }
}

/// Publishes a package in the library, or changes a published process's description and groups. A withdrawn process
/// gets its former entry back, with a new publication time.
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, NOT_A_PROCESS, NOT_SHAREABLE, PACKAGE_DELETED, DESCRIPTION_TOO_LONG, TOO_MANY; not found
/// for a package or group of another publisher.
pub async fn publish_to_library(
    cx: &Services,
    caller: &Publisher,
    new: NewProcess,
    client_request_id: Option<&str>,
) -> Outcome<LibraryProcessId, LibraryRefusal> {
    NewProcess::check_may(&caller.viewer, new.groups.len())?;
    let input = (new.package, &new.groups, &new.description);
    let call = Repeatable::call(caller.id(), "publishToProcessLibrary", client_request_id, &input)?;
    let tx = cx.db.begin().await?;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), LibraryRefusal::ClientRequestIdReused).await? {
        return Ok(single(&made)?);
    }
    let (component, groups) = lock_named(&tx, caller, &new).await?;
    let existing = library::lock_of_package(&tx, new.package).await?;
    let mut journal = Journal::of(cx, caller, cx.now(&tx));
    let before = match &existing {
        Some(process) => library::group_names(&tx, process.id).await?,
        None => Vec::new(),
    };
    if !before.is_empty() {
        caller.viewer.require(Privilege::AccountGroupManagement)?;
    }
    // Reads the package again under the locks. It can't be deleted any more.
    let (package, deleted) = components::version(&tx, &caller.scope, new.package).await?.ok_or(Failure::NotFound)?;
    check_publish(component.component_type, package.shareable, deleted)?;
    let too_long = LibraryRefusal::DescriptionTooLong;
    let description = text::prose(&new.description, DESCRIPTION_MAX)
        .map_err(|fault| text_fault(fault, too_long.clone(), too_long))?;
    if new.groups.len() > GROUPS_MAX {
        return Err(LibraryRefusal::TooMany.into());
    }
    if let Some(process) = &existing
        && process.withdrawn_at.is_none()
        && process.description == description
        && library::groups_of(&tx, process.id).await? == groups
    {
        call.remember(&tx, &[process.id.0]).await?;
        tx.commit().await?;
        return Ok(process.id);
    }
    let process = put_into_library(cx, &tx, &component, &package, existing.clone(), description, journal.now).await?;
    library::share(&tx, process.id, &groups).await?;
    let after = library::group_names(&tx, process.id).await?;
    let offered_before = existing.as_ref().filter(|process| process.withdrawn_at.is_none());
    let entry = Entry::of("publishToProcessLibrary", Subject::PublishedProcess(process.id), process.name.clone())
        .change("version", offered_before.map(|p| p.version.clone()), Some(process.version.clone()))
        .change("description", existing.and_then(|p| some(p.description)), some(process.description))
        .change("groups", some(before.join(", ")), some(after.join(", ")));
    journal.append_entry(entry);
    call.remember(&tx, &[process.id.0]).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(process.id)
}

/// Saves the library entry of a package: a new one, or the known one with its changes.
async fn put_into_library(
    cx: &Services,
    tx: &Tx,
    component: &Component,
    package: &ComponentVersion,
    existing: Option<LibraryProcess>,
    description: String,
    now: Instant,
) -> StoreResult<LibraryProcess> {
    let Some(existing) = existing else {
        let process = LibraryProcess {
            id: cx.ids.next(),
            publisher_id: component.owner_id,
            component_version_id: package.id,
            name: component.name.clone(),
            version: package.version.clone(),
            description,
            published_at: now,
            withdrawn_at: None,
            copy_count: 0,
        };
        library::insert(tx, &process).await?;
        return Ok(process);
    };
    let published_at = if existing.withdrawn_at.is_some() { now } else { existing.published_at };
    library::save_offer(tx, existing.id, published_at, &description).await?;
    Ok(LibraryProcess { description, published_at, withdrawn_at: None, ..existing })
}

/// Withdraws a process from the library. Existing copies stay.
///
/// # Errors
/// ALREADY_WITHDRAWN; not found.
pub async fn withdraw_from_library(
    cx: &Services,
    caller: &Publisher,
    process: LibraryProcessId,
) -> Outcome<(), LibraryRefusal> {
    caller.viewer.require(Privilege::PackagedComponentManagement)?;
    let tx = cx.db.begin().await?;
    let process = library::lock(&tx, &caller.scope, process).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of(cx, caller, cx.now(&tx));
    if process.withdrawn_at.is_some() {
        return Err(LibraryRefusal::AlreadyWithdrawn.into());
    }
    let groups = library::group_names(&tx, process.id).await?;
    library::save_withdrawn(&tx, process.id, journal.now).await?;
    let entry = Entry::of("withdrawFromProcessLibrary", Subject::PublishedProcess(process.id), process.name)
        .change("version", Some(process.version), None)
        .change("groups", some(groups.join(", ")), None);
    journal.append_entry(entry);
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Copies a process into a new component of the account. Later changes of the process don't affect the copy.
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG; not found for a process that isn't shared with the account.
pub async fn copy_from_library(
    cx: &Services,
    caller: &Managed,
    process: LibraryProcessId,
    name: Option<String>,
    client_request_id: Option<String>,
) -> Outcome<ComponentId, LibraryRefusal> {
    caller.viewer.require(Privilege::PackagedComponentManagement)?;
    let input = (process, &name);
    let call = Repeatable::call(caller.id(), "copyFromProcessLibrary", client_request_id.as_deref(), &input)?;
    let tx = cx.db.begin().await?;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), LibraryRefusal::ClientRequestIdReused).await? {
        return Ok(single(&made)?);
    }
    let process = library::lock_offered(&tx, &caller.scope, process).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_managed(cx, caller, cx.now(&tx));
    let name = name
        .as_deref()
        .map(Name::parse)
        .transpose()
        .map_err(|fault| text_fault(fault, LibraryRefusal::NameRequired, LibraryRefusal::NameTooLong))?;
    let component = Component {
        id: cx.ids.next(),
        owner_id: caller.id(),
        name: name.map_or_else(|| process.name.clone(), |name| name.as_str().to_owned()),
        component_type: ComponentType::Process,
        created_at: journal.now,
        created_by: journal.actor().clone(),
        in_pack_version: false,
    };
    components::insert(&tx, &component, None).await?;
    library::add_copy(&tx, component.id, &process).await?;
    let entry = Entry::of("copyFromProcessLibrary", Subject::Component(component.id), component.name.clone())
        .concerning(caller.id())
        .set("process", &process.name)
        .set("version", &process.version);
    journal.append_entry(entry);
    call.remember(&tx, &[component.id.0]).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(component.id)
}

/// Locks the named groups and the component of the named package. Returns the component, and the groups, each once.
///
/// # Errors
/// Not found, with each id that isn't the caller's.
async fn lock_named(tx: &Tx, caller: &Publisher, new: &NewProcess) -> Result<(Component, Vec<GroupId>), Failure> {
    let found = find_package(tx, caller, new.package).await?;
    let (groups, unknown) = lock_groups(tx, caller, &new.groups).await?;
    let found = found.ok_or_else(|| Failure::none_of(new.package).and_none_of(unknown.iter().copied()))?;
    if let Some(unknown) = Failure::unless_known(unknown, |_| false) {
        return Err(unknown);
    }
    let locked = components::lock_all(tx, &caller.scope, &[found.component_id]).await?;
    let counters = locked.into_iter().next().ok_or(Failure::NotFound)?;
    Ok((counters.component, groups))
}

/// Finds a package of the caller without locking it.
async fn find_package(
    tx: &Tx,
    caller: &Publisher,
    package: ComponentVersionId,
) -> StoreResult<Option<ComponentVersion>> {
    let found = components::version(tx, &caller.scope, package).await?;
    Ok(found.map(|(package, _)| package).filter(|package| package.kind == VersionKind::Package))
}

/// Locks the named groups, so that none is deleted meanwhile. Returns the locked ones, each once, and the ids that
/// aren't the caller's groups. If there are more than a call may name, none is looked up, because the call will be
/// refused.
async fn lock_groups(tx: &Tx, caller: &Publisher, named: &[GroupId]) -> StoreResult<(Vec<GroupId>, Vec<GroupId>)> {
    if named.len() > GROUPS_MAX {
        return Ok((Vec::new(), Vec::new()));
    }
    let ids: Vec<_> = named.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let existing = grants::lock_groups(tx, &caller.scope, &ids).await?;
    Ok(ids.into_iter().partition(|id| existing.iter().any(|group| group.id == *id)))
}

/// A text for the audit log; `None` if it is empty.
fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
