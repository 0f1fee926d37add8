//! Random stories on one server through GraphQL. After each step the invariants of section 10 of the rules must hold,
//! and derived columns must equal values computed from the rows.
//!
//! `PROPTEST_CASES` sets the number of stories, for a longer run.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::whole::invariants_checks::Checker;
use crate::whole::invariants_story::{Command, Story};

/// The usual number of stories, and their length.
const CASES: u32 = 12;
const STEPS: usize = 40;

fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

/// A random command. Objects are chosen by small numbers, which wrap around.
fn command() -> impl Strategy<Value = Command> {
    let n = 0..6_usize;
    prop_oneof![
        3 => (n.clone(), prop::bool::weighted(0.8)).prop_map(|(component, shareable)| Command::Package { component, shareable }),
        2 => n.clone().prop_map(|component| Command::Publish { component }),
        2 => (n.clone(), n.clone()).prop_map(|(component, version)| Command::Delete { component, version }),
        1 => (n.clone(), n.clone()).prop_map(|(component, version)| Command::Undelete { component, version }),
        2 => (n.clone(), n.clone()).prop_map(|(pack, component)| Command::Add { pack, component }),
        1 => (n.clone(), n.clone()).prop_map(|(pack, component)| Command::Remove { pack, component }),
        1 => (n.clone(), n.clone()).prop_map(|(pack, component)| Command::Restore { pack, component }),
        1 => (n.clone(), n.clone(), n.clone()).prop_map(|(pack, component, version)| Command::Pin { pack, component, version }),
        1 => (n.clone(), n.clone()).prop_map(|(pack, component)| Command::Unpin { pack, component }),
        3 => n.clone().prop_map(|pack| Command::ReleaseNow { pack }),
        3 => (n.clone(), 1..9_u64).prop_map(|(pack, days)| Command::ReleaseOn { pack, days }),
        4 => (n.clone(), n.clone(), 1..4_u64).prop_map(|(pack, group, days)| Command::ReleaseInStages { pack, group, days }),
        2 => n.clone().prop_map(|pack| Command::OpenNextStage { pack }),
        1 => (n.clone(), 1..9_u64).prop_map(|(pack, days)| Command::Reschedule { pack, days }),
        1 => n.clone().prop_map(|pack| Command::Promote { pack }),
        1 => n.clone().prop_map(|pack| Command::Cancel { pack }),
        1 => n.clone().prop_map(|pack| Command::RetryFailed { pack }),
        2 => (n.clone(), 0..3_usize).prop_map(|(pack, rule)| Command::SetRule { pack, rule }),
        2 => n.clone().prop_map(|pack| Command::Pause { pack }),
        2 => n.clone().prop_map(|pack| Command::Resume { pack }),
        2 => (n.clone(), 0..2_usize).prop_map(|(pack, number)| Command::RollBack { pack, number }),
        1 => (n.clone(), prop::bool::weighted(0.15)).prop_map(|(pack, so)| if so { Command::DeletePack { pack } } else { Command::Tick }),
        4 => (n.clone(), n.clone()).prop_map(|(account, pack)| Command::Install { account, pack }),
        3 => (n.clone(), n.clone()).prop_map(|(account, update)| Command::ApplyEarly { account, update }),
        2 => (n.clone(), n.clone(), any::<bool>()).prop_map(|(account, update, works)| Command::Report { account, update, works }),
        1 => (n.clone(), n.clone()).prop_map(|(account, installation)| Command::Uninstall { account, installation }),
        2 => (n.clone(), n.clone()).prop_map(|(pack, group)| Command::Share { pack, group }),
        1 => (n.clone(), n.clone()).prop_map(|(pack, group)| Command::Unshare { pack, group }),
        3 => (n.clone(), n.clone()).prop_map(|(group, account)| Command::Join { group, account }),
        3 => (n.clone(), n.clone()).prop_map(|(group, account)| Command::Leave { group, account }),
        1 => n.clone().prop_map(|account| Command::Suspend { account }),
        1 => n.clone().prop_map(|account| Command::Reactivate { account }),
        2 => (n, 1..9_u32).prop_map(|(installation, times)| Command::Fault { installation, times }),
        3 => (1..60_i64, any::<bool>()).prop_map(|(hours, tick)| Command::Wait { hours, tick }),
        2 => Just(Command::Tick),
    ]
}

