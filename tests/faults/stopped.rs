//! A server is stopped (`SIGSTOP`) under load, and goes on later: the other one goes on meanwhile, and nothing is lost
//! or doubled (R41). `tests/store/stopped_process.rs` stops one that holds certain locks.

use std::time::Duration;

use crate::faults::client::{PATIENCE, until};
use crate::faults::field::Field;
use crate::faults::load::Load;
use crate::support::{Database, Dice, short_or_long};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_a_server_that_stands_still_and_goes_on_loses_and_doubles_nothing() {
    let database = Database::create().await;
    if database.url().starts_with("sqlite:") {
        // An SQLite file has one server at a time.
        return;
    }
    let mut dice = Dice::new("a stopped server");
    let field = Field::new(2, database).await;
    field.make_clients_impatient();
    let load = Load::start(&field, &mut dice);
    for round in 0..short_or_long(2, 12) {
        field.acknowledges(3).await;
        tokio::time::sleep(dice.within(Duration::from_millis(500))).await;
        let stopped = dice.below(2);
        field.signal(stopped, "STOP").await;
        field.hide(stopped);
        let released = field.ledger().releases.len();
        let goes_on = async || field.ledger().releases.len() > released + 1;
        let took = until("releases by the other server", PATIENCE, goes_on).await;
        eprintln!("the other server went on within {took:?}");
        let longer = if round % 4 == 3 { Duration::from_secs(60) } else { Duration::from_secs(3) };
        tokio::time::sleep(longer.saturating_sub(took)).await;
        field.signal(stopped, "CONT").await;
        field.show(stopped).await;
    }
    field.come_to_an_end(load).await;
}
