//! Creates packages (R5–R7, R9, R11, R18).

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::accounts::Privilege;
use crate::domain::components::{
    CALL_CHARACTERS_MAX, CALL_ENTRIES_MAX, CALL_SETTINGS_MAX, ComponentType, ComponentVersion, ExtensibilitySetting,
    MANIFEST_MAX, ManifestEntry, Numeric, NumericLabel, PACKAGES_MAX, PackageFault, PackagingRefusal, SETTINGS_MAX,
    VersionKind, check_shareable, creation_time, next_label,
};
use crate::domain::id::{ComponentId, ComponentVersionId};
use crate::domain::packs::DeploymentModel;
use crate::domain::source::{Artifact, Source};
use crate::domain::text::{self, PACKAGE_NOTES_MAX, TextFault, VERSION_LABEL_MAX};

use crate::service::components::holders::{Holders, save_holders};
use crate::store::Tx;
use crate::store::components::write as components;
use crate::store::components::write::Counters;

use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::error::{CONTROL_CHARACTER, Error, Failure, Outcome, is_conflict};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::service::requests::Repeatable;

/// A package to be created.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct NewPackage {
    pub component_id: ComponentId,
    /// `None` means the highest numeric label + 1 (R6).
    pub version: Option<String>,
    pub shareable: bool,
    pub notes: Option<String>,
    /// `None` means the newest package's revision + 1.
    pub revision: Option<i32>,
    pub extensibility: Vec<ExtensibilitySetting>,
    /// The other components in the package.
    pub manifest: Vec<NewManifestEntry>,
    /// The source and the artifacts of the package (R68).
    pub source: Option<Source>,
    pub artifacts: Vec<Artifact>,
}

/// A component in the manifest of a new package.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct NewManifestEntry {
    pub component_id: ComponentId,
    pub revision: i32,
    pub extensibility: Vec<ExtensibilitySetting>,
}

/// Creates packages, all or none (R9). Nothing else is changed or released (R18). Packs with a component get an event
/// about its newer version.
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, EMPTY_LIST, TOO_MANY, VERSION_LABEL_INVALID, VERSION_LABEL_REQUIRED, VERSION_LABEL_TAKEN,
/// NOTES_TOO_LONG, MANIFEST_INVALID, SOURCE_INVALID, TYPE_NOT_SHAREABLE, PROCESS_ROUTE_NOT_SHAREABLE; not found for a
/// component of another publisher.
pub(crate) async fn create_packages(
    cx: &Services,
    caller: &Publisher,
    packages: Vec<NewPackage>,
    client_request_id: Option<String>,
) -> Outcome<Vec<ComponentVersionId>, PackagingRefusal> {
    caller.viewer.require(Privilege::PackagedComponentManagement)?;
    let call = Repeatable::call(caller.id(), "createPackagedComponents", client_request_id.as_deref(), &packages)?;
    let touched = Touched::PacksOf(caller.id());
    cx.after_due_windows(touched, || try_create_packages(cx, caller, &packages, &call)).await
}

async fn try_create_packages(
    cx: &Services,
    caller: &Publisher,
    packages: &[NewPackage],
    call: &Repeatable,
) -> Outcome<Vec<ComponentVersionId>, PackagingRefusal> {
    let tx = cx.db.begin().await?;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), PackagingRefusal::ClientRequestIdReused).await? {
        return Ok(made.into_iter().map(Into::into).collect());
    }
    check_sizes(packages)?;
    let named_components = component_ids(packages);
    // Checked before locking, so that a caller can't lock another publisher's components.
    let types = check_ids(&tx, caller, packages).await?;
    let mut holders = Holders::lock(&tx, caller, &named_components, DeploymentModel::Packaged).await?;
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, &holders.packs)?);
    let labels = labels(&tx, packages, &holders.components).await?;
    check_contents(packages, &types)?;
    let origins = checked_origins(packages)?;

    let mut made = Vec::with_capacity(packages.len());
    for ((package, label), origin) in packages.iter().zip(labels).zip(origins) {
        let Some(counters) = holders.components.get_mut(&package.component_id) else {
            return Err(Failure::NotFound.into());
        };
        let version = self::package(cx, &tx, &journal, (package, label, origin), counters).await?;
        journal.append_entry(
            Entry::of(
                "createPackagedComponents",
                Subject::PackagedComponent(version.id),
                counters.component.name.clone(),
            )
            .set("version", &version.version)
            .set("shareable", version.shareable)
            .change("commit", None, version.source.as_ref().and_then(|source| source.commit.clone())),
        );
        journal.append_event(JournalEvent::packaged(version.id));
        if version.shareable {
            holders.announce_newer(&mut journal, version.component_id, version.id);
        }
        made.push(version.id);
    }
    save_holders(cx, &tx, &holders).await?;
    call.remember(&tx, &made.iter().map(|id| id.0).collect::<Vec<_>>()).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(made)
}

