//! Version labels, creation times (R6, R7) and the shareable flag (R11), tested as pure functions.

use chrono::Duration;
use packwright::domain::components::{
    ComponentType, Numeric, NumericLabel, PackageFault, check_shareable, creation_time, next_label,
};
use proptest::prelude::*;

use crate::support::instant;

fn whole(digits: &str) -> NumericLabel {
    NumericLabel::parse(digits).unwrap()
}

fn numeric(label: &str) -> Option<String> {
    Numeric::parse(label).map(|numeric| numeric.whole.as_str().to_owned())
}

#[test]
fn r06_numeric_is_digits_or_digits_a_dot_and_digits() {
    for (label, whole) in [
        ("7", "7"),
        ("7.3", "7"),
        ("1.0", "1"),
        ("0", "0"),
        ("0.0", "0"),
        ("007", "7"),
        ("12.34", "12"),
        ("1.999999999999999999999", "1"),
        ("9223372036854775807", "9223372036854775807"),
        ("18446744073709551616.1", "18446744073709551616"),
        ("5.0\u{200b}", "5"),
    ] {
        assert_eq!(numeric(label).as_deref(), Some(whole), "{label:?}");
    }
}

#[test]
fn r06_all_else_is_not_numeric() {
    for label in [
        "", ".", "1.", ".1", "1.2.3", "v1", "1.0-beta", "-1", "+1", "1 0", "1. 0", "1,0", "1.0.", "١", "1.x", "0x10",
        "1e3", "½",
    ] {
        assert_eq!(numeric(label), None, "{label:?}");
    }
}

#[test]
fn r06_the_next_label_is_the_next_whole_number_however_many_digits() {
    for (highest, next) in [
        ("0", "1.0"),
        ("7", "8.0"),
        ("9", "10.0"),
        ("199", "200.0"),
        ("999", "1000.0"),
        ("9223372036854775807", "9223372036854775808.0"),
        ("18446744073709551615", "18446744073709551616.0"),
        ("099", "100.0"),
    ] {
        assert_eq!(next_label(&whole(highest)).as_deref(), Some(next));
    }
    assert_eq!(next_label(&NumericLabel::default()).as_deref(), Some("1.0"));
    let longest = "9".repeat(61) + "8";
    assert_eq!(next_label(&whole(&longest)), Some("9".repeat(62) + ".0"), "64 characters");
    assert_eq!(next_label(&whole(&"9".repeat(62))), None, "65 characters");
    assert_eq!(next_label(&whole(&"1".repeat(64))), None);
}

#[test]
fn r34_labels_are_compared_as_versions_are_read() {
    let rising = ["0.9", "1", "1.9", "1.10", "2.0", "9.99", "10.0", "9223372036854775808", "18446744073709551616.1"];
    let rising = rising.map(|label| Numeric::parse(label).unwrap());
    assert!(rising.is_sorted_by(|a, b| a < b));
    assert!(rising.is_sorted_by_key(Numeric::sort_key), "as a database orders them");
    assert_eq!(Numeric::parse("7"), Numeric::parse("007.0"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r06_the_next_label_is_numeric_and_one_higher(highest in any::<u64>()) {
        let next = next_label(&whole(&highest.to_string())).unwrap();
        prop_assert_eq!(numeric(&next), Some((u128::from(highest) + 1).to_string()));
        let before = format!("{highest}.999");
        prop_assert!(Numeric::parse(&next) > Numeric::parse(&before));
    }

    #[test]
    fn r06_numbers_are_ordered_as_numbers(a in any::<u64>(), b in any::<u64>()) {
        prop_assert_eq!(whole(&a.to_string()).cmp(&whole(&format!("00{b}"))), a.cmp(&b));
        let key = |label: String| Numeric::parse(&label).map(|numeric| numeric.sort_key());
        let (c, d) = (b % 97, a % 97);
        prop_assert_eq!(key(format!("{a}.{c}")).cmp(&key(format!("{b}.{d}"))), (a, c).cmp(&(b, d)));
    }

    #[test]
    fn r06_no_text_makes_it_panic(label in ".{0,70}") {
        let _ = Numeric::parse(&label);
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
