//! PostgreSQL restarts, fails over to a standby, stands still, and takes no writes for a while, under load. Each request is answered within its
//! limit: done, refused by a rule, or `UNAVAILABLE` with `Retry-After`. The servers recover within five seconds.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::faults::client::{self, Answer, mutation, until};
use crate::faults::field::Field;
use crate::faults::load::Load;
use crate::support::rows::code_of;
use crate::support::{Ask, At as _, Database, Dice, Postgres, short_or_long};

/// How long a server may need until it works again. Five seconds are promised; a machine that does other things may take
/// longer. What was measured is printed.
const RECOVERY: Duration = Duration::from_secs(20);

async fn field_on(postgres: &Postgres) -> Arc<Field> {
    Field::new(2, Database::on_own(&postgres.url()).await).await
}

/// A write on one of the servers.
async fn write(field: &Field, number: usize) -> Answer {
    let input = json!({ "name": "Made meanwhile", "type": "PROCESS" });
    let ask = mutation(&field.app.publisher, "createComponent", &input, "component { id }");
    client::ask(field.address(number), ask).await.expect("the server lives")
}

/// Waits until every server takes writes.
async fn recovered(field: &Field, what: &str) {
    for number in 0..field.servers() {
        let took = until("a write", RECOVERY, async || code_of(&write(field, number).await.body).is_none()).await;
        eprintln!("{what}: server {number} took writes again after {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_restarts_under_load_loses_and_doubles_nothing() {
    let Some(mut postgres) = Postgres::start().await else { return };
    let mut dice = Dice::new("restarts");
    let field = field_on(&postgres).await;
    let load = Load::start(&field, &mut dice);
    for round in 0..short_or_long(2, 20) {
        field.acknowledges(3).await;
        tokio::time::sleep(dice.within(Duration::from_millis(500))).await;
        // In turn, sessions are ended, and the server crashes.
        postgres.restart(["INT", "QUIT"][round % 2]).await;
        recovered(&field, "restarted").await;
    }
    field.come_to_an_end(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_takes_over_under_load_loses_and_doubles_nothing() {
    let Some(mut postgres) = Postgres::start().await else { return };
    let mut dice = Dice::new("failover");
    let field = field_on(&postgres).await;
    let load = Load::start(&field, &mut dice);
    for _ in 0..short_or_long(1, 10) {
        let standby = postgres.standby().await;
        field.acknowledges(3).await;
        tokio::time::sleep(dice.within(Duration::from_millis(500))).await;
        postgres.fail_over_to(standby).await;
        recovered(&field, "failed over").await;
    }
    field.come_to_an_end(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_stands_still_under_load_loses_and_doubles_nothing() {
    let Some(postgres) = Postgres::start().await else { return };
    let mut dice = Dice::new("stands still");
    let field = field_on(&postgres).await;
    let load = Load::start(&field, &mut dice);
    field.acknowledges(3).await;
    tokio::time::sleep(dice.within(Duration::from_millis(500))).await;
    postgres.stand_still();
    // The clients look at each answer meanwhile.
    tokio::time::sleep(short_or_long(Duration::from_secs(13), Duration::from_secs(30))).await;
    postgres.go_on();
    recovered(&field, "stood still").await;
    field.come_to_an_end(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_is_only_to_be_read_for_a_while_loses_and_doubles_nothing() {
    let Some(postgres) = Postgres::start().await else { return };
    let mut dice = Dice::new("only to be read");
    let field = field_on(&postgres).await;
    let load = Load::start(&field, &mut dice);
    let ready = async |number: usize| {
        client::ask(field.address(number), Ask::new("GET", "/readyz")).await.expect("the server lives").status
    };
    for _ in 0..short_or_long(1, 10) {
        field.acknowledges(3).await;
        tokio::time::sleep(dice.within(Duration::from_millis(500))).await;
        postgres.run("ALTER SYSTEM SET default_transaction_read_only = on").await;
        postgres.run("SELECT pg_reload_conf()").await;
        for number in 0..field.servers() {
            until("a refusal", RECOVERY, async || code_of(&write(&field, number).await.body).is_some()).await;
            let refused = write(&field, number).await;
            assert_eq!(code_of(&refused.body).as_deref(), Some("UNAVAILABLE"), "{refused:?}");
            assert_eq!(refused.retry_after.as_deref(), Some("1"));
            until("not ready", RECOVERY, async || ready(number).await == 503).await;
            let ask = Ask::query("{ components { totalCount } }").token(&field.app.publisher);
            let read = client::ask(field.address(number), ask).await.expect("the server lives").body;
            assert!(read.int("/data/components/totalCount") > 0, "it can be read: {read:#}");
        }
        postgres.run("ALTER SYSTEM RESET default_transaction_read_only").await;
        postgres.run("SELECT pg_reload_conf()").await;
        recovered(&field, "only to be read").await;
        for number in 0..field.servers() {
            until("ready", RECOVERY, async || ready(number).await == 200).await;
        }
    }
    field.come_to_an_end(load).await;
}