async fn package(
    cx: &Services,
    tx: &Tx,
    journal: &Journal<'_>,
    (package, label, (source, artifacts)): (&NewPackage, String, Origin),
    counters: &mut Counters,
) -> Result<ComponentVersion, Failure> {
    let version = ComponentVersion {
        id: cx.ids.next(),
        component_id: package.component_id,
        kind: VersionKind::Package,
        shareable: package.shareable,
        notes: package.notes.as_deref().map(prose).filter(|notes| !notes.is_empty()),
        revision: package.revision.unwrap_or_else(|| counters.newest_revision.saturating_add(1)),
        created_at: creation_time(journal.now, counters.newest_at),
        created_by: journal.actor().clone(),
        version: label,
        source,
        artifacts,
    };
    let own = ManifestEntry {
        component_id: package.component_id,
        revision: version.revision,
        extensibility: settings(&package.extensibility),
    };
    let others = package.manifest.iter().map(|entry| ManifestEntry {
        component_id: entry.component_id,
        revision: entry.revision,
        extensibility: settings(&entry.extensibility),
    });
    let manifest: Vec<_> = std::iter::once(own).chain(others).collect();
    // If a component of the manifest was deleted meanwhile, the next attempt answers NOT_FOUND.
    if is_conflict(components::insert_version(tx, &version, &counters.component, &manifest).await)? {
        return Err(Failure::Overtaken);
    }
    counters.newest_at = Some(version.created_at);
    counters.newest_revision = version.revision;
    if let Some(numeric) = Numeric::parse(&version.version) {
        counters.highest_numeric_label = counters.highest_numeric_label.clone().max(numeric.whole);
    }
    if version.shareable {
        counters.latest_shareable = Some(version.id);
    }
    Ok(version)
}

/// The types of all components in a call. All must be the caller's.
async fn check_ids(
    tx: &Tx,
    caller: &Publisher,
    packages: &[NewPackage],
) -> Outcome<BTreeMap<ComponentId, ComponentType>, PackagingRefusal> {
    let inside = packages.iter().flat_map(|p| &p.manifest).map(|entry| entry.component_id);
    let named: BTreeSet<ComponentId> = packages.iter().map(|p| p.component_id).chain(inside).collect();
    let ids: Vec<_> = named.iter().copied().collect();
    let types: BTreeMap<_, _> = components::types(tx, &caller.scope, &ids).await?.into_iter().collect();
    match Failure::unless_known(named, |id| types.contains_key(&id)) {
        Some(unknown) => Err(unknown.into()),
        None => Ok(types),
    }
}

fn component_ids(packages: &[NewPackage]) -> Vec<ComponentId> {
    let named_components: BTreeSet<ComponentId> = packages.iter().map(|p| p.component_id).collect();
    named_components.into_iter().collect()
}

fn prose(text: &str) -> String {
    text::prose(text, usize::MAX).unwrap_or_default()
}

/// Normalizes settings: sorted by name, names in NFC.
fn settings(settings: &[ExtensibilitySetting]) -> Vec<ExtensibilitySetting> {
    let mut kept: Vec<_> = settings
        .iter()
        .map(|s| ExtensibilitySetting { name: text::label(&s.name, text::NAME_MAX).unwrap_or_default(), ..s.clone() })
        .collect();
    kept.sort_by(|a, b| a.name.cmp(&b.name));
    kept
}

