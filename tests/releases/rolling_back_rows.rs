//! After a roll back every installation has the version that it would have had without the release (R59), and whoever
//! couldn't be moved catches up later (R45, R46).

use std::collections::BTreeMap;

use packwright::domain::installations::FailureCode;
use packwright::service::followup::{Dropped, drop_task};
use sea_orm::EntityTrait as _;
use serde_json::json;

use crate::releases::pausing::pause;
use crate::support::rows::{LogMark, tables};
use crate::support::{At, Installed, Managed, TestApp};

/// The accounts of the comparison, each named by what happens to it.
const NAMES: [&str; 12] = [
    "Early",
    "At the window",
    "Fails",
    "Installed in the testing period",
    "Installed since",
    "Joined since",
    "Suspended before",
    "Suspended before, and back",
    "Suspended since",
    "Suspended since, and back",
    "Left since",
    "Left since, and back",
];

/// How the compared release is made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// It isn't made at all.
    None,
    Dated,
    Immediate,
}

/// Lives through the same story with or without a release that is rolled back. Returns the number of each installation's
/// version, by account, when all has ended.
async fn story(way: Way) -> BTreeMap<String, i64> {
    let app = TestApp::in_batches_of(2).await;
    let accounts = app.managed_accounts(NAMES).await;
    let of = |name: &str| &accounts[NAMES.iter().position(|known| *known == name).expect("an account")];
    let others: Vec<_> = accounts.iter().filter(|account| account.name != "Joined since").collect();
    let group = app.group("Gold", &others).await;
    let later = ["Installed in the testing period", "Installed since", "Joined since"];
    let begun: Vec<_> = accounts.iter().filter(|account| !later.contains(&account.name.as_str())).collect();
    let world = app.installed_pack_in("Orders", &group, &begun).await;
    app.update_now(&world.pack).await;
    app.tick().await;
    let mut installations: BTreeMap<String, String> =
        begun.iter().map(|account| account.name.clone()).zip(world.installations.clone()).collect();

    for name in ["Suspended before", "Suspended before, and back"] {
        app.suspend(of(name)).await;
    }
    let release = match way {
        Way::Dated => Some(app.update_on(&world.pack, "2026-12-01").await),
        Way::None | Way::Immediate => None,
    };
    app.tick().await;
    let name = "Installed in the testing period";
    installations.insert(name.into(), app.install(of(name), "Orders").await);
    if way == Way::Dated {
        app.apply(of("Early"), &installations["Early"]).await;
    }
    app.mover.fail(&installations["Fails"], 5, FailureCode::Internal);
    let release = match way {
        Way::Immediate => Some(app.update_now(&world.pack).await),
        Way::None | Way::Dated => release,
    };
    app.live_until("2026-12-01T03:00:00Z").await;
    app.mover.repair();
    if let Some(release) = &release {
        assert_eq!(app.release_state(release).await, "PARTIALLY_SUCCEEDED", "{way:?}");
    }
    app.reactivate(of("Suspended before, and back")).await;
    let name = "Installed since";
    installations.insert(name.into(), app.install(of(name), "Orders").await);
    app.join(&group, of("Joined since")).await;
    installations.insert("Joined since".into(), app.install(of("Joined since"), "Orders").await);
    for name in ["Suspended since", "Suspended since, and back"] {
        app.suspend(of(name)).await;
    }
    for name in ["Left since", "Left since, and back"] {
        app.leave(&group, of(name)).await;
    }
    app.tick().await;
    if let Some(release) = &release {
        // All but the failed one, the three that are suspended, and the two that have left.
        assert_eq!(app.roll_back(release).await, 6, "{way:?}");
        app.tick().await;
        assert_eq!(app.release_state(release).await, "ROLLED_BACK");
    }
    app.reactivate(of("Suspended since, and back")).await;
    app.join(&group, of("Left since, and back")).await;
    app.tick().await;
    let mut numbers = BTreeMap::new();
    for (name, installation) in installations {
        let number = app.as_publisher(&installation, "version { number }").await.int("/version/number");
        numbers.insert(name, number);
    }
    numbers
}

async fn alike(way: Way) {
    let mut without = story(Way::None).await;
    let with = story(way).await;
    assert_eq!(without.values().copied().collect::<Vec<_>>(), [2; NAMES.len()]);
    // Whoever may not be moved keeps the release's version until it may.
    for kept in ["Left since", "Suspended since"] {
        without.insert(kept.into(), 3);
    }
    assert_eq!(with, without, "{way:?}");
}

#[tokio::test]
async fn r59_after_a_dated_release_each_has_the_version_that_it_would_have_had_without() {
    alike(Way::Dated).await;
}

