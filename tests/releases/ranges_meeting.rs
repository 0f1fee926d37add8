//! What meets the batches of ranges (ADR 55): another range that ends at the same moment, calls of accounts between two
//! statements, and commands that wait for the pack.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use packwright::service::followup::{Retried, retry_task, run_one_batch};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::json;

use crate::program::kill::until;
use crate::releases::halting::installed;
use crate::releases::pausing::pause;
use crate::releases::ranges::{finish, is_told_once, kinds, open, split, splitting};
use crate::support::rows::{LogMark, database_url, tables};
use crate::support::{At, Setup, TestApp, mutate_on, several_writers, uuid_of};

/// The last two ranges end at the same moment: one of them, and not both or none, does what follows. So it is on a
/// database whose transactions see one state by default.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r49_of_two_ranges_that_end_at_once_one_completes_the_release() {
    for default in ["read committed", "repeatable read"] {
        let Some((app, _, world, release, mark)) = split(1, 3).await else { return };
        let name = database_url(&app).await.rsplit('/').next().expect("a name").to_owned();
        let alter = format!("ALTER DATABASE {name} SET default_transaction_isolation = '{default}'");
        tables(&app).execute_unprepared(&alter).await.expect("the default is set");
        let one = app.server_beside(splitting(1), several_writers(), "").await;
        let two = app.server_beside(splitting(1), several_writers(), "").await;
        for range in open(&app).await {
            assert_eq!(retry_task(&app.app.services, range.id).await.expect("a batch"), Retried::GoesOn);
        }
        assert_eq!(app.progress(&release).await.int("/applied"), 3);
        assert_eq!(kinds(&app).await, ["ROLL_OUT_RANGE"; 2], "both come to nothing next");
        let held = app.hold("pack_release", &release).await;
        let both = async { tokio::join!(run_one_batch(&one.services), run_one_batch(&two.services)) };
        let lets_go = async {
            until("both ranges at their ends", async || app.waiting().await == 2).await;
            held.rollback().await.expect("it lets go");
        };
        let ((first, second), ()) = tokio::join!(both, lets_go);
        assert!(first.expect("a batch") && second.expect("a batch"), "{default}");
        assert_eq!(kinds(&app).await, ["ROLL_OUT"], "{default}");
        assert_eq!(app.release_state(&release).await, "IN_PROGRESS");
        app.tick().await;
        assert_eq!(app.release_state(&release).await, "SUCCEEDED");
        is_told_once(&app, &mark, &world, "RELEASE_COMPLETED").await;
        for server in [one, two] {
            server.services.db.clone().close().await.expect("closed");
        }
    }
}

/// Batches of ranges hold the pack one after the other without a gap. A command that waits for it comes before those
/// that begin later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r56_a_pause_does_not_wait_for_ranges_that_begin_later() {
    let Some((app, _, _, release, _)) = split(1, 12).await else { return };
    let server = app.another_server_watched().await;
    let pack = app.read_release(&release, "pack { id }").await.text("/pack/id");
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = looks.clone();
    server.after_statements(move |sql| {
        counted.fetch_add(usize::from(sql.contains("pg_locks")), Ordering::Relaxed);
    });
    // A batch at hand.
    let held = tables(&app).begin().await.expect("a transaction");
    let hold = format!("SELECT id FROM integration_pack WHERE id = '{}' FOR SHARE", uuid_of(&pack));
    held.execute_unprepared(&hold).await.expect("the pack is held");
    let input = json!({ "releaseId": release, "reason": "A fault." });
    let pauses = mutate_on(&app.app, &app.publisher, "pauseRelease", input, "");
    let later = async {
        until("the pause waits", async || app.waiting().await == 1).await;
        run_one_batch(&server.app.services).await
    };
    let lets_go = async {
        until("the batch lets the pause pass", async || looks.load(Ordering::Relaxed) >= 3).await;
        assert_eq!(app.progress(&release).await.int("/applied"), 1);
        held.rollback().await.expect("it lets go");
    };
    let (paused, batch, ()) = tokio::join!(pauses, later, lets_go);
    assert_eq!(paused.at("/errors"), &json!([]), "{paused}");
    assert!(batch.expect("a batch"), "it finds the pause");
    assert_eq!(app.progress(&release).await.int("/applied"), 1, "nobody is moved after the pause");
    server.app.services.db.clone().close().await.expect("closed");
}

