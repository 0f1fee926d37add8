//! A server under a supervisor: what it tells systemd, and what `packwright health` says of it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixDatagram;

use crate::program::starts::{TIME_LIMIT, program, run, text_of};
use crate::support::{Ask, Database, Program, Reply};

/// Reads datagrams until one has this line.
async fn told(socket: &UnixDatagram, line: &str) -> String {
    let begun = Instant::now();
    let mut buffer = [0; 4096];
    loop {
        let left = TIME_LIMIT.saturating_sub(begun.elapsed());
        let length = tokio::time::timeout(left, socket.recv(&mut buffer)).await.expect(line).expect("a datagram");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.lines().any(|given| given == line) {
            return text;
        }
    }
}

#[tokio::test]
async fn the_supervisor_hears_that_a_server_is_ready_lives_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let database = Database::untouched("").await;
    let variables = [("NOTIFY_SOCKET", path.to_str().expect("a name")), ("WATCHDOG_USEC", "100000")];
    let server = Program::start_with(&["--database-url", database.url()], &variables).await;
    let ready = told(&socket, "READY=1").await;
    assert!(ready.contains(&format!("STATUS=listening on http://{}", server.address)), "{ready}");
    for _ in 0..3 {
        told(&socket, "WATCHDOG=1").await;
    }
    // A process that stands still gives no sign.
    server.signal("STOP");
    let threads = format!("/proc/{}/task", server.child.id().expect("it lives"));
    let stands_still = || {
        let threads = std::fs::read_dir(&threads).expect("its threads").flatten();
        // A thread that has ended meanwhile has no state.
        threads.filter_map(|one| std::fs::read_to_string(one.path().join("stat")).ok()).all(|it| it.contains(") T "))
    };
    while !stands_still() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // All that it has said is there now, and is read until nothing comes any more.
    let mut buffer = [0; 4096];
    while let Ok(said) = tokio::time::timeout(Duration::from_millis(100), socket.recv(&mut buffer)).await {
        said.expect("a datagram");
    }
    let silent = tokio::time::timeout(Duration::from_millis(300), socket.recv(&mut buffer)).await;
    assert!(silent.is_err(), "a stopped server says {silent:?}");
    server.signal("CONT");
    told(&socket, "WATCHDOG=1").await;
    server.signal("TERM");
    told(&socket, "STOPPING=1").await;
    assert!(server.end().await.0.success());
}

#[tokio::test]
async fn a_watchdog_of_another_process_gets_no_sign_and_a_lost_socket_stops_no_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let name = path.to_str().expect("a name");
    let database = Database::untouched("").await;
    let variables = [("NOTIFY_SOCKET", name), ("WATCHDOG_USEC", "10000"), ("WATCHDOG_PID", "1")];
    let server = Program::start_with(&["--database-url", database.url()], &variables).await;
    told(&socket, "READY=1").await;
    server.signal("TERM");
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).await.expect("a datagram");
    assert!(buffer[..length].starts_with(b"STOPPING=1"), "{:?}", String::from_utf8_lossy(&buffer[..length]));
    assert!(server.end().await.0.success());

    let gone = folder.path().join("gone");
    let variables = [("NOTIFY_SOCKET", gone.to_str().expect("a name"))];
    let server = Program::start_with(&["--database-url", database.url()], &variables).await;
    server.logs(&["WARN", "NOTIFY_SOCKET can't be reached"]).await;
    server.signal("TERM");
    assert!(server.end().await.0.success());
}

