//! The batches that move the installations of early stages (R55): when they are judged, and how far they look.

use packwright::domain::installations::FailureCode;
use packwright::service::followup::run_one_batch;
use serde_json::json;

use crate::support::rows::LogMark;
use crate::support::{At as _, TestApp, in_stages, of_groups, of_percent};

const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// The last attempt of a stage comes after the release's window has opened, and before anything has carried that out.
#[tokio::test]
async fn r30_a_batch_of_a_stage_neither_pauses_nor_cancels_a_release_whose_window_has_opened() {
    for (then, state, current) in [("PAUSE", "IN_PROGRESS", 2), ("ROLL_BACK", "ROLLED_BACK", 1)] {
        let app = TestApp::new().await;
        let acme = app.managed("Acme").await;
        let world = app.installed_pack("Orders", &[&acme]).await;
        let pilots = app.group("Pilots", &[&acme]).await;
        app.package_newer(&world.pack).await;
        let mut input = in_stages(&world.pack.id, "2026-12-01", &[of_groups("Pilots", "2026-11-25", &[&pilots])]);
        input["haltWhen"] = json!({ "percent": 50, "atLeast": 1, "then": then });
        let made = app.ok(&app.publisher, "releaseIntegrationPack", input, "release { id }").await;
        let release = made.text("/release/id");
        app.mover.fail(&world.installations[0], u32::MAX, FailureCode::Temporary);
        app.live_until("2026-11-24T23:05:00Z").await;
        assert_eq!(app.mover.attempts(&world.installations[0]), 4, "the next one is the last one");
        app.clock_only(OPENS);
        let mark = LogMark::now(&app).await;
        while run_one_batch(&app.app.services).await.is_ok_and(|had_work| had_work) {}
        let read = app.read_release(&release, "state pause { reason }").await;
        assert_eq!(read, json!({ "state": "IN_PROGRESS", "pause": null }), "{then}");
        assert_eq!(app.current_number(&world.pack.id).await, Some(2));
        assert_eq!(mark.kinds(&app).await, Vec::<String>::new());
        app.tick().await;
        assert_eq!(app.mover.attempts(&world.installations[0]), 5, "the stage goes on after the window has opened");
        let kinds = mark.kinds(&app).await;
        assert_eq!(kinds.first().map(String::as_str), Some("RELEASE_STARTED"), "{kinds:?}");
        assert!(kinds.contains(&"RELEASE_HALTED".into()), "{kinds:?}");
        assert_eq!(app.release_state(&release).await, state);
        assert_eq!(app.read_release(&release, "pause { at }").await.at("/pause").is_null(), then == "ROLL_BACK");
        assert_eq!(app.current_number(&world.pack.id).await, Some(current));
    }
}

/// The stage holds one of many installations. A batch that went on until it has found enough of them would go through the
/// whole pack while it holds the pack's lock.
#[tokio::test]
async fn r55_a_batch_of_a_stage_looks_no_further_than_a_batch_of_a_rollout_goes() {
    let app = TestApp::in_batches_of(3).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let others = app.managed_accounts(["Initech", "Umbrella", "Hooli"]).await;
    let pack = app.installed_times("Orders", &acme, 10).await.pack;
    let pilot = app.install_as(&globex, "Orders", "pilot").await;
    // More accounts than a batch may have installations, so that the pack is looked through.
    let pilots = app.group("Pilots", &[&globex, &others[0], &others[1], &others[2]]).await;
    let release = app.release_in_stages(&pack, "2026-12-01", &[of_groups("Pilots", "2026-11-25", &[&pilots])]).await;
    app.tick().await;
    let mark = LogMark::now(&app).await;
    app.open_next_stage(&release).await;
    for part in 1..=3 {
        assert_eq!(app.stage_states(&release).await, ["OPEN", "WAITING"], "after part {part}");
        assert_eq!(app.installed_number(&globex, &pilot).await, 1, "it is in part 4");
        assert!(run_one_batch(&app.app.services).await.expect("a batch"));
    }
    assert_eq!(app.stage_states(&release).await, ["DONE", "WAITING"]);
    assert_eq!(app.installed_number(&globex, &pilot).await, 2);
    assert_eq!(app.progress(&release).await.int("/applied"), 1);
    let kinds = ["RELEASE_STAGE_OPENED", "INSTALLATION_UPDATED", "RELEASE_STAGE_COMPLETED"];
    assert_eq!(mark.kinds(&app).await, kinds, "a part without an installation of the stage is no progress");
}

