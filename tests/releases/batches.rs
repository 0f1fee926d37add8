//! The size of batches: the pure functions, and a server that uses them (R49).

use std::time::Duration;

use packwright::domain::batch::{FIRST, LEAST, MOST, TARGET, next_size};
use packwright::service::Settings;
use packwright::service::followup::{batches_at_once, run_one_batch};

use crate::program::kill::until;
use crate::releases::stuck::{allow, refuse};
use crate::support::{At, Setup, TestApp, several_writers, uuid_of};

fn next(size: u64, objects: u64, millis: u64) -> u64 {
    next_size(size, objects, Duration::from_millis(millis), TARGET, MOST)
}

#[test]
fn r49_the_size_of_a_batch_follows_from_how_long_the_last_one_took() {
    assert_eq!(next(FIRST, FIRST, 250), FIRST, "just right");
    assert_eq!(next(1_000, 1_000, 500), 500, "twice too slow");
    assert_eq!(next(800, 800, 125), 1_600, "twice too quick");
    assert_eq!(next(800, 800, 1), 1_600, "it grows to the double at most");
    assert_eq!(next(MOST, MOST, 1), MOST);
    assert_eq!(next(FIRST, FIRST, 60_000), LEAST);
}

#[test]
fn r49_a_batch_that_was_not_full_says_nothing_of_larger_ones() {
    assert_eq!(next(1_000, 3, 40), 1_000);
    assert_eq!(next(1_000, 0, 9_000), 1_000, "it came to nothing: what took so long is none of its size");
    assert_eq!(next(1_000, 800, 2_000), 100, "but one that was too slow says something of itself");
}

#[test]
fn r49_an_operator_can_make_batches_smaller_than_the_least() {
    for millis in [0, 1, 250, 60_000] {
        assert_eq!(next_size(3, 3, Duration::from_millis(millis), TARGET, 3), 3);
    }
}

