//! Regaining a grant brings an installation to the current version at once (R45).

use serde_json::{Value, json};

use crate::support::rows::{LogMark, uuids_of};
use crate::support::{At, Installed, Managed, TestApp};

/// Acme and Globex in the group Gold, both with the pack Orders, which only Gold grants.
async fn world() -> (TestApp, [Managed; 2], String, Installed) {
    in_batches_of(250).await
}

async fn in_batches_of(batch_size: u64) -> (TestApp, [Managed; 2], String, Installed) {
    let app = TestApp::in_batches_of(batch_size).await;
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&accounts[0], &accounts[1]]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&accounts[0], &accounts[1]]).await;
    app.tick().await;
    (app, accounts, gold, installed)
}

/// The update of an installation by a release: its state, its method, its skip reason.
async fn outcome(app: &TestApp, release: &str, installation: &str) -> (String, Value, Value) {
    let update = app.update_of(release, installation).await;
    (update.text("/state"), update.at("/how").clone(), update.at("/skipReason").clone())
}

#[tokio::test]
async fn r45_a_grant_that_comes_back_brings_the_current_version_at_once() {
    let (app, [acme, _], gold, installed) = world().await;
    let installation = &installed.installations[0];
    app.leave(&gold, &acme).await;
    let release = app.update_now(&installed.pack).await;
    assert_eq!(app.installed_number(&acme, installation).await, 1);
    assert_eq!(outcome(&app, &release, installation).await, ("SKIPPED".into(), json!(null), json!("NOT_ENTITLED")));
    let mark = LogMark::now(&app).await;
    app.join(&gold, &acme).await;
    assert_eq!(app.installed_number(&acme, installation).await, 2, "without a tick: the call does the first batch");
    assert_eq!(outcome(&app, &release, installation).await, ("APPLIED".into(), json!("CATCH_UP"), json!(null)));
    let shown = app.updates(&acme, installation).await;
    assert_eq!((shown.len(), shown[0].text("/how")), (1, "CATCH_UP".into()), "the account sees how it came about");
    assert_eq!(mark.kinds(&app).await, ["GROUP_CHANGED", "PACK_SHARED", "INSTALLATION_UPDATED"]);
    let announced = mark.events(&app).await;
    assert_eq!(
        (announced[2].audience.as_str(), announced[2].update_state.as_deref()),
        ("PUBLISHER_AND_ACCOUNT", Some("APPLIED"))
    );
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/skipped")), (2, 0));
    app.tick().await;
    assert_eq!(mark.kinds(&app).await.len(), 3, "and nothing more comes of it");
}

#[tokio::test]
async fn r45_only_the_newest_skipped_update_is_settled() {
    let (app, [acme, _], gold, installed) = world().await;
    let installation = &installed.installations[0];
    app.leave(&gold, &acme).await;
    let second = app.update_now(&installed.pack).await;
    let third = app.update_now(&installed.pack).await;
    app.join(&gold, &acme).await;
    assert_eq!(app.installed_number(&acme, installation).await, 3);
    assert_eq!(outcome(&app, &second, installation).await.0, "SKIPPED");
    assert_eq!(outcome(&app, &third, installation).await, ("APPLIED".into(), json!("CATCH_UP"), json!(null)));
    assert_eq!(app.updates(&acme, installation).await.len(), 1, "what it was denied stays hidden");
}

#[tokio::test]
async fn r45_a_lower_number_is_caught_up_to_as_well() {
    let (app, [acme, globex], gold, installed) = world().await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.apply(&acme, &installed.installations[0]).await;
    app.apply(&globex, &installed.installations[1]).await;
    app.leave(&gold, &acme).await;
    app.cancel(&release).await;
    app.tick().await;
    assert_eq!(
        app.installed_number(&acme, &installed.installations[0]).await,
        2,
        "a cancel doesn't move what is frozen"
    );
    assert_eq!(app.installed_number(&globex, &installed.installations[1]).await, 1);
    app.join(&gold, &acme).await;
    assert_eq!(
        app.installed_number(&acme, &installed.installations[0]).await,
        1,
        "the current version, whatever its number"
    );
    let ended = outcome(&app, &release, &installed.installations[0]).await;
    assert_eq!(ended, ("WITHDRAWN".into(), json!("CANCELED_BACK"), json!(null)));
}

