//! Unusable databases: the error says which database, what is wrong and what to do, and shows no secret.

use std::time::Duration;

use packwright::store::{Db, DbOptions};
use sea_orm::ConnectionTrait as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::program::starts::{program, run, text_of};
use crate::support::Database;

/// The message of `migrate up` and `serve` for an address. Both must refuse it with the same message.
async fn refused(url: &str) -> String {
    let up = run(&["migrate", "up", "--database-url", url]).await;
    let serve = run(&["serve", "--listen", "127.0.0.1:0", "--database-url", url]).await;
    assert!(!up.status.success() && !serve.status.success(), "{}{}", text_of(&up), text_of(&serve));
    let (up, serve) = (text_of(&up), text_of(&serve));
    assert_eq!(up.lines().last(), serve.lines().last(), "both say the same");
    up
}

fn is_postgresql() -> bool {
    std::env::var("PACKWRIGHT_TEST_DATABASE_URL").is_ok_and(|server| !server.is_empty())
}

#[tokio::test]
async fn a_foreign_file_is_reported_with_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| format!("{}/{name}", folder.path().display());
    let url = |name: &str| format!("sqlite://{}", path(name));

    let why = refused(&url("")).await;
    assert!(why.contains("is a directory") && why.contains(&path("")), "{why}");

    let why = refused(&url("not/there/new.db")).await;
    assert!(why.contains("there is no directory") && why.contains(&path("not/there")), "{why}");

    std::fs::write(path("notes.txt"), "A text of some length, that is no database at all. ".repeat(40))
        .expect("written");
    let why = refused(&url("notes.txt")).await;
    assert!(why.contains("is no SQLite database") && why.contains(&path("notes.txt")), "{why}");

    let why = refused(&format!("{}?mode=rw", url("missing.db"))).await;
    assert!(why.contains("There is no SQLite file") && why.contains("migrate up"), "{why}");
    assert!(!std::path::Path::new(&path("missing.db")).exists(), "it isn't made");

    let listed = run(&["account", "list", "--database-url", &url("missing.db")]).await;
    assert!(!listed.status.success() && text_of(&listed).contains("There is no SQLite file"), "{}", text_of(&listed));
    assert!(!std::path::Path::new(&path("missing.db")).exists(), "it isn't made");

    #[cfg(target_os = "linux")]
    {
        let why = refused("sqlite:///proc/packwright.db").await;
        assert!(why.contains("/proc/packwright.db can't be made") && why.contains("--database-url"), "{why}");
        let why = refused("sqlite:///dev/null").await;
        assert!(why.contains("/dev/null is no ordinary file"), "{why}");
    }
    for memory in ["sqlite::memory:", "sqlite:", "sqlite://a.db?mode=memory"] {
        let why = refused(memory).await;
        assert!(why.contains("must outlive a connection") && why.contains("--demo"), "{why}");
    }
}

#[tokio::test]
async fn a_database_of_a_newer_program_or_of_something_else_is_told() {
    let database = Database::untouched("").await;
    let db = Db::connect(database.url(), DbOptions::default()).await.expect("connected");
    db.migrate().await.expect("migrated");
    let later = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 1)";
    db.for_migration().execute_unprepared(later).await.expect("written");
    let why = refused(database.url()).await;
    assert!(
        why.contains("newer version") && why.contains("m9999_later") && why.contains("Update the program"),
        "{why}"
    );
    let status = run(&["migrate", "status", "--database-url", database.url()]).await;
    assert!(!status.status.success() && text_of(&status).contains("m9999_later"), "{}", text_of(&status));
    db.close().await.expect("closed");

    let other = Database::untouched("").await;
    let db = Db::connect(other.url(), DbOptions::default()).await.expect("connected");
    db.for_migration().execute_unprepared("CREATE TABLE account (n integer)").await.expect("a table of others");
    let why = refused(other.url()).await;
    assert!(why.contains("something else") && why.contains("a database of its own"), "{why}");
    db.close().await.expect("closed");
}

