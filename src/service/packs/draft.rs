//! Editing drafts (R11–R16, R20, R21).

use uuid::Uuid;

use crate::domain::accounts::Privilege;
use crate::domain::components::NamedVersion;
use crate::domain::id::{ComponentId, PackId};
use crate::domain::log::{EventData, EventKind};
use crate::domain::packs::{
    AddFault, COMPONENTS_MAX, Candidate, Content, DraftRow, Pack, PackRefusal, Removal, assess, check_add, removal,
};
use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::error::{Error, Failure, Outcome};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::store::components::write as components;
use crate::store::packs::{write as packs, write_drafts as drafts};
use crate::store::{StoreResult, Tx};

/// An edit of a draft in progress. The pack is locked, and a due release window was carried out before.
pub(in crate::service) struct Editing<'a> {
    pub(in crate::service) tx: Tx,
    pub(in crate::service) pack: Pack,
    pub(in crate::service) journal: Journal<'a>,
}

/// Adds components to the draft, each following its newest shareable version. Adds all of them or none (R11–R14).
///
/// # Errors
/// STALE_REVISION, EMPTY_LIST, COMPONENT_ALREADY_IN_PACK, COMPONENT_TYPE_NOT_ALLOWED,
/// API_SERVICE_IN_MULTI, NO_SHAREABLE_VERSION, PACK_FULL; not found.
pub(crate) async fn add_components(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    ids: Vec<ComponentId>,
    expected_revision: Option<i32>,
) -> Outcome<(), PackRefusal> {
    let editing = edit_rows(cx, caller, pack, &ids, None, expected_revision).await?;
    let Editing { tx, pack, .. } = &editing;
    if ids.len() > COMPONENTS_MAX {
        return Err(PackRefusal::PackFull.into());
    }
    let types = components::types(tx, &caller.scope, &ids).await?;
    let exists = |id| types.iter().any(|(typed, _)| *typed == id);
    if let Some(unknown) = Failure::unless_known(ids.iter().copied(), exists) {
        return Err(unknown.into());
    }
    if ids.is_empty() {
        return Err(PackRefusal::EmptyList.into());
    }
    let rows = drafts::of_pack(tx, pack).await?;
    let shareable = components::with_shareable_version(tx, &ids, pack.deployment_model.holds()).await?;
    let candidates: Vec<_> = ids
        .iter()
        .filter_map(|id| {
            let (_, component_type) = types.iter().find(|(typed, _)| typed == id)?;
            Some(Candidate {
                component_id: *id,
                component_type: *component_type,
                has_shareable_version: shareable.contains(id),
                in_draft: rows.iter().any(|row| row.component_id == *id),
            })
        })
        .collect();
    check_add(pack.installation_type, rows.len(), &candidates).map_err(add_refusal)?;
    let new: Vec<_> = ids.iter().map(|id| (*id, cx.ids.unguessable())).collect();
    drafts::add_draft_rows(tx, pack.id, &new).await?;
    let mut entry = Entry::of("addPackComponents", Subject::IntegrationPack(pack.id), pack.name.clone());
    for component in ids.iter().take(COMPONENTS_MAX) {
        entry = entry.refer("components", None, Some(Subject::Component(*component)));
    }
    finish_edit(cx, editing, entry).await
}

/// Marks a component for removal by the next release. A component that was never released is removed at once (R15).
///
/// # Errors
/// STALE_REVISION, COMPONENT_NOT_IN_PACK, MARKED_FOR_REMOVAL; not found.
pub(crate) async fn remove_component(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    component: ComponentId,
    expected_revision: Option<i32>,
) -> Outcome<Removal, PackRefusal> {
    let editing = edit_rows(cx, caller, pack, &[component], None, expected_revision).await?;
    let Editing { tx, pack, .. } = &editing;
    let row = row(tx, caller, pack, component).await?;
    if row.marked_for_removal {
        return Err(PackRefusal::MarkedForRemoval { component }.into());
    }
    let standing = pack.standing.at(editing.journal.now);
    let pending = drafts::content(tx, standing.pending.map(|p| p.version_id)).await?;
    let current = drafts::content(tx, standing.current_version).await?;
    let removal = removal(pending.contains_key(&component) || current.contains_key(&component));
    match removal {
        Removal::Mark => drafts::save_draft_row(tx, pack.id, component, row.pinned, true).await?,
        Removal::Drop => drafts::drop_draft_row(tx, pack.id, component).await?,
    }
    let entry = row_entry("removePackComponent", pack, component).set("markedForRemoval", removal == Removal::Mark);
    finish_edit(cx, editing, entry).await?;
    Ok(removal)
}