fn check_sizes(packages: &[NewPackage]) -> Outcome<(), PackagingRefusal> {
    match packages.len() {
        0 => return Err(PackagingRefusal::EmptyList.into()),
        n if n > PACKAGES_MAX => return Err(PackagingRefusal::TooMany.into()),
        _ => {}
    }
    let notes = packages.iter().filter_map(|p| p.notes.as_deref());
    let sources = packages.iter().filter_map(|p| p.source.as_ref()).flat_map(Source::texts);
    let artifacts = packages.iter().flat_map(|p| &p.artifacts).flat_map(Artifact::texts);
    let texts =
        all_settings(packages).map(|setting| setting.name.as_str()).chain(notes).chain(sources).chain(artifacts);
    let too_much = packages.iter().map(|p| p.manifest.len()).sum::<usize>() > CALL_ENTRIES_MAX
        || all_settings(packages).count() > CALL_SETTINGS_MAX
        || texts.map(|text| text.chars().count()).sum::<usize>() > CALL_CHARACTERS_MAX;
    if too_much { Err(PackagingRefusal::TooMuch.into()) } else { Ok(()) }
}

/// The settings of the packages and of their manifests' entries.
fn all_settings(packages: &[NewPackage]) -> impl Iterator<Item = &ExtensibilitySetting> {
    packages.iter().flat_map(|p| p.extensibility.iter().chain(p.manifest.iter().flat_map(|entry| &entry.extensibility)))
}

/// The label of each package, given or generated (R6).
async fn labels(
    tx: &Tx,
    packages: &[NewPackage],
    counters: &BTreeMap<ComponentId, Counters>,
) -> Outcome<Vec<String>, PackagingRefusal> {
    let given =
        packages.iter().map(|p| p.version.as_deref().map(|raw| text::label(raw, VERSION_LABEL_MAX)).transpose());
    let given: Vec<Result<Option<String>, TextFault>> = given.collect();
    if given.contains(&Err(TextFault::ControlCharacter)) {
        return Err(Failure::BadInput(CONTROL_CHARACTER.into()).into());
    }
    refuse(
        given
            .iter()
            .enumerate()
            .filter(|(_, label)| label.is_err())
            .map(|(index, _)| PackagingRefusal::VersionLabelInvalid { index }),
    )?;

    let labels = counted_on(packages, given.into_iter().map(|label| label.ok().flatten()), counters)?;
    let (mut label_refusals, mut seen) = (Vec::new(), BTreeSet::new());
    for (index, (package, label)) in packages.iter().zip(&labels).enumerate() {
        let taken_by = components::with_label(tx, package.component_id, label).await?;
        if taken_by.is_some() || !seen.insert((package.component_id, text::label_key(label))) {
            label_refusals.push(PackagingRefusal::VersionLabelTaken { index, taken_by });
        }
    }
    refuse(label_refusals)?;
    Ok(labels)
}

/// The given labels; for packages without one, the next whole number.
fn counted_on(
    packages: &[NewPackage],
    given: impl Iterator<Item = Option<String>>,
    counters: &BTreeMap<ComponentId, Counters>,
) -> Outcome<Vec<String>, PackagingRefusal> {
    let mut highest: BTreeMap<ComponentId, NumericLabel> =
        counters.iter().map(|(id, c)| (*id, c.highest_numeric_label.clone())).collect();
    let (mut labels, mut required) = (Vec::new(), Vec::new());
    for (index, (package, label)) in packages.iter().zip(given).enumerate() {
        let counted = highest.entry(package.component_id).or_default();
        let Some(label) = label.or_else(|| next_label(counted)) else {
            required.push(PackagingRefusal::VersionLabelRequired { index });
            continue;
        };
        if let Some(numeric) = Numeric::parse(&label) {
            *counted = counted.clone().max(numeric.whole);
        }
        labels.push(label);
    }
    refuse(required)?;
    Ok(labels)
}

