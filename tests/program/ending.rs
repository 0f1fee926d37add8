//! The real program ends during a rollout: it finishes the current batch, and then ends.

use std::time::Duration;

use packwright::service::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::program::ending_sockets::{quick_moves, slow_moves};
use crate::program::kill::{remove_trap, set_trap, until, until_trapped};
use crate::support::rows::{LogMark, database_url};
use crate::support::{At as _, Pack, Program, Setup, TestApp};

const INSTALLATIONS: usize = 150;

/// The program on the app's database, with batches of one object.
async fn start(app: &TestApp) -> Program {
    Program::serve(&database_url(app).await, &["--batch-size", "1"]).await
}

/// A pack with many installations, and batches of one.
pub(crate) async fn installed() -> (TestApp, Pack) {
    let settings = Settings { batch_size: 1, ..Settings::default() };
    let app = TestApp::with(Setup { start: "2024-11-22T09:00:00Z", settings, ..Setup::default() }).await;
    let acme = app.managed("Acme").await;
    let pack = app.installed_times("Orders", &acme, INSTALLATIONS).await.pack;
    (app, pack)
}

/// A rollout to many installations in batches of one. It is due.
async fn rollout() -> (TestApp, String) {
    let (app, pack) = installed().await;
    let release = app.update_on(&pack, "2024-12-01").await;
    (app, release)
}

pub(crate) fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[tokio::test]
async fn r49_a_server_that_ends_finishes_the_running_batch_and_begins_no_other() {
    let (app, release) = rollout().await;
    slow_moves(&app).await;
    let mut applied = 0;
    // These tests may run under `nohup`. Then a hangup must not end the program.
    let signals = if hangup_is_ignored() { &["TERM", "INT"][..] } else { &["TERM", "INT", "HUP"] };
    for signal in signals {
        let program = start(&app).await;
        until("a batch", async || app.progress(&release).await.int("/applied") > applied).await;
        program.signal(signal);
        let (status, took) = program.end().await;
        assert!(status.success(), "{signal}: {status}");
        assert!(took < Duration::from_secs(9), "{signal} took {took:?}");
        applied = app.progress(&release).await.int("/applied");
        assert_eq!(app.release_state(&release).await, "IN_PROGRESS", "{signal}: {applied} were moved");
    }
    quick_moves(&app).await;
    let heir = start(&app).await;
    until("the end of the rollout", async || app.release_state(&release).await == "SUCCEEDED").await;
    heir.signal("TERM");
    assert!(heir.end().await.0.success());
    let progress = app.progress(&release).await;
    assert_eq!(progress.int("/applied"), i64::try_from(INSTALLATIONS).expect("few"));
}

#[tokio::test]
async fn a_second_signal_ends_the_server_at_once() {
    let (app, release) = rollout().await;
    let mark = LogMark::now(&app).await;
    set_trap(&app, 3).await;
    let program = start(&app).await;
    until_trapped(&app).await;
    program.signal("TERM");
    // The server has handled the first signal once it accepts no more connections.
    until("the end of listening", async || tokio::net::TcpStream::connect(&program.address).await.is_err()).await;
    program.signal("TERM");
    let (status, took) = program.end().await;
    assert_eq!(status.code(), Some(143), "{status}");
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    remove_trap(&app).await;
    // On PostgreSQL, batches of other ranges may have moved one each before they came to the trap, too.
    let applied = app.progress(&release).await.int("/applied");
    assert!((2..8).contains(&applied), "{applied}");
    let events = mark.events(&app).await;
    let announced = events.iter().filter(|event| event.update_state.as_deref() == Some("APPLIED")).count();
    assert_eq!(i64::try_from(announced).expect("few"), applied, "what wasn't committed is as if it had not begun");
}

#[tokio::test]
async fn a_request_at_work_is_answered_before_the_server_ends() {
    let (app, release) = rollout().await;
    let program = start(&app).await;
    until("a batch", async || app.progress(&release).await.int("/applied") > 0).await;
    // The headers and half of the body are sent, and the server has begun to read the body.
    let body = r#"{"query":"{ __typename }"}"#;
    let mut socket = tokio::net::TcpStream::connect(&program.address).await.expect("a connection");
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n",
        program.address,
        body.len(),
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    let mut begun = Vec::new();
    while !begun.ends_with(b"\r\n\r\n") {
        assert!(socket.read_buf(&mut begun).await.expect("read") > 0);
    }
    assert!(begun.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&begun));
    socket.write_all(&body.as_bytes()[..10]).await.expect("sent");
    program.signal("TERM");
    until("the end of listening", async || tokio::net::TcpStream::connect(&program.address).await.is_err()).await;
    socket.write_all(&body.as_bytes()[10..]).await.expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.contains(r#"{"data":{"__typename":"Query"}}"#), "{answer}");
    let (status, took) = program.end().await;
    assert!(status.success() && took < Duration::from_secs(9), "{status}, after {took:?}");
}
