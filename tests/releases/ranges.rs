//! Rollouts and roll backs that are split into ranges, whose batches are at work at the same time (R49, ADR 55).
//! `ranges_meeting` tests what meets them.

use std::sync::Arc;

use entity::task;
use packwright::domain::installations::FailureCode;
use packwright::service::Settings;
use packwright::service::followup::{Dropped, Turns, claim_batch, drop_task, retry_task, run_claimed, run_one_batch};
use sea_orm::EntityTrait as _;
use serde_json::json;

use crate::releases::halting::installed;
use crate::releases::pausing::{pause, resume};
use crate::support::rows::{LogMark, tables};
use crate::support::{At, Installed, Managed, Setup, TestApp, several_writers, uuid_of};

/// Settings with which a rollout is split when its next two batches are full.
pub(crate) fn splitting(batch_size: u64) -> Settings {
    Settings { batch_size, split_from: 2, ..Settings::default() }
}

/// A MULTI pack that one account has installed so many times, and a release whose first batch is done and which is
/// split. `None` on SQLite.
pub(crate) async fn split(
    batch_size: u64,
    installations: usize,
) -> Option<(Arc<TestApp>, Managed, Installed, String, LogMark)> {
    let app = TestApp::with(Setup { settings: splitting(batch_size), ..Setup::default() }).await;
    if app.has_one_writer() {
        return None;
    }
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", installations).await;
    let mark = LogMark::now(&app).await;
    let release = app.release_now(&world.pack.id).await;
    Some((Arc::new(app), acme, world, release, mark))
}

/// The kinds of the tasks in the order of their ids.
pub(crate) async fn kinds(app: &TestApp) -> Vec<String> {
    open(app).await.into_iter().map(|task| task.kind).collect()
}

/// The tasks in the order of their ids.
pub(crate) async fn open(app: &TestApp) -> Vec<task::Model> {
    let mut open = task::Entity::find().all(tables(app)).await.expect("the tasks");
    open.sort_by_key(|task| task.id);
    open
}

/// Does all that is due on two servers with several batches at work each, while the clock moves.
pub(crate) async fn finish(app: &TestApp, batch_size: u64) {
    let server = app.server_beside(splitting(batch_size), several_writers(), "").await;
    let other = app.server_beside(splitting(batch_size), several_writers(), "").await;
    for _ in 0..20 {
        let (one, two) = tokio::join!(server.scheduler.tick(), other.scheduler.tick());
        one.expect("a pass");
        two.expect("a pass");
        app.clock_only_by(60);
    }
    for server in [server, other] {
        server.services.db.clone().close().await.expect("closed");
    }
}

/// Each installation was told of the release once, and the release of its end once; its progress never went back.
pub(crate) async fn is_told_once(app: &TestApp, mark: &LogMark, world: &Installed, end: &str) {
    let events = mark.events(app).await;
    for installation in &world.installations {
        let of = |event: &&entity::event::Model| {
            event.kind == "INSTALLATION_UPDATED" && event.installation_id == Some(uuid_of(installation))
        };
        assert_eq!(events.iter().filter(of).count(), 1, "{installation}");
    }
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == end).count(), 1, "{kinds:?}");
    assert_eq!(kinds.last(), Some(&end), "nothing comes after the end: {kinds:?}");
    let mut told = Vec::new();
    for event in events.iter().filter(|event| event.kind == "RELEASE_PROGRESSED") {
        let read = app.read_event(&app.publisher, event, "... on ReleaseEvent { progress { percent } }").await;
        told.push(read.at("/progress/percent").as_f64().expect("a number"));
    }
    assert!(told.is_sorted(), "{told:?}");
    let actions = mark.actions(app).await;
    let of_updates = actions.iter().filter(|action| action.starts_with("scheduler.") && action.ends_with("Update"));
    assert_eq!(of_updates.count(), world.installations.len(), "{actions:?}");
}