/// The address of the test server with a change; `None` when the tests run on SQLite.
fn changed(change: impl FnOnce(&mut url::Url)) -> Option<String> {
    let server = std::env::var("PACKWRIGHT_TEST_DATABASE_URL").ok().filter(|server| !server.is_empty())?;
    let mut url = url::Url::parse(&server).expect("an address");
    change(&mut url);
    Some(url.into())
}

#[tokio::test]
async fn an_unusable_server_is_reported_with_its_address_and_without_a_password() {
    // The port was free a moment ago, so no server listens on it.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let nowhere = format!("postgres://u:geheim@127.0.0.1:{free}/d");
    let why = text_of(&run(&["migrate", "up", "--database-url", &nowhere]).await);
    assert!(why.contains(&format!("Nothing answers at 127.0.0.1:{free}")) && why.contains("port"), "{why}");
    assert!(!why.contains("geheim"), "{why}");

    let why = refused("postgres://u:geheim@packwright.invalid/d").await;
    assert!(why.contains("packwright.invalid:5432 can't be reached") && !why.contains("geheim"), "{why}");

    let Some(absent) = changed(|url| url.set_path("not_there")) else { return assert!(!is_postgresql()) };
    let why = refused(&absent).await;
    assert!(why.contains("has no database not_there") && why.contains("createdb"), "{why}");

    let stranger = changed(|url| {
        url.set_username("packwright_nobody").expect("a user");
        url.set_password(Some("geheim")).expect("a password");
    });
    let why = refused(&stranger.expect("an address")).await;
    assert!(why.contains("packwright_nobody") && !why.contains("geheim"), "{why}");
}

#[tokio::test]
async fn a_database_that_cannot_keep_every_name_is_refused() {
    if !is_postgresql() {
        // SQLite stores all text in Unicode.
        let database = Database::untouched("").await;
        let db = Db::connect(database.url(), DbOptions::default()).await.expect("connected");
        return db.close().await.expect("closed");
    }
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let database = Database::untouched(&format!("ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")).await;
        let why = refused(database.url()).await;
        assert!(why.contains(encoding) && why.contains("UTF8") && why.contains("createdb"), "{why}");
    }
}

/// A fake PostgreSQL server that answers every connection with one error.
async fn fake_server(code: &'static str, message: &'static str) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut greeting = [0; 1024];
            let _ = socket.read(&mut greeting).await;
            let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
            let mut answer = vec![b'E'];
            answer.extend(u32::try_from(fields.len() + 4).expect("short").to_be_bytes());
            answer.extend(fields.bytes());
            let _ = socket.write_all(&answer).await;
        }
    });
    port
}

#[tokio::test]
async fn a_servers_refusal_is_reported_with_what_to_do() {
    for (code, message, text_of) in [
        (
            "28P01",
            "password authentication failed for user \"u\"",
            ["refuses the password of the user u", "percent-encode"],
        ),
        ("28000", "no pg_hba.conf entry for host", ["doesn't let the user u in", "pg_hba.conf"]),
        ("3D000", "database \"d\" does not exist", ["has no database d", "createdb"]),
        ("53300", "sorry, too many clients already", ["no connection left", "--database-connections"]),
        ("42501", "permission denied for database", ["may not connect", "grant"]),
        ("08P01", "unsupported startup parameter", ["refuses the connection", "unsupported startup parameter"]),
    ] {
        let port = fake_server(code, message).await;
        let why = refused(&format!("postgres://u:geheim@127.0.0.1:{port}/d?sslmode=disable")).await;
        assert!(why.contains(&format!("127.0.0.1:{port}")) && text_of.iter().all(|part| why.contains(part)), "{why}");
        assert!(!why.contains("geheim"), "{why}");
    }
}

