//! Rollouts in which moving an installation fails (section 6 of the rules, R41).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use packwright::app::{App, AppOptions};
use packwright::domain::id::{InstallationId, ReleaseId};
use packwright::domain::installations::FailureCode;
use packwright::service::Settings;
use packwright::service::followup::Mover;
use serde_json::json;

use crate::support::rows::{LogMark, database_url, uuids_of};
use crate::support::{At, Installed, Managed, Setup, TestApp, instant};

const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// Three accounts have Orders installed, and the pack has something new.
async fn three() -> (TestApp, [Managed; 3], Installed) {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let installed = app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await;
    app.tick().await;
    app.package_newer(&installed.pack).await;
    (app, accounts, installed)
}

/// Runs the scheduler until no work is left. Returns the times of its passes.
async fn until_nothing_is_left(app: &TestApp) -> Vec<packwright::domain::Instant> {
    let mut passes = vec![app.now()];
    while let Some(next) = app.tick().await {
        assert!(next > app.now(), "it would spin: it wants to come at {next} and it is {}", app.now());
        assert!(passes.len() < 20, "it never ends: {passes:?}");
        app.clock.advance_to(next);
        passes.push(next);
    }
    passes
}

#[tokio::test]
async fn r41_one_failing_installation_does_not_hold_up_another() {
    let (app, accounts, installed) = three().await;
    app.mover.fail(&installed.installations[0], u32::MAX, FailureCode::Temporary);
    let release = app.release_on(&installed.pack.id, "2026-12-01").await;
    app.advance_to(OPENS).await;
    for index in [1, 2] {
        assert_eq!(app.installed_number(&accounts[index], &installed.installations[index]).await, 2);
    }
    assert_eq!(app.installed_number(&accounts[0], &installed.installations[0]).await, 1);
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS");
    let progress = app.progress(&release).await;
    assert_eq!(
        (progress.int("/applied"), progress.int("/offered"), progress.int("/failed")),
        (2, 1, 0),
        "it is tried again"
    );
    let waiting = app.update_of(&release, &installed.installations[0]).await;
    assert_eq!((waiting.text("/state"), waiting.at("/failure")), ("OFFERED".into(), &json!(null)));
}

#[tokio::test]
async fn r41_a_temporary_fault_is_overcome_by_retrying() {
    let (app, accounts, installed) = three().await;
    app.mover.fail(&installed.installations[0], 3, FailureCode::Temporary);
    let mark = LogMark::now(&app).await;
    let release = app.release_on(&installed.pack.id, "2026-12-01").await;
    app.advance_to(OPENS).await;
    let passes = until_nothing_is_left(&app).await;
    assert_eq!(app.mover.attempts(&installed.installations[0]), 4);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(app.installed_number(&accounts[0], &installed.installations[0]).await, 2);
    let update = app.update_of(&release, &installed.installations[0]).await;
    assert_eq!(
        (update.text("/state"), update.text("/how"), update.at("/failure")),
        ("APPLIED".into(), "AUTOMATIC".into(), &json!(null))
    );
    assert!(*passes.last().expect("a pass") - instant(OPENS) <= chrono::Duration::minutes(10));
    let about = Some(uuids_of(&installed.installations[0])[0]);
    let announced: Vec<_> = mark
        .events(&app)
        .await
        .into_iter()
        .filter(|e| e.installation_id == about)
        .filter_map(|e| e.update_state)
        .collect();
    assert_eq!(announced, ["OFFERED", "APPLIED"], "an attempt is no change of state");
}

#[tokio::test]
async fn r41_five_attempts_within_ten_minutes_and_then_the_update_has_failed() {
    for code in [FailureCode::Temporary, FailureCode::Internal] {
        let (app, accounts, installed) = three().await;
        app.mover.fail(&installed.installations[0], u32::MAX, code);
        let release = app.release_on(&installed.pack.id, "2026-12-01").await;
        app.advance_to(OPENS).await;
        let passes = until_nothing_is_left(&app).await;
        let attempts = app.mover.attempts(&installed.installations[0]);
        assert!((1..=5).contains(&attempts), "{attempts} attempts");
        if code == FailureCode::Temporary {
            assert_eq!(attempts, 5, "what may pass is tried as often as it may be");
        }
        assert!(*passes.last().expect("a pass") - instant(OPENS) <= chrono::Duration::minutes(10), "{passes:?}");
        assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
        let progress = app.progress(&release).await;
        assert_eq!((progress.int("/applied"), progress.int("/failed"), progress.int("/offered")), (2, 1, 0));
        let failed = app.update_of(&release, &installed.installations[0]).await;
        let spelt = if code == FailureCode::Temporary { "TEMPORARY" } else { "INTERNAL" };
        assert_eq!((failed.text("/state"), failed.text("/failure/code")), ("FAILED".into(), spelt.into()));
        assert_eq!(failed.int("/failure/attempts"), i64::try_from(attempts).expect("few"));
        assert!(!failed.text("/failure/message").is_empty());
        assert_eq!(app.updates(&accounts[0], &installed.installations[0]).await[0].text("/state"), "FAILED");
        assert_eq!(app.installed_number(&accounts[0], &installed.installations[0]).await, 1);
        app.advance_by(86_400).await;
        assert_eq!(app.mover.attempts(&installed.installations[0]), attempts, "automatic attempts are over");
    }
}

