//! The history of a release's numbers (R60): the database finds what decides, and it is what the judge of R58 finds,
//! asked after each change. Judging itself stays cheap, however many reports there are.

use entity::{pack_release, release_tally as tally};
use packwright::domain::installations::FailureCode;
use packwright::domain::releases::{HaltAction, HaltFigures, HaltRule, judge};
use sea_orm::{ActiveValue::Set, EntityTrait as _, IntoActiveModel as _, QueryOrder as _};
use serde_json::{Value, json};

use crate::installations::outcomes::report;
use crate::releases::halting::{installed, release};
use crate::releases::pausing::pause;
use crate::support::rows::{LogMark, tables};
use crate::support::{At, Dice, Installed, Managed, TestApp, immediately, uuid_of};

const QUERY: &str = "query($pack: ID!, $rule: HaltRuleInput!) {
    haltRuleOnHistory(packId: $pack, haltWhen: $rule) { release { id } haltsAt figures { executed bad } } }";

const HOUR: i64 = 3_600_000_000;

/// Adds tallies to a release: each changes the numbers, and may come after the release's end.
async fn add(app: &TestApp, release: &str, changes: impl IntoIterator<Item = (i32, i32, Option<i64>)>) {
    let found = tally::Entity::find().all(tables(app)).await.expect("the tallies");
    let like = found.into_iter().find(|row| row.release_id == uuid_of(release)).expect("one of the release");
    let rows: Vec<_> = changes
        .into_iter()
        .enumerate()
        .map(|(index, (executed, bad, since_end))| tally::ActiveModel {
            id: sea_orm::ActiveValue::NotSet,
            at: Set(like.at + chrono::Duration::seconds(i64::try_from(index).expect("few") + 1)),
            executed: Set(executed),
            bad: Set(bad),
            since_end: Set(since_end),
            now_applied: Set(0),
            offered: Set(0),
            remaining: Set(0),
            ..like.clone().into_active_model()
        })
        .collect();
    for chunk in rows.chunks(500) {
        tally::Entity::insert_many(chunk.to_vec()).exec_without_returning(tables(app)).await.expect("added");
    }
}

/// What the judge says, asked about the sums after each change that it judges.
async fn judged(app: &TestApp, release: &str, rule: &HaltRule) -> (Option<String>, HaltFigures) {
    let rows = tally::Entity::find().order_by_asc(tally::Column::Id).all(tables(app)).await.expect("the tallies");
    let (mut sums, mut told) = (HaltFigures::default(), HaltFigures::default());
    for row in rows.into_iter().filter(|row| row.release_id == uuid_of(release) && !row.is_sum) {
        sums += HaltFigures { executed: row.executed.into(), bad: row.bad.into() };
        if (row.executed, row.bad) == (0, 0)
            || row.since_end.is_some_and(|since| since >= i64::from(rule.watch_hours) * HOUR)
        {
            continue;
        }
        told = sums;
        if judge(rule, sums) {
            return (Some(row.at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()), sums);
        }
    }
    (None, told)
}

#[tokio::test]
async fn r60_the_history_finds_what_the_judge_finds_asked_after_each_change() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let mut dice = Dice::new("history");
    let mut releases = vec![world.first_release.clone()];
    let small = |dice: &mut Dice, below: usize| i32::try_from(dice.below(below)).expect("few");
    for _ in 0..4 {
        let release = app.update_now(&world.pack).await;
        let (ends, opens) = (dice.below(150), 150 + dice.below(150));
        let mut changes = Vec::new();
        for index in 0..400 {
            let is_ended = (ends..opens).contains(&index);
            let since_end = is_ended.then(|| i64::try_from(index - ends).expect("few") * HOUR / 20);
            changes.push((small(&mut dice, 4), small(&mut dice, 4) - 1, since_end));
        }
        add(&app, &release, changes).await;
        releases.push(release);
    }
    let (mut halted, mut not) = (0, 0);
    for _ in 0..25 {
        let (percent, at_least, watch_hours) =
            (1 + small(&mut dice, 60), 1 + small(&mut dice, 700), small(&mut dice, 8));
        let rule = HaltRule { hundredths: percent * 100, at_least, then: HaltAction::Pause, watch_hours };
        let asked = json!({ "percent": percent, "atLeast": at_least, "watchHours": watch_hours });
        let told = app.gql(&app.publisher, QUERY, json!({ "pack": world.pack.id, "rule": asked })).await;
        let told = told.list("/haltRuleOnHistory");
        assert_eq!(told.len(), releases.len());
        for verdict in told {
            let (at, figures) = judged(&app, &verdict.text("/release/id"), &rule).await;
            let expected = json!({ "executed": figures.executed, "bad": figures.bad });
            assert_eq!((verdict.at("/haltsAt"), verdict.at("/figures")), (&json!(at), &expected), "{rule:?}");
            if at.is_some() { halted += 1 } else { not += 1 }
        }
    }
    assert!(halted > 10 && not > 25, "both happen: {halted} and {not}");
}

#[tokio::test]
async fn r60_the_changes_of_a_million_reports_stay_in_the_database() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_now(&world.pack).await;
    add(&app, &release, (0..5_000).map(|index| (1, i32::from(index > 4_000), None))).await;
    let read =
        app.gql(&app.publisher, QUERY, json!({ "pack": world.pack.id, "rule": { "percent": 10, "atLeast": 4_200 } }));
    let (told, statements) = app.statements_of(read).await;
    let figures = json!({ "executed": 4_447, "bad": 445 });
    assert_eq!(told.at("/haltRuleOnHistory/0/figures"), &figures);
    let of_tallies: Vec<_> = statements.iter().filter(|sql| sql.contains("\"release_tally\"")).collect();
    assert!(of_tallies.len() == 1 && of_tallies[0].contains(" OVER "), "one row a release: {of_tallies:#?}");
}