#[tokio::test]
async fn r59_after_an_immediate_release_each_has_the_version_that_it_would_have_had_without() {
    alike(Way::Immediate).await;
}

/// Acme, Globex and Umbrella in the group Gold, which grants Orders. A release has moved Acme's and Globex's
/// installation, and Umbrella has installed its version since.
async fn since() -> (TestApp, [Managed; 3], Installed, String, String) {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Umbrella"]).await;
    let gold = app.group("Gold", &accounts.each_ref()).await;
    let mut world = app.installed_pack_in("Orders", &gold, &[&accounts[0], &accounts[1]]).await;
    let release = app.update_now(&world.pack).await;
    app.tick().await;
    world.installations.push(app.install(&accounts[2], "Orders").await);
    (app, accounts, world, release, gold)
}

async fn number(app: &TestApp, installation: &str) -> i64 {
    app.as_publisher(installation, "version { number }").await.int("/version/number")
}

#[tokio::test]
async fn r59_an_installation_made_since_goes_back_and_its_account_reads_how() {
    let (app, [_, _, umbrella], world, release, _) = since().await;
    assert_eq!(app.updates(&umbrella, &world.installations[2]).await.len(), 0);
    app.advance_by(60).await;
    assert_eq!(app.roll_back(&release).await, 3);
    let update = app.updates(&umbrella, &world.installations[2]).await.remove(0);
    assert_eq!((update.text("/state"), update.text("/how")), ("WITHDRAWN".into(), "ROLLED_BACK".into()));
    assert_eq!((update.int("/fromVersion/number"), update.int("/toVersion/number")), (2, 2));
    assert_eq!(update.text("/offeredAt"), "2026-11-22T09:01:00.000000Z", "it was never offered: it began then");
    assert_eq!(app.installed_number(&umbrella, &world.installations[2]).await, 1);
}

#[tokio::test]
async fn r59_a_suspended_account_catches_up_when_it_is_active_again() {
    for installed_since in [false, true] {
        let (app, accounts, world, release, _) = since().await;
        let index = if installed_since { 2 } else { 1 };
        app.suspend(&accounts[index]).await;
        assert_eq!(app.roll_back(&release).await, 2);
        app.tick().await;
        assert_eq!(app.release_state(&release).await, "ROLLED_BACK", "nobody waits for it");
        assert_eq!(number(&app, &world.installations[index]).await, 2);
        let mark = LogMark::now(&app).await;
        app.reactivate(&accounts[index]).await;
        app.tick().await;
        assert_eq!(number(&app, &world.installations[index]).await, 1);
        let update = app.updates(&accounts[index], &world.installations[index]).await.remove(0);
        assert_eq!((update.text("/state"), update.text("/how")), ("WITHDRAWN".into(), "ROLLED_BACK".into()));
        assert_eq!(mark.kinds(&app).await.iter().filter(|kind| *kind == "INSTALLATION_UPDATED").count(), 1);
        assert!(mark.actions(&app).await.contains(&"scheduler.withdrawUpdate".to_owned()));
        let progress = app.progress(&release).await;
        assert_eq!((progress.int("/applied"), progress.int("/withdrawn"), progress.int("/total")), (0, 3, 3));
    }
}

#[tokio::test]
async fn r59_who_has_no_grant_stays_and_goes_back_with_the_grant() {
    for index in [1, 2] {
        let (app, accounts, world, release, gold) = since().await;
        app.leave(&gold, &accounts[index]).await;
        app.tick().await;
        assert_eq!(app.roll_back(&release).await, 2);
        app.tick().await;
        assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
        let seen =
            app.read_installation(&accounts[index], &world.installations[index], "state version { number }").await;
        assert_eq!(seen, json!({ "state": "FROZEN", "version": { "number": 2 } }));
        app.join(&gold, &accounts[index]).await;
        app.tick().await;
        let seen =
            app.read_installation(&accounts[index], &world.installations[index], "state version { number }").await;
        assert_eq!(seen, json!({ "state": "ACTIVE", "version": { "number": 1 } }), "a lower number included (R45)");
    }
}

#[tokio::test]
async fn r59_whoever_slept_through_two_roll_backs_comes_to_the_version_in_force() {
    let (app, accounts, world, second, _) = since().await;
    let third = app.update_now(&world.pack).await;
    app.suspend(&accounts[0]).await;
    app.roll_back(&third).await;
    app.roll_back(&second).await;
    assert_eq!(number(&app, &world.installations[0]).await, 3);
    assert_eq!(number(&app, &world.installations[1]).await, 1);
    app.reactivate(&accounts[0]).await;
    app.tick().await;
    assert_eq!(number(&app, &world.installations[0]).await, 1);
}

