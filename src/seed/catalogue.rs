//! Generates the publisher's components, their packages, and their publications for legacy packs.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::directory::{DAYS, Directory};
use super::rng::{For, Rng};
use super::{Options, words};
use crate::domain::Instant;
use crate::domain::components::{
    Component, ComponentType, ComponentVersion, ExtensibilitySetting, ManifestEntry, Numeric, NumericLabel,
    VersionKind, next_label,
};
use crate::domain::id::{ComponentId, ComponentVersionId};
use crate::domain::packs::VersionStamp;

/// By this day after the publisher's beginning, every component has a package.
pub(super) const PACKAGED_BY: i64 = 160;

/// Packages from the last so many days are newer than the content of most packs.
pub(super) const LATELY: i64 = 60;

/// One in so many shareable components is also published.
const PUBLISHED: u64 = 4;

/// A package with its manifest.
#[derive(Clone, Debug)]
pub struct Packaged {
    pub version: ComponentVersion,
    pub manifest: Vec<ManifestEntry>,
    pub deleted_at: Option<Instant>,
}

/// A component with its packages and its publications, oldest first.
#[derive(Clone, Debug)]
pub struct GeneratedComponent {
    pub component: Component,
    pub packages: Vec<Packaged>,
    pub publications: Vec<ComponentVersion>,
    /// The highest whole number among the labels; 0 when no label is numeric (R6).
    pub highest_label: NumericLabel,
}

impl GeneratedComponent {
    /// The versions of a kind that existed at an instant and that packs may hold, oldest first.
    fn in_use(&self, kind: VersionKind, at: Instant) -> impl DoubleEndedIterator<Item = &ComponentVersion> {
        let packages = self.packages.iter().filter(|package| package.deleted_at.is_none());
        let all = packages.map(|package| &package.version).chain(&self.publications);
        all.filter(move |version| version.kind == kind && version.shareable && version.created_at <= at)
    }

    /// The newest version of a kind that existed at an instant and that packs may hold (R7, R52).
    pub fn latest(&self, kind: VersionKind, at: Instant) -> Option<VersionStamp> {
        let found = self.in_use(kind, at).next_back()?;
        Some(VersionStamp { id: found.id, created_at: found.created_at })
    }

    /// The ids of all versions of a kind that existed at an instant and that packs may hold.
    pub(super) fn versions(&self, kind: VersionKind, at: Instant) -> Vec<ComponentVersionId> {
        self.in_use(kind, at).map(|version| version.id).collect()
    }

    /// The newest version of either kind (R7).
    pub fn newest(&self) -> Option<&ComponentVersion> {
        let packages = self.packages.iter().map(|package| &package.version);
        packages.chain(&self.publications).max_by_key(|version| version.created_at)
    }

    /// The component's revision in its last package; 0 without one.
    pub fn revision(&self) -> i32 {
        self.packages.last().map_or(0, |package| package.version.revision)
    }
}

pub(super) fn build(options: &Options, directory: &Directory) -> Vec<GeneratedComponent> {
    let mut all: Vec<GeneratedComponent> = Vec::with_capacity(options.components);
    for index in 0..options.components {
        let certificate = all.iter().rev().find(|built| built.component.component_type == ComponentType::Certificate);
        let inside = certificate.map(|built| built.component.id);
        all.push(built(options, directory, index, inside));
    }
    all
}

/// The type of the component number `index`. Every eleventh has a type that can't be shared.
fn component_type(index: usize, rng: &mut Rng) -> ComponentType {
    match index % 33 {
        10 => ComponentType::Certificate,
        21 => ComponentType::CustomLibrary,
        32 => ComponentType::FlowService,
        _ if rng.percent(12) => ComponentType::ApiService,
        _ => ComponentType::Process,
    }
}