/// A stage of few accounts is found by them, however many installations the pack has.
#[tokio::test]
async fn r55_few_pilots_of_a_large_pack_are_moved_in_one_batch() {
    let app = TestApp::in_batches_of(3).await;
    let [acme, globex, initech] = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    let other_pack = app.multi_pack_with("Invoices", &["Bill"]).await;
    for pack in [&pack, &other_pack] {
        app.share_with_all(&pack.id).await;
        app.release_now(&pack.id).await;
    }
    let mut of_acme = Vec::new();
    for n in 0..20 {
        of_acme.push(app.install_as(&acme, "Orders", &format!("number {n}")).await);
    }
    let gone = app.install_as(&globex, "Orders", "gone").await;
    let other = app.install_as(&globex, "Invoices", "other").await;
    let mut of_pilots = vec![app.install_as(&globex, "Orders", "first").await];
    of_pilots.push(app.install_as(&globex, "Orders", "second").await);
    let of_initech = app.install_as(&initech, "Orders", "later").await;
    app.uninstall(&globex, &gone).await;
    let pilots = app.group("Pilots", &[&globex]).await;
    let more = app.group("More", &[&initech, &globex]).await;
    let stages = [of_groups("Pilots", "2026-11-25", &[&pilots]), of_groups("More", "2026-11-26", &[&more])];
    let release = app.release_in_stages(&pack, "2026-12-01", &stages).await;
    app.tick().await;
    app.open_next_stage(&release).await;
    assert_eq!(app.stage_states(&release).await, ["DONE", "WAITING", "WAITING"], "in the call");
    for pilot in &of_pilots {
        assert_eq!(app.installed_number(&globex, pilot).await, 2);
    }
    app.open_next_stage(&release).await;
    assert_eq!(app.stage_states(&release).await, ["DONE", "DONE", "WAITING"], "in the call");
    assert_eq!(app.installed_number(&initech, &of_initech).await, 2);
    assert_eq!(app.progress(&release).await.int("/applied"), 3);
    assert_eq!(app.installed_number(&globex, &other).await, 1, "another pack");
    for installation in &of_acme {
        assert_eq!(app.mover.attempts(installation), 0);
    }
}

/// Few accounts may have many installations, and the earlier stage may be one by percent: then the pack is looked
/// through.
#[tokio::test]
async fn r55_a_stage_of_groups_comes_to_all_whichever_way_they_are_found() {
    for percent in [None, Some(30.0)] {
        let app = TestApp::in_batches_of(3).await;
        let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
        let pack = app.multi_pack_with("Orders", &["Import"]).await;
        app.share_with_all(&pack.id).await;
        app.release_now(&pack.id).await;
        let mut of_globex = Vec::new();
        for n in 0..8 {
            app.install_as(&acme, "Orders", &format!("number {n}")).await;
            of_globex.push(app.install_as(&globex, "Orders", &format!("pilot {n}")).await);
        }
        let pilots = app.group("Pilots", &[&globex]).await;
        let mut stages: Vec<_> = percent.map(|percent| of_percent("Some", "2026-11-24", percent)).into_iter().collect();
        stages.push(of_groups("Pilots", "2026-11-25", &[&pilots]));
        let release = app.release_in_stages(&pack, "2026-12-01", &stages).await;
        app.live_until("2026-11-25T09:00:00Z").await;
        for pilot in &of_globex {
            assert_eq!(app.installed_number(&globex, pilot).await, 2);
            assert_eq!(app.mover.attempts(pilot), 1);
        }
        assert!(app.stage_states(&release).await.iter().rev().skip(1).all(|state| state == "DONE"));
        if percent.is_none() {
            assert_eq!(app.progress(&release).await.int("/applied"), 8, "and to nobody else");
        }
    }
}
