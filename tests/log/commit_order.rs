//! The audit log has the order of commits. An entry that commits late with an earlier instant isn't lost to a reader
//! that is further already (R51).

use std::sync::Mutex;
use std::sync::mpsc::channel;

use packwright::app::App;
use serde_json::{Value, json};

use crate::support::rows::code_of;
use crate::support::{At, TestApp};

/// The names of the created components in the log, newest first, and the cursor of the newest entry.
async fn components(app: &TestApp, before: Value) -> (Vec<String>, Value) {
    let filter = json!({ "actions": ["createComponent"] });
    let page = app.audit_page(&app.publisher, json!({ "filter": filter, "last": 50, "before": before })).await;
    let cursor = page.at("/pageInfo/startCursor").clone();
    (page.nodes("").iter().map(|entry| entry.text("/subjectName")).collect(), cursor)
}

/// The answer of another server to the publisher.
async fn on(server: &App, app: &TestApp, request: async_graphql::Request) -> Value {
    serde_json::to_value(server.execute(Some(&app.publisher), request).await).expect("JSON")
}

#[tokio::test]
async fn r51_an_entry_with_an_earlier_instant_comes_after_what_was_committed_before_it() {
    let app = TestApp::new().await;
    app.component("First").await;
    let (_, cursor) = components(&app, Value::Null).await;
    let behind = app.another_server_at("2026-11-22T08:00:00Z").await;
    let request = async_graphql::Request::new(
        "mutation { createComponent(input: { name: \"Late\", type: PROCESS }) { component { id } errors { code } } }",
    );
    assert_eq!(code_of(&on(&behind, &app, request).await), None);
    let (newer, _) = components(&app, cursor).await;
    assert_eq!(newer, ["Late"], "a reader that goes on from its cursor finds it");
    let filter = json!({ "actions": ["createComponent"] });
    let all = app.audit_page(&app.publisher, json!({ "filter": filter, "first": 2 })).await.nodes("");
    let shown: Vec<_> = all.iter().map(|entry| (entry.text("/subjectName"), entry.text("/occurredAt"))).collect();
    let shown: Vec<_> = shown.iter().map(|(name, at)| (name.as_str(), &at[..16])).collect();
    assert_eq!(shown, [("Late", "2026-11-22T08:00"), ("First", "2026-11-22T09:00")], "time is shown as it was");
    for (from, to, found) in [
        ("2026-11-22T08:00:00Z", "2026-11-22T08:00:01Z", vec!["Late"]),
        ("2026-11-22T08:59:00Z", "2026-11-22T09:00:01Z", vec!["First"]),
        ("2026-11-22T07:00:00Z", "2026-11-22T10:00:00Z", vec!["Late", "First"]),
        ("2026-11-21T07:00:00Z", "2026-11-22T08:00:00Z", vec![]),
    ] {
        let filter = json!({ "actions": ["createComponent"], "from": from, "to": to });
        let page = app.audit_page(&app.publisher, json!({ "filter": filter, "first": 9 })).await;
        let names: Vec<_> = page.nodes("").iter().map(|entry| entry.text("/subjectName")).collect();
        assert_eq!(names, found, "from {from} to {to}");
    }
}

/// A call has written its entry and waits to commit; meanwhile another call commits, and a reader reads the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r51_a_reader_that_pages_by_cursor_misses_nothing_while_calls_wait_at_locks() {
    let app = TestApp::new().await;
    let other = app.another_server().await;
    let (has_written, written) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let once = Mutex::new(Some((has_written, may_go_on)));
    app.after_statements(move |sql| {
        if !sql.starts_with("INSERT INTO \"audit_entry\"") {
            return;
        }
        if let Some((has_written, may_go_on)) = once.lock().expect("once").take() {
            has_written.send(()).expect("somebody waits");
            may_go_on.recv().expect("told to go on");
        }
    });
    let (publisher, clock) = (app.publisher.clone(), app.clock.clone());
    // A separate task, because the waiting call blocks this thread.
    let meanwhile = tokio::spawn(async move {
        tokio::task::block_in_place(|| written.recv().expect("it has written"));
        clock.advance_to(clock.now() + chrono::Duration::seconds(5));
        let on_other = async |text: &str| {
            let answer = other.execute(Some(&publisher), async_graphql::Request::new(text)).await;
            serde_json::to_value(answer).expect("JSON")
        };
        // Lets the call run for a second. It would finish if commits had no order.
        let mut call = std::pin::pin!(on_other(
            "mutation { createComponent(input: { name: \"Meanwhile\", type: PROCESS }) { errors { code } } }",
        ));
        let done = tokio::time::timeout(std::time::Duration::from_secs(1), call.as_mut()).await;
        let read = on_other(
            "{ auditLog(first: 9, filter: { actions: [\"createComponent\"] }) { edges { node { subjectName } } pageInfo { startCursor } } }",
        );
        let read = read.await.at("/data").clone();
        go_on.send(()).expect("it waits");
        let answer = match done {
            Ok(answer) => answer,
            Err(_) => call.await,
        };
        assert_eq!(code_of(&answer), None);
        read
    });
    let input = json!({ "name": "Waits", "type": "PROCESS" });
    app.ok(&app.publisher, "createComponent", input, "component { id }").await;
    let read = meanwhile.await.expect("the other call");
    let mut seen = read.texts("/auditLog", "/subjectName");
    let (later, _) = components(&app, read.at("/auditLog/pageInfo/startCursor").clone()).await;
    seen.extend(later);
    seen.sort();
    assert_eq!(seen, ["Meanwhile", "Waits"]);
}