fn check_contents(
    packages: &[NewPackage],
    types: &BTreeMap<ComponentId, ComponentType>,
) -> Outcome<(), PackagingRefusal> {
    let unfit = packages.iter().any(|p| p.notes.as_deref().is_some_and(|notes| notes.contains('\0')))
        || all_settings(packages).any(|setting| !text::fits_a_line(&setting.name));
    if unfit {
        return Err(Failure::BadInput(CONTROL_CHARACTER.into()).into());
    }
    let each = || packages.iter().enumerate();
    let too_long =
        |p: &NewPackage| p.notes.as_deref().is_some_and(|notes| text::prose(notes, PACKAGE_NOTES_MAX).is_err());
    refuse(each().filter(|(_, p)| too_long(p)).map(|(index, _)| PackagingRefusal::NotesTooLong { index }))?;
    refuse(each().filter_map(|(index, p)| Some(PackagingRefusal::ManifestInvalid { index, why: manifest_fault(p)? })))?;
    let faults: Vec<_> = each()
        .filter_map(|(index, p)| {
            let inside = p.manifest.iter().filter_map(|e| types.get(&e.component_id).copied());
            let component = types.get(&p.component_id).copied()?;
            Some((index, check_shareable(p.shareable, component, inside).err()?))
        })
        .collect();
    refuse(
        faults
            .iter()
            .filter(|(_, f)| *f == PackageFault::TypeNotShareable)
            .map(|(index, _)| PackagingRefusal::TypeNotShareable { index: *index }),
    )?;
    refuse(faults.iter().map(|(index, _)| PackagingRefusal::ProcessRouteNotShareable { index: *index }))
}

/// The source and the artifacts of a package.
type Origin = (Option<Source>, Vec<Artifact>);

/// The sources and artifacts of packages, checked and normalized.
fn checked_origins(packages: &[NewPackage]) -> Outcome<Vec<Origin>, PackagingRefusal> {
    let (mut checked, mut refusals) = (Vec::with_capacity(packages.len()), Vec::new());
    for (index, package) in packages.iter().enumerate() {
        let source = package.source.clone().map_or(Ok(None), Source::checked);
        match source.and_then(|source| Ok((source, Artifact::all_checked(package.artifacts.clone())?))) {
            Ok(origin) => checked.push(origin),
            Err(fault) => refusals.push(PackagingRefusal::SourceInvalid { index, fault }),
        }
    }
    refuse(refusals)?;
    Ok(checked)
}

/// Fails with all refusals, if there are any.
fn refuse(refusals: impl IntoIterator<Item = PackagingRefusal>) -> Outcome<(), PackagingRefusal> {
    let refusals: Vec<_> = refusals.into_iter().collect();
    if refusals.is_empty() { Ok(()) } else { Err(Error::Refused(refusals)) }
}

/// The fault of a package's revision, manifest or settings.
fn manifest_fault(package: &NewPackage) -> Option<String> {
    if package.manifest.len() >= MANIFEST_MAX {
        return Some("Name at most 499 other components in a manifest.".into());
    }
    let mut seen = BTreeSet::from([package.component_id]);
    if !package.manifest.iter().all(|entry| seen.insert(entry.component_id)) {
        return Some("Name each component in the manifest once, and leave out the packaged one.".into());
    }
    let mut revisions = package.manifest.iter().map(|entry| entry.revision).chain(package.revision);
    if revisions.any(|revision| revision < 1) {
        return Some("Give revisions of 1 or more.".into());
    }
    std::iter::once(&package.extensibility)
        .chain(package.manifest.iter().map(|entry| &entry.extensibility))
        .find_map(|settings| settings_fault(settings))
}

fn settings_fault(settings: &[ExtensibilitySetting]) -> Option<String> {
    if settings.len() > SETTINGS_MAX {
        return Some("Give at most 200 extensibility settings for a component.".into());
    }
    let mut seen = BTreeSet::new();
    let unique = settings
        .iter()
        .all(|s| text::label(&s.name, text::NAME_MAX).is_ok_and(|name| seen.insert(text::label_key(&name))));
    (!unique).then(|| "Give each extensibility setting a name of 1 to 255 characters, unique in its component.".into())
}
