//! The program's log: refused clients, slow requests, and the JSON format.

use sea_orm::{ConnectionTrait as _, DatabaseBackend, TransactionTrait as _};
use serde_json::Value;

use crate::program::kill::until;
use crate::program::starts::{program, run, text_of};
use crate::releases::stuck::strange_task;
use crate::store::database_failures::making;
use crate::support::rows::{database_url, tables};
use crate::support::{Ask, Program, TestApp};

fn count(program: &Program, part: &str) -> usize {
    program.log().iter().filter(|line| line.contains(part)).count()
}

#[tokio::test]
async fn a_refused_login_and_a_refused_host_are_logged_once_a_minute_without_secrets() {
    let app = TestApp::new().await;
    let program = Program::serve(&database_url(&app).await, &[]).await;
    for n in 0..3 {
        let login = Ask::query("{ viewer { role } }").token(&format!("geheim-{n}"));
        assert_eq!(program.send(login).await.status, 401);
        let host = Ask::query("{ __typename }").with("host", "evil.example\u{1b}[2J");
        assert!([400, 421].contains(&program.send(host).await.status));
        assert_eq!(program.send(Ask::query("{ __typename }").with("host", "evil.example")).await.status, 421);
        let origin = Ask::query("{ __typename }").with("origin", "https://evil.example");
        assert_eq!(program.send(origin).await.status, 403);
    }
    program.logs(&["INFO", "a token was refused", "peer=127.0.0.1"]).await;
    let host = "a request for a host that the server isn't configured for was refused";
    program.logs(&["INFO", "request{id=", host, "peer=127.0.0.1", "evil.example", "--public-host"]).await;
    let origin = "a request of another origin's page was refused";
    program.logs(&["INFO", origin, "https://evil.example", "--cors-origin"]).await;
    for line in ["a token was refused", host, origin] {
        assert_eq!(count(&program, line), 1, "what follows within the minute is counted: {:#?}", program.log());
    }
    assert_eq!(count(&program, "geheim"), 0, "{:#?}", program.log());
    assert!(program.log().iter().all(|line| !line.contains('\u{1b}')), "{:#?}", program.log());
}

#[tokio::test]
async fn a_start_says_the_version_the_database_and_what_is_left_to_do() {
    let app = TestApp::new().await;
    strange_task(&app, "OF_THE_FUTURE", None).await;
    let program = Program::serve(&database_url(&app).await, &[]).await;
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    program.logs(&["INFO", "starting", &version, "database=\"", "tasks=1", "failing_tasks=0", "windows_due=0"]).await;
}

#[tokio::test]
async fn the_log_says_when_a_server_is_not_ready_and_when_it_is_ready_again_each_once() {
    let app = TestApp::new().await;
    let program = Program::serve(&database_url(&app).await, &[]).await;
    let ready = async || program.send(Ask::new("GET", "/readyz")).await.status;
    assert_eq!(ready().await, 200);
    tables(&app).execute_unprepared("ALTER TABLE event_log RENAME TO hidden_log").await.expect("renamed");
    until("not ready", async || ready().await == 503).await;
    for _ in 0..3 {
        ready().await;
    }
    let line = program.logs(&["WARN", "not ready", "the database takes no writes"]).await;
    assert!(line.contains("event_log"), "the database's own words: {line}");
    tables(&app).execute_unprepared("ALTER TABLE hidden_log RENAME TO event_log").await.expect("renamed");
    until("ready", async || ready().await == 200).await;
    ready().await;
    program.logs(&["INFO", "ready again"]).await;
    assert_eq!((count(&program, "not ready"), count(&program, "ready again")), (1, 1), "{:#?}", program.log());
}

/// Makes callers that create a component wait until it is dropped.
async fn lock_tables(app: &TestApp) -> sea_orm::DatabaseTransaction {
    let tx = tables(app).begin().await.expect("a transaction");
    let lock = match tx.get_database_backend() {
        DatabaseBackend::Postgres => "LOCK TABLE component IN EXCLUSIVE MODE",
        _ => "UPDATE event_log SET pruned_to = pruned_to",
    };
    tx.execute_unprepared(lock).await.expect("held");
    tx
}