#[tokio::test]
async fn r41_a_release_of_which_all_failed_has_failed() {
    let (app, _, installed) = three().await;
    for installation in &installed.installations {
        app.mover.fail(installation, u32::MAX, FailureCode::Temporary);
    }
    let release = app.release_now(&installed.pack.id).await;
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS");
    until_nothing_is_left(&app).await;
    assert_eq!(app.release_state(&release).await, "FAILED");
    assert_eq!(
        app.current_number(&installed.pack.id).await,
        Some(2),
        "the version is the current one from the call on"
    );
    assert_eq!(app.read_pack(&installed.pack.id, "state").await.text("/state"), "CURRENT");
    // The next release moves the installations, whether the failed updates were retried or not.
    app.mover.repair();
    app.update_now(&installed.pack).await;
    app.tick().await;
    for installation in &installed.installations {
        assert_eq!(app.as_publisher(installation, "version { number }").await.int("/version/number"), 3);
    }
}

#[tokio::test]
async fn r41_a_failing_batch_of_one_pack_does_not_hold_up_another_pack() {
    let (app, accounts, installed) = three().await;
    let other = app.installed_pack("Invoices", &[&accounts[1]]).await;
    for installation in &installed.installations {
        app.mover.fail(installation, u32::MAX, FailureCode::Temporary);
    }
    let failing = app.release_on(&installed.pack.id, "2026-12-01").await;
    let well = app.update_on(&other.pack, "2026-12-01").await;
    app.advance_to(OPENS).await;
    assert_eq!(
        (app.release_state(&failing).await, app.release_state(&well).await),
        ("IN_PROGRESS".into(), "SUCCEEDED".into())
    );
}

#[tokio::test]
async fn r41_a_rollout_does_not_wait_for_an_uninstalled_installation() {
    let (app, accounts, installed) = three().await;
    app.mover.fail(&installed.installations[0], u32::MAX, FailureCode::Temporary);
    let release = app.release_now(&installed.pack.id).await;
    app.uninstall(&accounts[0], &installed.installations[0]).await;
    until_nothing_is_left(&app).await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/withdrawn"), progress.int("/failed")), (2, 1, 0));
}

#[tokio::test]
async fn r45_an_account_that_loses_the_grant_during_retries_is_skipped_and_not_waited_for() {
    let (app, accounts, installed) = three().await;
    let everybody = app.all_accounts().await;
    app.mover.fail(&installed.installations[0], u32::MAX, FailureCode::Temporary);
    let release = app.release_now(&installed.pack.id).await;
    app.unshare(&installed.pack.id, &[&everybody]).await;
    until_nothing_is_left(&app).await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(app.mover.attempts(&installed.installations[0]), 1);
    let update = app.update_of(&release, &installed.installations[0]).await;
    assert_eq!((update.text("/state"), update.text("/skipReason")), ("SKIPPED".into(), "NOT_ENTITLED".into()));
    assert_eq!(app.installed_number(&accounts[0], &installed.installations[0]).await, 1);
}

#[tokio::test]
async fn r30_a_cancel_tries_again_to_move_an_early_applier_back() {
    let (app, accounts, installed) = three().await;
    let release = app.release_on(&installed.pack.id, "2026-12-01").await;
    app.apply(&accounts[0], &installed.installations[0]).await;
    app.mover.fail(&installed.installations[0], 1, FailureCode::Temporary);
    app.cancel(&release).await;
    assert_eq!(app.installed_number(&accounts[0], &installed.installations[0]).await, 2, "the first attempt failed");
    app.package_newer(&installed.pack).await;
    let refusal =
        app.refused(&app.publisher, "releaseIntegrationPack", crate::support::immediately(&installed.pack.id)).await;
    assert_eq!(refusal.code, "RELEASE_IN_PROGRESS", "while the moves of a release are open (R49)");
    until_nothing_is_left(&app).await;
    assert_eq!(app.installed_number(&accounts[0], &installed.installations[0]).await, 1);
    let update = app.update_of(&release, &installed.installations[0]).await;
    assert_eq!((update.text("/state"), update.text("/how")), ("WITHDRAWN".into(), "CANCELED_BACK".into()));
    app.release_now(&installed.pack.id).await;
}