/// A resume makes the ranges due, and doesn't wait for the batches that other servers then do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r56_a_resume_does_not_wait_for_the_batches_of_ranges_that_it_makes_due() {
    let Some((app, _, _, release, _)) = split(1, 12).await else { return };
    pause(&app, &release).await;
    let server = app.another_server_watched().await;
    let locks = Arc::new(AtomicUsize::new(0));
    let counted = locks.clone();
    server.after_statements(move |sql| {
        let is_lock = sql.contains("FROM \"task\"") && sql.contains("FOR NO KEY UPDATE");
        counted.fetch_add(usize::from(is_lock), Ordering::Relaxed);
    });
    let input = json!({ "releaseId": release });
    let resumed = mutate_on(&server.app, &app.publisher, "resumeRelease", input, "").await;
    assert_eq!(resumed.at("/errors"), &json!([]), "{resumed}");
    assert_eq!(locks.load(Ordering::Relaxed), 1, "all of them at once, before the commit");
    finish(&app, 1).await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    server.app.services.db.clone().close().await.expect("closed");
}

/// Batches of ranges don't wait for one another, unless the release has a halt rule.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r58_ranges_hold_the_pack_together_unless_the_release_has_a_rule() {
    let Some((app, _, _, release, _)) = split(1, 12).await else { return };
    let pack = app.read_release(&release, "pack { id }").await.text("/pack/id");
    let hold = format!("SELECT id FROM integration_pack WHERE id = '{}' FOR SHARE", uuid_of(&pack));
    let held = tables(&app).begin().await.expect("a transaction");
    held.execute_unprepared(&hold).await.expect("the pack is held");
    assert!(run_one_batch(&app.app.services).await.expect("it doesn't wait"));
    assert_eq!(app.progress(&release).await.int("/applied"), 2);
    held.rollback().await.expect("it lets go");
    let rule = json!({ "releaseId": release, "haltWhen": { "percent": 10, "atLeast": 1 } });
    app.ok(&app.publisher, "setHaltRule", rule, "").await;
    let held = tables(&app).begin().await.expect("a transaction");
    held.execute_unprepared(&hold).await.expect("the pack is held");
    let lets_go = async {
        until("the batch waits for the pack", async || app.waiting().await == 1).await;
        held.rollback().await.expect("it lets go");
    };
    let second = open(&app).await[1].id;
    let (batch, ()) = tokio::join!(retry_task(&app.app.services, second), lets_go);
    assert_eq!(batch.expect("a batch"), Retried::GoesOn);
    assert_eq!(app.progress(&release).await.int("/applied"), 3);
}

/// The release gets its rule between the look at the release and the moment at which the batch holds the pack.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r58_a_range_finds_a_rule_that_comes_before_it_holds_the_pack() {
    let Some((app, acme, world, release, _)) = split(1, 12).await else { return };
    let server = app.another_server_watched().await;
    let update = app.update_of(&release, &world.installations[0]).await.text("/id");
    let (other, of, token) = (app.clone(), release.clone(), acme.token.clone());
    server.once_after(
        |sql| sql.contains("pg_locks"),
        move || async move {
            let rule = json!({ "releaseId": of, "haltWhen": { "percent": 10, "atLeast": 1 } });
            other.ok(&other.publisher, "setHaltRule", rule, "").await;
            let input = json!({ "updateId": update, "outcome": "BROKEN", "comment": "It is empty." });
            other.ok(&token, "reportUpdateOutcome", input, "").await;
        },
    );
    assert!(run_one_batch(&server.app.services).await.expect("the batch begins again"));
    assert_eq!(app.progress(&release).await.int("/applied"), 1, "it finds the halt");
    server.app.services.db.clone().close().await.expect("closed");
}

/// An account installs the pack while the batch of a range is between two statements, and the id of the installation
/// lies in the middle of the batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r31_an_installation_that_comes_in_the_middle_of_a_range_disturbs_no_batch() {
    let moments = [
        "is_entitled",
        "is_tried_again",
        "INSERT INTO \"installation_update\"",
        "UPDATE \"installation\" SET \"version_id\"",
    ];
    for moment in moments {
        let app = Arc::new(TestApp::with(Setup { settings: splitting(1), ..Setup::default() }).await);
        if app.has_one_writer() {
            return;
        }
        let acme = app.managed("Acme").await;
        let pack = app.multi_pack_with("Orders", &["Import"]).await;
        app.share_with_all(&pack.id).await;
        app.release_now(&pack.id).await;
        let mut installations = Vec::new();
        for index in 0..16 {
            if index == 2 {
                app.clock_only_by(20);
            }
            installations.push(app.install_as(&acme, "Orders", &format!("number {index}")).await);
        }
        app.tick().await;
        // Its id lies between the second and the third one's, which are the first range.
        let earlier = app.another_server_at("2026-11-22T09:00:10Z").await;
        let available = app.available(&acme, "Orders").await;
        let mark = LogMark::now(&app).await;
        let release = app.update_now(&pack).await;
        assert_eq!(
            open(&app).await[0].until,
            Some(uuid_of(&installations[2])),
            "the first range has two installations"
        );
        let server = app.another_server_watched().await;
        let token = acme.token.clone();
        server.once_after(
            move |sql| sql.contains(moment),
            move || async move {
                let input = json!({ "packId": available, "overrideName": "in the middle" });
                let payload = mutate_on(&earlier, &token, "installPack", input, "").await;
                assert_eq!(payload.at("/errors"), &json!([]), "{payload}");
            },
        );
        assert!(run_one_batch(&server.app.services).await.expect("the batch isn't disturbed"), "{moment}");
        assert_eq!(app.progress(&release).await.int("/applied"), 3, "{moment}");
        finish(&app, 1).await;
        assert_eq!(app.release_state(&release).await, "SUCCEEDED");
        let world = crate::support::Installed { pack, first_release: String::new(), installations };
        is_told_once(&app, &mark, &world, "RELEASE_COMPLETED").await;
        server.app.services.db.clone().close().await.expect("closed");
    }
}

