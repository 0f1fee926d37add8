//! Waiting writers don't block readers, and a stopped process doesn't block other servers for long.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement, TransactionTrait as _};
use serde_json::json;

use crate::store::database_failures::making;
use crate::support::rows::{database_url, tables};
use crate::support::{At as _, Program, TestApp};

/// How long to wait before the test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn reads_go_on_while_writers_wait_for_a_lock() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    // Calls that rename the pack wait for this lock.
    let lock = tables(&app).begin().await.expect("a transaction");
    lock.execute_unprepared("UPDATE integration_pack SET name = name").await.expect("the lock");
    let rename = "mutation($id: ID!, $name: String!) {
        updateIntegrationPack(input: { packId: $id, name: $name }) { integrationPack { name } errors { __typename } } }";
    let writers = futures_util::future::join_all(
        (0..10).map(|n| app.gql(&app.publisher, rename, json!({ "id": pack.id, "name": format!("Orders {n}") }))),
    );
    let reader = async {
        // Long enough for all writers to wait.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let read = app.gql(&app.publisher, "{ integrationPacks { totalCount } }", json!({}));
        let read = tokio::time::timeout(Duration::from_secs(8), read).await.expect("reads go on");
        lock.rollback().await.expect("rolled back");
        read
    };
    let (written, read) = tokio::join!(writers, reader);
    assert_eq!(read.int("/integrationPacks/totalCount"), 1);
    assert_eq!(written.len(), 10);
}

/// The number of the other process's transactions in some states.
async fn others(app: &TestApp, states: &str) -> i64 {
    let sql = format!(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND application_name = 'stands-still' AND {states}"
    );
    let row = tables(app).query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await;
    row.expect("the database's activity").expect("one row").try_get("", "n").expect("a number")
}

async fn until(what: &str, mut seen: impl AsyncFnMut() -> bool) {
    let looks = async {
        while !seen().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TIME_LIMIT, looks).await.unwrap_or_else(|_| panic!("{what} never came"));
}

/// A process is stopped while it holds the locks of a batch.
#[tokio::test]
async fn a_process_that_is_stopped_keeps_no_lock_for_long() {
    let app = TestApp::new().await;
    if !app.is_postgresql() {
        // A SQLite database has only one server.
        return;
    }
    // The trap delays the batch, so that there is time to stop the process.
    let body = "BEGIN PERFORM pg_sleep(3); RETURN NULL; END";
    let trap = format!("CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$");
    tables(&app).execute_unprepared(&trap).await.expect("the trap's function");
    let trap = "CREATE TRIGGER trap AFTER INSERT ON component FOR EACH ROW EXECUTE FUNCTION trap()";
    tables(&app).execute_unprepared(trap).await.expect("the trap");
    let database = format!("{}?application_name=stands-still", database_url(&app).await);
    let program = Program::serve(&database, &[]).await;
    let asking = tokio::spawn(program.send(making(&app, "Held")));
    until("a transaction of the program", async || others(&app, "wait_event = 'PgSleep'").await == 1).await;
    program.signal("STOP");
    until("its locks", async || {
        others(&app, "state LIKE 'idle in transaction%' AND backend_xid IS NOT NULL").await == 1
    })
    .await;
    let began = std::time::Instant::now();
    until("the end of its transaction", async || others(&app, "backend_xid IS NOT NULL").await == 0).await;
    assert!(began.elapsed() < Duration::from_secs(5), "the others waited for {:?}", began.elapsed());
    // The event log's lock is the last one that a batch takes.
    tables(&app).execute_unprepared("DROP TRIGGER trap ON component").await.expect("the trap goes");
    app.component("Held").await;
    // After it is continued, the process notices that nothing was committed, and works again.
    program.signal("CONT");
    let answer = asking.await.expect("an answer");
    assert_eq!(answer.code(), "UNAVAILABLE");
    let answer = program.send(making(&app, "Later")).await.json();
    assert!(answer.get("errors").is_none(), "{answer:#}");
}