#[tokio::test]
async fn r45_a_superseding_release_is_caught_up_with() {
    let (app, [acme, _], gold, installed) = world().await;
    app.update_on(&installed.pack, "2026-12-01").await;
    app.apply(&acme, &installed.installations[0]).await;
    app.leave(&gold, &acme).await;
    let release = app.update_now(&installed.pack).await;
    app.tick().await;
    app.join(&gold, &acme).await;
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 3);
    assert_eq!(outcome(&app, &release, &installed.installations[0]).await.1, "CATCH_UP");
}

#[tokio::test]
async fn r45_catching_up_applies_the_update_to_the_version_in_force_and_leaves_offers_open() {
    let (app, [acme, _], gold, installed) = world().await;
    let installation = &installed.installations[0];
    app.leave(&gold, &acme).await;
    app.update_now(&installed.pack).await;
    let pending = app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    let mark = LogMark::now(&app).await;
    app.join(&gold, &acme).await;
    assert_eq!(app.installed_number(&acme, installation).await, 2);
    let offered = app.offered(&acme, installation).await.expect("the pending release is offered");
    assert_eq!(uuids_of(&offered)[1], uuids_of(&pending)[0]);
    let seen = app.read_installation(&acme, installation, "pendingUpdate { fromVersion { number } }").await;
    assert_eq!(seen.int("/pendingUpdate/fromVersion/number"), 2);
    assert_eq!(mark.kinds(&app).await, ["GROUP_CHANGED", "PACK_SHARED", "INSTALLATION_UPDATED", "UPDATE_OFFERED"]);
}

#[tokio::test]
async fn r45_a_grant_that_was_gone_for_a_moment_alone_is_made_up_for() {
    // No batch runs in between: the freeze is never announced, but the release skips the installation all the same.
    let (app, [acme, globex], gold, installed) = in_batches_of(1).await;
    let release = {
        app.package_newer(&installed.pack).await;
        app.unshare(&installed.pack.id, &[&gold]).await;
        app.release_now(&installed.pack.id).await
    };
    app.share(&installed.pack.id, &[&gold]).await;
    app.tick().await;
    for (account, installation) in [(&acme, &installed.installations[0]), (&globex, &installed.installations[1])] {
        assert_eq!(app.installed_number(account, installation).await, 2, "{}", account.name);
        assert_eq!(outcome(&app, &release, installation).await.0, "APPLIED");
    }
}

#[tokio::test]
async fn r45_an_account_that_regains_the_grant_during_a_rollout_is_moved_once() {
    let (app, accounts, gold, installed) = in_batches_of(1).await;
    app.package_newer(&installed.pack).await;
    for account in &accounts {
        app.leave(&gold, account).await;
    }
    app.tick().await;
    // The call runs only the first batch: one installation is skipped, and the other isn't reached yet.
    let release = app.release_now(&installed.pack.id).await;
    assert_eq!(app.progress(&release).await.int("/skipped"), 1);
    for account in &accounts {
        app.join(&gold, account).await;
    }
    app.tick().await;
    let mut ways = Vec::new();
    for (account, installation) in accounts.iter().zip(&installed.installations) {
        assert_eq!(app.installed_number(account, installation).await, 2);
        assert_eq!(app.mover.attempts(installation), 1, "moved once");
        ways.push(app.update_of(&release, installation).await.text("/how"));
    }
    ways.sort();
    assert_eq!(ways, ["CATCH_UP", "IMMEDIATE"]);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/skipped"), progress.int("/total")), (2, 0, 2));
}