/// Removes the mark for removal (R15).
///
/// # Errors
/// STALE_REVISION, COMPONENT_NOT_IN_PACK, NOT_MARKED_FOR_REMOVAL; not found.
pub(crate) async fn restore_component(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    component: ComponentId,
    expected_revision: Option<i32>,
) -> Outcome<(), PackRefusal> {
    let editing = edit_rows(cx, caller, pack, &[component], None, expected_revision).await?;
    let Editing { tx, pack, .. } = &editing;
    let row = row(tx, caller, pack, component).await?;
    if !row.marked_for_removal {
        return Err(PackRefusal::NotMarkedForRemoval { component }.into());
    }
    drafts::save_draft_row(tx, pack.id, component, row.pinned, false).await?;
    let entry = row_entry("restorePackComponent", pack, component).change(
        "markedForRemoval",
        Some("true".into()),
        Some("false".into()),
    );
    finish_edit(cx, editing, entry).await
}

/// Pins a component to one version, older ones included (R16, R32).
///
/// # Errors
/// STALE_REVISION, COMPONENT_NOT_IN_PACK, MARKED_FOR_REMOVAL, VERSION_OF_OTHER_COMPONENT,
/// NOT_SHAREABLE, VERSION_DELETED, WRONG_DEPLOYMENT_MODEL; not found.
pub(crate) async fn pin_component(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    component: ComponentId,
    version: NamedVersion,
    expected_revision: Option<i32>,
) -> Outcome<(), PackRefusal> {
    let editing = edit_rows(cx, caller, pack, &[component], Some(version), expected_revision).await?;
    let Editing { tx, pack, .. } = &editing;
    if let Some(unknown) = unknown(tx, caller, &[component], Some(version)).await? {
        return Err(unknown.into());
    }
    let found = components::version(tx, &caller.scope, version.id).await?;
    let (chosen, deleted) = found.ok_or_else(|| Failure::none_of(version.id))?;
    let row = row(tx, caller, pack, component).await?;
    let refusal = match () {
        () if row.marked_for_removal => Some(PackRefusal::MarkedForRemoval { component }),
        () if chosen.component_id != component => Some(PackRefusal::VersionOfOtherComponent),
        () if !chosen.shareable => Some(PackRefusal::NotShareable),
        () if deleted => Some(PackRefusal::VersionDeleted),
        () if chosen.kind != pack.deployment_model.holds() => Some(PackRefusal::WrongDeploymentModel),
        () => None,
    };
    if let Some(refusal) = refusal {
        return Err(refusal.into());
    }
    if row.pinned == Some(version.id) {
        return Ok(());
    }
    drafts::save_draft_row(tx, pack.id, component, Some(version.id), false).await?;
    let named = |id| Subject::version(chosen.kind, id);
    let (before, after) = (row.pinned.map(named), Some(named(version.id)));
    let entry = row_entry("pinPackComponent", pack, component).refer("pinned", before, after);
    finish_edit(cx, editing, entry).await
}

/// Lets a component follow its newest shareable version again (R16).
///
/// # Errors
/// STALE_REVISION, COMPONENT_NOT_IN_PACK, NOT_PINNED; not found.
pub(crate) async fn unpin_component(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    component: ComponentId,
    expected_revision: Option<i32>,
) -> Outcome<(), PackRefusal> {
    let editing = edit_rows(cx, caller, pack, &[component], None, expected_revision).await?;
    let Editing { tx, pack, .. } = &editing;
    let row = row(tx, caller, pack, component).await?;
    let Some(pinned) = row.pinned else { return Err(PackRefusal::NotPinned { component }.into()) };
    drafts::save_draft_row(tx, pack.id, component, None, row.marked_for_removal).await?;
    let before = Subject::version(pack.deployment_model.holds(), pinned);
    let entry = row_entry("unpinPackComponent", pack, component).refer("pinned", Some(before), None);
    finish_edit(cx, editing, entry).await
}

/// Begins an edit: checks the privilege, carries out a due release window, locks the pack, and checks the revision.
pub(in crate::service) async fn edit<'a>(
    cx: &'a Services,
    caller: &Publisher,
    pack: PackId,
    expected_revision: Option<i32>,
) -> Outcome<Editing<'a>, PackRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let touched = Touched::Pack(caller.id(), pack);
    cx.after_due_windows(touched, || try_edit(cx, caller, pack, expected_revision)).await
}

async fn try_edit<'a>(
    cx: &'a Services,
    caller: &Publisher,
    pack: PackId,
    expected_revision: Option<i32>,
) -> Outcome<Editing<'a>, PackRefusal> {
    let tx = cx.db.begin().await?;
    let pack = packs::lock(&tx, &caller.scope, pack).await?.ok_or_else(|| Failure::none_of(pack))?;
    let journal = Journal::of(cx, caller, cx.instant(&tx, [&pack])?);
    match expected_revision {
        Some(expected) if expected != pack.revision => {
            Err(PackRefusal::StaleRevision { current: pack.revision }.into())
        }
        _ => Ok(Editing { tx, pack, journal }),
    }
}

/// Like [`edit`](crate::service::packs::draft::edit), for changes of rows. If the pack isn't found, the failure also
/// contains the unknown ids of components and versions.
async fn edit_rows<'a>(
    cx: &'a Services,
    caller: &Publisher,
    pack: PackId,
    rows: &[ComponentId],
    version: Option<NamedVersion>,
    expected_revision: Option<i32>,
) -> Outcome<Editing<'a>, PackRefusal> {
    match edit(cx, caller, pack, expected_revision).await {
        Err(Error::Failed(failure @ Failure::NoneOf(_))) if rows.len() <= COMPONENTS_MAX => {
            let tx = cx.db.begin().await?;
            Err(match unknown(&tx, caller, rows, version).await? {
                Some(Failure::NoneOf(more)) => failure.and_none_of(more),
                _ => failure,
            }
            .into())
        }
        other => other,
    }
}

