//! Drafts, tested as pure functions: adding, removing, next, newer, unreleased (R11–R16, R19, R21).

use std::collections::BTreeMap;

use chrono::Duration;
use packwright::domain::components::ComponentType;
use packwright::domain::id::{ComponentId, ComponentVersionId, PackVersionId, ReleaseId};
use packwright::domain::packs::{
    AddFault, Assessment, COMPONENTS_MAX, Candidate, Content, DraftRow, InstallationType, PackStanding, PackState,
    PendingRelease, Removal, VersionStamp, assess, check_add, next_content, removal,
};
use uuid::Uuid;

use crate::support::instant;

fn component(n: u128) -> ComponentId {
    ComponentId(Uuid::from_u128(n))
}

/// A version whose creation time grows with its number.
fn version(n: u128) -> VersionStamp {
    let made = instant("2026-11-22T09:00:00Z") + Duration::minutes(i64::try_from(n).unwrap());
    VersionStamp { id: ComponentVersionId(Uuid::from_u128(1000 + n)), created_at: made }
}

/// A following row with this latest shareable version.
fn row(n: u128, latest: Option<u128>) -> DraftRow {
    DraftRow {
        component_id: component(n),
        pinned: None,
        marked_for_removal: false,
        latest_shareable: latest.map(version),
    }
}

fn content(items: &[(u128, u128)]) -> Content {
    items.iter().map(|(c, v)| (component(*c), version(*v))).collect()
}

fn candidate(n: u128) -> Candidate {
    Candidate {
        component_id: component(n),
        component_type: ComponentType::Process,
        has_shareable_version: true,
        in_draft: false,
    }
}

#[test]
fn r16_a_row_follows_the_newest_or_stays_with_its_pin() {
    assert_eq!(row(1, Some(5)).next(), Some(version(5).id));
    let pinned = DraftRow { pinned: Some(version(2).id), ..row(1, Some(5)) };
    assert_eq!(pinned.next(), Some(version(2).id));
    let pinned = DraftRow { pinned: Some(version(2).id), ..row(1, None) };
    assert_eq!(pinned.next(), Some(version(2).id), "a pin holds when nothing is left to follow");
    assert_eq!(row(1, None).next(), None);
}

#[test]
fn r15_a_marked_row_takes_nothing() {
    let marked = DraftRow { marked_for_removal: true, pinned: Some(version(2).id), ..row(1, Some(5)) };
    assert_eq!(marked.next(), None);
    assert_eq!(next_content(&[marked, row(2, Some(3))]), BTreeMap::from([(component(2), version(3).id)]));
}

#[test]
fn r15_a_released_row_is_marked_and_an_unreleased_one_is_deleted() {
    assert_eq!((removal(true), removal(false)), (Removal::Mark, Removal::Drop));
}

#[test]
fn r19_newer_is_decided_by_time_against_what_is_in_force() {
    assert!(row(1, Some(2)).newer_shareable_available(Some(version(1))));
    assert!(!row(1, Some(1)).newer_shareable_available(Some(version(1))));
    assert!(!row(1, Some(1)).newer_shareable_available(Some(version(2))), "an older one is not newer");
    assert!(!row(1, Some(1)).newer_shareable_available(None), "nothing in force, nothing newer");
    assert!(!row(1, None).newer_shareable_available(Some(version(1))));
    let pinned = DraftRow { pinned: Some(version(1).id), ..row(1, Some(2)) };
    assert!(pinned.newer_shareable_available(Some(version(1))), "a pin hides nothing");
}

#[test]
fn r19_an_assessment_counts_rows_and_what_is_newer() {
    let rows =
        [row(1, Some(2)), row(2, Some(1)), row(3, Some(9)), DraftRow { marked_for_removal: true, ..row(4, Some(2)) }];
    let in_force = content(&[(1, 1), (2, 1), (4, 1)]);
    let expected = Assessment { component_count: 4, newer_count: 2, has_unreleased_changes: true };
    assert_eq!(assess(&rows, &in_force), expected, "row 3 is not in force, so nothing is newer than it");
}

#[test]
fn r21_unreleased_is_what_differs_from_what_is_in_force() {
    let changed =
        |rows: &[DraftRow], in_force: &[(u128, u128)]| assess(rows, &content(in_force)).has_unreleased_changes;
    assert!(!changed(&[], &[]), "nothing to nothing");
    assert!(!changed(&[row(1, Some(1))], &[(1, 1)]));
    assert!(changed(&[row(1, Some(2))], &[(1, 1)]), "a newer version");
    assert!(changed(&[row(1, Some(1)), row(2, Some(1))], &[(1, 1)]), "one more");
    assert!(changed(&[], &[(1, 1)]), "one less");
    let pinned = |v: u128| DraftRow { pinned: Some(version(v).id), ..row(1, Some(2)) };
    assert!(!changed(&[pinned(1)], &[(1, 1)]), "pinned to what is in force");
    assert!(changed(&[pinned(1)], &[(1, 2)]), "an older version is a change too");
    let marked = [DraftRow { marked_for_removal: true, ..row(1, Some(1)) }];
    assert!(changed(&marked, &[(1, 1)]));
    assert!(!changed(&marked, &[]));
    assert!(!changed(&[row(1, None)], &[]), "a row that has nothing to take changes nothing");
}

