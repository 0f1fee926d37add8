//! `packwright watch`, the wait of `packwright release`, `packwright pause` and `packwright resume`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use packwright::domain::installations::FailureCode;
use packwright::service::Settings;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::tokens::github;
use super::{Ended, RUN, World, program};
use crate::program::kill::until;
use crate::program::starts::TIME_LIMIT;
use crate::support::{At as _, Setup};

/// How often the command asks before it gives up and opens another stream.
const TRIES_OF_A_QUESTION: usize = 4;

/// Passes connections on to a server, until they are cut. While it is down, it closes each new one.
struct Wire {
    address: SocketAddr,
    streams: Arc<AtomicUsize>,
    cut: tokio::sync::watch::Sender<usize>,
    is_down: Arc<AtomicBool>,
    /// How many more connections it passes on before it is down.
    left: Arc<AtomicUsize>,
    /// How many connections were closed at once.
    closed: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let streams = Arc::new(AtomicUsize::new(0));
        let (cut, cuts) = tokio::sync::watch::channel(0);
        let counted = streams.clone();
        let is_down = Arc::new(AtomicBool::new(false));
        let down = is_down.clone();
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let passed_on = left.clone();
        let closed = Arc::new(AtomicUsize::new(0));
        let closing = closed.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                if passed_on.load(Ordering::SeqCst) == 0 {
                    down.store(true, Ordering::SeqCst);
                }
                if down.load(Ordering::SeqCst) {
                    closing.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                passed_on.fetch_sub(1, Ordering::SeqCst);
                let (mut cuts, counted) = (cuts.clone(), counted.clone());
                cuts.mark_unchanged();
                connections.spawn(async move {
                    let mut begin = [0; 24];
                    let mut far = TcpStream::connect(server).await.expect("the server");
                    while near.peek(&mut begin).await.is_ok_and(|read| (1..begin.len()).contains(&read)) {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    if begin.starts_with(b"POST /graphql/stream ") {
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { address, streams, cut, is_down, left, closed, task }
    }

    /// Waits until so many streams of events were opened.
    async fn has_streams(&self, count: usize) {
        until("a stream of events", async || self.streams.load(Ordering::SeqCst) >= count).await;
    }

    fn cut(&self) {
        self.cut.send_modify(|times| *times += 1);
    }

    /// Passes so many further connections on, and closes each one after them.
    fn close_after(&self, connections: usize) {
        self.left.store(connections, Ordering::SeqCst);
    }

    /// Lets connections through again.
    fn open_again(&self) {
        self.left.store(usize::MAX, Ordering::SeqCst);
        self.set_down(false);
    }

    /// Closes new connections, and leaves open what is there.
    fn close_new(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
        if is_down {
            self.cut();
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A command that runs while the test goes on.
fn begun(world: &World, arguments: &[&str], more: &[(&str, &str)]) -> tokio::process::Child {
    let variables = world.variables(more);
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    program(arguments, &variables).spawn().expect("it starts")
}

async fn end(command: tokio::process::Child) -> Ended {
    let output = tokio::time::timeout(TIME_LIMIT, command.wait_with_output()).await;
    output.expect("in time").expect("it ends").into()
}

/// Schedules a release of a newer version, and returns its id.
async fn scheduled(world: &World) -> String {
    world.package("1.1.0").await;
    world.app.release_on(&world.pack, "2026-12-01").await
}

#[tokio::test]
async fn a_wait_ends_with_the_release_and_a_lost_connection_loses_nothing() {
    let world = World::new().await;
    let release = scheduled(&world).await;
    let wire = Wire::to(world.server.address).await;
    let server = format!("http://{}", wire.address);
    let watch = begun(&world, &["watch", &release, "--server", &server, "--wait", "5m", "--json"], &[]);
    wire.has_streams(1).await;
    // The whole of the release happens while there is no connection: what is listened to is older than it.
    wire.cut();
    world.app.advance_to("2026-12-01T00:00:00Z").await;
    let ended = end(watch).await;
    assert_eq!((ended.status, ended.json().text("/release/state")), (0, "SUCCEEDED".to_owned()), "{ended:?}");
    assert!(wire.streams.load(Ordering::SeqCst) >= 2 || ended.words.contains("is released"), "{ended:?}");
    assert!(ended.words.contains("from the last event on"), "{ended:?}");
    assert!(!ended.words.contains('\r') && !ended.words.contains("[#"), "no bar without a terminal: {ended:?}");
    assert_eq!(ended.json().at("/release/progress/applied"), &json!(1));
}

#[tokio::test]
async fn r49_a_wait_hears_an_end_though_it_can_not_read_the_release_meanwhile() {
    let world = World::new().await;
    // Without an installation a cancel is one event.
    world.app.uninstall(&world.acme, &world.installation).await;
    let release = scheduled(&world).await;
    let wire = Wire::to(world.server.address).await;
    let server = format!("http://{}", wire.address);
    let watch = begun(&world, &["watch", &release, "--server", &server], &[]);
    wire.has_streams(1).await;
    // The last event comes through, and the question about the release doesn't, until the command opens a new stream.
    wire.close_new(true);
    world.app.cancel(&release).await;
    until("the command gives the question up", async || wire.closed.load(Ordering::SeqCst) > TRIES_OF_A_QUESTION).await;
    wire.close_new(false);
    let ended = end(watch).await;
    assert_eq!((ended.status, ended.printed.as_str()), (4, format!("{release} CANCELED\n").as_str()), "{ended:?}");
}

#[tokio::test]
async fn r49_a_wait_that_was_away_for_too_long_reads_the_release_anew() {
    let settings = Settings { keep_events_days: 1, ..Settings::default() };
    let world = World::with(Setup { settings, ..Setup::default() }).await;
    let release = scheduled(&world).await;
    let cursor = world.app.cursor(&world.app.publisher).await;
    let wire = Wire::to(world.server.address).await;
    let server = format!("http://{}", wire.address);
    let watch = begun(&world, &["watch", &release, "--server", &server], &[]);
    wire.has_streams(1).await;
    wire.set_down(true);
    world.app.half_days_to("2026-12-05T09:00:00Z").await;
    let events = "query($after: String) { events(after: $after, first: 1) { edges { cursor } } }";
    let code = world.app.error_code(Some(&world.app.publisher), events, json!({ "after": cursor })).await;
    assert_eq!(code, "CURSOR_EXPIRED", "what the command has read up to");
    wire.set_down(false);
    let ended = end(watch).await;
    assert_eq!((ended.status, ended.printed.as_str()), (0, format!("{release} SUCCEEDED\n").as_str()), "{ended:?}");
}

#[tokio::test]
async fn r70_a_wait_goes_on_with_another_token_when_the_first_has_ended() {
    let world = World::new().await;
    let release = scheduled(&world).await;
    let first = world.app.token(&world.app.publisher, "STANDARD_USER").await;
    let id = world.app.gql(&first, "{ viewer { token { id } } }", json!(null)).await.text("/viewer/token/id");
    let (address, asked) = github(&[&first, &world.app.publisher]).await;
    let wire = Wire::to(world.server.address).await;
    let server = format!("http://{}", wire.address);
    let variables =
        [("ACTIONS_ID_TOKEN_REQUEST_URL", address.as_str()), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")];
    let mut watch = program(&["watch", &release, "--server", &server, "--wait", "5m"], &variables);
    let watch = watch.spawn().expect("it starts");
    wire.has_streams(1).await;
    world.app.ok(&world.app.publisher, "revokeApiToken", json!({ "tokenId": id }), "apiToken { id }").await;
    until("another token", async || asked.lock().unwrap().len() == 2).await;
    wire.has_streams(2).await;
    world.app.advance_to("2026-12-01T00:00:00Z").await;
    let ended = end(watch).await;
    assert_eq!((ended.status, ended.printed.as_str()), (0, format!("{release} SUCCEEDED\n").as_str()), "{ended:?}");
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn release_waits_for_its_own_release() {
    let world = World::new().await;
    world.package("1.1.0").await;
    let ended = world.run(&["release", "orders", "--wait", "1m"], RUN).await;
    assert!(ended.status == 0 && ended.printed.ends_with(" SUCCEEDED\n"), "{ended:?}");
    assert_eq!(world.installed().await, 2);
    // Again: the same release, which has ended.
    let again = world.run(&["release", "orders", "--wait", "1m"], RUN).await;
    assert_eq!((again.status, again.printed), (0, ended.printed));
}

/// The connections of `packwright release` up to the answer that the release is made: the pack, the preview, the release.
const UNTIL_IT_IS_MADE: usize = 3;

#[tokio::test]
async fn release_waits_on_though_the_server_is_away_right_after_the_release_is_made() {
    let world = World::new().await;
    world.package("1.1.0").await;
    let wire = Wire::to(world.server.address).await;
    let server = format!("http://{}", wire.address);
    for wait in [&["--wait", "5m"][..], &[]] {
        wire.close_after(UNTIL_IT_IS_MADE);
        let closed = wire.closed.load(Ordering::SeqCst);
        let arguments = [&["release", "orders", "--server", &server], wait].concat();
        let release = begun(&world, &arguments, RUN);
        until("the command asks again", async || wire.closed.load(Ordering::SeqCst) > closed + TRIES_OF_A_QUESTION)
            .await;
        world.app.tick().await;
        wire.open_again();
        let ended = end(release).await;
        assert!(ended.status == 0 && ended.printed.ends_with(" SUCCEEDED\n"), "{wait:?}: {ended:?}");
        assert!(ended.words.contains("is there; trying again to read it"), "{wait:?}: {ended:?}");
    }
    assert_eq!(world.installed().await, 2, "one release");
}

#[tokio::test]
async fn release_names_its_release_though_the_server_stays_away_until_the_time_is_over() {
    let world = World::new().await;
    world.package("1.1.0").await;
    let wire = Wire::to(world.server.address).await;
    let server = format!("http://{}", wire.address);
    wire.close_after(UNTIL_IT_IS_MADE);
    let ended = end(begun(&world, &["release", "orders", "--server", &server, "--wait", "2s", "--json"], RUN)).await;
    let release = ended.json().text("/release/id");
    assert!(ended.status == 5 && ended.words.contains(&format!("packwright watch {release}")), "{ended:?}");
    world.app.tick().await;
    assert_eq!(world.app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn a_preview_and_a_release_say_which_scheduled_release_is_superseded() {
    let world = World::new().await;
    let pending = scheduled(&world).await;
    let json = world.run(&["preview", "orders", "--json"], &[]).await;
    assert_eq!(json.status, 2, "{json:?}");
    let expected = json!({ "id": pending, "number": 2, "date": "2026-12-01", "timeZone": "Europe/Berlin" });
    assert_eq!(json.json().at("/supersedes"), &expected);
    assert!(json.words.contains(&format!("It would supersede the release {pending} of version 2")), "{json:?}");
    let markdown = world.run(&["preview", "orders", "--markdown"], &[]).await;
    assert!(markdown.printed.contains("**It would supersede the release "), "{markdown:?}");
    let dated = world.run(&["preview", "orders", "--on", "2026-12-02", "--json"], &[]).await;
    assert_eq!((dated.status, dated.json().at("/supersedes")), (3, &json!(null)), "{dated:?}");
    let released = world.run(&["release", "orders"], RUN).await;
    assert!(
        released.status == 0 && released.words.contains(&format!("takes the place of the release {pending}")),
        "{released:?}"
    );
    assert_eq!(world.app.release_state(&pending).await, "SUPERSEDED");
    let none = world.run(&["preview", "orders", "--json"], &[]).await;
    assert_eq!(none.json().at("/supersedes"), &json!(null));
}

#[tokio::test]
async fn a_wait_ends_when_its_time_is_over() {
    let world = World::new().await;
    world.package("1.1.0").await;
    let ended = world.run(&["release", "orders", "--on", "2026-12-01", "--wait", "5s", "--json"], RUN).await;
    assert_eq!((ended.status, ended.json().text("/release/state")), (5, "SCHEDULED".to_owned()), "{ended:?}");
    assert!(ended.words.contains("scheduled for 2026-12-01") && ended.words.contains("packwright watch"), "{ended:?}");
}

#[tokio::test]
async fn a_wait_ends_when_the_release_ends_otherwise() {
    let world = World::new().await;
    let release = scheduled(&world).await;
    let wire = Wire::to(world.server.address).await;
    let server = format!("http://{}", wire.address);
    let watch = begun(&world, &["watch", &release, "--server", &server], &[]);
    wire.has_streams(1).await;
    world.app.cancel(&release).await;
    let ended = end(watch).await;
    assert_eq!((ended.status, ended.printed.as_str()), (4, format!("{release} CANCELED\n").as_str()), "{ended:?}");
    assert!(ended.words.contains("was canceled"), "{ended:?}");
    let unknown = world.run(&["watch", &world.pack], &[]).await;
    assert!(unknown.status == 1 && unknown.words.contains("NOT_FOUND"), "{unknown:?}");
}

#[tokio::test]
async fn a_wait_counts_what_has_failed() {
    let world = World::new().await;
    world.app.mover.fail(&world.installation, u32::MAX, FailureCode::Temporary);
    world.package("1.1.0").await;
    let release = world.app.release_now(&world.pack).await;
    for _ in 0..8 {
        world.app.advance_by(900).await;
    }
    let state = world.app.release_state(&release).await;
    assert!(state == "FAILED" || state == "PARTIALLY_SUCCEEDED", "{state}");
    let strict = world.run(&["watch", &release, "--max-failed", "99.99%"], &[]).await;
    assert!(strict.status == 4 && strict.words.contains("--max-failed"), "{strict:?}");
    assert_eq!(world.run(&["watch", &release, "--max-failed", "100%"], &[]).await.status, 0);
    let wrong = world.run(&["watch", &release, "--max-failed", "half"], &[]).await;
    assert!(wrong.status == 1 && wrong.words.contains("such as 0.5%"), "{wrong:?}");
}

#[tokio::test]
async fn r56_a_release_is_paused_and_resumed_and_both_can_be_run_again() {
    let world = World::new().await;
    let release = scheduled(&world).await;
    let pause = ["pause", &release, "--reason", "An incident.", "--json"];
    let paused = world.run(&pause, &[]).await;
    assert_eq!((paused.status, paused.json()["wasSo"].clone()), (0, json!(false)), "{paused:?}");
    assert_eq!(paused.json().text("/release/pause/reason"), "An incident.");
    assert_eq!(world.run(&pause, &[]).await.json()["wasSo"], json!(true));
    // A pause of a person is waited out.
    let waited = world.run(&["watch", &release, "--wait", "1s"], &[]).await;
    assert!(waited.status == 5 && waited.words.contains("It is paused: An incident."), "{waited:?}");
    let resume = ["resume", release.as_str(), "--json"];
    let resumed = world.run(&resume, &[]).await;
    assert_eq!((resumed.status, resumed.json().at("/release/pause")), (0, &json!(null)), "{resumed:?}");
    assert_eq!(world.run(&resume, &[]).await.json()["wasSo"], json!(true));
    world.app.cancel(&release).await;
    let late = world.run(&pause, &[]).await;
    assert_eq!((late.status, late.json().text("/error/code")), (3, "NOT_PAUSABLE".to_owned()));
}

#[tokio::test]
async fn r58_a_wait_ends_when_the_rule_halts_the_release() {
    let world = World::new().await;
    world.package("1.1.0").await;
    let mut input = crate::support::on_date(&world.pack, "2026-12-01");
    input["haltWhen"] = json!({ "percent": 1, "atLeast": 1 });
    let made = world.app.ok(&world.app.publisher, "releaseIntegrationPack", input, "release { id }").await;
    let release = made.text("/release/id");
    let update = world.app.apply(&world.acme, &world.installation).await;
    let input = json!({ "updateId": update, "outcome": "BROKEN" });
    world.app.ok(&world.acme.token, "reportUpdateOutcome", input, "update { id }").await;
    let halted = world.run(&["watch", &release, "--json"], &[]).await;
    assert_eq!(halted.status, 6, "{halted:?}");
    assert_eq!(halted.json().at("/release/pause/figures/bad"), &json!(1));
    assert!(halted.words.contains("packwright resume") && halted.words.contains("packwright rollback"), "{halted:?}");
}