/// An account uninstalls while the batch of a range has its installation, and while it doesn't have it yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r44_an_installation_that_goes_in_the_middle_of_a_range_is_told_once() {
    let Some((app, acme, world, release, _)) = split(1, 12).await else { return };
    let gone = &world.installations[1];
    let held = app.hold("installation", gone).await;
    let uninstalls = app.uninstall(&acme, gone);
    let meets = async {
        until("the call waits", async || app.waiting().await == 1).await;
        let server = app.server_beside(splitting(1), several_writers(), "").await;
        let batch = async { run_one_batch(&server.services).await };
        let lets_go = async {
            until("the batch waits, too", async || app.waiting().await == 2).await;
            held.rollback().await.expect("it lets go");
        };
        let (batch, ()) = tokio::join!(batch, lets_go);
        assert!(batch.expect("a batch"));
        server.services.db.clone().close().await.expect("closed");
    };
    tokio::join!(uninstalls, meets);
    finish(&app, 1).await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    let progress = app.progress(&release).await;
    assert_eq!(progress.int("/applied") + progress.int("/withdrawn"), 12, "{progress}");
    assert_eq!(kinds(&app).await, Vec::<String>::new());
}

/// An account is suspended while the batch of a range is at work: its installation isn't moved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r46_an_account_that_is_suspended_in_the_middle_of_a_range_is_not_moved() {
    let Some((app, acme, world, release, _)) = split(1, 12).await else { return };
    let server = app.another_server_watched().await;
    let (other, account) = (app.clone(), acme.id.clone());
    server.once_after(
        |sql| sql.contains("is_entitled"),
        move || async move {
            other.ok(&other.publisher, "suspendAccount", json!({ "accountId": account }), "").await;
        },
    );
    assert!(run_one_batch(&server.app.services).await.expect("the batch begins again"));
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/skipped")), (1, 1), "{progress}");
    finish(&app, 1).await;
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/skipped")), (1, 11), "{progress}");
    assert_eq!(world.installations.len(), 12);
    server.app.services.db.clone().close().await.expect("closed");
}

/// An account has been suspended for so long that its installation is two versions behind. Nobody lets it catch up, so
/// the batch of a range that comes to it needs the pack no more than others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r59_an_installation_that_may_not_catch_up_keeps_no_range_from_holding_the_pack() {
    let app = TestApp::with(Setup { settings: splitting(1), ..Setup::default() }).await;
    if app.has_one_writer() {
        return;
    }
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let pack = installed(&app, &acme, "Orders", 6).await.pack;
    let behind = app.install_as(&globex, "Orders", "long ago").await;
    for index in 0..6 {
        app.install_as(&acme, "Orders", &format!("later {index}")).await;
    }
    app.suspend(&globex).await;
    app.release_now(&pack.id).await;
    finish(&app, 1).await;
    let release = app.update_now(&pack).await;
    finish(&app, 1).await;
    app.roll_back(&release).await;
    assert_eq!(kinds(&app).await, ["ROLL_BACK_RANGE"; 8]);
    let server = app.another_server_watched().await;
    let locks = Arc::new(AtomicUsize::new(0));
    let counted = locks.clone();
    server.after_statements(move |sql| {
        let is_lock = sql.contains("FROM \"integration_pack\"") && sql.contains("FOR NO KEY UPDATE");
        counted.fetch_add(usize::from(is_lock), Ordering::Relaxed);
    });
    while kinds(&app).await.contains(&"ROLL_BACK_RANGE".to_owned()) {
        assert!(run_one_batch(&server.app.services).await.expect("a batch"));
    }
    assert_eq!(locks.load(Ordering::Relaxed), 0, "no batch begins again with the pack locked");
    finish(&app, 1).await;
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    app.reactivate(&globex).await;
    app.tick().await;
    assert_eq!(app.installed_number(&globex, &behind).await, 2);
    server.app.services.db.clone().close().await.expect("closed");
}
