//! What deserves a second look before a release (R34).

use std::collections::{BTreeMap, BTreeSet};

use super::id::{ComponentId, ComponentVersionId};
use super::label::Numeric;
use super::packaged_component::{ExtensibilitySetting, ManifestEntry};

/// What deserves a second look. None of it blocks a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// One component alone: single processes belong in the process library (R53).
    SingleComponentPack,
    /// Packages of the pack set a shared component differently; at most [`MISMATCHES_MAX`] are named.
    ExtensibilityMismatch(Vec<Mismatch>),
    /// No contact in the support data (R17).
    NoSupportContact,
    /// No group has the pack.
    NotSharedWithAnyone,
    /// Rows would take a version with a lower number than they have, or could have.
    LabelGoesBack(Vec<GoesBack>),
}

impl Warning {
    /// A sentence in English that says what to do.
    #[must_use]
    pub fn message(&self) -> &'static str {
        match self {
            Self::SingleComponentPack => {
                "The pack would hold one component alone; a single process is better shared through the process library."
            }
            Self::ExtensibilityMismatch(_) => {
                "Packages of the pack share components and set them differently; package them anew with the same extensibility settings."
            }
            Self::NoSupportContact => "Name a contact in the pack's support data, for those who install it.",
            Self::NotSharedWithAnyone => "Share the pack with a group; until then nobody sees the release.",
            Self::LabelGoesBack(_) => {
                "Rows would take a version whose label is lower than one that they have, or could have: the newest is by time. Pin the version that you mean, or package it anew."
            }
        }
    }
}

/// A setting of a shared component that is not the same in all packages that hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The shared component.
    pub component_id: ComponentId,
    pub setting_name: String,
    /// Each package that holds the component, by id, with its setting.
    pub occurrences: Vec<Occurrence>,
}

/// How one package sets a shared component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The package whose manifest it is.
    pub version_id: ComponentVersionId,
    /// `None` when the manifest has the component without this setting.
    pub setting: Option<ExtensibilitySetting>,
}

/// A version that a release would take, with its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    pub id: ComponentVersionId,
    pub label: String,
}

/// A row of the draft by its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledRow {
    pub component_id: ComponentId,
    /// What a release would take.
    pub next: Labelled,
    /// What is in force: pending if there is something, else current (R19).
    pub in_force: Option<Labelled>,
    /// The unreleased one with the highest number above that of `next`.
    pub higher_unreleased: Option<ComponentVersionId>,
}

/// A row that would take a version with a lower number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoesBack {
    pub component_id: ComponentId,
    pub next: ComponentVersionId,
    /// The one in force when its number is higher, else the unreleased one.
    pub higher: ComponentVersionId,
}

impl LabelledRow {
    /// Whether the row's label goes back. Only numbers can: of other labels nobody knows the order.
    fn goes_back(&self) -> Option<GoesBack> {
        let next = Numeric::parse(&self.next.label)?;
        let in_force = self.in_force.as_ref().filter(|v| Numeric::parse(&v.label).is_some_and(|label| label > next));
        let higher = in_force.map(|version| version.id).or(self.higher_unreleased)?;
        Some(GoesBack { component_id: self.component_id, next: self.next.id, higher })
    }
}

/// How many mismatches a warning names; the rest is told when these are mended.
pub const MISMATCHES_MAX: usize = 100;

/// What a warning is judged by.
#[derive(Clone, Debug)]
pub struct PreviewFacts<'a> {
    /// How many components a release would take.
    pub components: usize,
    /// The manifests of the packages that a release would take.
    pub manifests: &'a BTreeMap<ComponentVersionId, &'a [ManifestEntry]>,
    pub has_contact: bool,
    pub is_shared: bool,
    /// The rows that a release would take.
    pub rows: &'a [LabelledRow],
}

/// All warnings, in the order of [`Warning`]'s variants.
#[must_use]
pub fn warnings(facts: &PreviewFacts<'_>) -> Vec<Warning> {
    let mismatches = mismatches(facts.manifests);
    let back: Vec<_> = facts.rows.iter().filter_map(LabelledRow::goes_back).collect();
    [
        (facts.components == 1).then_some(Warning::SingleComponentPack),
        (!mismatches.is_empty()).then_some(Warning::ExtensibilityMismatch(mismatches)),
        (!facts.has_contact).then_some(Warning::NoSupportContact),
        (!facts.is_shared).then_some(Warning::NotSharedWithAnyone),
        (!back.is_empty()).then_some(Warning::LabelGoesBack(back)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The settings of components inside several of these packages that are not the same in all of them:
/// set differently, or in some alone. By component and name, at most [`MISMATCHES_MAX`].
#[must_use]
pub fn mismatches(manifests: &BTreeMap<ComponentVersionId, &[ManifestEntry]>) -> Vec<Mismatch> {
    let mut holders: BTreeMap<ComponentId, Vec<(ComponentVersionId, &ManifestEntry)>> = BTreeMap::new();
    for (version, manifest) in manifests {
        for entry in *manifest {
            holders.entry(entry.component_id).or_default().push((*version, entry));
        }
    }
    let shared = holders.into_iter().filter(|(_, holders)| holders.len() > 1);
    shared.flat_map(|(component, holders)| differing(component, &holders)).take(MISMATCHES_MAX).collect()
}

fn differing(component_id: ComponentId, holders: &[(ComponentVersionId, &ManifestEntry)]) -> Vec<Mismatch> {
    let names: BTreeSet<&str> =
        holders.iter().flat_map(|(_, entry)| &entry.extensibility).map(|setting| setting.name.as_str()).collect();
    let of_name = |name: &str| -> Vec<Occurrence> {
        let setting = |entry: &ManifestEntry| entry.extensibility.iter().find(|s| s.name == name).cloned();
        holders.iter().map(|(version, entry)| Occurrence { version_id: *version, setting: setting(entry) }).collect()
    };
    names
        .into_iter()
        .map(|name| Mismatch { component_id, setting_name: name.to_owned(), occurrences: of_name(name) })
        .filter(|found| found.occurrences.windows(2).any(|pair| matches!(pair, [a, b] if a.setting != b.setting)))
        .collect()
}
