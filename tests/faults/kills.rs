//! Servers are killed with SIGKILL at random moments of releases, rollouts, early applications and packaging (R39, R41,
//! R49).

use std::time::Duration;

use crate::faults::field::Field;
use crate::faults::load::Load;
use crate::support::{Database, Dice, short_or_long};

async fn killed_at_random(servers: usize, of: &str) {
    let mut dice = Dice::new(of);
    let field = Field::new(servers, Database::create().await).await;
    let load = Load::start(&field, &mut dice);
    for _ in 0..short_or_long(8, 50) {
        field.acknowledges(3).await;
        tokio::time::sleep(dice.within(Duration::from_millis(500))).await;
        let doomed = dice.below(servers);
        field.kill(doomed).await;
        field.start(doomed).await;
    }
    field.come_to_an_end(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_a_server_that_is_killed_at_any_moment_loses_and_doubles_nothing() {
    killed_at_random(1, "kills of one server").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_any_of_three_servers_that_is_killed_at_any_moment_loses_and_doubles_nothing() {
    let database = Database::create().await;
    if database.url().starts_with("sqlite:") {
        // An SQLite file has one server at a time.
        return;
    }
    drop(database);
    killed_at_random(3, "kills of three servers").await;
}