#[tokio::test]
async fn health_says_whether_a_server_is_ready() {
    let database = Database::untouched("").await;
    let server = Program::serve(database.url(), &[]).await;
    let address = server.address.to_string();
    let well = run(&["health", "--listen", &address, "--health-timeout", "60"]).await;
    assert!(well.status.success() && text_of(&well).contains("is ready"), "{}", text_of(&well));
    // The image and the service set the variable of the server, whose address can't be called.
    let everywhere = format!("0.0.0.0:{}", server.address.port());
    let well = program(&["health", "--health-timeout", "60"])
        .env("PACKWRIGHT_LISTEN", &everywhere)
        .output()
        .await
        .expect("it runs");
    assert!(well.status.success(), "{}", text_of(&well));
    // As a container does whose server has a configuration file: the same variable names it for both.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("packwright.toml");
    std::fs::write(&file, format!("listen = \"{everywhere}\"\n")).expect("written");
    let well = program(&["health", "--health-timeout", "60"]).env("PACKWRIGHT_CONFIG", &file).output().await;
    let well = well.expect("it runs");
    assert!(well.status.success() && text_of(&well).contains(&address), "{}", text_of(&well));
    server.signal("STOP");
    let late = run(&["health", "--listen", &address, "--health-timeout", "1"]).await;
    assert!(late.status.code() == Some(1) && text_of(&late).contains("didn't answer within 1 s"), "{}", text_of(&late));
    server.signal("CONT");
    server.signal("TERM");
    assert!(server.end().await.0.success());
    let gone = run(&["health", "--listen", &address]).await;
    assert!(gone.status.code() == Some(1) && text_of(&gone).contains("No server answers at"), "{}", text_of(&gone));
    let nowhere = run(&["health", "--listen", "127.0.0.1:0"]).await;
    assert!(!nowhere.status.success() && text_of(&nowhere).contains("on port 0"), "{}", text_of(&nowhere));
}

#[tokio::test]
async fn health_gives_the_reason_of_a_server_that_is_not_ready() {
    let Some(postgres) = crate::support::Postgres::start().await else { return };
    let server = Program::serve(&postgres.url(), &[]).await;
    let address = server.address.to_string();
    drop(postgres);
    let begun = Instant::now();
    let text = loop {
        // Longer than the server waits for the database.
        let asked = run(&["health", "--listen", &address, "--health-timeout", "60"]).await;
        if !asked.status.success() {
            break text_of(&asked);
        }
        assert!(begun.elapsed() < TIME_LIMIT, "it stays ready without a database");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(text.contains("isn't ready: ") && text.contains("database") && !text.contains("503"), "{text}");
}

/// Starts the program so that a listener is its file 3, as systemd does.
fn started_with(listener: std::net::TcpListener, sockets: &str, arguments: &str) -> tokio::process::Command {
    let program = env!("CARGO_BIN_EXE_packwright");
    let script =
        format!("exec 3<&0 </dev/null; export LISTEN_FDS={sockets} LISTEN_PID=$$; exec {program} serve {arguments}");
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", &script]).env_remove("DATABASE_URL").kill_on_drop(true);
    command.stdin(std::os::fd::OwnedFd::from(listener)).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[tokio::test]
async fn a_server_takes_the_listener_that_systemd_has_opened() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // A client that comes before the server waits.
    let ask = Ask::query("{ serverInfo { version } }");
    let mut early = tokio::net::TcpStream::connect(address).await.expect("a connection");
    early.write_all(&ask.bytes(address)).await.expect("sent");
    let mut child = started_with(listener, "1", "--demo --listen 127.0.0.1:1").spawn().expect("it starts");
    assert_eq!(Reply::read(&mut early).await.status, 200);
    child.kill().await.expect("its end");
}

#[tokio::test]
async fn a_listener_for_others_needs_a_public_host_whoever_opened_it_and_two_are_refused() {
    let refused = async |address: &str, sockets: &str| {
        let listener = std::net::TcpListener::bind(address).expect("a port");
        let output =
            started_with(listener, sockets, "--demo --demo-tokens-are-public").output().await.expect("it runs");
        assert!(!output.status.success());
        text_of(&output)
    };
    let text = refused("0.0.0.0:0", "1").await;
    assert!(text.contains("--public-host"), "{text}");
    let text = refused("127.0.0.1:0", "2").await;
    assert!(text.contains("more than one socket"), "{text}");
}
