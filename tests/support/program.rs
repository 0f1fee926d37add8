//! Runs the program for a test.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::{Ask, Reply};

/// The longest wait for something that must happen. Reached only if a test fails.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A running program, killed when it is dropped.
pub(crate) struct Program {
    pub(crate) child: tokio::process::Child,
    pub(crate) address: SocketAddr,
    printed: Lines,
    log: Lines,
}

/// The lines so far.
type Lines = Arc<Mutex<Vec<String>>>;

/// Reads lines continuously, so that the program never waits for a reader.
fn read(output: impl AsyncRead + Unpin + Send + 'static) -> Lines {
    let lines = Lines::default();
    let into = lines.clone();
    tokio::spawn(async move {
        let mut output = BufReader::new(output).lines();
        while let Ok(Some(line)) = output.next_line().await {
            into.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
    lines
}

fn of(lines: &Lines) -> Vec<String> {
    lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Program {
    /// Serves a database, with further arguments.
    pub(crate) async fn serve(database: &str, more: &[&str]) -> Self {
        Self::start(&[&["--database-url", database][..], more].concat()).await
    }

    /// Serves with these arguments.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[]).await
    }

    /// Serves a database by another program than the built one.
    pub(crate) async fn serve_by(program: &Path, database: &str, more: &[&str]) -> Self {
        Self::start_by(program, &[&["--database-url", database][..], more].concat(), &[]).await
    }

    /// Serves with these arguments and variables.
    pub(crate) async fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_by(Path::new(env!("CARGO_BIN_EXE_packwright")), arguments, variables).await
    }

    async fn start_by(program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = tokio::process::Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .env_remove("DATABASE_URL")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let printed = read(child.stdout.take().expect("its output"));
        let log = read(child.stderr.take().expect("its log"));
        let begun = Instant::now();
        let address = loop {
            let found = of(&printed).iter().find_map(|line| {
                let (_, rest) = line.split_once("http://")?;
                let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap_or(rest.len());
                rest[..end].parse().ok()
            });
            if let Some(address) = found {
                break address;
            }
            assert!(begun.elapsed() < TIME_LIMIT, "it says nowhere that it listens: {:?}", of(&log));
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        Self { child, address, printed, log }
    }

    /// Sends a request on a new connection. The answer can be awaited in another task.
    pub(crate) fn send(&self, ask: Ask) -> impl Future<Output = Reply> + Send + use<> {
        let address = self.address;
        async move {
            let mut socket = TcpStream::connect(address).await.expect("a connection");
            socket.write_all(&ask.bytes(address)).await.expect("sent");
            Reply::read(&mut socket).await
        }
    }

    /// The lines on standard output so far.
    pub(crate) fn printed(&self) -> Vec<String> {
        of(&self.printed)
    }

    /// The lines of the log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        of(&self.log)
    }

    /// Waits for a line of the log that contains all of these parts.
    pub(crate) async fn logs(&self, parts: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let log = self.log();
            if let Some(line) = log.iter().find(|line| parts.iter().all(|part| line.contains(part))) {
                return line.clone();
            }
            assert!(begun.elapsed() < TIME_LIMIT, "no line has {parts:?}: {log:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it lives").to_string();
        let sent = std::process::Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill is there").success(), "{name} is sent to {pid}");
    }

    /// Waits for the end. Returns the exit status and the duration.
    pub(crate) async fn end(mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        let status = tokio::time::timeout(TIME_LIMIT, self.child.wait()).await;
        (status.expect("it ends").expect("its status"), begun.elapsed())
    }
}