#[tokio::test]
async fn r59_whoever_was_skipped_before_and_caught_up_goes_back_without_settling_the_older_one() {
    let (app, accounts, world, _, _) = since().await;
    app.suspend(&accounts[0]).await;
    let third = app.update_now(&world.pack).await;
    let fourth = app.update_now(&world.pack).await;
    app.reactivate(&accounts[0]).await;
    app.tick().await;
    assert_eq!(number(&app, &world.installations[0]).await, 4);
    app.suspend(&accounts[0]).await;
    app.roll_back(&fourth).await;
    app.reactivate(&accounts[0]).await;
    app.tick().await;
    assert_eq!(number(&app, &world.installations[0]).await, 3);
    assert_eq!(app.update_of(&third, &world.installations[0]).await.text("/state"), "SKIPPED");
    assert_eq!(app.update_of(&fourth, &world.installations[0]).await.text("/how"), "ROLLED_BACK");
}

#[tokio::test]
async fn r59_a_later_release_takes_along_whoever_slept_through_the_roll_back() {
    let (app, accounts, world, release, gold) = since().await;
    app.suspend(&accounts[0]).await;
    app.leave(&gold, &accounts[1]).await;
    app.roll_back(&release).await;
    let next = app.release_now(&world.pack.id).await;
    app.tick().await;
    assert_eq!(app.update_of(&next, &world.installations[0]).await.text("/state"), "SKIPPED");
    app.reactivate(&accounts[0]).await;
    app.join(&gold, &accounts[1]).await;
    app.tick().await;
    for installation in &world.installations {
        assert_eq!(number(&app, installation).await, 3);
    }
    for index in [0, 1] {
        let update = app.update_of(&next, &world.installations[index]).await;
        assert_eq!((update.text("/state"), update.text("/how")), ("APPLIED".into(), "CATCH_UP".into()));
    }
}

#[tokio::test]
async fn r59_an_account_that_is_suspended_or_leaves_in_the_middle_stays_and_one_that_comes_back_is_moved() {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech", "Umbrella"]).await;
    let gold = app.group("Gold", &accounts.each_ref()).await;
    let world = app.installed_pack_in("Orders", &gold, &accounts.each_ref()).await;
    let release = app.update_now(&world.pack).await;
    app.tick().await;
    app.leave(&gold, &accounts[3]).await;
    app.tick().await;
    assert_eq!(app.roll_back(&release).await, 3);
    app.suspend(&accounts[1]).await;
    app.leave(&gold, &accounts[2]).await;
    app.join(&gold, &accounts[3]).await;
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    let mut numbers = Vec::new();
    for installation in &world.installations {
        numbers.push(number(&app, installation).await);
    }
    assert_eq!(numbers, [1, 2, 2, 1]);
}

#[tokio::test]
async fn r59_a_roll_back_in_a_catch_up_that_fails_is_tried_again() {
    let (app, accounts, world, release, _) = since().await;
    app.suspend(&accounts[2]).await;
    app.roll_back(&release).await;
    app.mover.fail(&world.installations[2], 3, FailureCode::Temporary);
    app.reactivate(&accounts[2]).await;
    app.tick().await;
    assert_eq!(number(&app, &world.installations[2]).await, 2);
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(number(&app, &world.installations[2]).await, 1);
    assert_eq!(app.update_of(&release, &world.installations[2]).await.text("/state"), "WITHDRAWN");
}

#[tokio::test]
async fn r59_a_roll_back_that_an_operator_drops_ends_and_leaves_the_rest_where_it_is() {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let release = app.update_now(&world.pack).await;
    app.tick().await;
    app.mover.fail(&world.installations[0], u32::MAX, FailureCode::Internal);
    app.roll_back(&release).await;
    let open = entity::task::Entity::find().all(tables(&app)).await.expect("the tasks");
    assert_eq!(open.iter().map(|task| task.kind.as_str()).collect::<Vec<_>>(), ["ROLL_BACK"]);
    let dropped = drop_task(&app.app.services, open[0].id, "The disk is broken.").await.expect("dropped");
    assert_eq!(dropped, Dropped::Gone);
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/withdrawn")), (2, 0));
    app.mover.repair();
    app.live_until("2026-11-22T12:00:00Z").await;
    assert_eq!(number(&app, &world.installations[1]).await, 2, "its work stays undone");
    app.release_now(&world.pack.id).await;
    app.tick().await;
    for installation in &world.installations {
        assert_eq!(number(&app, installation).await, 3);
    }
}