#[tokio::test]
async fn a_variable_of_postgresql_that_is_no_use_is_told() {
    for (variable, value, address) in [
        ("PGUSER", "", "postgres://127.0.0.1:1/d"),
        ("PGHOST", "", "postgres:///d?user=u"),
        ("PGSSLMODE", "ful", "postgres://u@127.0.0.1:1/d"),
        ("PGPORT", "x", "postgres://u@127.0.0.1/d"),
    ] {
        let mut command = program(&["migrate", "up", "--database-url", address]);
        let expected = text_of(&command.env(variable, value).output().await.expect("it runs"));
        assert!(expected.contains(&format!("The variable {variable}")), "{expected}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_reported_at_once_and_tried_again() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let nowhere = format!("postgres://u:geheim@127.0.0.1:{free}/d");
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["task", "list"]] {
        let mut child = program(&[arguments, &["--database-url", &nowhere]].concat()).spawn().expect("it starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log")).lines();
        let first =
            tokio::time::timeout(Duration::from_secs(8), log.next_line()).await.expect("told before it gives up");
        let first = first.expect("a line").expect("a line");
        for part in ["WARN", &format!("Nothing answers at 127.0.0.1:{free}"), "Trying again for 10 seconds"] {
            assert!(first.contains(part), "{first}");
        }
        assert!(!first.contains("geheim"), "{first}");
        assert!(child.try_wait().expect("its state").is_none(), "it tries on");
        child.kill().await.expect("killed");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_directory_that_can_not_be_written_is_reported() {
    let why = refused("sqlite:///proc/packwright.db").await;
    assert!(why.contains("/proc/packwright.db can't be made"), "{why}");
    // Without root's rights the check of permissions fails first.
    let fits = if why.contains("os error 2") { "takes no new files" } else { "Let this user write" };
    assert!(why.contains(fits) && why.contains("--database-url"), "{why}");
}

/// Runs the program as a user without root's rights, because root may write everywhere.
#[cfg(target_os = "linux")]
async fn run_as_nobody(folder: &std::path::Path, arguments: &[&str]) -> std::process::Output {
    use std::os::unix::fs::PermissionsExt as _;
    let copy = folder.join("packwright");
    if !copy.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_packwright"), &copy).expect("a copy");
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    let mut command = if is_root {
        let mut command = tokio::process::Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(copy);
        command
    } else {
        tokio::process::Command::new(copy)
    };
    command.args(arguments).current_dir(folder).env_remove("DATABASE_URL");
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(crate::program::starts::TIME_LIMIT, command.output()).await.expect("in time").expect("it runs")
}

/// SQLite opens a read-only file without an error.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_may_only_be_read_is_refused_at_the_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("writable");
    let file = folder.path().join("shared.db");
    let url = format!("sqlite://{}", file.display());
    let made = run(&["migrate", "up", "--database-url", &url]).await;
    assert!(made.status.success(), "{}", text_of(&made));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).expect("read-only");
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["account", "create", "Mine"], &["migrate", "up"]] {
        let refused = run_as_nobody(folder.path(), &[command, &["--database-url", &url]].concat()).await;
        let why = text_of(&refused);
        assert!(!refused.status.success(), "{command:?}: {why}");
        assert!(why.contains("shared.db can't be opened for writing: let this user"), "{command:?}: {why}");
    }
}

/// A port at which another program answers each connection with HTTP.
async fn fake_http_server() -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 64]).await;
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        }
    });
    port
}

#[tokio::test]
async fn another_program_at_the_databases_port_is_reported() {
    let port = fake_http_server().await;
    for mode in ["prefer", "require"] {
        let why = refused(&format!("postgres://u:geheim@127.0.0.1:{port}/d?sslmode={mode}")).await;
        let expected =
            format!("Something else than PostgreSQL answers at 127.0.0.1:{port}: check the host and the port");
        assert!(why.contains(&expected) && !why.contains("geheim"), "{mode}: {why}");
    }
}