/// A sequence that single random commands rarely produce: an account misses an update of a pack that it has, because it
/// has no grant or is suspended; later it may become eligible again. The pack and its group are those with which a
/// [`Story`] begins.
fn kept_out() -> impl Strategy<Value = Vec<Command>> {
    let packs_and_groups = prop::sample::select(vec![(0_usize, 1_usize), (2, 2)]);
    let way = (any::<bool>(), prop::option::of(1..3_u64), prop::bool::weighted(0.7));
    (packs_and_groups, 0..3_usize, way).prop_map(|((pack, group), account, (by_grant, days, comes_back))| {
        let mut commands =
            vec![if by_grant { Command::Leave { group, account } } else { Command::Suspend { account } }];
        // Pack number n begins with component number n.
        commands.push(Command::Package { component: pack, shareable: true });
        match days {
            None => commands.push(Command::ReleaseNow { pack }),
            Some(days) => commands.extend([Command::ReleaseOn { pack, days }, Command::Wait { hours: 60, tick: true }]),
        }
        if comes_back {
            commands.push(if by_grant { Command::Join { group, account } } else { Command::Reactivate { account } });
        }
        commands
    })
}

/// A release of a pack is paused while it waits or is rolled out, and mostly resumed.
fn paused() -> impl Strategy<Value = Vec<Command>> {
    let way = (any::<bool>(), prop::bool::weighted(0.7), prop::collection::vec(command(), 0..4));
    (0..4_usize, way).prop_map(|(pack, (dated, is_resumed, meanwhile))| {
        // Of a legacy pack, number 3, the publication is newer.
        let newer = Command::Package { component: pack, shareable: true };
        let mut commands = vec![newer, Command::Publish { component: pack }];
        commands.push(if dated { Command::ReleaseOn { pack, days: 1 } } else { Command::ReleaseNow { pack } });
        commands.push(Command::Pause { pack });
        commands.extend(meanwhile);
        if is_resumed {
            commands.push(Command::Resume { pack });
        }
        commands
    })
}

/// Another such sequence: a release that is rolled back, with somebody who can't be moved back at that moment, or whose
/// move fails.
fn rolled_back() -> impl Strategy<Value = Vec<Command>> {
    let packs_and_groups = prop::sample::select(vec![(0_usize, 1_usize), (2, 2)]);
    let way = (prop::option::of(1..3_u64), 0..4_usize, any::<bool>(), any::<bool>());
    (packs_and_groups, 0..3_usize, way).prop_map(|((pack, group), account, (days, hindrance, ticks, installs))| {
        let mut commands = vec![Command::Package { component: pack, shareable: true }];
        match days {
            None => commands.push(Command::ReleaseNow { pack }),
            Some(days) => commands.extend([
                Command::ReleaseOn { pack, days },
                Command::ApplyEarly { account, update: 0 },
                Command::Wait { hours: 60, tick: ticks },
            ]),
        }
        if installs {
            commands.push(Command::Install { account, pack });
        }
        commands.push(match hindrance {
            0 => Command::Leave { group, account },
            1 => Command::Suspend { account },
            2 => Command::Fault { installation: account, times: 3 },
            _ => Command::Tick,
        });
        commands.push(Command::RollBack { pack, number: 0 });
        commands.push(match hindrance {
            0 => Command::Join { group, account },
            1 => Command::Reactivate { account },
            _ => Command::Tick,
        });
        commands
    })
}

/// A story: mostly single commands, and sometimes one of these sequences.
pub(crate) fn story() -> impl Strategy<Value = Vec<Command>> {
    let single = command().prop_map(|one| vec![one]);
    let part = prop_oneof![16 => single, 2 => kept_out(), 2 => paused(), 1 => rolled_back()];
    prop::collection::vec(part, STEPS / 2..STEPS).prop_map(|parts| parts.into_iter().flatten().collect())
}

async fn run_story(commands: Vec<Command>) {
    let mut story = Story::begin().await;
    let mut checker = Checker::of(&story).await;
    for (index, command) in commands.iter().enumerate() {
        let outcome = story.step(command).await;
        checker.check(&story, &format!("step {index}, {command:?} ({outcome:?})"), &outcome).await;
    }
    story.let_everything_end().await;
    checker.check_the_end(&story).await;
}

#[test]
fn r30_the_invariants_hold_after_every_command() {
    run_stories(CASES, story(), run_story);
}

/// Runs random stories: `usual` ones, unless an environment variable sets another number.
pub(crate) fn run_stories<F: Future<Output = ()>>(
    usual: u32,
    stories: impl Strategy<Value = Vec<Command>>,
    run_story: impl Fn(Vec<Command>) -> F,
) {
    let config = Config { cases: cases(usual), max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let told = TestRunner::new(config).run(&stories, |commands| {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(run_story(commands))));
        result.map_err(|panic| {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            TestCaseError::fail(text.unwrap_or_else(|| "a panic without a text".into()))
        })
    });
    if let Err(error) = told {
        panic!("{error}");
    }
}
