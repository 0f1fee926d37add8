//! A call that waits for a lock uses the time after it got the lock, and not the time before (R30).
//!
//! On PostgreSQL the test locks the rows that the call needs, on SQLite the whole file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::{Value, json};

use crate::support::rows::{code_of, tables};
use crate::support::{At as _, Installed, Managed, TestApp, immediately, on_date, refusal};

const BEFORE: &str = "2026-11-30T22:59:55.000000Z";
const AFTER: &str = "2026-11-30T23:00:05.000000Z";

/// Runs a call that must wait for a lock, and moves the clock while it waits.
async fn meanwhile<T>(app: &TestApp, to: &str, call: impl Future<Output = T>) -> T {
    let lock_tx = tables(app).begin().await.expect("a transaction");
    if app.is_postgresql() {
        for table in ["account", "integration_pack", "enrolment_token", "component"] {
            lock_tx.execute_unprepared(&format!("SELECT id FROM {table} FOR UPDATE")).await.expect("all rows are held");
        }
    } else {
        let write = "UPDATE event_log SET pruned_to = pruned_to";
        lock_tx.execute_unprepared(write).await.expect("the file is held");
    }
    let begun = Arc::new(AtomicBool::new(false));
    let sees = begun.clone();
    app.after_statements(move |_| sees.store(true, Ordering::SeqCst));
    let waits = async {
        // Waits until the call has begun and a little longer. A call that reads the clock too early has read it by
        // then.
        while !begun.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        app.clock_only(to);
        lock_tx.rollback().await.expect("it lets go");
    };
    tokio::join!(call, waits).0
}

/// Acme has a pack installed whose next version is pending, a few seconds before its window.
async fn just_before() -> (TestApp, Managed, Installed, String) {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.tick().await;
    app.clock_only(BEFORE);
    (app, acme, world, release)
}

#[tokio::test]
async fn r30_a_cancel_that_waits_past_the_start_of_the_window_finds_the_release_in_progress() {
    for mutation in ["cancelRelease", "promoteRelease"] {
        let (app, acme, world, release) = just_before().await;
        let input = json!({ "releaseId": release });
        let payload = meanwhile(&app, AFTER, app.mutate(&app.publisher, mutation, input, "release { id }")).await;
        assert_eq!(refusal(&payload).code, "RELEASE_IN_PROGRESS", "{mutation}");
        app.tick().await;
        let read = app.read_release(&release, "state startedAt promotedAt").await;
        let expected = json!({ "state": "SUCCEEDED", "startedAt": AFTER, "promotedAt": null });
        assert_eq!(read, expected, "{mutation}");
        assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 2);
    }
}

#[tokio::test]
async fn r30_a_reschedule_that_waits_past_the_start_of_the_window_finds_the_release_in_progress() {
    let (app, _, _, release) = just_before().await;
    let input = json!({ "releaseId": release, "onDate": "2026-12-24" });
    let payload =
        meanwhile(&app, AFTER, app.mutate(&app.publisher, "rescheduleRelease", input, "release { id }")).await;
    assert_eq!(refusal(&payload).code, "RELEASE_IN_PROGRESS");
}

#[tokio::test]
async fn r30_an_early_apply_that_waits_past_the_start_of_the_window_leaves_it_to_the_rollout() {
    let (app, acme, world, release) = just_before().await;
    let update = app.offered(&acme, &world.installations[0]).await.expect("an offer");
    let payload = meanwhile(&app, AFTER, app.try_apply(&acme, &update)).await;
    assert_eq!(refusal(&payload).code, "RELEASE_IN_PROGRESS");
    app.tick().await;
    assert_eq!(app.update_of(&release, &world.installations[0]).await.text("/how"), "AUTOMATIC");
}

#[tokio::test]
async fn r30_a_release_that_waits_past_the_start_of_a_first_one_moves_everybody_on_from_it() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let first = app.release_on(&pack.id, "2026-12-01").await;
    app.package_newer(&pack).await;
    app.clock_only(BEFORE);
    let payload = meanwhile(&app, AFTER, app.try_release(immediately(&pack.id))).await;
    assert_eq!(payload.at("/errors"), &json!([]), "{payload}");
    assert_eq!(app.release_state(&first).await, "SUCCEEDED", "it was due before");
    assert_eq!(app.current_number(&pack.id).await, Some(2));
}

#[tokio::test]
async fn r38_a_date_that_is_over_once_the_lock_is_held_is_refused() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.clock_only(BEFORE);
    let payload = meanwhile(&app, AFTER, app.try_release(on_date(&pack.id, "2026-12-01"))).await;
    let refused = refusal(&payload);
    assert_eq!(refused.code, "RELEASE_DATE_NOT_IN_FUTURE");
    assert_eq!(refused.errors[0].text("/earliestDate"), "2026-12-02");
}

#[tokio::test]
async fn r47_a_deletion_that_waits_past_the_start_of_the_window_finds_the_release_in_progress() {
    let (app, _, world, _) = just_before().await;
    let input = json!({ "packId": world.pack.id, "confirmInstallations": 1 });
    let call = app.mutate(&app.publisher, "deleteIntegrationPack", input, "uninstalledCount");
    let payload = meanwhile(&app, AFTER, call).await;
    assert_eq!(refusal(&payload).code, "RELEASE_IN_PROGRESS");
}

#[tokio::test]
async fn r01_a_token_that_would_be_over_once_the_lock_is_held_is_refused() {
    let app = TestApp::new().await;
    let input = json!({ "name": "short", "role": "SUPPORT", "expiresAt": "2026-11-22T09:00:05Z" });
    let call = app.mutate(&app.publisher, "createApiToken", input, "secret");
    let payload = meanwhile(&app, "2026-11-22T09:00:10Z", call).await;
    assert_eq!(refusal(&payload).code, "EXPIRY_NOT_IN_FUTURE");
}

#[tokio::test]
async fn r01_an_enrolment_token_that_ends_while_its_call_waits_makes_nothing() {
    let app = TestApp::new().await;
    let (_, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    app.clock_only("2026-11-29T08:59:59Z");
    let document = "mutation { createApiToken(input: { name: \"first\", role: ADMINISTRATOR }) { secret } }";
    let call = app.gql_raw(Some(&enrolment), document, Value::Null);
    let answer = meanwhile(&app, "2026-11-29T09:00:01Z", call).await;
    assert_eq!(code_of(&answer).as_deref(), Some("UNAUTHENTICATED"), "{answer}");
}

#[tokio::test]
async fn r07_a_package_bears_the_instant_at_which_it_got_its_lock() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let package = meanwhile(&app, "2026-11-22T09:00:10Z", app.package(&component)).await;
    assert_eq!(package.created_at, "2026-11-22T09:00:10.000000Z");
}
