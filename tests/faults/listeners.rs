//! Listeners that behave badly: many that never read, a thousand that come and go, and one that lags behind what
//! the server keeps in memory. None of them keeps another from hearing everything once, and the server works on.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::faults::client::{LIMIT, PATIENCE, until};
use crate::support::rows::{code_of, database_url};
use crate::support::{Ask, At as _, Program, TestApp, short_or_long};

const OPTIONS: [&str; 8] = [
    "--max-connections",
    "3000",
    "--max-connections-per-peer",
    "3000",
    "--rate-limit",
    "0",
    "--max-account-operations",
    "100",
];

/// Subscribes to all events over an event stream, with a selection beside the id.
async fn listen(address: SocketAddr, token: &str, after: Option<&str>, selection: &str) -> TcpStream {
    let query = format!("subscription($after: String) {{ events(after: $after) {{ id {selection} }} }}");
    let body = json!({ "query": query, "variables": { "after": after } });
    let ask = Ask::post(&body).to("/graphql/stream").accept("text/event-stream").token(token);
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket.write_all(&ask.bytes(address)).await.expect("sent");
    socket
}

/// The ids of the next events of a stream.
async fn heard(socket: &mut BufReader<TcpStream>, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let reads = async {
        while ids.len() < count {
            let mut line = String::new();
            assert!(socket.read_line(&mut line).await.expect("a line") > 0, "the stream has ended");
            if let Some(data) = line.strip_prefix("data: ").filter(|data| !data.trim().is_empty()) {
                let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
                ids.push(data.text("/data/events/id"));
            }
        }
    };
    tokio::time::timeout(PATIENCE, reads).await.expect("all events");
    ids
}

/// The memory of a process, in bytes.
fn memory(program: &Program) -> u64 {
    let pid = program.child.id().expect("it lives");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") * 1024
}

/// How many packages one call makes. Each is an event for each listener, so more of them would keep the two processors
/// of a small machine busy for longer than a mutation may take.
const PACKAGES: usize = 10;

const EVENTS_OF_A_PACKAGE: usize = 2;

/// Makes events. Each package of a component in the pack is two: it was packaged, and is newer than the pack's. A call
/// that a busy server puts off is made again, as its answer says, and makes its packages once.
async fn make_events(program: &Program, token: &str, component: &str, count: usize) {
    let package = json!({ "componentId": component, "shareable": true });
    let document = "mutation($input: CreatePackagedComponentsInput!) {
        createPackagedComponents(input: $input) { errors { code } } }";
    let packages = vec![package; count / EVENTS_OF_A_PACKAGE];
    for (number, chunk) in packages.chunks(PACKAGES).enumerate() {
        let input = json!({ "packages": chunk, "clientRequestId": format!("events {number}") });
        let body = json!({ "query": document, "variables": { "input": input } });
        let is_made = async || {
            let answer = program.send(Ask::post(&body).token(token)).await.json();
            let code = code_of(&answer);
            assert!(code.as_deref().is_none_or(|code| code == "UNAVAILABLE"), "{answer:#}");
            code.is_none()
        };
        until("packages", PATIENCE, is_made).await;
    }
}

/// The ids of the events after a cursor, as the log has them.
async fn in_the_log(app: &TestApp, after: &str) -> Vec<String> {
    let query = "query($after: String) { events(first: 100, after: $after) { edges { cursor node { id } } } }";
    let (mut after, mut ids) = (after.to_owned(), Vec::new());
    loop {
        let page = app.gql(&app.publisher, query, json!({ "after": after })).await;
        let edges = page.list("/events/edges").clone();
        let Some(last) = edges.last() else { return ids };
        after = last.text("/cursor");
        ids.extend(edges.iter().map(|edge| edge.text("/node/id")));
    }
}

/// A world with a pack of this name, and a program on its database.
async fn world(name: &str) -> (TestApp, String, Program) {
    let app = TestApp::new().await;
    let pack = app.pack_with(name, &["Import"]).await;
    app.release_now(&pack.id).await;
    let program = Program::serve(&database_url(&app).await, &OPTIONS).await;
    (app, pack.components[0].clone(), program)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r49_listeners_that_never_read_keep_nobody_waiting() {
    packwright::cli::files::raise_file_limit(2_000, 10);
    // Each answer is so large that a few of them fill what the operating system keeps for a reader.
    let (app, component, program) = world(&"Orders ".repeat(36)).await;
    let names: String = (0..40).map(|number| format!("n{number}: packName ")).collect();
    let large = format!("... on PackEvent {{ {names} }}");
    let (address, cursor) = (program.address, app.cursor(&app.publisher).await);
    let mut silent = Vec::new();
    for _ in 0..short_or_long(150, 500) {
        silent.push(listen(address, &app.publisher, None, &large).await);
    }
    let mut reader = BufReader::new(listen(address, &app.publisher, Some(&cursor), "kind").await);
    let (before, events) = (memory(&program), short_or_long(40, 1_000));
    let begun = Instant::now();
    make_events(&program, &app.publisher, &component, events).await;
    let ids = heard(&mut reader, events).await;
    let (count, took) = (silent.len(), begun.elapsed());
    eprintln!("{events} events were heard beside {count} silent listeners within {took:?}");
    assert_eq!(ids, in_the_log(&app, &cursor).await, "each once, in order");
    let grown = memory(&program).saturating_sub(before);
    assert!(grown < 256 << 20, "the listeners that don't read took {grown} bytes");
    let ask = Ask::query("{ components { totalCount } }").token(&app.publisher);
    let answer = tokio::time::timeout(LIMIT, program.send(ask)).await.expect("an answer in time");
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r49_listeners_that_come_and_go_leave_nothing_behind() {
    let (app, component, program) = world("Orders").await;
    let (address, cursor) = (program.address, app.cursor(&app.publisher).await);
    let mut reader = BufReader::new(listen(address, &app.publisher, Some(&cursor), "kind").await);
    let come_and_go = async {
        for round in 0..short_or_long(1_000_usize, 10_000) {
            let mut socket = listen(address, &app.publisher, None, "kind").await;
            // Some go before they are answered, some in the middle of the answer.
            if round % 3 > 0 {
                let mut some = [0; 64];
                let _ = socket.read(&mut some).await;
            }
        }
    };
    let events = 300;
    let make = make_events(&program, &app.publisher, &component, events);
    let ((), (), ids) = tokio::join!(come_and_go, make, heard(&mut reader, events));
    assert_eq!(ids, in_the_log(&app, &cursor).await, "each once, in order");
    // The reader's connection, that of the question, and a few that are just being closed.
    let pid = program.child.id().expect("it lives");
    let sockets = || {
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its files").flatten();
        files
            .filter(|f| std::fs::read_link(f.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:")))
            .count()
    };
    // The database's connections are sockets too.
    until("the end of their connections", PATIENCE, async || sockets() < 40).await;
}

/// A server keeps the routes of the last 4,096 events. A listener that is further behind reads the log instead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r49_a_listener_that_lags_behind_what_is_in_memory_misses_nothing() {
    let (app, component, program) = world("Orders").await;
    let cursor = app.cursor(&app.publisher).await;
    let lagging = listen(program.address, &app.publisher, Some(&cursor), "kind").await;
    let events = short_or_long(4_500, 12_000);
    make_events(&program, &app.publisher, &component, events).await;
    let ids = heard(&mut BufReader::new(lagging), events).await;
    assert_eq!(ids, in_the_log(&app, &cursor).await, "each once, in order");
}