#[tokio::test]
async fn only_slow_operations_are_logged_with_their_names() {
    let app = TestApp::new().await;
    let program = Program::serve(&database_url(&app).await, &["--slow-request", "1.5"]).await;
    assert_eq!(program.send(Ask::query("query Quick { viewer { role } }").token(&app.publisher)).await.status, 200);
    let lock = lock_tables(&app).await;
    let document = "mutation Slow { createComponent(input: { name: \"Import\", type: PROCESS }) { component { id } } }";
    let asking = tokio::spawn(program.send(Ask::query(document).token(&app.publisher)));
    tokio::time::sleep(std::time::Duration::from_millis(3_500)).await;
    lock.rollback().await.expect("let go");
    assert_eq!(asking.await.expect("an answer").status, 200);
    let line = program.logs(&["INFO", "a slow operation", "kind=Mutation", "operation=\"Slow\""]).await;
    let took = line.split_once("took_ms=").expect("how long").1.split(' ').next().expect("a number");
    assert!(took.parse::<u64>().is_ok_and(|took| took >= 1_500), "{line}");
    assert_eq!(count(&program, "a slow operation"), 1, "{:#?}", program.log());
}

fn json(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[tokio::test]
async fn in_json_every_line_is_json_from_the_start_to_the_end() {
    let app = TestApp::new().await;
    let url = database_url(&app).await;
    for arguments in [vec!["--database-url", url.as_str()], vec!["--demo"]] {
        let mut program = Program::start(&[&["--log-format", "json"][..], &arguments].concat()).await;
        let base = format!("http://{}", program.address);
        program.send(Ask::query("{ viewer { role } }").token("nobody's")).await;
        program.send(Ask::query("{ __typename }").with("host", "evil.example")).await;
        program.logs(&["a token was refused"]).await;
        program.signal("TERM");
        assert!(program.child.wait().await.expect("its end").success());
        program.logs(&["ending at a signal"]).await;
        let printed = json(&program.printed());
        assert_eq!(printed.len(), 1, "{printed:#?}");
        assert_eq!(printed[0]["graphql"], format!("{base}/graphql"));
        assert_eq!(printed[0]["demoTokens"].is_array(), arguments == ["--demo"]);
        let log = json(&program.log());
        for (part, level) in [("listening on", "INFO"), ("a token was refused", "INFO"), ("ending at a signal", "INFO")]
        {
            let line = log.iter().find(|line| line["message"].as_str().is_some_and(|text| text.contains(part)));
            let line = line.unwrap_or_else(|| panic!("{part} is missing: {log:#?}"));
            assert_eq!(line["level"], level, "{line:#}");
            assert!(line["timestamp"].is_string(), "{line:#}");
        }
    }
}

#[tokio::test]
async fn in_json_the_reason_why_a_start_failed_is_json_too() {
    for arguments in [
        vec!["serve", "--database-url", "sqlite:///nowhere/at/all.db"],
        vec!["serve", "--listen", "0.0.0.0:0"],
        vec!["task", "list", "--database-url", "sqlite:///nowhere/at/all.db"],
        vec!["migrate", "up", "--database-url", "sqlite:///nowhere/at/all.db"],
    ] {
        let output = run(&[&arguments[..], &["--log-format", "json"]].concat()).await;
        assert!(!output.status.success() && output.stdout.is_empty(), "{}", text_of(&output));
        let lines: Vec<String> = String::from_utf8_lossy(&output.stderr).lines().map(Into::into).collect();
        let text = lines.last().cloned().unwrap_or_default();
        let lines = json(&lines);
        let last = lines.last().unwrap_or_else(|| panic!("{arguments:?} says nothing"));
        assert_eq!(last["level"], "ERROR", "{lines:#?}");
        let keys =
            [text.find("\"timestamp\":"), text.find("\"level\":"), text.find("\"message\":"), text.find("\"target\":")];
        assert!(keys[0].is_some() && keys.is_sorted(), "in the order of the log's lines: {text}");
        assert!(last["timestamp"].is_string(), "{last:#}");
        let why = last["message"].as_str().expect("a sentence");
        assert!(why.contains("--public-host") || why.contains("/nowhere/at"), "{last:#}");
    }
    let mut off =
        program(&["serve", "--log-format", "json", "--log", "off", "--database-url", "sqlite:///nowhere/a.db"]);
    let output = off.output().await.expect("it runs");
    json(&String::from_utf8_lossy(&output.stderr).lines().map(Into::into).collect::<Vec<String>>());
    assert!(!output.stderr.is_empty(), "why a start failed is told whatever is logged");
}

#[tokio::test]
async fn a_mutation_with_a_cached_token_logs_no_refusal() {
    let app = TestApp::new().await;
    let program = Program::serve(&database_url(&app).await, &[]).await;
    assert_eq!(program.send(making(&app, "Import")).await.status, 200);
    assert_eq!(count(&program, "refused"), 0, "{:#?}", program.log());
}
