//! Database failures: a change that was answered as done is stored, other callers get an error, and the server recovers
//! by itself.

use std::time::Duration;

use packwright::http::EngineOptions;
use packwright::store::StoreError;
use packwright::store::accounts::write as accounts;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::support::rows::{database_url, tables};
use crate::support::{Ask, At as _, Program, Reply, Server, TestApp};

const MAKE: &str = "mutation($name: String!) { createComponent(input: { name: $name, type: PROCESS }) {
    component { id } errors { __typename } } }";

/// A request that creates a component.
pub(crate) fn making(app: &TestApp, name: &str) -> Ask {
    Ask::post(&json!({ "query": MAKE, "variables": { "name": name } })).token(&app.publisher)
}

/// Limits the size of the files that the process may write.
fn limit_files(program: &Program, bytes: &str) {
    let pid = program.child.id().expect("it lives").to_string();
    let done = std::process::Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
    assert!(done.expect("prlimit is there").success(), "the limit of {pid} is set");
}

fn is_done(reply: &Reply) -> bool {
    reply.json().get("errors").is_none()
}

async fn names(app: &TestApp) -> Vec<String> {
    let read = app.gql(&app.publisher, "{ components(first: 100) { edges { node { name } } } }", json!({})).await;
    read.list("/components/edges").iter().map(|edge| edge.text("/node/name")).collect()
}