#[test]
fn r14_a_component_is_in_a_pack_once() {
    let there = Candidate { in_draft: true, ..candidate(2) };
    assert_eq!(
        check_add(InstallationType::Single, 1, &[candidate(1), there]),
        Err(AddFault::AlreadyInPack(vec![component(2)]))
    );
    let twice = [candidate(1), candidate(2), candidate(1)];
    assert_eq!(check_add(InstallationType::Single, 0, &twice), Err(AddFault::AlreadyInPack(vec![component(1)])));
}

#[test]
fn r14_the_call_that_would_pass_a_hundred_adds_nothing() {
    let candidates: Vec<_> = (0..100).map(candidate).collect();
    assert_eq!(COMPONENTS_MAX, 100);
    assert_eq!(check_add(InstallationType::Single, 0, &candidates), Ok(()));
    assert_eq!(check_add(InstallationType::Single, 1, &candidates), Err(AddFault::PackFull));
    assert_eq!(check_add(InstallationType::Single, 99, &candidates[..1]), Ok(()));
    assert_eq!(check_add(InstallationType::Single, 100, &candidates[..1]), Err(AddFault::PackFull));
}

#[test]
fn r11_a_type_that_can_not_be_shared_can_not_be_added() {
    use ComponentType as T;
    for t in [T::ProcessRoute, T::Certificate, T::CustomLibrary, T::FlowService, T::ProcessingGroup] {
        let fault = check_add(InstallationType::Single, 0, &[Candidate { component_type: t, ..candidate(1) }]);
        assert_eq!(fault, Err(AddFault::TypeNotAllowed(vec![component(1)])), "{t:?}");
    }
}

#[test]
fn r12_an_api_service_goes_into_single_packs_alone() {
    let api = Candidate { component_type: ComponentType::ApiService, ..candidate(1) };
    assert_eq!(check_add(InstallationType::Single, 0, &[api]), Ok(()));
    assert_eq!(check_add(InstallationType::Multi, 0, &[api]), Err(AddFault::ApiServiceInMulti(vec![component(1)])));
}

#[test]
fn r13_a_component_without_a_shareable_version_can_not_be_added() {
    let bare = [3, 4].map(|n| Candidate { has_shareable_version: false, ..candidate(n) });
    let fault = check_add(InstallationType::Single, 0, &[candidate(1), bare[0], bare[1]]);
    assert_eq!(fault, Err(AddFault::NoShareableVersion(vec![component(3), component(4)])), "with every item at fault");
}

#[test]
fn r14_the_first_check_that_fails_is_told() {
    let all_wrong = Candidate {
        component_type: ComponentType::Certificate,
        has_shareable_version: false,
        in_draft: true,
        ..candidate(1)
    };
    let fault = |c: Candidate| check_add(InstallationType::Multi, COMPONENTS_MAX, &[c]).unwrap_err();
    assert!(matches!(fault(all_wrong), AddFault::AlreadyInPack(_)));
    assert!(matches!(fault(Candidate { in_draft: false, ..all_wrong }), AddFault::TypeNotAllowed(_)));
    let api = Candidate { component_type: ComponentType::ApiService, in_draft: false, ..all_wrong };
    assert!(matches!(fault(api), AddFault::ApiServiceInMulti(_)));
    assert!(matches!(
        fault(Candidate { component_type: ComponentType::Process, ..api }),
        AddFault::NoShareableVersion(_)
    ));
    assert_eq!(fault(candidate(1)), AddFault::PackFull);
}

#[test]
fn r30_the_state_of_a_pack_is_derived_from_its_row_and_now() {
    let (old, new) = (PackVersionId(Uuid::from_u128(1)), PackVersionId(Uuid::from_u128(2)));
    let release = ReleaseId(Uuid::from_u128(3));
    let starts_at = instant("2026-11-30T23:00:00Z");
    let pending = Some(PendingRelease { release_id: release, version_id: new, starts_at, due_at: starts_at });
    let stored = PackStanding { current_version: Some(old), pending, ..PackStanding::default() };
    let just_before = stored.at(starts_at - Duration::microseconds(1));
    assert_eq!((just_before, just_before.state(), just_before.in_force()), (stored, PackState::Testing, Some(new)));
    let opened = stored.at(starts_at);
    let running_release = Some(release);
    let expected = PackStanding { current_version: Some(new), running_release, ..PackStanding::default() };
    assert_eq!((opened, opened.state(), opened.in_force()), (expected, PackState::Releasing, Some(new)));
    let first = PackStanding { pending, ..PackStanding::default() };
    assert_eq!(
        (first.at(starts_at - Duration::seconds(1)).state(), first.at(starts_at).state()),
        (PackState::FirstReleaseScheduled, PackState::Current)
    );
    assert_eq!(PackStanding::default().at(starts_at).state(), PackState::NeverReleased);
    assert_eq!(
        PackStanding { current_version: Some(old), ..PackStanding::default() }.at(starts_at).state(),
        PackState::Current
    );
}
