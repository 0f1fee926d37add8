//! The lines about a release in the server's log, from its scheduling to its end.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use crate::installations::outcomes::report;
use crate::releases::halting::release;
use crate::support::{At as _, TestApp, on_date};

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// The log of this thread from now on, as long as the guards live.
    pub(crate) fn of_this_thread() -> (Self, impl Sized) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        // A second subscriber. With a single one, the logging library would disable a line for all threads when another
        // test's thread reaches it first.
        let second = tracing::dispatcher::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
        (log, (tracing::subscriber::set_default(subscriber), second))
    }

    /// The lines about releases since the last call.
    fn take(&self) -> Vec<String> {
        self.take_of("a release ")
    }

    /// The lines with these words since the last call.
    pub(crate) fn take_of(&self, words: &str) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        text.lines().filter(|line| line.contains(words)).map(Into::into).collect()
    }
}

#[tokio::test]
async fn an_operator_reads_what_happened_at_midnight() {
    let (log, _here) = Log::of_this_thread();
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    log.take();
    let release = app.update_on(&world.pack, "2026-12-01").await;
    let scheduled = log.take();
    assert_eq!(scheduled.len(), 1, "{scheduled:?}");
    for part in ["a release was scheduled", "pack=\"Orders\"", "starts_at=2026-11-30 23:00:00 UTC"] {
        assert!(scheduled[0].contains(part), "{scheduled:?}");
    }
    app.advance_to("2026-11-30T23:00:00Z").await;
    let opened = log.take();
    assert_eq!(opened.len(), 2, "{opened:?}");
    assert!(opened[0].contains("a release has started") && opened[0].contains("pack=\"Orders\""), "{opened:?}");
    for part in ["a release has ended", "applied=1", "skipped=0", "failed=0", "took_seconds=0"] {
        assert!(opened[1].contains(part), "{opened:?}");
    }
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    // A refused call isn't logged.
    app.refused(&app.publisher, "cancelRelease", serde_json::json!({ "releaseId": release })).await;
    assert_eq!(log.take(), Vec::<String>::new());
    // A deletion cancels the pack's pending release.
    let app = TestApp::new().await;
    let orders = app.pack_with("Orders", &["Import"]).await;
    app.release_on(&orders.id, "2026-12-02").await;
    log.take();
    let input = serde_json::json!({ "packId": orders.id, "confirmInstallations": 0 });
    app.ok(&app.publisher, "deleteIntegrationPack", input, "canceledRelease { id }").await;
    let deleted = log.take();
    assert!(deleted.len() == 1 && deleted[0].contains("a release was canceled"), "{deleted:?}");
}

#[tokio::test]
async fn r39_an_operator_reads_how_late_a_release_has_started() {
    let (log, _here) = Log::of_this_thread();
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let in_time = app.update_on(&world.pack, "2026-12-01").await;
    log.take();
    app.advance_to("2026-11-30T23:30:00Z").await;
    let started = log.take();
    assert!(started[0].contains("INFO") && !started[0].contains("late_seconds"), "{started:?}");
    assert!(started[0].contains(&format!("release={in_time}")), "the id of the API: {started:?}");
    app.update_on(&world.pack, "2026-12-02").await;
    log.take();
    // The window ended at 00:00 UTC.
    app.advance_to("2026-12-02T09:00:00Z").await;
    let started = log.take();
    for part in ["WARN", "a release has started", "late_seconds=32400"] {
        assert!(started[0].contains(part), "{part}: {started:?}");
    }
    assert!(started[1].contains("INFO") && !started[1].contains("late_seconds"), "{started:?}");
}

#[tokio::test]
async fn an_operator_reads_that_an_early_application_halts_a_release() {
    let (log, _here) = Log::of_this_thread();
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.package_newer(&world.pack).await;
    let rule = serde_json::json!({ "percent": 40, "atLeast": 2, "then": "ROLL_BACK" });
    let release = release(&app, on_date(&world.pack.id, "2026-12-01"), rule).await;
    let update = app.apply(&acme, &world.installations[0]).await;
    report(&app, &acme, &update, "BROKEN", "").await;
    log.take();
    app.apply(&globex, &world.installations[1]).await;
    let lines = log.take();
    for line in ["a release was halted by its rule", "a release was canceled"] {
        assert!(lines.iter().any(|found| found.contains(line)), "{line}: {lines:?}");
    }
    // The publisher reads why it was canceled.
    let reason = app.read_release(&release, "reason").await.text("/reason");
    assert!(reason.contains("1 of 2 updates"), "{reason}");
}
