//! When a server looks for audit entries to seal (R51).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use packwright::app::App;
use packwright::scheduler::sealing::{SealTimes, seal_in_turn};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::log::sealing::count;
use crate::support::TestApp;

/// How long to wait before a test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The task of a server that seals entries.
struct Sealing {
    end: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Sealing {
    fn begin(server: &App, look: u64, idle: Duration) -> Self {
        let (end, ending) = watch::channel(false);
        let times = SealTimes { look: Duration::from_millis(look), idle };
        Self { end, task: tokio::spawn(seal_in_turn(server.services.clone(), times, ending)) }
    }

    async fn end(self) {
        self.end.send_replace(true);
        tokio::time::timeout(TIME_LIMIT, self.task).await.expect("in time").expect("the task ends");
    }
}

/// Waits until no entry is unsealed.
async fn all_sealed(app: &TestApp) {
    let unsealed = "SELECT (SELECT count(*) FROM audit_entry) - (SELECT CAST(coalesce(sum(entries), 0) AS bigint) FROM audit_seal)";
    let sealed = async {
        while count(app, unsealed).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIME_LIMIT, sealed).await.expect("the entries are sealed");
}

#[tokio::test]
async fn r51_a_server_looks_for_entries_after_its_commits_and_not_while_nothing_is_written() {
    const COMMITS: usize = 5;
    let app = TestApp::new().await;
    let looks = Arc::new(AtomicUsize::new(0));
    let looked = looks.clone();
    app.after_statements(move |sql| {
        if sql.contains("row_end") && sql.contains("sealed_to") {
            looked.fetch_add(1, Ordering::AcqRel);
        }
    });
    let sealing = Sealing::begin(&app.app, 4, Duration::from_secs(3_600));
    all_sealed(&app).await;
    for n in 0..COMMITS {
        app.component(&format!("Component {n}")).await;
        all_sealed(&app).await;
    }
    // Queries write nothing. A server that looked every four milliseconds would look dozens of times meanwhile.
    for _ in 0..300 {
        app.gql(&app.publisher, "{ components(first: 1) { edges { node { id } } } }", Value::Null).await;
    }
    // A look finds the entries, and the next one that nothing is left. A commit during a look leads to one more.
    let looks = looks.load(Ordering::Acquire);
    assert!((COMMITS + 2..=3 * (COMMITS + 1)).contains(&looks), "{looks} looks");
    sealing.end().await;
}

#[tokio::test]
async fn r51_entries_whose_commit_nobody_heard_of_are_sealed_at_the_next_look() {
    let app = TestApp::new().await;
    let other = app.another_server().await;
    let sealing = Sealing::begin(&other, 1, Duration::from_millis(20));
    all_sealed(&app).await;
    for n in 0..3 {
        // The server that writes them seals nothing, and the other one isn't told.
        app.component(&format!("Component {n}")).await;
        all_sealed(&app).await;
    }
    sealing.end().await;
    assert!(SealTimes::default().idle <= Duration::from_secs(5), "the operators' page says five seconds");
}
