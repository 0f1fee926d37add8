//! The real program ends during a rollout: it finishes the current batch, and then ends.

use std::process::Stdio;
use std::time::{Duration, Instant};

use packwright::service::Settings;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::kill::{remove_trap, set_trap, until};
use crate::support::{At as _, Setup, TestApp};
use crate::support_more::database_url;

const INSTALLATIONS: usize = 150;

/// A running server and its address.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    async fn start(app: &TestApp) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_packwright"))
            .args(["serve", "--listen", "127.0.0.1:0", "--batch-size", "1", "--database-url", &database_url(app).await])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it prints")).lines();
        let address = loop {
            let line = lines.next_line().await.expect("text").expect("it says where it listens");
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split('/').next().expect("an address").to_owned();
            }
        };
        // Keeps reading the output, so that the server is never blocked by a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, address }
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it is running").to_string();
        let told = Command::new("kill").args([&format!("-{name}"), &id]).status().await;
        assert!(told.expect("there is such a command").success());
    }

    /// Waits for the end. Returns the exit status and the time that it took.
    async fn end(mut self) -> (std::process::ExitStatus, Duration) {
        let begun = Instant::now();
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        (status.expect("it ends").expect("its status"), begun.elapsed())
    }
}

/// A rollout to many installations in batches of one. It is due.
async fn rollout() -> (TestApp, String) {
    let settings = Settings { batch_size: 1, ..Settings::default() };
    let app = TestApp::with(Setup { start: "2024-11-22T09:00:00Z", settings, ..Setup::default() }).await;
    let acme = app.managed("Acme").await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    for index in 0..INSTALLATIONS {
        app.install_as(&acme, "Orders", &format!("number {index}")).await;
    }
    let release = app.update_on(&pack, "2024-12-01").await;
    (app, release)
}

#[tokio::test]
async fn r49_a_server_that_is_asked_to_end_does_the_batch_at_hand_and_no_more() {
    let (app, release) = rollout().await;
    let mut applied = 0;
    for signal in ["TERM", "INT", "HUP"] {
        let program = Program::start(&app).await;
        until("a batch", async || app.progress(&release).await.int("/applied") > applied).await;
        program.signal(signal).await;
        let (status, took) = program.end().await;
        assert!(status.success(), "{signal}: {status}");
        assert!(took < Duration::from_secs(9), "{signal} took {took:?}");
        applied = app.progress(&release).await.int("/applied");
        assert_eq!(app.release_state(&release).await, "IN_PROGRESS", "{signal}: {applied} were moved");
    }
    let heir = Program::start(&app).await;
    until("the end of the rollout", async || app.release_state(&release).await == "SUCCEEDED").await;
    heir.signal("TERM").await;
    assert!(heir.end().await.0.success());
    let progress = app.progress(&release).await;
    assert_eq!(progress.int("/applied"), i64::try_from(INSTALLATIONS).expect("few"));
}

#[tokio::test]
async fn a_second_signal_ends_the_server_at_once() {
    let (app, release) = rollout().await;
    set_trap(&app, 3).await;
    let program = Program::start(&app).await;
    until("the batch that hangs", async || app.progress(&release).await.int("/applied") == 2).await;
    program.signal("TERM").await;
    // The server has handled the first signal once it accepts no more connections.
    until("the end of listening", async || tokio::net::TcpStream::connect(&program.address).await.is_err()).await;
    program.signal("TERM").await;
    let (status, took) = program.end().await;
    assert_eq!(status.code(), Some(143), "{status}");
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    remove_trap(&app).await;
    assert_eq!(app.progress(&release).await.int("/applied"), 2, "what wasn't committed is as if it had not begun");
}

#[tokio::test]
async fn a_request_at_work_is_answered_before_the_server_ends() {
    let (app, release) = rollout().await;
    let program = Program::start(&app).await;
    until("a batch", async || app.progress(&release).await.int("/applied") > 0).await;
    // The headers and half of the body are sent, so the request is in progress.
    let body = r#"{"query":"{ __typename }"}"#;
    let mut socket = tokio::net::TcpStream::connect(&program.address).await.expect("a connection");
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        program.address,
        body.len(),
        &body[..10]
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket.flush().await.expect("sent");
    tokio::time::sleep(Duration::from_millis(200)).await;
    program.signal("TERM").await;
    until("the end of listening", async || tokio::net::TcpStream::connect(&program.address).await.is_err()).await;
    socket.write_all(&body.as_bytes()[10..]).await.expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.contains(r#"{"data":{"__typename":"Query"}}"#), "{answer}");
    let (status, took) = program.end().await;
    assert!(status.success() && took < Duration::from_secs(9), "{status}, after {took:?}");
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS");
}