#[tokio::test]
async fn r59_who_applied_a_superseded_release_early_and_was_not_moved_since_goes_back_too() {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let superseded = app.update_on(&world.pack, "2026-12-01").await;
    for (account, installation) in accounts.iter().zip(&world.installations) {
        app.apply(account, installation).await;
    }
    app.mover.fail(&world.installations[0], 5, FailureCode::Internal);
    app.suspend(&accounts[1]).await;
    let release = app.update_now(&world.pack).await;
    app.live_until("2026-11-22T09:30:00Z").await;
    app.mover.repair();
    assert_eq!(app.update_of(&release, &world.installations[0]).await.text("/state"), "FAILED");
    assert_eq!(app.roll_back(&release).await, 2);
    assert_eq!(number(&app, &world.installations[0]).await, 1);
    assert_eq!(number(&app, &world.installations[2]).await, 1);
    let update = app.update_of(&superseded, &world.installations[0]).await;
    assert_eq!((update.text("/state"), update.text("/how")), ("WITHDRAWN".into(), "ROLLED_BACK".into()));
    app.reactivate(&accounts[1]).await;
    app.tick().await;
    assert_eq!(number(&app, &world.installations[1]).await, 1);
}

#[tokio::test]
async fn r59_a_paused_rollout_can_be_rolled_back_and_is_paused_no_longer() {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let world = app.installed_pack("Orders", &[&accounts[0], &accounts[1]]).await;
    let release = app.update_now(&world.pack).await;
    app.ok(&app.publisher, "pauseRelease", json!({ "releaseId": release, "reason": "Wait." }), "").await;
    let meanwhile = app.install(&accounts[2], "Orders").await;
    app.tick().await;
    assert_eq!(app.roll_back(&release).await, 1);
    let read = "pause { reason } viewerCanPause viewerCanResume";
    let expected = json!({ "pause": null, "viewerCanPause": false, "viewerCanResume": false });
    assert_eq!(app.read_release(&release, read).await, expected);
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    for installation in world.installations.iter().chain([&meanwhile]) {
        assert_eq!(number(&app, installation).await, 1);
    }
    assert_eq!(app.updates(&accounts[2], &meanwhile).await.len(), 0, "nothing became of its offer");
    app.release_now(&world.pack.id).await;
    app.tick().await;
    assert_eq!(number(&app, &meanwhile).await, 3, "nothing holds the next release up");
}

#[tokio::test]
async fn r59_an_account_that_leaves_before_the_next_attempt_is_moved_back_when_it_returns() {
    let (app, [.., umbrella], world, release, _) = since().await;
    app.mover.fail(&world.installations[2], 1, FailureCode::Internal);
    app.roll_back(&release).await;
    assert_eq!(number(&app, &world.installations[2]).await, 2, "the attempt has failed");
    app.suspend(&umbrella).await;
    app.advance_by(3600).await;
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    app.reactivate(&umbrella).await;
    app.tick().await;
    assert_eq!(number(&app, &world.installations[2]).await, 1);
}

#[tokio::test]
async fn r59_an_account_that_was_reactivated_in_a_pause_gets_the_former_version() {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    app.suspend(&accounts[1]).await;
    app.update_now(&world.pack).await;
    app.tick().await;
    // The rollout waits for Acme's next attempt.
    app.mover.fail(&world.installations[0], 1, FailureCode::Internal);
    let release = app.update_now(&world.pack).await;
    pause(&app, &release).await;
    app.reactivate(&accounts[1]).await;
    app.tick().await;
    assert_eq!(number(&app, &world.installations[1]).await, 1, "nobody is moved in a pause");
    app.roll_back(&release).await;
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    assert_eq!(number(&app, &world.installations[0]).await, 2);
    assert_eq!(number(&app, &world.installations[1]).await, 2);
}

#[tokio::test]
async fn r59_accounts_hear_of_a_roll_back_that_runs_whether_the_release_came_to_them_or_not() {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Umbrella"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    app.package_newer(&world.pack).await;
    let release = app.release_now(&world.pack.id).await;
    let input = json!({ "releaseId": release, "reason": "Wrong prices", "atMost": 3 });
    app.ok(&app.publisher, "rollBackRelease", input, "").await;
    assert_eq!(app.release_state(&release).await, "ROLLING_BACK", "the rest of it waits for the scheduler");
    let document = "{ events(first: 50) { edges { node { kind ... on ReleaseEvent { release { id notes version { number } } } } } } }";
    for account in &accounts {
        let read = app.gql(&account.token, document, json!({})).await;
        let kinds: Vec<_> = read.list("/events/edges").iter().map(|edge| edge.text("/node/kind")).collect();
        assert!(kinds.contains(&"RELEASE_ROLLING_BACK".to_owned()), "{read:#}");
    }
}
