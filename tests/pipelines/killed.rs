//! A pipeline that is killed at any point, and run again: it makes one package and one release.

use std::time::{Duration, Instant};

use super::{RUN, World, program};
use crate::support::{At as _, Dice, short_or_long};

/// The steps of the pipeline.
fn steps(label: &str) -> [Vec<String>; 2] {
    let words = |line: String| line.split(' ').map(str::to_owned).collect();
    [
        words(format!("package --component orders/import --label {label} --shareable")),
        words("release orders --wait 1m --json".to_owned()),
    ]
}

/// Runs the steps, on a server whose scheduler runs: a call that is killed leaves its release to it. Returns whether the
/// steps were killed before their end.
async fn killed(world: &World, label: &str, variables: &[(String, String)], at: Duration) -> bool {
    tokio::select! {
        is_killed = steps_killed(world, label, variables, at) => is_killed,
        () = ticking(world) => unreachable!("it ticks on and on"),
    }
}

/// Does what the scheduler of a server does.
async fn ticking(world: &World) {
    loop {
        world.app.tick().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn steps_killed(world: &World, label: &str, variables: &[(String, String)], at: Duration) -> bool {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let end = tokio::time::Instant::now() + at;
    for step in steps(label) {
        let words: Vec<_> = step.iter().map(String::as_str).collect();
        let mut command = program(&words, &variables).spawn().expect("it starts");
        match tokio::time::timeout_at(end, command.wait()).await {
            Ok(status) => assert!(status.expect("a status").success(), "{step:?} of {}", world.url()),
            Err(_) => {
                command.kill().await.expect("killed");
                return true;
            }
        }
    }
    false
}

#[tokio::test]
async fn a_pipeline_that_is_killed_and_run_again_packages_and_releases_once() {
    let kills = short_or_long(6, 50);
    let world = World::new().await;
    let mut dice = Dice::new("a killed pipeline");
    let whole = Duration::from_secs(60);
    let began = Instant::now();
    assert!(!killed(&world, "2.0.0", &world.variables(RUN), whole).await);
    let takes = began.elapsed();
    let mut times = 0;
    for number in 0..kills {
        let run = format!("{}", 8_000 + number);
        let mut variables = world.variables(RUN);
        variables.retain(|(name, _)| name != "GITHUB_RUN_ID");
        variables.push(("GITHUB_RUN_ID".into(), run));
        let label = format!("3.{number}.0");
        let before = (world.labels().await.len(), world.releases().await.len());
        times += usize::from(killed(&world, &label, &variables, dice.within(takes)).await);
        assert!(!killed(&world, &label, &variables, whole).await, "the second time it isn't killed");
        let after = (world.labels().await.len(), world.releases().await.len());
        assert_eq!(after, (before.0 + 1, before.1 + 1), "run {number}");
        // And once more, when all is done.
        assert!(!killed(&world, &label, &variables, whole).await);
        assert_eq!((world.labels().await.len(), world.releases().await.len()), after, "run {number}");
        let newest = world.app.read_release(&world.releases().await[0], "state version { number }").await;
        assert_eq!(newest.text("/state"), "SUCCEEDED");
        assert_eq!(newest.int("/version/number"), world.installed().await);
    }
    assert!(times > 0, "none of {kills} runs was killed within {takes:?}");
}
