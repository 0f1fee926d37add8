//! The warnings of a release preview (R34).

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::components::{ExtensibilitySetting, ManifestEntry, Numeric};
use crate::domain::id::{ComponentId, ComponentVersionId};

/// A warning about a release. Warnings don't block the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The pack would contain a single component, which belongs in the process library (R53).
    SingleComponentPack,
    /// Packages of the pack contain the same component with different settings. Lists at most [`MISMATCHES_MAX`].
    ExtensibilityMismatch(Vec<Mismatch>),
    /// The support data has no contact (R17).
    NoSupportContact,
    /// The pack isn't shared with a group.
    NotSharedWithAnyone,
    /// The release would contain versions with a lower numeric label than the version in force, or than another version
    /// that the row could take.
    LabelGoesBack(Vec<GoesBack>),
}

impl Warning {
    /// A sentence in English that says what the publisher can do.
    #[must_use]
    pub fn message(&self) -> &'static str {
        match self {
            Self::SingleComponentPack => {
                "The pack would hold one component alone; a single process is better shared through the process library."
            }
            Self::ExtensibilityMismatch(_) => {
                "Packages of the pack share components and set them differently; package them again with the same extensibility settings."
            }
            Self::NoSupportContact => "Name a contact in the pack's support data, for those who install it.",
            Self::NotSharedWithAnyone => "Share the pack with a group; until then nobody sees the release.",
            Self::LabelGoesBack(_) => {
                "Rows would take a version whose label is lower than one that they have, or could have: the newest is by time. Pin the version that you mean, or package it again."
            }
        }
    }
}

/// A setting that differs between the packages that contain its component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The component that several packages contain.
    pub component_id: ComponentId,
    pub setting_name: String,
    /// One occurrence for each package that contains the component, ordered by package id.
    pub occurrences: Vec<Occurrence>,
}

/// A component's setting in one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The package whose manifest has the component.
    pub version_id: ComponentVersionId,
    /// `None` when the component has no such setting in this manifest.
    pub setting: Option<ExtensibilitySetting>,
}

/// A version and its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    pub id: ComponentVersionId,
    pub label: String,
}

/// A row of the draft, with the labels that decide whether the row's label would decrease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledRow {
    pub component_id: ComponentId,
    /// The version that a release would take.
    pub next: Labelled,
    /// The version in the pending release if there is one, else in the current version (R19).
    pub in_force: Option<Labelled>,
    /// The unreleased shareable version with the highest numeric label; `None` if none is higher than that of `next`.
    pub higher_unreleased: Option<ComponentVersionId>,
}

/// A row of the draft whose numeric label would decrease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoesBack {
    pub component_id: ComponentId,
    pub next: ComponentVersionId,
    /// The version with the higher label: the one in force if it is higher, else an unreleased one.
    pub higher: ComponentVersionId,
}

impl LabelledRow {
    /// Compares the row's labels. Only numeric labels have an order; others never go back.
    fn goes_back(&self) -> Option<GoesBack> {
        let next = Numeric::parse(&self.next.label)?;
        let in_force = self.in_force.as_ref().filter(|v| Numeric::parse(&v.label).is_some_and(|label| label > next));
        let higher = in_force.map(|version| version.id).or(self.higher_unreleased)?;
        Some(GoesBack { component_id: self.component_id, next: self.next.id, higher })
    }
}

/// The most mismatches in one warning. The preview lists further ones once these are resolved.
pub const MISMATCHES_MAX: usize = 100;

/// The facts that the warnings depend on.
#[derive(Clone, Debug)]
pub struct PreviewFacts<'a> {
    /// How many components the release would take.
    pub components: usize,
    /// The manifests of the packages that the release would take.
    pub manifests: &'a BTreeMap<ComponentVersionId, &'a [ManifestEntry]>,
    pub has_contact: bool,
    pub is_shared: bool,
    /// The rows that the release would take.
    pub rows: &'a [LabelledRow],
}

/// The warnings that apply, in the order of [`Warning`]'s variants.
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

/// The settings that differ between packages that contain the same component, also settings that only some of these
/// packages have. Ordered by component and setting name; at most [`MISMATCHES_MAX`].
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