#[tokio::test]
async fn r49_a_rollout_is_split_only_where_several_batches_can_be_at_work() {
    for (split_from, count) in [(2, 3), (2, 2), (8, 8)] {
        let settings = Settings { batch_size: 1, split_from, ..Settings::default() };
        let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
        let acme = app.managed("Acme").await;
        let world = installed(&app, &acme, "Orders", count).await;
        let release = app.release_now(&world.pack.id).await;
        let is_split = !app.has_one_writer() && (split_from, count) == (2, 3);
        let expected: &[&str] = if is_split { &["ROLL_OUT_RANGE", "ROLL_OUT_RANGE"] } else { &["ROLL_OUT"] };
        assert_eq!(kinds(&app).await, expected, "{split_from}, {count}");
        app.tick().await;
        assert_eq!(app.release_state(&release).await, "SUCCEEDED");
        assert_eq!(kinds(&app).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r49_ranges_move_each_installation_once_and_complete_the_release_once() {
    for (batch_size, count) in [(1, 9), (2, 37), (3, 40)] {
        let Some((app, acme, world, release, mark)) = split(batch_size, count).await else { return };
        assert_eq!(kinds(&app).await, vec!["ROLL_OUT_RANGE"; 8]);
        app.mover.fail(&world.installations[4], 1, FailureCode::Temporary);
        finish(&app, batch_size).await;
        assert_eq!(kinds(&app).await, Vec::<String>::new());
        let progress = app.progress(&release).await;
        let total = i64::try_from(count).expect("a small number");
        assert_eq!((progress.int("/applied"), progress.int("/total")), (total, total), "{progress}");
        assert_eq!(app.installed_numbers(&acme, &world.installations).await, vec![2; count]);
        assert_eq!(app.release_state(&release).await, "SUCCEEDED");
        is_told_once(&app, &mark, &world, "RELEASE_COMPLETED").await;
        for (index, installation) in world.installations.iter().enumerate() {
            assert_eq!(app.mover.attempts(installation), 1 + usize::from(index == 4), "{index}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r59_ranges_move_each_installation_back_once_and_end_the_roll_back_once() {
    for (batch_size, count) in [(1, 9), (2, 37)] {
        let Some((app, acme, world, release, _)) = split(batch_size, count).await else { return };
        finish(&app, batch_size).await;
        app.clock_only_by(3_600);
        let mark = LogMark::now(&app).await;
        let moved = app.roll_back(&release).await;
        assert_eq!(usize::try_from(moved).ok(), Some(count));
        assert_eq!(kinds(&app).await, vec!["ROLL_BACK_RANGE"; 8]);
        app.mover.fail(&world.installations[4], 1, FailureCode::Temporary);
        finish(&app, batch_size).await;
        assert_eq!(kinds(&app).await, Vec::<String>::new());
        assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
        assert_eq!(app.installed_numbers(&acme, &world.installations).await, vec![1; count]);
        is_told_once(&app, &mark, &world, "RELEASE_ROLLED_BACK").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r56_ranges_rest_while_their_release_is_paused() {
    let Some((app, acme, mut world, release, mark)) = split(1, 12).await else { return };
    assert!(run_one_batch(&app.app.services).await.expect("a batch"));
    pause(&app, &release).await;
    let before = app.progress(&release).await;
    assert_eq!(before.int("/applied"), 2);
    // It gets the former version, wherever its range stands.
    world.installations.push(app.install_as(&acme, "Orders", "made while it is paused").await);
    for _ in 0..3 {
        app.advance_by(1_000).await;
    }
    assert_eq!(app.progress(&release).await.int("/applied"), 2);
    resume(&app, &release).await;
    finish(&app, 1).await;
    assert_eq!(app.installed_numbers(&acme, &world.installations).await, vec![2; 13]);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(kinds(&app).await, Vec::<String>::new());
    is_told_once(&app, &mark, &world, "RELEASE_COMPLETED").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r30_a_roll_back_ends_the_ranges_of_the_rollout() {
    let Some((app, acme, world, release, _)) = split(1, 12).await else { return };
    for _ in 0..4 {
        assert!(run_one_batch(&app.app.services).await.expect("a batch"));
    }
    let mark = LogMark::now(&app).await;
    app.roll_back(&release).await;
    assert!(kinds(&app).await.iter().all(|kind| kind.starts_with("ROLL_BACK")), "{:?}", kinds(&app).await);
    finish(&app, 1).await;
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    assert_eq!(app.installed_numbers(&acme, &world.installations).await, vec![1; 12]);
    let kinds_told = mark.kinds(&app).await;
    assert_eq!(kinds_told.iter().filter(|kind| *kind == "RELEASE_ROLLED_BACK").count(), 1, "{kinds_told:?}");
    assert!(!kinds_told.contains(&"RELEASE_COMPLETED".to_owned()), "{kinds_told:?}");
    assert_eq!(kinds(&app).await, Vec::<String>::new());
}

/// Whichever range an operator drops, all of the rollout is given up, and nothing is left unmarked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r58_a_range_that_is_dropped_gives_the_whole_rollout_up() {
    for which in [0, 3, 7] {
        let Some((app, acme, world, release, mark)) = split(1, 12).await else { return };
        let open = open(&app).await;
        for range in [1, 4] {
            retry_task(&app.app.services, open[range].id).await.expect("a batch");
        }
        let moved = app.progress(&release).await.int("/applied");
        assert_eq!(moved, 3);
        let dropped = drop_task(&app.app.services, open[which].id, "It never ends.").await.expect("dropped");
        assert_eq!(dropped, Dropped::GivesUp);
        finish(&app, 1).await;
        assert_eq!(kinds(&app).await, Vec::<String>::new());
        assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
        let progress = app.progress(&release).await;
        assert_eq!((progress.int("/applied"), progress.int("/failed")), (moved, 12 - moved), "{progress}");
        is_told_once(&app, &mark, &world, "RELEASE_COMPLETED").await;
        let of_two =
            app.installed_numbers(&acme, &world.installations).await.into_iter().filter(|number| *number == 2).count();
        assert_eq!(i64::try_from(of_two).ok(), Some(moved));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r59_a_range_of_a_roll_back_that_is_dropped_ends_the_roll_back() {
    let Some((app, _, _, release, _)) = split(1, 12).await else { return };
    finish(&app, 1).await;
    app.roll_back(&release).await;
    let dropped = drop_task(&app.app.services, open(&app).await[5].id, "It never ends.").await.expect("dropped");
    assert_eq!((dropped, kinds(&app).await), (Dropped::Gone, Vec::new()));
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
}

/// A release with eight ranges doesn't take eight turns of its publisher.
#[tokio::test]
async fn r49_the_ranges_of_a_release_have_one_turn_together() {
    let Some((app, acme, _, split_release, _)) = split(1, 12).await else { return };
    let other = release_of_two(&app, &acme).await;
    let others = ["GRANTS_OF_PACK", "GRANTS_OF_PACK", "ROLL_OUT"];
    assert_eq!(kinds(&app).await, [&["ROLL_OUT_RANGE"; 8][..], &others[..]].concat());
    let (mut turns, mut are_ranges) = (Turns::default(), Vec::new());
    for _ in 0..5 {
        let claimed = claim_batch(&app.app.services, &mut turns).await.expect("a look").expect("a task");
        are_ranges.push(claimed.work().is_range());
        run_claimed(&app.app.services, claimed).await.expect("a batch");
    }
    assert_eq!(are_ranges, [true, false, false, false, true], "the others have their turns in between");
    app.tick().await;
    for release in [&split_release, &other] {
        assert_eq!(app.release_state(release).await, "SUCCEEDED");
    }
}

/// A release of a pack with two installations, of which the second one waits.
async fn release_of_two(app: &TestApp, account: &Managed) -> String {
    let pack = app.multi_pack_with("Tools", &["Drill"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    for index in 0..2 {
        app.install_as(account, "Tools", &format!("tool {index}")).await;
    }
    app.update_now(&pack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r58_a_range_is_judged_by_a_rule_that_the_release_gets() {
    let Some((app, acme, world, release, _)) = split(1, 12).await else { return };
    let rule = json!({ "releaseId": release, "haltWhen": { "percent": 10, "atLeast": 1 } });
    app.ok(&app.publisher, "setHaltRule", rule, "").await;
    let update = app.update_of(&release, &world.installations[0]).await.text("/id");
    let input = json!({ "updateId": update, "outcome": "BROKEN", "comment": "It is empty." });
    app.ok(&acme.token, "reportUpdateOutcome", input, "").await;
    finish(&app, 1).await;
    assert_eq!(app.progress(&release).await.int("/applied"), 1, "no range moves anybody after the halt");
    assert!(!app.read_release(&release, "pause { at }").await.at("/pause").is_null());
    app.ok(&app.publisher, "setHaltRule", json!({ "releaseId": release }), "").await;
    resume(&app, &release).await;
    finish(&app, 1).await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(app.installed_numbers(&acme, &world.installations).await, vec![2; 12]);
}
