//! Several servers on one database: one at a time on an SQLite file, any number on PostgreSQL.

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::program::kill::until;
use crate::program::starts::{run, text_of};
use crate::support::rows::{LogMark, database_url, tables};
use crate::support::{Ask, At as _, Database, Program, TestApp, immediately};

#[tokio::test]
async fn a_second_server_on_one_file_is_refused_and_commands_work_beside_the_first() {
    let database = Database::untouched("").await;
    let url = database.url();
    let mut first = Program::serve(url, &[]).await;
    if !url.starts_with("sqlite:") {
        // Any number of servers can share a PostgreSQL.
        drop(Program::serve(url, &[]).await);
        return;
    }
    let file = url.trim_start_matches("sqlite://").split('?').next().expect("a file");
    let link = format!("{file}.link");
    std::os::unix::fs::symlink(file, &link).expect("a link");
    for (address, shown) in [(url.to_owned(), file), (format!("sqlite://{link}"), &link)] {
        let begun = Instant::now();
        let second = run(&["serve", "--listen", "127.0.0.1:0", "--database-url", &address]).await;
        assert!(!second.status.success(), "{}", text_of(&second));
        for part in [&format!("Another server runs on the SQLite file {shown}: end that server first"), "PostgreSQL"] {
            assert!(text_of(&second).contains(part), "{}", text_of(&second));
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it was told after {:?}", begun.elapsed());
    }
    let commands: [&[&str]; 5] = [
        &["account", "create", "Acme"],
        &["token", "create", "--account", "Acme", "--name", "first", "--role", "administrator"],
        &["token", "list", "--account", "Acme"],
        &["task", "list"],
        &["migrate", "status"],
    ];
    for command in commands {
        let output = run(&[command, &["--database-url", url]].concat()).await;
        assert!(output.status.success(), "{command:?}: {}", text_of(&output));
    }
    assert_eq!(first.send(Ask::new("GET", "/readyz")).await.status, 200, "the first server works on");
    // The operating system releases the lock of a killed process: no file keeps the next server out.
    first.child.kill().await.expect("killed");
    let next = Program::serve(url, &[]).await;
    next.signal("TERM");
    // It waits for the end of the server that is ending.
    let heir = Program::serve(url, &[]).await;
    assert!(next.end().await.0.success());
    assert_eq!(heir.send(Ask::new("GET", "/readyz")).await.status, 200);
}

/// The number of transactions of the doomed server that hang in the trap.
async fn hanging(app: &TestApp) -> i64 {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()
               AND application_name = 'doomed' AND wait_event = 'PgSleep'";
    app.number(sql).await
}

#[tokio::test]
async fn r41_a_batch_of_a_dead_server_is_taken_within_a_second() {
    let app = TestApp::in_batches_of(3).await;
    if app.has_one_writer() {
        return;
    }
    let acme = app.managed("Acme").await;
    let pack = app.installed_times("Orders", &acme, 10).await.pack;
    // Batches of the doomed server, and of no other, hang.
    let trap = "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('application_name') = 'doomed' THEN PERFORM pg_sleep(600); END IF; RETURN NULL; END $$";
    let set = "CREATE TRIGGER trap AFTER UPDATE OF version_id ON installation FOR EACH ROW EXECUTE FUNCTION trap()";
    for statement in [trap, set] {
        tables(&app).execute_unprepared(statement).await.expect("the trap");
    }
    let url = database_url(&app).await;
    let mut doomed = Program::serve(&format!("{url}?application_name=doomed"), &["--batch-size", "3"]).await;
    let _heir = Program::serve(&url, &["--batch-size", "3"]).await;
    let document = "mutation($input: ReleaseIntegrationPackInput!) {
        releaseIntegrationPack(input: $input) { release { id } errors { code } } }";
    let mark = loop {
        app.package_newer(&pack).await;
        let mark = LogMark::now(&app).await;
        let ask = Ask::post(&json!({ "query": document, "variables": { "input": immediately(&pack.id) } }));
        tokio::spawn(doomed.send(ask.token(&app.publisher)));
        until("the release", async || !mark.kinds(&app).await.is_empty()).await;
        let newest = app.read_pack(&pack.id, "releases(first: 1) { edges { node { id state } } }").await;
        let release = newest.nodes("/releases")[0].text("/id");
        // The other server may look just between the decision and its first batch. Then there is nothing to take over.
        let mut is_done = false;
        until("a batch that hangs", async || {
            is_done = app.release_state(&release).await == "SUCCEEDED";
            is_done || hanging(&app).await == 1
        })
        .await;
        if !is_done {
            break mark;
        }
    };
    doomed.child.kill().await.expect("killed");
    let died = Instant::now();
    until("a batch of the other server", async || {
        mark.kinds(&app).await.iter().any(|kind| kind == "INSTALLATION_UPDATED")
    })
    .await;
    // A second, and more for a machine that does other things.
    assert!(died.elapsed() < Duration::from_secs(10), "the other server took it after {:?}", died.elapsed());
    until("the end of the rollout", async || mark.kinds(&app).await.iter().any(|kind| kind == "RELEASE_COMPLETED"))
        .await;
    let moved = mark.events(&app).await.into_iter().filter(|event| event.update_state.as_deref() == Some("APPLIED"));
    assert_eq!(moved.count(), 10, "each installation is moved once");
}