async fn run(app: &TestApp, statement: &str) {
    tables(app).execute_unprepared(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// SQLite's file can't grow for a while. SQLite rolls a transaction back by itself when its commit fails.
#[tokio::test]
async fn an_answer_after_a_failed_commit_is_true_after_a_kill() {
    let app = TestApp::new().await;
    if app.is_postgresql() {
        // This test can't limit a server process of PostgreSQL. `a_commit_that_fails…` tests PostgreSQL.
        return;
    }
    let mut program = Program::serve(&database_url(&app).await, &[]).await;
    assert!(is_done(&program.send(making(&app, "First")).await));
    let url = database_url(&app).await;
    let file = url.strip_prefix("sqlite://").and_then(|file| file.split('?').next()).expect("a file");
    let log = std::fs::metadata(format!("{file}-wal")).expect("the log of the file").len();
    limit_files(&program, &log.to_string());
    let refused = program.send(making(&app, "Too much")).await;
    assert_eq!((refused.code().as_str(), refused.header("retry-after").as_deref()), ("UNAVAILABLE", Some("1")));
    assert!(refused.text().contains("clientRequestId"), "what is on the disk isn't known: {}", refused.text());
    let ready = program.send(Ask::new("GET", "/readyz")).await;
    assert_eq!(ready.status, 503, "{}", ready.text());
    // A call that a rule refuses rolls its transaction back.
    program.send(making(&app, "First")).await;
    limit_files(&program, "unlimited");
    program.send(making(&app, "First")).await;
    for name in ["Second", "Third"] {
        let made = program.send(making(&app, name)).await.json();
        assert!(!made.text("/data/createComponent/component/id").is_empty(), "{made:#}");
    }
    assert_eq!(program.send(Ask::new("GET", "/readyz")).await.status, 200);
    // Another process can write now.
    app.component("From elsewhere").await;
    program.child.kill().await.expect("killed");
    let found = names(&app).await;
    for name in ["First", "Second", "Third", "From elsewhere"] {
        assert!(found.iter().any(|found| found == name), "{name} was answered as done: {found:?}");
    }
}

/// Makes the commit of each new component fail: a deferred foreign key refers to a missing row.
async fn set_trap(app: &TestApp) {
    run(app, "CREATE TABLE trap_target (id integer PRIMARY KEY)").await;
    run(app, "CREATE TABLE trap (id integer REFERENCES trap_target (id) DEFERRABLE INITIALLY DEFERRED)").await;
    if app.is_postgresql() {
        let body = "BEGIN INSERT INTO trap VALUES (1); RETURN NULL; END";
        run(app, &format!("CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")).await;
        run(app, "CREATE TRIGGER trap AFTER INSERT ON component FOR EACH ROW EXECUTE FUNCTION trap()").await;
    } else {
        run(app, "CREATE TRIGGER trap AFTER INSERT ON component BEGIN INSERT INTO trap VALUES (1); END").await;
    }
}

async fn remove_trap(app: &TestApp) {
    run(app, if app.is_postgresql() { "DROP TRIGGER trap ON component" } else { "DROP TRIGGER trap" }).await;
}

#[tokio::test]
async fn a_commit_that_fails_leaves_nothing_behind_and_keeps_nothing_from_being_done() {
    let app = TestApp::new().await;
    set_trap(&app).await;
    // An odd number of calls: a transaction left open makes the next call fail, which then ends the transaction.
    for _ in 0..5 {
        let failed = app.gql_raw(Some(&app.publisher), MAKE, json!({ "name": "Trapped" })).await;
        assert!(!failed.text("/errors/0/extensions/code").is_empty(), "{failed:#}");
        assert_eq!(names(&app).await, Vec::<String>::new());
    }
    remove_trap(&app).await;
    app.component("After").await;
    app.component("And after").await;
    // Another server's connections see the row, so it is committed.
    let other = app.another_server().await;
    let read = other.execute(Some(&app.publisher), async_graphql::Request::new("{ components { totalCount } }")).await;
    let read = serde_json::to_value(read).expect("JSON");
    assert_eq!(read.int("/data/components/totalCount"), 2);
    other.services.db.clone().close().await.expect("closed");
}

#[tokio::test]
async fn a_transaction_is_not_committed_of_which_a_statement_failed() {
    let app = TestApp::new().await;
    let db = &app.app.services.db;
    let everything = db.whole_server();
    let existing = accounts::all(&everything).await.expect("accounts").pop().expect("one");
    let tx = db.begin().await.expect("a transaction");
    let mut renamed = existing.clone();
    renamed.name = "Renamed".into();
    accounts::save(&tx, &renamed).await.expect("saved");
    let twice = accounts::insert(&tx, &existing).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    // Code that overlooks the error must not believe that the transaction was committed.
    tx.commit().await.expect_err("it isn't committed");
    let found = accounts::all(&everything).await.expect("accounts").pop().expect("one");
    assert_eq!(found.name, existing.name);
}

/// PostgreSQL restarts, becomes read-only, and returns to normal.
#[tokio::test]
async fn a_server_goes_on_when_its_database_does() {
    let app = TestApp::new().await;
    if !app.is_postgresql() {
        return;
    }
    let server = Server::start(&app).await;
    let make = async |name: &str| {
        let ask = Ask::post(&json!({ "query": MAKE, "variables": { "name": name } })).token(&app.publisher);
        server.send(&ask).await
    };
    let ready = async || server.send(&Ask::new("GET", "/readyz")).await.status;
    assert_eq!((is_done(&make("One").await), ready().await), (true, 200));
    let end_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    // Broken idle connections are replaced before a call uses them.
    run(&app, end_others).await;
    assert_eq!((is_done(&make("Two").await), names(&app).await.len()), (true, 2));
    let name = database_url(&app).await.rsplit('/').next().expect("a name").to_owned();
    run(&app, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    run(&app, end_others).await;
    let refused = make("Three").await;
    assert_eq!((refused.code().as_str(), refused.header("retry-after").as_deref()), ("UNAVAILABLE", Some("1")));
    assert_eq!((ready().await, names(&app).await.len()), (503, 2), "it can be read");
    // This session would be read-only too.
    run(&app, &format!("BEGIN READ WRITE; ALTER DATABASE {name} SET default_transaction_read_only = off; COMMIT"))
        .await;
    assert!(is_done(&make("Three").await), "its connections were given up");
    assert_eq!((ready().await, names(&app).await.len()), (200, 3));
}

/// The database's process ends during a commit.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_says_so() {
    let app = TestApp::new().await;
    if !app.is_postgresql() {
        // A commit of SQLite happens in the server's own process.
        return;
    }
    let body = "BEGIN PERFORM pg_sleep(600); RETURN NULL; END";
    run(&app, &format!("CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")).await;
    let when = "AFTER INSERT ON component DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap()";
    run(&app, &format!("CREATE CONSTRAINT TRIGGER trap {when}")).await;
    let end = async {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND query = 'COMMIT' AND wait_event = 'PgSleep'";
        let ended = async {
            while tables(&app).execute_unprepared(end).await.expect("the activity").rows_affected() == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ended).await.expect("a commit");
    };
    let (answer, ()) = tokio::join!(app.gql_raw(Some(&app.publisher), MAKE, json!({ "name": "Lost" })), end);
    assert_eq!(answer.text("/errors/0/extensions/code"), "UNAVAILABLE");
    assert!(answer.text("/errors/0/message").contains("clientRequestId"), "{answer:#}");
    run(&app, "DROP TRIGGER trap ON component").await;
    app.component("After").await;
}

/// Makes each insert of a component take longer than the test. PostgreSQL can sleep; SQLite has to count.
async fn set_slow_trap(app: &TestApp) {
    if app.is_postgresql() {
        let body = "BEGIN PERFORM pg_sleep(600); RETURN NULL; END";
        run(app, &format!("CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")).await;
        run(app, "CREATE TRIGGER trap AFTER INSERT ON component FOR EACH ROW EXECUTE FUNCTION trap()").await;
    } else {
        run(app, "CREATE TABLE trap (n integer)").await;
        let numbers = "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 1000)";
        run(app, &format!("{numbers} INSERT INTO trap SELECT n FROM up")).await;
        let count = "SELECT max(a.n + b.n + c.n + d.n) FROM trap a, trap b, trap c, trap d";
        run(app, &format!("CREATE TRIGGER trap AFTER INSERT ON component BEGIN {count}; END")).await;
    }
}

/// A statement that no caller waits for any more is canceled and releases its locks, also on SQLite.
#[tokio::test]
async fn a_statement_ends_that_nobody_waits_for() {
    let app = TestApp::new().await;
    set_slow_trap(&app).await;
    let hurried = EngineOptions { execution: Duration::from_millis(500), ..EngineOptions::default() };
    let server = app.another_server_with(hurried, Some(Duration::from_secs(600))).await;
    let request =
        || async_graphql::Request::new(MAKE).variables(async_graphql::Variables::from_json(json!({ "name": "Slow" })));
    for _ in 0..2 {
        let answer = serde_json::to_value(server.execute(Some(&app.publisher), request()).await).expect("JSON");
        assert_eq!(answer.text("/errors/0/extensions/code"), "TIMEOUT", "{answer:#}");
    }
    // Dropping the trigger needs the lock that the statement held.
    tokio::time::timeout(Duration::from_secs(60), remove_trap(&app)).await.expect("the statement has ended");
    app.component("Slow").await;
    server.services.db.clone().close().await.expect("closed");
}

/// A statement that takes longer than the limit is canceled, on both databases.
#[tokio::test]
async fn a_statement_ends_that_takes_too_long() {
    let app = TestApp::new().await;
    // The operation's own time limit must not end it first, so it is longer than the test.
    let patient = EngineOptions { execution: Duration::from_secs(600), ..EngineOptions::default() };
    let server = app.another_server_with(patient, Some(Duration::from_secs(3))).await;
    set_slow_trap(&app).await;
    let request =
        async_graphql::Request::new(MAKE).variables(async_graphql::Variables::from_json(json!({ "name": "Slow" })));
    let answer = tokio::time::timeout(Duration::from_secs(60), server.execute(Some(&app.publisher), request)).await;
    let answer = serde_json::to_value(answer.expect("the statement ends")).expect("JSON");
    assert_eq!(answer.text("/errors/0/extensions/code"), "TIMEOUT", "{answer:#}");
    assert!(!answer.to_string().contains("interrupt"), "nothing of the database is told: {answer:#}");
    server.services.db.clone().close().await.expect("closed");
}
