//! Servers behind PgBouncer, with the configuration in `docs/operations.md`.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::program::starts::{run, text_of};
use crate::support::{Ask, At as _, Database, Program, Reply};

const PAGE: &str = include_str!("../../docs/operations.md");
/// How long to wait before the test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The program, if it is installed. It must be installed where all tests must run.
fn pgbouncer() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&folders).chain(["/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join("pgbouncer")).find(|file| file.is_file());
    assert!(found.is_some() || std::env::var("CI").as_deref() != Ok("true"), "PgBouncer is needed and is not here");
    found
}

/// A PgBouncer in front of a database, killed when it is dropped.
struct Pooler {
    child: Child,
    directory: TempDir,
    address: url::Url,
}

impl Pooler {
    /// Starts it with the page's configuration, with this test's own names and directories.
    async fn start(database: &str, mode: &str) -> Self {
        let behind = url::Url::parse(database).expect("an address");
        let (user, host) = (behind.username(), behind.host_str().expect("a host"));
        let secret = behind.password().unwrap_or("geheim");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
        let directory = tempfile::tempdir().expect("a directory");
        let users = directory.path().join("userlist.txt");
        std::fs::write(&users, format!("\"{user}\" \"{secret}\"\n")).expect("the users");
        let (_, lines) = PAGE.split_once("```ini\n").expect("the page has a configuration");
        let (lines, _) = lines.split_once("```").expect("it ends");
        let own = |line: &str| match line.split(" = ").next().unwrap_or_default() {
            "packwright" => {
                let (port, name) = (behind.port().unwrap_or(5432), behind.path().trim_start_matches('/'));
                format!("packwright = host={host} port={port} dbname={name}")
            }
            "listen_port" => format!("listen_port = {port}"),
            "auth_file" => format!("auth_file = {}", users.display()),
            "pool_mode" => format!("pool_mode = {mode}"),
            _ => line.to_owned(),
        };
        let mut lines: Vec<_> = lines.lines().map(own).collect();
        // Settings that packages of operating systems change: no socket for all users, and no privileged user.
        lines.push("unix_socket_dir =".into());
        if std::fs::metadata(directory.path()).expect("the directory").uid() == 0 {
            lines.push("user = nobody".into());
            for (readable, mode) in [(directory.path(), 0o755), (users.as_path(), 0o644)] {
                std::fs::set_permissions(readable, std::fs::Permissions::from_mode(mode)).expect("permissions");
            }
        }
        std::fs::write(directory.path().join("pgbouncer.ini"), lines.join("\n") + "\n").expect("the configuration");
        let address = format!("postgres://{user}:{secret}@127.0.0.1:{port}/packwright");
        let child = Self::spawn(&directory);
        let mut pooler = Self { child, directory, address: url::Url::parse(&address).expect("an address") };
        pooler.listens().await;
        pooler
    }

    fn spawn(directory: &TempDir) -> Child {
        Command::new(pgbouncer().expect("PgBouncer"))
            .arg(directory.path().join("pgbouncer.ini"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("PgBouncer starts")
    }

    async fn listens(&mut self) {
        let address = ("127.0.0.1", self.address.port().expect("a port"));
        let begun = tokio::time::Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(self.child.try_wait().expect("its state").is_none(), "PgBouncer ended");
            assert!(begun.elapsed() < TIME_LIMIT, "PgBouncer doesn't listen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills it with all its connections, and starts it again at the same address.
    async fn restart(&mut self) {
        self.child.kill().await.expect("killed");
        self.child = Self::spawn(&self.directory);
        self.listens().await;
    }
}

/// Runs a command that must succeed. Returns its output.
async fn done(pooler: &Pooler, command: &[&str]) -> String {
    let output = run(&[command, &["--database-url", pooler.address.as_str()]].concat()).await;
    assert!(output.status.success(), "{command:?}: {}", text_of(&output));
    String::from_utf8(output.stdout).expect("text")
}

fn make(program: &Program, token: &str, name: &str) -> impl Future<Output = Reply> + Send + use<> {
    let document = "mutation($name: String!) { createComponent(input: { name: $name, type: PROCESS }) {
        component { id } errors { __typename } } }";
    program.send(Ask::post(&json!({ "query": document, "variables": { "name": name } })).token(token))
}

async fn all_components(program: &Program, token: &str) -> i64 {
    let reply = program.send(Ask::query("{ components { totalCount } }").token(token)).await;
    reply.json().int("/data/components/totalCount")
}

/// Runs the migration, the commands and two servers through the pooler.
async fn all_is_done_behind(mode: &str, servers: usize) {
    let database = Database::untouched("").await;
    let mut pooler = Pooler::start(database.url(), mode).await;
    assert!(done(&pooler, &["migrate", "up"]).await.contains("applied"));
    done(&pooler, &["account", "create", "Acme", "--time-zone", "Europe/Berlin"]).await;
    let token = ["token", "create", "--account", "Acme", "--name", "first", "--role", "administrator"];
    let token = done(&pooler, &token).await.trim().to_owned();
    let mut programs = Vec::new();
    for _ in 0..servers {
        programs.push(Program::serve(pooler.address.as_str(), &[]).await);
    }
    // Concurrent calls, whose transactions get different connections.
    for round in 0..4 {
        let calls = (0..24).map(|n| make(&programs[n % servers], &token, &format!("{round} {n}")));
        for reply in futures_util::future::join_all(calls).await {
            assert!(reply.json().get("errors").is_none(), "{}", reply.text());
        }
        for program in &programs {
            assert_eq!(all_components(program, &token).await, 24 * (round + 1));
        }
    }
    pooler.restart().await;
    for (n, program) in programs.iter().enumerate() {
        let begun = tokio::time::Instant::now();
        loop {
            let answer = make(program, &token, &format!("later {n}")).await;
            if answer.json().get("errors").is_none() {
                break;
            }
            assert_eq!(answer.code(), "UNAVAILABLE", "{}", answer.text());
            assert!(begun.elapsed() < TIME_LIMIT, "it doesn't go on");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn is_postgresql() -> bool {
    std::env::var("PACKWRIGHT_TEST_DATABASE_URL").is_ok_and(|server| !server.is_empty())
}

#[tokio::test]
async fn two_servers_work_behind_pgbouncer_in_transaction_mode() {
    // Poolers are for PostgreSQL only.
    if is_postgresql() && pgbouncer().is_some() {
        all_is_done_behind("transaction", 2).await;
    }
}

#[tokio::test]
async fn a_server_works_behind_pgbouncer_in_session_mode() {
    if is_postgresql() && pgbouncer().is_some() {
        all_is_done_behind("session", 1).await;
    }
}

#[tokio::test]
async fn statement_pooling_of_pgbouncer_is_refused() {
    if !is_postgresql() || pgbouncer().is_none() {
        return;
    }
    let database = Database::untouched("").await;
    let pooler = Pooler::start(database.url(), "statement").await;
    let output = run(&["migrate", "up", "--database-url", pooler.address.as_str()]).await;
    assert!(!output.status.success() && text_of(&output).contains("statement pooling mode"), "{}", text_of(&output));
}
