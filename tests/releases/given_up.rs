//! What an operator gives up: a rollout whose release has a halt rule (R58), and installations that never move back
//! (R30, R59).

use entity::{installation_update as update, task};
use packwright::domain::installations::FailureCode;
use packwright::service::followup::{Dropped, drop_task};
use sea_orm::EntityTrait as _;
use serde_json::json;

use crate::releases::halting::{installed, release};
use crate::releases::pausing::resume;
use crate::releases::pausing_clocks::passed_by;
use crate::support::rows::{LogMark, tables};
use crate::support::{At, Installed, Managed, TestApp, immediately, refusal, uuid_of};

/// Drops the only task that there is.
async fn drop_the_task(app: &TestApp, kind: &str) -> Dropped {
    let open = task::Entity::find().all(tables(app)).await.expect("the tasks");
    assert_eq!(open.iter().map(|task| task.kind.as_str()).collect::<Vec<_>>(), [kind]);
    drop_task(&app.app.services, open[0].id, "It never ends.").await.expect("dropped")
}

/// A release to six installations with a rule. Two of them are moved when the rollout is given up.
async fn given_up(then: &str) -> (TestApp, Managed, Installed, String, LogMark) {
    let app = TestApp::in_batches_of(2).await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 6).await;
    app.tick().await;
    let rule = json!({ "percent": 50, "atLeast": 2, "then": then });
    let release = release(&app, immediately(&world.pack.id), rule).await;
    let mark = LogMark::now(&app).await;
    app.clock_only_by(1);
    assert_eq!(drop_the_task(&app, "ROLL_OUT").await, Dropped::GivesUp);
    app.live_until("2026-11-22T10:00:00Z").await;
    (app, acme, world, release, mark)
}

#[tokio::test]
async fn r58_what_is_given_up_has_failed_and_is_judged_but_nothing_is_left_to_pause() {
    let (app, _, world, release, mark) = given_up("PAUSE").await;
    let kinds = mark.kinds(&app).await;
    let count = |kind: &str| kinds.iter().filter(|one| *one == kind).count();
    assert_eq!((count("RELEASE_HALTED"), count("RELEASE_PAUSED"), count("RELEASE_COMPLETED")), (1, 0, 1), "{kinds:?}");
    let read = app.read_release(&release, "state haltFigures { executed bad } pause { at }").await;
    let figures = json!({ "executed": 6, "bad": 4 });
    assert_eq!(read, json!({ "state": "PARTIALLY_SUCCEEDED", "haltFigures": figures, "pause": null }));
    let rule = json!({ "percent": 50, "atLeast": 2 });
    let query = "query($pack: ID!, $rule: HaltRuleInput!) { haltRuleOnHistory(packId: $pack, haltWhen: $rule) { figures { executed bad } } }";
    let told = app.gql(&app.publisher, query, json!({ "pack": world.pack.id, "rule": rule })).await;
    assert_eq!(told.at("/haltRuleOnHistory/0/figures"), &figures, "the simulation agrees");
}

#[tokio::test]
async fn r58_a_rollout_that_is_given_up_is_rolled_back_by_its_rule() {
    let (app, acme, world, release, _) = given_up("ROLL_BACK").await;
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    for installation in &world.installations {
        assert_eq!(app.installed_number(&acme, installation).await, 1);
    }
    assert!(task::Entity::find().all(tables(&app)).await.expect("the tasks").is_empty());
}

/// An account is suspended when the rollout comes to it, and active again during a pause, in which nobody catches up.
/// The rollout would come to it once more after the resume, but is dropped before that.
#[tokio::test]
async fn r46_whoever_came_back_in_a_pause_catches_up_though_the_rollout_is_given_up() {
    for is_resumed in [false, true] {
        let (app, accounts, installations, release) = passed_by().await;
        if is_resumed {
            resume(&app, &release).await;
        }
        assert_eq!(drop_the_task(&app, "ROLL_OUT").await, Dropped::GivesUp);
        app.tick().await;
        assert_eq!(app.installed_number(&accounts[0], &installations[0]).await, 2, "resumed: {is_resumed}");
        assert_eq!(app.installed_number(&accounts[2], &installations[2]).await, 1, "given up");
        assert!(task::Entity::find().all(tables(&app)).await.expect("the tasks").is_empty());
    }
}

/// An installation that can't be moved back keeps its pack from being released, until the operator drops the task.
async fn assert_blocks_until_dropped(app: &TestApp, account: &Managed, world: &Installed, release: &str, kind: &str) {
    let stuck = &world.installations[0];
    app.package_newer(&world.pack).await;
    for _ in 0..3 {
        app.advance_by(24 * 3_600).await;
        assert_eq!(refusal(&app.try_release(immediately(&world.pack.id)).await).code, "RELEASE_IN_PROGRESS", "{kind}");
    }
    assert!(app.mover.attempts(stuck) > 4, "it is tried again");
    assert_eq!(drop_the_task(app, kind).await, Dropped::Gone, "{kind}");
    let id = (uuid_of(stuck), uuid_of(release));
    let row = update::Entity::find_by_id(id).one(tables(app)).await.expect("read").expect("its update");
    assert_eq!(row.next_attempt_at, None, "{kind}: nobody tries it any more");
    app.mover.repair();
    app.tick().await;
    assert_eq!(app.installed_number(account, stuck).await, 2, "{kind}: it stays");
    app.release_now(&world.pack.id).await;
    app.tick().await;
    assert_eq!(app.installed_number(account, stuck).await, 3, "{kind}: the next release moves it");
}

#[tokio::test]
async fn r30_r59_an_operator_drops_a_cancel_and_a_roll_back_that_never_end_alike() {
    for is_roll_back in [false, true] {
        let app = TestApp::new().await;
        let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
        let world = app.installed_pack("Orders", &[&acme, &globex]).await;
        app.tick().await;
        let (release, kind) = if is_roll_back {
            (app.update_now(&world.pack).await, "ROLL_BACK")
        } else {
            let release = app.update_on(&world.pack, "2026-12-20").await;
            app.apply(&acme, &world.installations[0]).await;
            (release, "WITHDRAW")
        };
        app.tick().await;
        app.mover.fail(&world.installations[0], u32::MAX, FailureCode::Internal);
        if is_roll_back {
            let input = json!({ "releaseId": release, "reason": "It is broken.", "atMost": 2 });
            app.ok(&app.publisher, "rollBackRelease", input, "").await;
            assert_eq!(app.release_state(&release).await, "ROLLING_BACK");
        } else {
            app.cancel(&release).await;
        }
        assert_blocks_until_dropped(&app, &acme, &world, &release, kind).await;
        let ended = if is_roll_back { "ROLLED_BACK" } else { "CANCELED" };
        assert_eq!(app.release_state(&release).await, ended);
    }
}
