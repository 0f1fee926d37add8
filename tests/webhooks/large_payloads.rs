//! Payloads of a size that isn't sent: their answers take little memory, however many endpoints there are.

use serde_json::json;

use crate::support::rows::database_url;
use crate::support::{Program, TestApp, immediately};
use crate::webhooks::receiver::{Receiver, Reply};

/// The most memory that a process has had, in bytes.
fn peak(program: &Program) -> u64 {
    let pid = program.child.id().expect("it lives");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r62_large_answers_of_many_endpoints_are_made_one_after_the_other_and_not_kept() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let receiver = Receiver::start().await;
    // The events are tried again, for days.
    receiver.otherwise(Reply::Status(500));
    let notes: String = (0..33).map(|n| format!("n{n}: notes ")).collect();
    let releases: String = (0..38).map(|n| format!("r{n}: release {{ ... Notes }} ")).collect();
    let fragment = format!("fragment Notes on PackRelease {{ {notes} }}");
    let document = format!("subscription {{ events {{ ... on ReleaseEvent {{ {releases} }} }} }} {fragment}");
    let endpoints = 20;
    for number in 0..endpoints {
        let filter = json!({ "kinds": ["RELEASE_STARTED"] });
        let more = json!({ "name": format!("Number {number}"), "document": document, "filter": filter });
        app.endpoint(&app.publisher, &receiver.url(), more).await;
    }
    let url = database_url(&app).await;
    let program = Program::serve(&url, &["--webhook-allow", "127.0.0.1", "--rate-limit", "0"]).await;
    let before = peak(&program);
    let mut input = immediately(&pack.id);
    input["notes"] = json!("x".repeat(20_000));
    // Each endpoint's answer is 25 MB of these notes.
    app.ok(&app.publisher, "releaseIntegrationPack", input, "release { id }").await;
    for one in receiver.wait_for(endpoints).await {
        assert_eq!(one.data(), "null", "too large to be sent");
    }
    let grown = peak(&program) - before;
    assert!(grown < 200 << 20, "{endpoints} endpoints took {grown} bytes");
}
