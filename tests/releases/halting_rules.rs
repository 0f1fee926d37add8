//! The decisions of halting, tested as pure functions (R58).

use packwright::domain::releases::{
    Halt, HaltAction, HaltFigures, HaltRule, ReleaseState, RequestedHaltRule, batch_limit, decide_halt, judge,
};

fn rule(hundredths: i32, at_least: i32) -> HaltRule {
    HaltRule { hundredths, at_least, then: HaltAction::Pause, watch_hours: 24 }
}

fn figures(executed: i64, bad: i64) -> HaltFigures {
    HaltFigures { executed, bad }
}

#[test]
fn r58_more_than_the_percent_of_what_was_executed_halts() {
    for (hundredths, at_least, executed, bad, halts) in [
        (100, 20, 19, 19, false),
        (100, 20, 20, 0, false),
        (100, 20, 20, 1, true),
        (500, 20, 20, 1, false),
        (500, 20, 20, 2, true),
        (10_000, 1, 1, 1, false),
        (9_999, 1, 1, 1, true),
        (1, 1, 10_000, 1, false),
        (1, 1, 9_999, 1, true),
        (3_333, 3, 3, 1, true),
        (3_334, 3, 3, 1, false),
        (100, 1_000_000, 999_999, 999_999, false),
        (100, 1_000_000, 1_000_000, 10_001, true),
        (100, 1, 0, 0, false),
    ] {
        assert_eq!(
            judge(&rule(hundredths, at_least), figures(executed, bad)),
            halts,
            "{bad} of {executed}, {hundredths}"
        );
    }
}

#[test]
fn r58_batches_begin_small_and_grow_while_all_goes_well() {
    let rule = rule(1_000, 20);
    for (executed, bad, limit) in
        [(0, 0, 20), (20, 0, 20), (40, 0, 40), (40, 2, 40), (40, 3, 20), (80, 0, 80), (640, 33, 20)]
    {
        assert_eq!(batch_limit(&rule, figures(executed, bad)), limit, "{bad} of {executed}");
    }
    assert_eq!(batch_limit(&HaltRule { at_least: 1, ..rule }, figures(0, 0)), 1);
    // A rollout to a million takes few batches more than one without a rule.
    let (mut executed, mut batches) = (0, 0);
    while executed < 1_000_000 {
        executed += i64::try_from(batch_limit(&rule, figures(executed, 0)).min(5_000)).expect("few");
        batches += 1;
    }
    assert!(batches < 200 + 12, "{batches} batches");
}

#[test]
fn r58_the_numbers_of_a_rule_have_bounds() {
    let asked = |percent, at_least, watch_hours| {
        RequestedHaltRule { percent, at_least, then: HaltAction::RollBack, watch_hours }.checked()
    };
    for percent in [0.01, 0.07, 0.29, 1.0, 33.33, 99.99, 100.0] {
        let rule = asked(percent, 1, 0).expect("a rule");
        assert!((rule.percent() - percent).abs() < f64::EPSILON * 100.0, "{percent}: {rule:?}");
    }
    assert!(asked(1.0, 1_000_000, 336).is_ok());
    for percent in [0.0, 0.009, -1.0, 100.01, 1.005, 0.015, f64::NAN, f64::INFINITY] {
        assert!(asked(percent, 20, 24).is_err(), "{percent}");
    }
    for (at_least, watch_hours) in [(0, 24), (-1, 24), (1_000_001, 24), (20, -1), (20, 337)] {
        assert!(asked(1.0, at_least, watch_hours).is_err(), "{at_least} {watch_hours}");
    }
}

#[test]
fn r58_what_a_halt_does_depends_on_where_the_release_stands() {
    use HaltAction::{Pause, RollBack};
    use ReleaseState as S;
    for (then, state, can, halt) in [
        (Pause, S::Scheduled, true, Halt::Pause),
        (Pause, S::InProgress, true, Halt::Pause),
        (Pause, S::Succeeded, true, Halt::Announce),
        (RollBack, S::Scheduled, false, Halt::Cancel),
        (RollBack, S::InProgress, true, Halt::RollBack),
        (RollBack, S::InProgress, false, Halt::Pause),
        (RollBack, S::PartiallySucceeded, true, Halt::RollBack),
        (RollBack, S::Failed, false, Halt::Announce),
    ] {
        assert_eq!(decide_halt(then, state, can), halt, "{then:?} {state:?} {can}");
    }
}