#[tokio::test]
async fn r45_a_catch_up_that_fails_is_tried_again_until_it_goes_well() {
    use packwright::domain::installations::FailureCode;
    let (app, [acme, _], gold, installed) = world().await;
    let installation = &installed.installations[0];
    app.leave(&gold, &acme).await;
    let release = app.update_now(&installed.pack).await;
    app.mover.fail(installation, 2, FailureCode::Temporary);
    app.join(&gold, &acme).await;
    assert_eq!(app.installed_number(&acme, installation).await, 1);
    assert_eq!(outcome(&app, &release, installation).await.0, "SKIPPED");
    for _ in 0..10 {
        let Some(next) = app.tick().await else { break };
        assert!(next > app.now(), "it would spin");
        app.clock.advance_to(next);
    }
    assert_eq!(app.mover.attempts(installation), 3);
    assert_eq!(app.installed_number(&acme, installation).await, 2);
    assert_eq!(outcome(&app, &release, installation).await.1, "CATCH_UP");
}

#[tokio::test]
async fn r45_an_installation_at_the_current_version_is_left_alone() {
    let (app, [acme, globex], gold, installed) = world().await;
    app.update_on(&installed.pack, "2026-12-01").await;
    app.apply(&acme, &installed.installations[0]).await;
    let mark = LogMark::now(&app).await;
    app.leave(&gold, &globex).await;
    app.join(&gold, &globex).await;
    app.tick().await;
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2, "tested early, and not moved back");
    assert_eq!(app.installed_number(&globex, &installed.installations[1]).await, 1);
    let moved = mark.kinds(&app).await.iter().filter(|kind| *kind == "INSTALLATION_UPDATED").count();
    assert_eq!(moved, 0);
}

#[tokio::test]
async fn r45_an_early_applier_that_a_cancel_left_behind_is_moved_by_the_rollout_that_runs_when_it_regains_the_grant() {
    let (app, accounts, gold, installed) = in_batches_of(1).await;
    let canceled = app.update_on(&installed.pack, "2026-12-01").await;
    for (account, installation) in accounts.iter().zip(&installed.installations) {
        app.apply(account, installation).await;
        app.leave(&gold, account).await;
    }
    app.tick().await;
    app.cancel(&canceled).await;
    app.tick().await;
    // The call runs only the first batch: one installation is skipped, and the other isn't reached yet.
    let release = app.update_now(&installed.pack).await;
    for account in &accounts {
        app.join(&gold, account).await;
    }
    app.tick().await;
    let mut ways = Vec::new();
    for (account, installation) in accounts.iter().zip(&installed.installations) {
        assert_eq!(app.installed_number(account, installation).await, 3);
        ways.push(app.update_of(&release, installation).await.text("/how"));
    }
    ways.sort();
    assert_eq!(ways, ["CATCH_UP", "IMMEDIATE"], "each has an update by the release that brought it there");
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn r45_an_early_applier_keeps_its_version_when_its_grant_goes_and_returns_in_the_testing_period() {
    let (app, [acme, globex], gold, installed) = world().await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.apply(&acme, &installed.installations[0]).await;
    app.tick().await;
    for account in [&acme, &globex] {
        app.leave(&gold, account).await;
    }
    let mark = LogMark::now(&app).await;
    for account in [&acme, &globex] {
        app.join(&gold, account).await;
    }
    app.tick().await;
    let once = ["GROUP_CHANGED", "PACK_SHARED"];
    assert_eq!(mark.kinds(&app).await, [once, once].concat(), "nothing is offered or moved anew");
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2);
    assert_eq!(outcome(&app, &release, &installed.installations[0]).await.1, "EARLY");
    assert!(app.offered(&globex, &installed.installations[1]).await.is_some());
    app.advance_to("2026-11-30T23:00:00Z").await;
    assert_eq!(app.mover.attempts(&installed.installations[0]), 1, "the window doesn't touch it again");
    assert_eq!(app.installed_number(&globex, &installed.installations[1]).await, 2);
}