#[tokio::test]
async fn r49_a_server_measures_its_batches_and_makes_them_larger() {
    let settings = Settings { batch_size: 1_000, batch_time: Some(Duration::from_secs(600)), ..Settings::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    let acme = app.managed("Acme").await;
    let pack = app.installed_times("Orders", &acme, 5).await.pack;
    app.tick().await;
    let before = app.app.services.follow_ups.by_kind();
    let release = app.update_now(&pack).await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    let done = app.app.services.follow_ups.by_kind()["ROLL_OUT"];
    assert!(!before.contains_key("ROLL_OUT"));
    assert_eq!((done.batches, done.objects, done.failures), (1, 5, 0));
    assert!(done.took > Duration::ZERO);
    let read = app.read_release(&release, "progress { applied }").await;
    assert_eq!(read.int("/progress/applied"), 5);
}

/// Batches of a rollout fail before any batch has shown how large one may be.
#[tokio::test]
async fn r49_a_failed_batch_halves_its_size() {
    let settings = Settings { batch_size: 1_000, batch_time: Some(Duration::from_secs(600)), ..Settings::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    let acme = app.managed("Acme").await;
    let pack = app.installed_times("Orders", &acme, (FIRST / 4 + 8) as usize).await.pack;
    app.tick().await;
    let counts = || app.app.services.follow_ups.by_kind().get("ROLL_OUT").copied().unwrap_or_default();
    refuse(&app, "broken", "UPDATE OF version_id ON installation", "TRUE").await;
    let release = app.update_now(&pack).await;
    app.clock_only_by(5);
    run_one_batch(&app.app.services).await.expect_err("it fails again");
    assert_eq!((counts().batches, counts().failures, app.progress(&release).await.int("/applied")), (0, 2, 0));
    allow(&app, "broken", "installation").await;
    app.clock_only_by(5);
    let mut sizes = Vec::new();
    while app.release_state(&release).await != "SUCCEEDED" {
        let before = counts().objects;
        assert!(run_one_batch(&app.app.services).await.expect("a batch"));
        sizes.push(counts().objects - before);
    }
    assert_eq!(sizes, [FIRST / 4, 8]);
}

#[tokio::test]
async fn r49_a_task_that_waits_for_a_lock_keeps_no_other_from_its_batches() {
    let settings = Settings { batch_size: 1, ..Settings::default() };
    let app = TestApp::with(Setup { settings: settings.clone(), ..Setup::default() }).await;
    if app.has_one_writer() {
        assert_eq!(batches_at_once(&app.app.services), 1);
        return;
    }
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let (slow, quick) = (
        app.installed_pack("Slow", &accounts.each_ref()).await,
        app.installed_pack("Quick", &accounts.each_ref()).await,
    );
    app.tick().await;
    let releases = [app.update_now(&slow.pack).await, app.update_now(&quick.pack).await];
    let server = app.server_beside(settings, several_writers(), "").await;
    assert_eq!(batches_at_once(&server.services), 3);
    let held = app.hold("integration_pack", &slow.pack.id).await;
    let others = async {
        until("the end of the quick release", async || app.release_state(&releases[1]).await == "SUCCEEDED").await;
        assert_eq!(app.progress(&releases[0]).await.int("/applied"), 1, "the slow one waits");
        held.rollback().await.expect("it lets go");
    };
    let (ticked, ()) = tokio::join!(server.scheduler.tick(), others);
    ticked.expect("a pass");
    assert_eq!(app.release_state(&releases[0]).await, "SUCCEEDED");
    server.services.db.clone().close().await.expect("closed");
}

/// Two batches are at work: one ends and the other one waits. The window of a third pack opens then, which takes long.
#[tokio::test]
async fn r49_a_batch_goes_on_while_windows_open() {
    let settings = Settings { batch_size: 1, ..Settings::default() };
    let app = TestApp::with(Setup { settings: settings.clone(), ..Setup::default() }).await;
    if app.has_one_writer() {
        return;
    }
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let mut packs = Vec::new();
    for name in ["First", "Second", "Third"] {
        packs.push(app.installed_pack(name, &accounts.each_ref()).await.pack);
    }
    let window = app.update_on(&packs[2], "2026-12-01").await;
    app.tick().await;
    let releases = [app.update_now(&packs[0]).await, app.update_now(&packs[1]).await];
    let server = app.server_beside(settings, several_writers(), "").await;
    let second = app.hold("integration_pack", &packs[1].id).await;
    let third = app.hold("integration_pack", &packs[2].id).await;
    // The window's time comes while the first pack's batch runs, so it opens after this batch.
    let clock = app.clock.clone();
    app.mover.before_next(move || clock.advance_to("2026-11-30T23:00:00Z".parse().expect("an instant")));
    let others = async {
        until("the window that opens", async || app.waiting().await == 2).await;
        assert_eq!(app.progress(&releases[1]).await.int("/applied"), 1, "its batch waits");
        second.rollback().await.expect("it lets go");
        until("the end of the batch", async || app.progress(&releases[1]).await.int("/applied") == 2).await;
        assert_eq!(app.waiting().await, 1, "the window isn't open yet");
        third.rollback().await.expect("it lets go");
    };
    let (ticked, ()) = tokio::join!(server.scheduler.tick(), others);
    ticked.expect("a pass");
    for release in releases.iter().chain([&window]) {
        assert_eq!(app.release_state(release).await, "SUCCEEDED");
    }
    server.services.db.clone().close().await.expect("closed");
}

#[tokio::test]
async fn r27_a_window_that_waits_for_its_pack_keeps_no_other_from_opening() {
    let app = TestApp::new().await;
    if app.has_one_writer() {
        return;
    }
    let acme = app.managed("Acme").await;
    let packs = [app.installed_pack("Slow", &[&acme]).await, app.installed_pack("Quick", &[&acme]).await];
    for installed in &packs {
        app.update_on(&installed.pack, "2026-12-01").await;
    }
    app.tick().await;
    app.clock_only("2026-11-30T23:00:00Z");
    let server = app.server_beside(Settings::default(), several_writers(), "").await;
    // The first window in the order in which they open.
    let first = packs.iter().min_by_key(|installed| uuid_of(&installed.pack.id)).expect("a pack");
    let held = app.hold("integration_pack", &first.pack.id).await;
    let others = async {
        until("the start of the other release", async || {
            let begun = "SELECT count(*) AS n FROM pack_release WHERE state <> 'SCHEDULED' AND starts_at IS NOT NULL";
            app.number(begun).await == 1
        })
        .await;
        held.rollback().await.expect("it lets go");
    };
    let (ticked, ()) = tokio::join!(server.scheduler.tick(), others);
    ticked.expect("a pass");
    for installed in &packs {
        assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2);
    }
    server.services.db.clone().close().await.expect("closed");
}
