//! Starting the real program on an untouched database: killed, stopped, and several at once.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use packwright::store::{Db, DbOptions};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::program::kill::until;
use crate::support::Database;

/// How long to wait before the test fails. A correct server needs far less.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The program with these arguments, and without environment variables for the database.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_packwright"));
    command.args(arguments).env_remove("DATABASE_URL").env_remove("PACKWRIGHT_DATABASE_URL");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs the program until it ends.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    tokio::time::timeout(TIME_LIMIT, program(arguments).output()).await.expect("in time").expect("it runs")
}

pub(crate) fn text_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Waits until a server prints its address.
pub(crate) async fn serves(child: &mut Child) {
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut errors = child.stderr.take().expect("its log");
    let started = tokio::time::timeout(TIME_LIMIT, async {
        while let Some(line) = lines.next_line().await.expect("a line") {
            if line.contains("/readyz") {
                return true;
            }
        }
        false
    });
    if !started.await.expect("in time") {
        let mut why = String::new();
        errors.read_to_string(&mut why).await.expect("its log");
        panic!("it did not start: {why}");
    }
    // Keeps reading the output, so that the server can write.
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut errors, &mut tokio::io::sink()).await;
        while let Ok(Some(_)) = lines.next_line().await {}
    });
}

/// Sends a signal.
pub(crate) async fn signal(child: &Child, name: &str) {
    let id = child.id().expect("it runs").to_string();
    let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().await.expect("kill");
    assert!(sent.success());
}

#[tokio::test]
async fn a_start_goes_on_after_one_that_was_killed_while_it_migrated() {
    let begun = Instant::now();
    let whole = Database::untouched("").await;
    assert!(run(&["migrate", "up", "--database-url", whole.url()]).await.status.success());
    let takes = begun.elapsed();
    const MOMENTS: u32 = 24;
    for moment in 0..MOMENTS {
        let database = Database::untouched("").await;
        let arguments = ["migrate", "up", "--database-url", database.url()];
        let mut doomed = program(&arguments).spawn().expect("it starts");
        tokio::time::sleep(takes * moment / MOMENTS).await;
        match moment % 3 {
            0 => doomed.kill().await.expect("killed"),
            // A process that has ended can't get a signal.
            1 if doomed.try_wait().expect("its state").is_none() => signal(&doomed, "TERM").await,
            2 if doomed.try_wait().expect("its state").is_none() => signal(&doomed, "INT").await,
            _ => {}
        }
        let _ = tokio::time::timeout(TIME_LIMIT, doomed.wait()).await.expect("it ends");
        let next = run(&arguments).await;
        assert!(next.status.success(), "after a kill at {moment} of {MOMENTS}: {}", text_of(&next));
        assert!(!String::from_utf8_lossy(&next.stdout).contains("pending"), "{}", text_of(&next));
        let status = run(&["migrate", "status", "--database-url", database.url()]).await;
        assert!(status.status.success() && text_of(&status).contains("applied"), "{}", text_of(&status));
    }
}

#[tokio::test]
async fn first_starts_at_once_on_one_database_all_end_well() {
    for _ in 0..4 {
        let database = Database::untouched("").await;
        let url = ["--database-url", database.url()];
        let mut servers: Vec<Child> = (0..3)
            .map(|_| program(&["serve", "--listen", "127.0.0.1:0", url[0], url[1]]).spawn().expect("it starts"))
            .collect();
        let up = ["migrate", "up", url[0], url[1]];
        let (one, two) = tokio::join!(run(&up), run(&up));
        assert!(one.status.success() && two.status.success(), "{}{}", text_of(&one), text_of(&two));
        if database.url().starts_with("sqlite:") {
            // One server at a time can use a file. The others are refused.
            let mut refused = Vec::new();
            while servers.len() > 1 {
                let mut ended = None;
                let looks = async {
                    while ended.is_none() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        ended = servers.iter_mut().position(|server| server.try_wait().expect("its state").is_some());
                    }
                };
                tokio::time::timeout(TIME_LIMIT, looks).await.expect("one of them ends");
                refused.push(servers.remove(ended.expect("one has ended")));
            }
            for server in refused {
                let output = server.wait_with_output().await.expect("its output");
                assert!(text_of(&output).contains("Another server runs on the SQLite file"), "{}", text_of(&output));
            }
        }
        for server in &mut servers {
            serves(server).await;
        }
        for mut server in servers {
            signal(&server, "TERM").await;
            let ended = tokio::time::timeout(TIME_LIMIT, server.wait()).await.expect("it ends").expect("its status");
            assert!(ended.success(), "{ended}");
        }
    }
}