/// Ends an edit: increments the revision, updates the assessment stored on the pack, appends `entry` and an event with
/// the same changes, and commits.
pub(in crate::service) async fn finish_edit(
    cx: &Services,
    editing: Editing<'_>,
    entry: Entry,
) -> Outcome<(), PackRefusal> {
    let Editing { tx, pack, mut journal } = editing;
    journal.append_event(JournalEvent {
        pack_name: entry.subject_name.clone().unwrap_or_else(|| pack.name.clone()),
        data: EventData { changes: entry.changes.clone(), ..EventData::default() },
        ..JournalEvent::of(EventKind::PackUpdated, &pack)
    });
    journal.append_entry(entry);
    packs::save_revision(&tx, pack.id, pack.revision.saturating_add(1), journal.now).await?;
    reassess(cx, &tx, &pack).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(())
}

/// The draft row of a component, which must be the caller's.
async fn row(tx: &Tx, caller: &Publisher, pack: &Pack, component: ComponentId) -> Outcome<DraftRow, PackRefusal> {
    if components::types(tx, &caller.scope, &[component]).await?.is_empty() {
        return Err(Failure::none_of(component).into());
    }
    let rows = drafts::of_pack(tx, pack).await?;
    let row = rows.into_iter().find(|row| row.component_id == component);
    row.ok_or_else(|| PackRefusal::ComponentNotInPack { component }.into())
}

/// Recomputes the assessment of a locked pack's draft, with the standing in `pack`, and gives the draft a new revision,
/// which invalidates cached reads. Every change of a draft's rows, or of the newest version of one of its components,
/// must call it.
pub(in crate::service) async fn reassess(cx: &Services, tx: &Tx, pack: &Pack) -> StoreResult<()> {
    reassess_all(cx, tx, std::slice::from_ref(pack)).await
}

/// [`reassess`] for many locked packs. The number of statements doesn't depend on the number of packs.
pub(in crate::service) async fn reassess_all(cx: &Services, tx: &Tx, packs: &[Pack]) -> StoreResult<()> {
    let mut rows = drafts::of_packs(tx, packs).await?;
    let in_force: Vec<_> = packs.iter().filter_map(|pack| pack.standing.in_force()).collect();
    let contents = drafts::contents(tx, &in_force).await?;
    let nothing = Content::new();
    let mut assessments = Vec::with_capacity(packs.len());
    for pack in packs {
        let rows = rows.remove(&pack.id).unwrap_or_default();
        let content = pack.standing.in_force().and_then(|version| contents.get(&version)).unwrap_or(&nothing);
        assessments.push((pack.id, assess(&rows, content)));
    }
    drafts::save_assessments(tx, &assessments, draft_revision(cx)).await
}

/// A new random revision. A counter would not do: after a failover that lost commits, the same number could mean
/// another draft.
pub(in crate::service) fn draft_revision(cx: &Services) -> i64 {
    let (drawn, _) = cx.ids.unguessable::<Uuid>().as_u64_pair();
    i64::from_ne_bytes(drawn.to_ne_bytes())
}

/// The failure for the components and the version that aren't the caller's; `None` if all of them are.
async fn unknown(
    tx: &Tx,
    caller: &Publisher,
    rows: &[ComponentId],
    version: Option<NamedVersion>,
) -> StoreResult<Option<Failure>> {
    let types = components::types(tx, &caller.scope, rows).await?;
    let found = match version {
        Some(version) => components::version(tx, &caller.scope, version.id).await?,
        None => None,
    };
    let no_version = version.filter(|version| !found.is_some_and(|(found, _)| found.kind == version.kind));
    let rows = rows.iter().copied().filter(|id| !types.iter().any(|(typed, _)| typed == id));
    let unknown = rows.map(Uuid::from).chain(no_version.map(|version| version.id.into()));
    Ok(Failure::unless_known(unknown, |_| false))
}

fn row_entry(action: &'static str, pack: &Pack, component: ComponentId) -> Entry {
    Entry::of(action, Subject::IntegrationPack(pack.id), pack.name.clone()).refer(
        "component",
        None,
        Some(Subject::Component(component)),
    )
}

fn add_refusal(fault: AddFault) -> PackRefusal {
    match fault {
        AddFault::AlreadyInPack(components) => PackRefusal::ComponentAlreadyInPack { components },
        AddFault::TypeNotAllowed(components) => PackRefusal::ComponentTypeNotAllowed { components },
        AddFault::ApiServiceInMulti(components) => PackRefusal::ApiServiceInMulti { components },
        AddFault::NoShareableVersion(components) => PackRefusal::NoShareableVersion { components },
        AddFault::PackFull => PackRefusal::PackFull,
    }
}
