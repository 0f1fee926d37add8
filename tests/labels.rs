//! Version labels and creation times, as pure rules (R6, R7), and what may be shareable (R11).

use chrono::Duration;
use packwright::domain::packaged_component::{
    ComponentType, PackageFault, check_shareable, creation_time, next_label, numeric_label,
};
use proptest::prelude::*;

use crate::support::instant;

#[test]
fn r06_numeric_is_digits_or_digits_a_dot_and_digits() {
    for (label, whole) in [
        ("7", 7),
        ("7.3", 7),
        ("1.0", 1),
        ("0", 0),
        ("0.0", 0),
        ("007", 7),
        ("12.34", 12),
        ("1.999999999999999999999", 1),
    ] {
        assert_eq!(numeric_label(label), Some(whole), "{label:?}");
    }
}

#[test]
fn r06_all_else_is_not_numeric() {
    for label in [
        "", ".", "1.", ".1", "1.2.3", "v1", "1.0-beta", "-1", "+1", " 1", "1 ", "1,0", "1.0.", "١", "1.x", "0x10",
        "1e3", "½",
    ] {
        assert_eq!(numeric_label(label), None, "{label:?}");
    }
}

#[test]
fn r06_a_number_too_large_to_count_on_from_is_not_numeric() {
    assert_eq!(numeric_label("18446744073709551614"), Some(u64::MAX - 1));
    for label in ["18446744073709551615", "18446744073709551616", &"9".repeat(64)] {
        assert_eq!(numeric_label(label), None, "{label:?}");
    }
}

#[test]
fn r06_the_next_label_is_the_next_whole_number() {
    assert_eq!(next_label(None), "1.0");
    assert_eq!(next_label(Some(0)), "1.0");
    assert_eq!(next_label(numeric_label("7")), "8.0");
    assert_eq!(next_label(numeric_label("7.3")), "8.0");
    assert_eq!(next_label(Some(u64::MAX - 1)), "18446744073709551615.0");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r06_the_next_label_is_numeric_and_higher(highest in 0..u64::MAX - 1) {
        let next = next_label(Some(highest));
        prop_assert_eq!(numeric_label(&next), (highest + 1 < u64::MAX).then_some(highest + 1));
        prop_assert!(next.chars().count() <= 64);
    }

    #[test]
    fn r06_no_text_makes_it_panic(label in ".{0,70}") {
        let _ = numeric_label(&label);
    }

    #[test]
    fn r07_a_later_call_is_never_older_whatever_the_clock_does(steps in prop::collection::vec(-5_000_000_i64..5_000_000, 1..20)) {
        let mut now = instant("2026-11-22T09:00:00Z");
        let mut newest = None;
        for step in steps {
            now += Duration::microseconds(step);
            let made = creation_time(now, newest);
            prop_assert!(made >= now);
            prop_assert!(newest.is_none_or(|newest| made > newest));
            newest = Some(made);
        }
    }
}

#[test]
fn r07_the_creation_time_is_now_or_a_microsecond_after_the_newest() {
    let now = instant("2026-11-22T09:00:00Z");
    let micro = Duration::microseconds(1);
    assert_eq!(creation_time(now, None), now);
    assert_eq!(creation_time(now, Some(now - micro)), now);
    assert_eq!(creation_time(now, Some(now)), now + micro);
    assert_eq!(creation_time(now, Some(now + Duration::hours(1))), now + Duration::hours(1) + micro);
}

#[test]
fn r11_only_processes_and_api_services_can_be_shareable() {
    use ComponentType as T;
    for t in [T::Process, T::ApiService] {
        assert!(t.can_be_shared() && check_shareable(true, t, []).is_ok(), "{t:?}");
    }
    for t in [T::ProcessRoute, T::Certificate, T::CustomLibrary, T::FlowService, T::ProcessingGroup] {
        assert_eq!(check_shareable(true, t, []), Err(PackageFault::TypeNotShareable), "{t:?}");
        assert_eq!(check_shareable(false, t, []), Ok(()), "what isn't shareable may be anything: {t:?}");
        let inside = check_shareable(true, T::Process, [T::Certificate, t]);
        assert_eq!(inside.is_err(), t == T::ProcessRoute, "inside a process: {t:?}");
    }
    assert_eq!(check_shareable(true, T::ApiService, [T::ProcessRoute]), Err(PackageFault::ProcessRouteNotShareable));
    assert_eq!(check_shareable(false, T::Process, [T::ProcessRoute]), Ok(()));
    assert_eq!(
        check_shareable(true, T::Certificate, [T::ProcessRoute]),
        Err(PackageFault::TypeNotShareable),
        "the type is checked first"
    );
}
