//! `packwright backup`: a copy that is whole, made while writes go on.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::program::starts::{run, text_of};
use crate::support::{Ask, Program};

/// The names of the components that the test writes, and the cursor of the newest event.
const STATE: &str =
    "{ viewer { eventCursor } components(first: 100, filter: {search: \"written\"}) { edges { node { name } } } }";
const CREATE: &str = "mutation($name: String!) { createComponent(input: {name: $name, type: PROCESS}) { component { id } errors { message } } }";

async fn asked(server: &Program, token: &str, query: &str, variables: serde_json::Value) -> serde_json::Value {
    let ask = Ask::post(&json!({ "query": query, "variables": variables })).token(token);
    let reply = server.send(ask).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()
}

#[tokio::test]
async fn a_backup_made_while_writes_go_on_is_whole_and_can_be_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a name").to_owned();
    let url = format!("sqlite://{}", at("served.db"));
    let seeded = run(&[
        "seed",
        "--packs",
        "8",
        "--accounts",
        "50",
        "--installations",
        "600",
        "--seed",
        "1",
        "--database-url",
        &url,
    ])
    .await;
    let printed = text_of(&seeded);
    let token = printed.lines().find_map(|line| line.strip_prefix("publisher, administrator")).expect("a secret");
    let token = token.split_whitespace().next().expect("a secret").to_owned();
    let server = Arc::new(Program::serve(&url, &[]).await);

    let (ends, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writer = tokio::spawn({
        let (server, token, ends, acknowledged) = (server.clone(), token.clone(), ends.clone(), acknowledged.clone());
        async move {
            for number in 0..90 {
                if ends.load(Ordering::SeqCst) && number >= 30 {
                    break;
                }
                let answer = asked(&server, &token, CREATE, json!({ "name": format!("written {number:03}") })).await;
                assert!(answer["data"]["createComponent"]["component"]["id"].is_string(), "{answer}");
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let mut copies = Vec::new();
    for number in 0..4 {
        // A file that is copied without its newest changes lacks these.
        while acknowledged.load(Ordering::SeqCst) < 6 * (number + 1) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let before = acknowledged.load(Ordering::SeqCst);
        let copy = at(&format!("copy{number}.db"));
        let done = run(&["backup", &copy, "--database-url", &url]).await;
        assert!(done.status.success(), "{}", text_of(&done));
        copies.push((copy, before, acknowledged.load(Ordering::SeqCst)));
    }
    ends.store(true, Ordering::SeqCst);
    writer.await.expect("the writer");
    // An event that no copy has.
    let releases = asked(&server, &token, "{ releases(first: 100) { edges { node { id state } } } }", json!({})).await;
    let all = releases["data"]["releases"]["edges"].as_array().expect("releases").clone();
    let pending =
        all.iter().map(|edge| &edge["node"]).find(|node| node["state"] == "SCHEDULED").expect("one")["id"].clone();
    let pause =
        "mutation($id: ID!) { pauseRelease(input: {releaseId: $id, reason: \"later\"}) { errors { message } } }";
    let paused = asked(&server, &token, pause, json!({ "id": pending })).await;
    assert_eq!(paused["data"]["pauseRelease"]["errors"], json!([]), "{paused}");
    let last_cursor = asked(&server, &token, STATE, json!({})).await["data"]["viewer"]["eventCursor"].clone();

    for (copy, before, after) in copies {
        let mode = std::fs::metadata(&copy).expect("the copy").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let restored = Program::serve(&format!("sqlite://{copy}"), &[]).await;
        let state = asked(&restored, &token, STATE, json!({})).await;
        let names = state["data"]["components"]["edges"].as_array().expect("components").clone();
        // What was acknowledged before is there, and nothing has a gap.
        assert!((before..=after + 1).contains(&names.len()), "{before} {} {after}", names.len());
        for number in 0..names.len() {
            let name = json!({ "node": { "name": format!("written {number:03}") } });
            assert!(names.contains(&name), "{number} is missing: {names:?}");
        }
        // R49: a cursor from after the backup is none of the restored log.
        let events = "query($after: String) { events(first: 1, after: $after) { edges { cursor } } }";
        let answer = asked(&restored, &token, events, json!({ "after": last_cursor })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "CURSOR_EXPIRED", "{answer}");
        let own = &state["data"]["viewer"]["eventCursor"];
        let answer = asked(&restored, &token, events, json!({ "after": own })).await;
        assert!(answer["errors"].is_null(), "{answer}");
        // It takes writes.
        let answer = asked(&restored, &token, CREATE, json!({ "name": "After" })).await;
        assert!(answer["data"]["createComponent"]["component"]["id"].is_string(), "{answer}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_leaves_nothing_half_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a name").to_owned();
    let url = format!("sqlite://{}", at("own.db"));
    let refused = run(&["backup", &at("copy.db"), "--database-url", &url]).await;
    assert!(!refused.status.success() && !std::path::Path::new(&at("copy.db")).exists(), "{}", text_of(&refused));
    assert!(run(&["migrate", "up", "--database-url", &url]).await.status.success());
    std::fs::write(at("there.db"), "precious").expect("a file");
    std::os::unix::fs::symlink("nowhere", at("link.db")).expect("a link");
    for name in ["there.db", "link.db", "own.db"] {
        let refused = run(&["backup", &at(name), "--database-url", &url]).await;
        let text = text_of(&refused);
        assert!(!refused.status.success() && text.contains("exists already"), "{text}");
    }
    assert_eq!(std::fs::read_to_string(at("there.db")).expect("the file"), "precious");
    let refused = run(&["backup", &at("no/folder.db"), "--database-url", &url]).await;
    assert!(!refused.status.success() && text_of(&refused).contains("can't be written"), "{}", text_of(&refused));
    // Odd names are names.
    let odd = at("it's \"odd\" ; ü.db");
    let done = run(&["backup", &odd, "--database-url", &url]).await;
    assert!(done.status.success() && std::path::Path::new(&odd).is_file(), "{}", text_of(&done));
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");
}

#[tokio::test]
async fn a_backup_of_postgresql_names_the_program_that_makes_it() {
    let database = crate::support::Database::untouched("").await;
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.db");
    assert!(run(&["migrate", "up", "--database-url", database.url()]).await.status.success());
    let done = run(&["backup", copy.to_str().expect("a name"), "--database-url", database.url()]).await;
    let is_sqlite = database.url().starts_with("sqlite:");
    assert_eq!((done.status.success(), copy.exists()), (is_sqlite, is_sqlite), "{}", text_of(&done));
    assert!(is_sqlite || text_of(&done).contains("pg_dump"), "{}", text_of(&done));
}