#[tokio::test]
async fn a_start_that_waits_for_another_migration_ends_at_a_signal() {
    let database = Database::untouched("").await;
    let db = Db::connect(database.url(), DbOptions::default()).await.expect("connected");
    let holding = db.for_migration();
    // Takes the database's migration lock, as a migrating process does.
    let lock: &[&str] = match holding.get_database_backend() {
        DatabaseBackend::Postgres => &["SELECT pg_advisory_lock(7883946363647714609)"],
        _ => &["BEGIN IMMEDIATE"],
    };
    let one = sea_orm::TransactionTrait::begin(holding).await;
    let one = one.expect("a connection of its own");
    for sql in lock {
        let sql = if holding.get_database_backend() == DatabaseBackend::Postgres {
            sql
        } else {
            "CREATE TABLE held (n integer)"
        };
        one.execute_unprepared(sql).await.expect("held");
    }
    let mut waiting =
        program(&["serve", "--listen", "127.0.0.1:0", "--database-url", database.url()]).spawn().expect("it starts");
    // SIGTERM has the number 15, so it is the bit 14.
    let status = format!("/proc/{}/status", waiting.id().expect("it runs"));
    until("the program catches signals", async || {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & (1 << 14) != 0)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(waiting.try_wait().expect("its state").is_none(), "it waits");
    let begun = Instant::now();
    signal(&waiting, "TERM").await;
    let ended = tokio::time::timeout(TIME_LIMIT, waiting.wait()).await.expect("it ends").expect("its status");
    assert!(ended.success() && begun.elapsed() < Duration::from_secs(8), "{ended}, {:?}", begun.elapsed());
    one.rollback().await.expect("let go");
    let left = Statement::from_string(
        holding.get_database_backend(),
        match holding.get_database_backend() {
            DatabaseBackend::Postgres => {
                "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'"
            }
            _ => "SELECT name FROM sqlite_schema",
        },
    );
    assert!(holding.query_all_raw(left).await.expect("read").is_empty(), "nothing is half done");
    db.close().await.expect("closed");
    assert!(run(&["migrate", "up", "--database-url", database.url()]).await.status.success());
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).expect("its permissions").permissions()) & 0o777
}

/// The program with a umask.
#[cfg(unix)]
fn under_umask(umask: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_packwright")]);
    command.args(arguments).env_remove("DATABASE_URL").env_remove("PACKWRIGHT_DATABASE_URL");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

#[cfg(unix)]
#[tokio::test]
async fn files_of_sqlite_are_their_owners_alone_whatever_the_umask() {
    for umask in ["000", "022", "0277"] {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("new.db").display());
        let mut server = under_umask(umask, &["serve", "--listen", "127.0.0.1:0", "--database-url", &url])
            .spawn()
            .expect("it starts");
        serves(&mut server).await;
        let made = run(&["account", "create", "Mine", "--database-url", &url]).await;
        assert!(made.status.success(), "{}", text_of(&made));
        let files: Vec<_> =
            std::fs::read_dir(folder.path()).expect("the folder").map(|entry| entry.expect("a file").path()).collect();
        assert!(files.len() >= 3, "the file, its log and its index: {files:?}");
        for file in files {
            assert_eq!(mode(&file), 0o600, "{} under {umask}", file.display());
        }
        server.kill().await.expect("killed");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_demo_removes_what_a_killed_one_has_left_and_nothing_that_is_held() {
    let temporary = tempfile::tempdir().expect("a folder");
    let demo = || {
        let mut command = under_umask("000", &["serve", "--demo", "--listen", "127.0.0.1:0"]);
        command.env("TMPDIR", temporary.path()).spawn().expect("it starts")
    };
    let there = || -> Vec<_> {
        let entries = std::fs::read_dir(temporary.path()).expect("the folder");
        let mut found: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        found.sort();
        found
    };
    let mut killed = demo();
    serves(&mut killed).await;
    let left = there();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(mode(&left[0]), 0o700);
    for file in std::fs::read_dir(&left[0]).expect("its files") {
        let file = file.expect("a file").path();
        assert!(mode(&file) & 0o077 == 0 || file.ends_with("held"), "{}", file.display());
    }
    killed.kill().await.expect("killed");
    assert_eq!(there(), left, "a kill leaves it");

    let mut second = demo();
    serves(&mut second).await;
    let of_second = there();
    assert!(of_second.len() == 1 && of_second != left, "{of_second:?}");
    let mut third = demo();
    serves(&mut third).await;
    assert_eq!(there().len(), 2, "what the second holds is left alone");
    for (child, left) in [(&mut third, 1), (&mut second, 0)] {
        signal(child, "TERM").await;
        assert!(tokio::time::timeout(TIME_LIMIT, child.wait()).await.expect("it ends").expect("its status").success());
        assert_eq!(there().len(), left);
    }
}
