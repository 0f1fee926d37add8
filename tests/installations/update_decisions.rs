//! The steps of an installation, tested as pure functions (R26, R27, R29, R30, R45, R46), and the progress (R25).

use chrono::Duration;
use packwright::domain::accounts::AccountStatus;
use packwright::domain::installations::{
    ATTEMPTS_MAX, CatchUpDecision, EarlyApplyDecision, LaterRelease, RolloutDecision, SkipReason, UpdateState,
    decide_catch_up, decide_early_apply, decide_rollout, effective_state, pause_after, reason_to_skip,
};
use packwright::domain::log::Progress;
use packwright::domain::releases::ReleaseState;

const STATES: [UpdateState; 5] =
    [UpdateState::Offered, UpdateState::Applied, UpdateState::Skipped, UpdateState::Failed, UpdateState::Withdrawn];

#[test]
fn r27_the_window_moves_the_rest_and_touches_no_other() {
    assert_eq!(decide_rollout(Some(UpdateState::Offered), false, None), RolloutDecision::Move);
    assert_eq!(decide_rollout(None, false, None), RolloutDecision::Move);
    for state in STATES.into_iter().filter(|s| *s != UpdateState::Offered) {
        for skip in [None, Some(SkipReason::NotEntitled), Some(SkipReason::AccountSuspended)] {
            assert_eq!(decide_rollout(Some(state), false, skip), RolloutDecision::LeaveAlone, "{state:?} {skip:?}");
        }
    }
}

#[test]
fn r27_an_installation_made_during_the_rollout_has_the_version_already() {
    for skip in [None, Some(SkipReason::NotEntitled)] {
        assert_eq!(decide_rollout(None, true, skip), RolloutDecision::LeaveAlone);
    }
}

#[test]
fn r45_an_installation_that_may_not_be_moved_is_skipped_with_the_reason() {
    for reason in [SkipReason::NotEntitled, SkipReason::AccountSuspended] {
        for update in [None, Some(UpdateState::Offered)] {
            assert_eq!(decide_rollout(update, false, Some(reason)), RolloutDecision::Skip(reason));
        }
    }
    assert_eq!(reason_to_skip(true, AccountStatus::Active), None);
    assert_eq!(reason_to_skip(false, AccountStatus::Active), Some(SkipReason::NotEntitled));
    assert_eq!(reason_to_skip(true, AccountStatus::Suspended), Some(SkipReason::AccountSuspended));
    assert_eq!(reason_to_skip(false, AccountStatus::Suspended), Some(SkipReason::NotEntitled));
}

#[test]
fn r45_catching_up_goes_by_the_later_release_first() {
    for update in STATES.into_iter().map(Some).chain([None]) {
        for running in [true, false] {
            let decide = |later| decide_catch_up(update, running, Some(later));
            assert_eq!(decide(LaterRelease::Pending), CatchUpDecision::LeaveAlone, "{update:?}");
            assert_eq!(decide(LaterRelease::TakenBack), CatchUpDecision::MoveBack, "{update:?}");
        }
    }
    assert_eq!(decide_catch_up(Some(UpdateState::Skipped), false, None), CatchUpDecision::Settle);
    assert_eq!(decide_catch_up(None, true, None), CatchUpDecision::LeaveAlone);
    assert_eq!(decide_catch_up(None, false, None), CatchUpDecision::MoveBack);
}

/// One line for each stored state, state of the release, and grant.
fn early_table() -> String {
    let mut lines = Vec::new();
    for update in STATES {
        for release in ReleaseState::ALL {
            let decision = |entitled| match decide_early_apply(update, release, false, entitled, false) {
                EarlyApplyDecision::Apply => "apply",
                EarlyApplyDecision::AlreadyApplied => "no-op, says so",
                EarlyApplyDecision::NotEntitled => "NOT_ENTITLED",
                EarlyApplyDecision::Withdrawn => "UPDATE_WITHDRAWN",
                EarlyApplyDecision::InProgress => "RELEASE_IN_PROGRESS",
                EarlyApplyDecision::Paused => "RELEASE_PAUSED",
            };
            lines.push(format!(
                "{:<10} {:<18} granted: {:<20} not granted: {}",
                format!("{update:?}"),
                format!("{release:?}"),
                decision(true),
                decision(false)
            ));
        }
    }
    lines.join("\n")
}

#[test]
fn r26_the_whole_table_of_applying_early() {
    insta::assert_snapshot!(early_table());
}

#[test]
fn r26_only_an_offer_of_a_scheduled_release_with_a_grant_is_applied() {
    for update in STATES {
        for release in ReleaseState::ALL {
            for entitled in [true, false] {
                let applies = update == UpdateState::Offered && release == ReleaseState::Scheduled && entitled;
                let decide = |is_paused| decide_early_apply(update, release, is_paused, entitled, false);
                let told = format!("{update:?} {release:?} {entitled}");
                assert_eq!(decide(false) == EarlyApplyDecision::Apply, applies, "{told}");
                assert_ne!(decide(true), EarlyApplyDecision::Apply, "R56: {told}");
                assert!(!applies || decide(true) == EarlyApplyDecision::Paused, "R56: {told}");
            }
        }
    }
}

#[test]
fn r29_an_offer_ends_with_its_release_before_a_batch_has_come_to_it() {
    for update in STATES {
        for release in ReleaseState::ALL {
            let taken_back =
                [ReleaseState::Canceled, ReleaseState::Superseded, ReleaseState::RollingBack, ReleaseState::RolledBack];
            let ended = taken_back.contains(&release) && update == UpdateState::Offered;
            let expected = if ended { UpdateState::Withdrawn } else { update };
            assert_eq!(effective_state(update, release), expected, "{update:?} {release:?}");
        }
    }
}

#[test]
fn r25_all_automatic_attempts_lie_within_ten_minutes() {
    let pauses: Vec<_> = (1..ATTEMPTS_MAX).map(|attempt| pause_after(attempt).expect("another attempt")).collect();
    assert_eq!((pauses.len(), ATTEMPTS_MAX), (4, 5));
    assert_eq!(pause_after(ATTEMPTS_MAX), None);
    assert_eq!(pause_after(0), None, "nothing was tried");
    assert!(pauses.iter().all(|pause| *pause > Duration::zero()));
    assert!(pauses.iter().sum::<Duration>() <= Duration::minutes(10));
}

#[test]
fn r25_progress_sums_up_and_ends_at_a_hundred() {
    let progress = Progress { offered: 5, applied: 3, applied_early: 2, skipped: 1, failed: 1, ..Progress::default() };
    assert_eq!(progress.total(), 10, "what was applied early is a part of what was applied");
    assert!((progress.percent() - 50.0).abs() < f64::EPSILON);
    assert!((Progress::default().percent() - 100.0).abs() < f64::EPSILON, "nothing to do");
    let done = Progress { offered: 0, ..progress };
    assert!((done.percent() - 100.0).abs() < f64::EPSILON);
    let fresh = Progress { offered: 3, ..Progress::default() };
    assert!(fresh.percent().abs() < f64::EPSILON);
}
