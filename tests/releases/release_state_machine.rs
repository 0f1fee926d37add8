//! The whole state machine of a release as a table, and its properties (section 6).

use packwright::domain::releases::{Command, ReleaseState, TransitionFault, outcome, transition};

/// One line for each state and command.
fn table() -> String {
    let mut lines = Vec::new();
    for state in ReleaseState::ALL {
        for command in Command::ALL {
            let end = match transition(state, command) {
                Ok(next) => format!("{next:?}"),
                Err(fault) => format!("refused: {fault:?}"),
            };
            lines.push(format!("{:<18} {:<18} -> {end}", format!("{state:?}"), format!("{command:?}")));
        }
    }
    lines.join("\n")
}

#[test]
fn r30_the_whole_table_of_states_and_commands() {
    insta::assert_snapshot!(table());
}

#[test]
fn r30_only_a_scheduled_release_can_be_rescheduled_promoted_or_canceled() {
    for command in [Command::Reschedule, Command::Promote, Command::Cancel, Command::Supersede, Command::Open] {
        for state in ReleaseState::ALL {
            let expected = match state {
                ReleaseState::Scheduled => None,
                ReleaseState::InProgress | ReleaseState::RollingBack => Some(TransitionFault::InProgress),
                _ => Some(TransitionFault::NotPending),
            };
            assert_eq!(transition(state, command).err(), expected, "{state:?} {command:?}");
        }
    }
}

#[test]
fn r27_an_ended_release_changes_only_by_a_retry_or_a_roll_back() {
    for state in [
        ReleaseState::Succeeded,
        ReleaseState::PartiallySucceeded,
        ReleaseState::Failed,
        ReleaseState::Canceled,
        ReleaseState::Superseded,
        ReleaseState::RolledBack,
    ] {
        let others = |command: &Command| ![Command::RetryFailed, Command::RollBack].contains(command);
        for command in Command::ALL.into_iter().filter(others) {
            assert!(transition(state, command).is_err(), "{state:?} {command:?}");
        }
        let retried = matches!(state, ReleaseState::PartiallySucceeded | ReleaseState::Failed);
        assert_eq!(transition(state, Command::RetryFailed).is_ok(), retried, "{state:?}");
        let rolled_back = retried || state == ReleaseState::Succeeded;
        assert_eq!(transition(state, Command::RollBack).is_ok(), rolled_back, "{state:?}");
    }
}

#[test]
fn r29_nothing_leads_to_superseded_but_superseding_and_nothing_leads_away() {
    for state in ReleaseState::ALL {
        for command in Command::ALL {
            let superseded = transition(state, command) == Ok(ReleaseState::Superseded);
            let waits = state == ReleaseState::Scheduled && command == Command::Supersede;
            let paused = state == ReleaseState::InProgress && command == Command::SupersedePaused;
            assert_eq!(superseded, waits || paused, "{state:?} {command:?}");
        }
    }
}

#[test]
fn r56_pausing_is_no_state() {
    for command in [Command::Pause, Command::Resume] {
        for state in ReleaseState::ALL {
            let moves = matches!(state, ReleaseState::Scheduled | ReleaseState::InProgress);
            assert_eq!(transition(state, command).ok(), moves.then_some(state), "{state:?} {command:?}");
        }
    }
}

#[test]
fn r59_a_roll_back_begins_where_installations_may_have_the_version_and_ends_for_good() {
    for state in ReleaseState::ALL {
        for command in Command::ALL {
            let reached = transition(state, command).ok();
            let begins = command == Command::RollBack
                && matches!(
                    state,
                    ReleaseState::InProgress
                        | ReleaseState::Succeeded
                        | ReleaseState::PartiallySucceeded
                        | ReleaseState::Failed
                );
            assert_eq!(reached == Some(ReleaseState::RollingBack), begins, "{state:?} {command:?}");
            let ends = state == ReleaseState::RollingBack && command == Command::CompleteRollBack;
            assert_eq!(reached == Some(ReleaseState::RolledBack), ends, "{state:?} {command:?}");
            assert!(ends || state != ReleaseState::RollingBack || reached.is_none(), "nothing else leads away");
            assert!(state != ReleaseState::RolledBack || reached.is_none(), "{command:?}");
        }
    }
}

#[test]
fn r25_the_end_follows_from_how_many_failed() {
    assert_eq!(outcome(0, 0), Command::CompleteAllWell, "nothing to do is done well");
    assert_eq!(outcome(0, 5), Command::CompleteAllWell);
    assert_eq!(outcome(1, 5), Command::CompleteSomeFailed);
    assert_eq!(outcome(4, 1), Command::CompleteSomeFailed);
    assert_eq!(outcome(5, 0), Command::CompleteAllFailed, "whoever was skipped beside them");
}