#[tokio::test]
async fn r58_a_report_adds_up_what_was_added_since_the_last_sum() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 2).await;
    let release = release(&app, immediately(&world.pack.id), json!({ "percent": 50, "atLeast": 2 })).await;
    app.tick().await;
    add(&app, &release, (0..2_500).map(|_| (1, 0, None))).await;
    let rows_to_add_up = async || {
        let row = pack_release::Entity::find_by_id(uuid_of(&release)).one(tables(&app)).await;
        let base = row.expect("read").expect("the release").tally_base_id;
        let rows = tally::Entity::find().all(tables(&app)).await.expect("the tallies");
        rows.iter().filter(|row| row.release_id == uuid_of(&release) && row.id >= base).count()
    };
    assert!(rows_to_add_up().await > 2_500);
    let update = app.update_of(&release, &world.installations[0]).await.text("/id");
    report(&app, &acme, &update, "BROKEN", "").await;
    assert!(rows_to_add_up().await < 10, "{} rows", rows_to_add_up().await);
    let figures = async || app.read_release(&release, "haltFigures { executed bad }").await.at("/haltFigures").clone();
    assert_eq!(figures().await, json!({ "executed": 2_502, "bad": 1 }));
    report(&app, &acme, &update, "WORKS", "").await;
    assert_eq!(figures().await, json!({ "executed": 2_502, "bad": 0 }));
}

/// A release that is watched and was reported broken once, which is too few for its rule. Globex was left behind.
async fn watched_with_one_broken() -> (TestApp, Managed, Installed, Value) {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.package_newer(&world.pack).await;
    app.suspend(&globex).await;
    app.tick().await;
    let rule = json!({ "percent": 40, "atLeast": 2, "watchHours": 1 });
    let release = release(&app, immediately(&world.pack.id), rule.clone()).await;
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    app.clock_only_by(60);
    let update = app.update_of(&release, &world.installations[0]).await.text("/id");
    report(&app, &acme, &update, "BROKEN", "").await;
    (app, globex, world, rule)
}

#[tokio::test]
async fn r58_a_catch_up_within_the_watch_can_decide() {
    let (app, globex, world, rule) = watched_with_one_broken().await;
    let mark = LogMark::now(&app).await;
    app.clock_only_by(60);
    app.reactivate(&globex).await;
    app.tick().await;
    assert_eq!(app.installed_number(&globex, &world.installations[1]).await, 2);
    let kinds = mark.kinds(&app).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "RELEASE_HALTED").count(), 1, "{kinds:?}");
    let told = app.gql(&app.publisher, QUERY, json!({ "pack": world.pack.id, "rule": rule })).await;
    assert_eq!(told.at("/haltRuleOnHistory/0/haltsAt"), &json!("2026-11-22T09:02:00.000000Z"));
}

#[tokio::test]
async fn r60_reports_after_the_watch_decide_when_a_retry_begins() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.package_newer(&world.pack).await;
    app.mover.fail(&world.installations[1], u32::MAX, FailureCode::Internal);
    let rule = json!({ "percent": 60, "atLeast": 2, "watchHours": 1 });
    let release = release(&app, immediately(&world.pack.id), rule.clone()).await;
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    let told = async || {
        let told = app.gql(&app.publisher, QUERY, json!({ "pack": world.pack.id, "rule": rule })).await;
        told.at("/haltRuleOnHistory/0").clone()
    };
    app.clock_only("2026-11-22T15:00:00Z");
    let mark = LogMark::now(&app).await;
    let update = app.update_of(&release, &world.installations[0]).await.text("/id");
    report(&app, &acme, &update, "BROKEN", "").await;
    assert!(!mark.kinds(&app).await.contains(&"RELEASE_HALTED".to_owned()), "nobody watches any more");
    assert_eq!(told().await.at("/haltsAt"), &json!(null));
    app.clock_only("2026-11-22T16:00:00Z");
    // The retry would succeed, and halts before it tries.
    app.mover.repair();
    app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": release }), "").await;
    assert!(mark.kinds(&app).await.contains(&"RELEASE_HALTED".to_owned()));
    assert_eq!(app.installed_number(&globex, &world.installations[1]).await, 1);
    let figures = json!({ "executed": 2, "bad": 2 });
    let paused = app.read_release(&release, "pause { figures { executed bad } }").await;
    assert_eq!(paused.at("/pause/figures"), &figures);
    let told = told().await;
    assert_eq!((told.at("/haltsAt"), told.at("/figures")), (&json!("2026-11-22T16:00:00.000000Z"), &figures));
}

#[tokio::test]
async fn r58_a_catch_up_of_a_roll_back_can_decide_for_the_former_release() {
    let (app, globex, world, rule) = watched_with_one_broken().await;
    // The next release waits for Acme's next attempt, is paused, and taken back.
    app.mover.fail(&world.installations[0], 1, FailureCode::Internal);
    let next = app.update_now(&world.pack).await;
    pause(&app, &next).await;
    app.reactivate(&globex).await;
    app.tick().await;
    let mark = LogMark::now(&app).await;
    app.clock_only_by(60);
    app.roll_back(&next).await;
    app.tick().await;
    assert_eq!(app.release_state(&next).await, "ROLLED_BACK");
    assert_eq!(app.installed_number(&globex, &world.installations[1]).await, 2);
    let kinds = mark.kinds(&app).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "RELEASE_HALTED").count(), 1, "{kinds:?}");
    let told = app.gql(&app.publisher, QUERY, json!({ "pack": world.pack.id, "rule": rule })).await;
    assert!(told.at("/haltRuleOnHistory/1/haltsAt").is_string(), "{told:#}");
}