fn built(options: &Options, directory: &Directory, index: usize, inside: Option<ComponentId>) -> GeneratedComponent {
    let mut rng = Rng::new(options.seed, For::Component, index);
    let began = options.at - TimeDelta::days(DAYS);
    let created = rng.days_after(began, 2, PACKAGED_BY - 10);
    let component = Component {
        id: rng.id(created),
        owner_id: directory.publisher.id,
        name: words::component(index),
        component_type: component_type(index, &mut rng),
        created_at: created,
        created_by: directory.actor(),
        in_pack_version: false,
    };
    let mut built = GeneratedComponent {
        component,
        packages: Vec::new(),
        publications: Vec::new(),
        highest_label: NumericLabel::default(),
    };
    let mut at = rng.days_after(created, 0, 3);
    while at < options.at - TimeDelta::hours(1) {
        // Few packages are made in the last weeks, so that most packs are up to date at the end.
        let lately = at > options.at - TimeDelta::days(LATELY);
        if !lately || rng.percent(15) {
            package(&mut built, at, inside, &mut rng);
        }
        at = rng.days_after(at, 25, 160);
    }
    if built.component.component_type.can_be_shared() && rng.below(PUBLISHED) == 0 {
        publish(options, &mut built, &mut rng);
    }
    built
}

/// Publishes a component several times, first a few days after its first package.
fn publish(options: &Options, built: &mut GeneratedComponent, rng: &mut Rng) {
    let Some(first) = built.packages.first().map(|package| package.version.created_at) else { return };
    let mut at = rng.days_after(first, 0, 3);
    while at < options.at - TimeDelta::days(LATELY / 2) {
        let packaged = built.packages.iter().map(|package| &package.version);
        let revision = packaged.filter(|version| version.created_at <= at).map(|version| version.revision).max();
        built.publications.push(ComponentVersion {
            id: rng.id(at),
            component_id: built.component.id,
            kind: VersionKind::Publication,
            version: (built.publications.len() + 1).to_string(),
            shareable: true,
            notes: rng.percent(70).then(|| words::package_notes(rng)),
            revision: revision.unwrap_or(0),
            created_at: at,
            created_by: built.component.created_by.clone(),
            source: None,
            artifacts: Vec::new(),
        });
        at = rng.days_after(at, 60, 200);
    }
}

/// Deletes some packages that no pack or template holds, within the last day. The newest one stays, because draft rows
/// may follow it.
pub(super) fn tidy(options: &Options, all: &mut [GeneratedComponent], in_use: &BTreeSet<ComponentVersionId>) {
    for (index, built) in all.iter_mut().enumerate() {
        let mut rng = Rng::new(options.seed, For::Tidying, index);
        let latest = built.latest(VersionKind::Package, options.at).map(|stamp| stamp.id);
        for package in &mut built.packages {
            let id = package.version.id;
            if rng.percent(10) && !in_use.contains(&id) && latest != Some(id) {
                let day = options.at - TimeDelta::hours(24);
                package.deleted_at = Some(rng.between(day.max(package.version.created_at), options.at));
            }
        }
    }
}

fn package(built: &mut GeneratedComponent, at: Instant, inside: Option<ComponentId>, rng: &mut Rng) {
    let component = &built.component;
    let first = built.packages.is_empty();
    let shareable = component.component_type.can_be_shared() && (first || rng.percent(80));
    let label = if !first && rng.percent(10) {
        format!("{}.{}", built.highest_label.as_str(), built.packages.len())
    } else {
        next_label(&built.highest_label).unwrap_or_default()
    };
    if let Some(numeric) = Numeric::parse(&label) {
        built.highest_label = numeric.whole.max(built.highest_label.clone());
    }
    let revision = i32::try_from(built.packages.len()).unwrap_or(0) + 1;
    let version = ComponentVersion {
        id: rng.id(at),
        component_id: component.id,
        kind: VersionKind::Package,
        version: label,
        shareable,
        notes: rng.percent(70).then(|| words::package_notes(rng)),
        revision,
        created_at: at,
        created_by: component.created_by.clone(),
        source: None,
        artifacts: Vec::new(),
    };
    let own = ManifestEntry { component_id: component.id, revision, extensibility: settings(rng) };
    let others = inside.filter(|_| shareable && rng.percent(50)).map(|component_id| ManifestEntry {
        component_id,
        revision: 1,
        extensibility: settings(rng),
    });
    let manifest = std::iter::once(own).chain(others).collect();
    built.packages.push(Packaged { version, manifest, deleted_at: None });
}

/// Random settings, sorted by name like those of the services.
fn settings(rng: &mut Rng) -> Vec<ExtensibilitySetting> {
    let mut names: Vec<&str> = words::SETTINGS.iter().copied().filter(|_| rng.percent(40)).collect();
    names.sort_unstable();
    let setting =
        |name: &str| ExtensibilitySetting { name: name.to_owned(), extensible: true, uses_default: rng.percent(60) };
    names.into_iter().map(setting).collect()
}