#[tokio::test]
async fn r45_an_account_skipped_before_its_freeze_was_announced_catches_up_when_the_grant_returns() {
    let app = TestApp::in_batches_of(1).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&acme, &globex]).await;
    // Batches process accounts and installations in the order of their ids. Here the two orders differ.
    let installed = app.installed_pack_in("Orders", &gold, &[&globex, &acme]).await;
    app.package_newer(&installed.pack).await;
    app.tick().await;
    let mark = LogMark::now(&app).await;
    app.unshare(&installed.pack.id, &[&gold]).await;
    let release = app.release_now(&installed.pack.id).await;
    app.share(&installed.pack.id, &[&gold]).await;
    assert_eq!(outcome(&app, &release, &installed.installations[0]).await.0, "SKIPPED");
    app.tick().await;
    let frozen = mark.events(&app).await.into_iter().filter(|event| event.kind == "INSTALLATION_FROZEN");
    assert!(frozen.into_iter().all(|event| event.installation_id == Some(uuids_of(&installed.installations[1])[0])));
    assert_eq!(app.installed_number(&globex, &installed.installations[0]).await, 2);
    assert_eq!(outcome(&app, &release, &installed.installations[0]).await.1, "CATCH_UP");
}

/// An installation of an account that was suspended when the second release was made. A third one is scheduled. The
/// catch-up after the reactivation has failed, and is tried again later.
async fn behind_and_offered() -> (TestApp, Managed, Installed, [String; 2]) {
    use packwright::domain::installations::FailureCode;
    let (app, [acme, _], _, installed) = world().await;
    app.suspend(&acme).await;
    let second = app.update_now(&installed.pack).await;
    let third = app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    app.mover.fail(&installed.installations[0], 1, FailureCode::Temporary);
    app.reactivate(&acme).await;
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 1, "the catch-up comes late");
    (app, acme, installed, [second, third])
}

#[tokio::test]
async fn r27_a_late_catch_up_leaves_an_installation_that_applied_the_pending_release_early() {
    let (app, acme, installed, [second, third]) = behind_and_offered().await;
    let installation = &installed.installations[0];
    app.apply(&acme, installation).await;
    let attempts = app.mover.attempts(installation);
    app.advance_by(3_600).await;
    assert_eq!(app.installed_number(&acme, installation).await, 3, "it isn't moved back");
    assert_eq!(app.mover.attempts(installation), attempts);
    app.advance_to("2026-11-30T23:00:00Z").await;
    assert_eq!(app.release_state(&third).await, "SUCCEEDED");
    assert_eq!(app.installed_number(&acme, installation).await, 3);
    assert_eq!(outcome(&app, &second, installation).await.0, "SKIPPED", "no update says that it was moved");
}

#[tokio::test]
async fn r55_a_late_catch_up_leaves_an_installation_that_a_stage_has_moved() {
    let (app, acme, installed, [_, third]) = behind_and_offered().await;
    app.cancel(&third).await;
    let installation = &installed.installations[0];
    let pilots = app.group("Pilots", &[&acme]).await;
    let stages = [crate::support::of_groups("Pilots", "2026-11-25", &[&pilots])];
    let fourth = app.release_in_stages(&installed.pack, "2026-12-01", &stages).await;
    app.open_next_stage(&fourth).await;
    assert_eq!(app.installed_number(&acme, installation).await, 4, "its stage comes before the catch-up");
    app.advance_by(3_600).await;
    assert_eq!(app.installed_number(&acme, installation).await, 4);
    app.cancel(&fourth).await;
    app.tick().await;
    assert_eq!(app.installed_number(&acme, installation).await, 2, "a cancel moves it to the current version");
}
