//! The warnings of a release preview, tested as a pure function (R34).

use std::collections::BTreeMap;

use packwright::domain::components::{ExtensibilitySetting, ManifestEntry};
use packwright::domain::id::{ComponentId, ComponentVersionId};
use packwright::domain::releases::{
    GoesBack, Labelled, LabelledRow, MISMATCHES_MAX, PreviewFacts, Warning, mismatches, warnings,
};
use uuid::Uuid;

fn setting(name: &str, extensible: bool, uses_default: bool) -> ExtensibilitySetting {
    ExtensibilitySetting { name: name.into(), extensible, uses_default }
}

fn entry(component: u128, settings: &[ExtensibilitySetting]) -> ManifestEntry {
    ManifestEntry {
        component_id: ComponentId(Uuid::from_u128(component)),
        revision: 1,
        extensibility: settings.to_vec(),
    }
}

/// A mismatch: the component, the setting, and for each package (extensible, uses default).
type Found = (u128, String, Vec<Option<(bool, bool)>>);

fn of(manifests: &[(u128, Vec<ManifestEntry>)]) -> Vec<Found> {
    let manifests: BTreeMap<_, _> =
        manifests.iter().map(|(id, m)| (ComponentVersionId(Uuid::from_u128(*id)), m.as_slice())).collect();
    let flags = |s: &Option<ExtensibilitySetting>| s.as_ref().map(|s| (s.extensible, s.uses_default));
    mismatches(&manifests)
        .iter()
        .map(|m| {
            let occurrences = m.occurrences.iter().map(|o| flags(&o.setting)).collect();
            (m.component_id.0.as_u128(), m.setting_name.clone(), occurrences)
        })
        .collect()
}

#[test]
fn r34_equal_settings_of_a_shared_component_are_no_mismatch() {
    let same = [setting("url", true, false), setting("timeout", false, true)];
    assert_eq!(of(&[(1, vec![entry(9, &same)]), (2, vec![entry(9, &same)])]), vec![]);
}

#[test]
fn r34_a_setting_that_differs_is_named_with_each_package_that_holds_it() {
    let found = of(&[
        (1, vec![entry(9, &[setting("url", true, false)])]),
        (2, vec![entry(9, &[setting("url", false, false)])]),
        (3, vec![entry(9, &[setting("url", true, false)])]),
        (4, vec![entry(8, &[setting("url", false, true)])]),
    ]);
    let differing = vec![Some((true, false)), Some((false, false)), Some((true, false))];
    assert_eq!(found, vec![(9, "url".into(), differing)], "package 4 doesn't hold the component");
}

#[test]
fn r34_whether_the_default_is_used_counts_too_and_so_does_a_setting_that_is_missing() {
    let found = of(&[
        (1, vec![entry(9, &[setting("a", true, false), setting("b", true, true)])]),
        (2, vec![entry(9, &[setting("a", true, true)])]),
    ]);
    let expected = vec![
        (9, "a".into(), vec![Some((true, false)), Some((true, true))]),
        (9, "b".into(), vec![Some((true, true)), None]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn r34_a_component_of_one_package_alone_is_not_shared() {
    assert_eq!(of(&[(1, vec![entry(9, &[setting("url", true, false)])]), (2, vec![entry(8, &[])])]), vec![]);
}

#[test]
fn r34_at_most_a_hundred_mismatches_are_named() {
    let many: Vec<_> = (0..150).map(|n| setting(&format!("setting {n:03}"), true, false)).collect();
    let found = of(&[(1, vec![entry(9, &many)]), (2, vec![entry(9, &[])])]);
    assert_eq!(found.len(), MISMATCHES_MAX);
}

#[test]
fn r34_each_warning_is_independent() {
    let manifest = [entry(9, &[setting("url", true, false)])];
    let (one, two) = ([entry(9, &[])], manifest);
    let differing: BTreeMap<ComponentVersionId, &[ManifestEntry]> = [
        (ComponentVersionId(Uuid::from_u128(1)), one.as_slice()),
        (ComponentVersionId(Uuid::from_u128(2)), two.as_slice()),
    ]
    .into();
    let none = BTreeMap::new();
    let fine = PreviewFacts { components: 2, manifests: &none, has_contact: true, is_shared: true, rows: &[] };
    assert_eq!(warnings(&fine), vec![]);
    assert_eq!(warnings(&PreviewFacts { components: 1, ..fine.clone() }), vec![Warning::SingleComponentPack]);
    assert_eq!(warnings(&PreviewFacts { has_contact: false, ..fine.clone() }), vec![Warning::NoSupportContact]);
    assert_eq!(warnings(&PreviewFacts { is_shared: false, ..fine.clone() }), vec![Warning::NotSharedWithAnyone]);
    let found = warnings(&PreviewFacts { manifests: &differing, ..fine });
    assert!(matches!(found.as_slice(), [Warning::ExtensibilityMismatch(m)] if m.len() == 1), "{found:?}");
}

/// A row with its labels: of the next version, of the one in force, and whether there is a higher unreleased one.
fn row(next: &str, in_force: Option<&str>, unreleased: bool) -> LabelledRow {
    let version = |id, label: &str| Labelled { id: ComponentVersionId(Uuid::from_u128(id)), label: label.into() };
    LabelledRow {
        component_id: ComponentId(Uuid::from_u128(9)),
        next: version(1, next),
        in_force: in_force.map(|label| version(2, label)),
        higher_unreleased: unreleased.then(|| ComponentVersionId(Uuid::from_u128(3))),
    }
}

#[test]
fn r34_a_label_goes_back_by_number_alone() {
    let found = |row: LabelledRow| {
        let none = BTreeMap::new();
        let rows = [row];
        let facts = PreviewFacts { components: 2, manifests: &none, has_contact: true, is_shared: true, rows: &rows };
        match warnings(&facts).as_slice() {
            [] => None,
            [Warning::LabelGoesBack(back)] => match back.as_slice() {
                [GoesBack { higher, .. }] => Some(higher.0.as_u128()),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(found(row("1.9", Some("3.0"), false)), Some(2));
    assert_eq!(found(row("1.9", Some("3.0"), true)), Some(2), "the one in force comes first");
    assert_eq!(found(row("1.9", Some("1.8"), true)), Some(3));
    assert_eq!(found(row("1.9", None, true)), Some(3));
    for (next, in_force) in
        [("1.10", "1.9"), ("7", "7.0"), ("3.0", "3.0"), ("beta", "3.0"), ("1.0", "v2"), ("2.0", "1.99")]
    {
        assert_eq!(found(row(next, Some(in_force), false)), None, "{next} after {in_force}");
    }
}