#[tokio::test]
async fn r30_an_uninstalled_or_frozen_installation_is_not_moved_back_any_more() {
    let (app, accounts, installed) = three().await;
    let release = app.release_on(&installed.pack.id, "2026-12-01").await;
    for (account, installation) in accounts.iter().zip(&installed.installations) {
        app.apply(account, installation).await;
        app.mover.fail(installation, 1, FailureCode::Temporary);
    }
    app.cancel(&release).await;
    app.ok(&accounts[0].token, "uninstallPack", json!({ "installationId": installed.installations[0] }), "").await;
    let groups = app.read_pack(&installed.pack.id, "groups(first: 10) { edges { node { id } } }").await;
    let group = groups.text("/groups/edges/0/node/id");
    app.unshare(&installed.pack.id, &[&group]).await;
    until_nothing_is_left(&app).await;
    for (account, installation) in accounts.iter().zip(&installed.installations).skip(1) {
        assert_eq!(app.installed_number(account, installation).await, 2, "without a grant it is not moved (R45)");
    }
    app.package_newer(&installed.pack).await;
    app.release_now(&installed.pack.id).await;
}

#[tokio::test]
async fn r30_a_move_back_is_tried_for_as_long_as_it_takes() {
    let (app, accounts, installed) = three().await;
    let release = app.release_on(&installed.pack.id, "2026-12-01").await;
    app.apply(&accounts[0], &installed.installations[0]).await;
    app.mover.fail(&installed.installations[0], 8, FailureCode::Internal);
    app.cancel(&release).await;
    until_nothing_is_left(&app).await;
    assert_eq!(app.installed_number(&accounts[0], &installed.installations[0]).await, 1);
    let update = app.update_of(&release, &installed.installations[0]).await;
    assert_eq!((update.text("/state"), update.text("/how")), ("WITHDRAWN".into(), "CANCELED_BACK".into()));
}

/// Panics at move number `dies_at`, like a server that dies during a batch.
struct Deadly {
    moves: AtomicUsize,
    dies_at: usize,
}

impl Mover for Deadly {
    fn move_installation(&self, _: InstallationId, _: ReleaseId) -> Result<(), FailureCode> {
        let count = self.moves.fetch_add(1, Ordering::SeqCst);
        assert!(count != self.dies_at, "this server dies here, as the test wants it to");
        Ok(())
    }
}

#[tokio::test]
async fn r41_a_server_that_dies_at_any_move_loses_and_doubles_nothing() {
    for dies_at in 0..8 {
        let settings = Settings { batch_size: 3, ..Settings::default() };
        let app = TestApp::with(Setup { settings: settings.clone(), ..Setup::default() }).await;
        let acme = app.managed("Acme").await;
        let Installed { pack, installations, .. } = app.installed_times("Orders", &acme, 7).await;
        let release = app.update_on(&pack, "2026-12-01").await;
        app.tick().await;
        let mark = LogMark::now(&app).await;
        app.clock_only(OPENS);
        let options = AppOptions {
            settings,
            migrate: false,
            mover: Arc::new(Deadly { moves: AtomicUsize::new(0), dies_at }),
            ..AppOptions::new(database_url(&app).await, app.clock.clone())
        };
        let deadly = App::build(options).await.expect("the server that dies");
        let pass = tokio::spawn(async move { deadly.scheduler.tick().await.map(|_| ()) }).await;
        assert_eq!(pass.is_err(), dies_at < 7, "it dies at move {dies_at}, and there are seven");
        let moved = app.progress(&release).await.int("/applied");
        assert_eq!(
            moved,
            i64::try_from(if dies_at < 7 { dies_at / 3 * 3 } else { 7 }).expect("few"),
            "whole batches alone"
        );
        app.until_transactions_have_ended().await;
        app.tick().await;
        let progress = app.progress(&release).await;
        assert_eq!(
            (progress.int("/applied"), progress.int("/offered"), app.release_state(&release).await),
            (7, 0, "SUCCEEDED".into())
        );
        let events = mark.events(&app).await;
        for installation in &installations {
            let about = Some(uuids_of(installation)[0]);
            let announced =
                events.iter().filter(|e| e.installation_id == about && e.kind == "INSTALLATION_UPDATED").count();
            assert_eq!(announced, 1, "{installation} is told of once");
        }
        assert_eq!(events.iter().filter(|e| e.kind == "RELEASE_COMPLETED").count(), 1);
    }
}

#[tokio::test]
async fn r26_an_early_apply_that_fails_leaves_the_offer_and_can_be_tried_again() {
    for code in [FailureCode::Temporary, FailureCode::Internal] {
        let (app, accounts, installed) = three().await;
        app.release_on(&installed.pack.id, "2026-12-01").await;
        let update = app.offered(&accounts[0], &installed.installations[0]).await.expect("an offer");
        app.mover.fail(&installed.installations[0], 1, code);
        let denied = app.denied(&accounts[0].token, "applyPendingUpdate", json!({ "updateId": update })).await;
        assert!(["UNAVAILABLE", "INTERNAL_SERVER_ERROR"].contains(&denied.as_str()), "a fault of ours: {denied}");
        assert_eq!(app.offered(&accounts[0], &installed.installations[0]).await, Some(update));
        app.apply(&accounts[0], &installed.installations[0]).await;
        assert_eq!(app.installed_number(&accounts[0], &installed.installations[0]).await, 2);
    }
}
