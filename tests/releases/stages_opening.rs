//! Opening stages: what they move, when, and who hears of it (R55).

use packwright::domain::installations::FailureCode;
use serde_json::{Value, json};

use crate::support::rows::LogMark;
use crate::support::{At as _, Installed, Managed, Setup, TestApp, of_groups, of_percent, refusal};

/// When the stage of 2026-11-25 opens in Berlin.
const PILOTS_OPEN: &str = "2026-11-24T23:00:00.000000Z";
/// When the stage of 2026-11-27 opens in Berlin.
const NEXT_OPENS: &str = "2026-11-26T23:00:00.000000Z";
/// When the window of 2026-12-01 opens in Berlin.
const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// A pack of three accounts, and a release with two stages: the first account, the first two.
struct Staged {
    app: TestApp,
    accounts: Vec<Managed>,
    world: Installed,
    release: String,
}

impl Staged {
    async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    async fn with(setup: Setup) -> Self {
        let app = TestApp::with(setup).await;
        let accounts: Vec<Managed> = app.managed_accounts(["Acme", "Globex", "Initech"]).await.into();
        let world = app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await;
        let pilots = app.group("Pilots", &[&accounts[0]]).await;
        let next = app.group("Next", &[&accounts[0], &accounts[1]]).await;
        let stages = [of_groups("Pilots", "2026-11-25", &[&pilots]), of_groups("Next", "2026-11-27", &[&next])];
        let release = app.release_in_stages(&world.pack, "2026-12-01", &stages).await;
        app.tick().await;
        Self { app, accounts, world, release }
    }

    async fn numbers(&self) -> Vec<i64> {
        let mut numbers = Vec::new();
        for (account, installation) in self.accounts.iter().zip(&self.world.installations) {
            numbers.push(self.app.installed_number(account, installation).await);
        }
        numbers
    }

    async fn update(&self, index: usize) -> (String, Option<String>) {
        self.app.newest_update(&self.accounts[index], &self.world.installations[index]).await
    }

    /// The start of the hour in which an installation's pending update is applied, in its account's view and in the
    /// publisher's; `None` without one.
    async fn hour(&self, index: usize) -> Option<String> {
        let selection = "updates(first: 1) { edges { node { appliesIn { startsAt date late } } } }";
        let installation = &self.world.installations[index];
        let seen = self.app.read_installation(&self.accounts[index], installation, selection).await;
        let query = format!("query($id: ID!) {{ installation(id: $id) {{ {selection} }} }}");
        let by_publisher = self.app.gql(&self.app.publisher, &query, json!({ "id": installation })).await;
        assert_eq!(by_publisher.at("/installation"), &seen, "both see one hour");
        seen.nodes("/updates")[0].pointer("/appliesIn/startsAt").and_then(Value::as_str).map(Into::into)
    }
}

fn staged() -> (String, Option<String>) {
    ("APPLIED".into(), Some("STAGED".into()))
}

fn offered() -> (String, Option<String>) {
    ("OFFERED".into(), None)
}

#[tokio::test]
async fn r55_a_stage_moves_whom_it_holds_and_nothing_else_changes() {
    let it = Staged::new().await;
    let app = &it.app;
    app.advance_to("2026-11-24T22:59:59Z").await;
    assert_eq!(it.numbers().await, [1, 1, 1], "never before its window");
    let mark = LogMark::now(app).await;
    app.advance_to(PILOTS_OPEN).await;
    assert_eq!(it.numbers().await, [2, 1, 1]);
    assert_eq!((it.update(0).await, it.update(1).await), (staged(), offered()));
    assert_eq!(app.release_state(&it.release).await, "SCHEDULED");
    assert_eq!(app.stage_states(&it.release).await, ["DONE", "WAITING", "WAITING"]);
    assert_eq!(app.current_number(&it.world.pack.id).await, Some(1), "the former version stays the current one");
    assert_eq!(app.read_pack(&it.world.pack.id, "state").await.text("/state"), "TESTING");
    assert_eq!(mark.kinds(app).await, ["RELEASE_STAGE_OPENED", "INSTALLATION_UPDATED", "RELEASE_STAGE_COMPLETED"]);
    assert_eq!(mark.actions(app).await, ["scheduler.openStage", "scheduler.applyUpdate", "scheduler.completeStage"]);
    let progress = app.read_release(&it.release, "progress { total applied appliedStaged appliedEarly offered }").await;
    let expected = json!({ "total": 3, "applied": 1, "appliedStaged": 1, "appliedEarly": 0, "offered": 2 });
    assert_eq!(progress.at("/progress"), &expected);
    let stage = &app.stages(&it.release).await[0];
    assert_eq!((stage.text("/openedAt"), stage.text("/completedAt")), (PILOTS_OPEN.into(), PILOTS_OPEN.into()));
    app.advance_to(NEXT_OPENS).await;
    assert_eq!(it.numbers().await, [2, 2, 1]);
    app.advance_to(OPENS).await;
    assert_eq!(it.numbers().await, [2, 2, 2]);
    assert_eq!(it.update(2).await, ("APPLIED".into(), Some("AUTOMATIC".into())));
    assert_eq!(app.release_state(&it.release).await, "SUCCEEDED");
    assert_eq!(app.stage_states(&it.release).await, ["DONE", "DONE", "DONE"]);
    assert_eq!(it.world.installations.iter().map(|id| app.mover.attempts(id)).collect::<Vec<_>>(), [1, 1, 1]);
}

#[tokio::test]
async fn r55_what_is_read_and_refused_depends_on_the_time_and_not_on_the_scheduler() {
    let it = Staged::new().await;
    let app = &it.app;
    let (acme, globex) = (&it.accounts[0], &it.accounts[1]);
    let update = app.offered(acme, &it.world.installations[0]).await.unwrap();
    app.clock_only(PILOTS_OPEN);
    assert_eq!(app.stage_states(&it.release).await, ["OPEN", "WAITING", "WAITING"]);
    assert_eq!(app.offered(acme, &it.world.installations[0]).await, None, "the server moves it now");
    assert!(app.offered(globex, &it.world.installations[1]).await.is_some());
    let pending = "{ pendingUpdates { totalCount edges { node { id } } } installations { edges { node { updates { edges { node { state viewerCanApply } } } } } } }";
    let seen = app.gql(&acme.token, pending, json!(null)).await;
    assert_eq!((seen.int("/pendingUpdates/totalCount"), seen.nodes("/pendingUpdates").len()), (0, 0));
    let own = seen.at("/installations/edges/0/node/updates/edges/0/node");
    assert_eq!(own, &json!({ "state": "OFFERED", "viewerCanApply": false }));
    let filtered = "{ installations(filter: { hasPendingUpdate: true }) { edges { node { id } } } }";
    assert_eq!(app.gql(&acme.token, filtered, json!(null)).await.nodes("/installations").len(), 0);
    assert_eq!(refusal(&app.try_apply(acme, &update).await).code, "RELEASE_IN_PROGRESS");
    assert_eq!(app.stages(&it.release).await[0].text("/openedAt"), PILOTS_OPEN, "the call has opened it");
    app.tick().await;
    assert_eq!(app.try_apply(acme, &update).await.at("/alreadyApplied"), true);
    app.apply(globex, &it.world.installations[1]).await;
    assert_eq!(it.update(1).await, ("APPLIED".into(), Some("EARLY".into())), "its stage hasn't opened");
    app.advance_to(NEXT_OPENS).await;
    assert_eq!(app.mover.attempts(&it.world.installations[1]), 1, "who has applied isn't touched again");
}

#[tokio::test]
async fn r55_an_account_sees_its_own_hour_and_hears_nothing_of_stages() {
    let it = Staged::new().await;
    let app = &it.app;
    let hours = async || [it.hour(0).await, it.hour(1).await, it.hour(2).await];
    let at = |instant: &str| Some(instant.to_owned());
    assert_eq!(hours().await, [at(PILOTS_OPEN), at(NEXT_OPENS), at(OPENS)]);
    let events = "query($after: String) { events(after: $after, first: 100) { edges { node { kind ... on ReleaseEvent { stage { name } } } } } }";
    let (cursor, own) = (app.cursor(&it.accounts[1].token).await, app.cursor(&app.publisher).await);
    app.advance_to(PILOTS_OPEN).await;
    let heard = app.gql(&it.accounts[1].token, events, json!({ "after": cursor })).await;
    assert_eq!(heard.nodes("/events"), Vec::<Value>::new());
    assert_eq!(hours().await, [None, at(NEXT_OPENS), at(OPENS)]);
    let heard = app.gql(&app.publisher, events, json!({ "after": own })).await.nodes("/events");
    let stages: Vec<_> =
        heard.iter().filter_map(|event| Some((event.text("/kind"), event.pointer("/stage/name")?.text("")))).collect();
    let pilots = |kind: &str| (kind.to_owned(), "Pilots".to_owned());
    assert_eq!(stages, [pilots("RELEASE_STAGE_OPENED"), pilots("RELEASE_STAGE_COMPLETED")]);
    let announced = "{ pendingUpdates { edges { node { release { __typename window { startsAt } } } } } }";
    let seen = app.gql(&it.accounts[1].token, announced, json!(null)).await;
    assert_eq!(seen.nodes("/pendingUpdates")[0].text("/release/window/startsAt"), OPENS);
}

#[tokio::test]
async fn r55_who_may_not_be_moved_is_left_to_a_later_stage() {
    let it = Staged::new().await;
    let app = &it.app;
    app.suspend(&it.accounts[0]).await;
    app.advance_to(PILOTS_OPEN).await;
    assert_eq!(app.stage_states(&it.release).await, ["DONE", "WAITING", "WAITING"]);
    app.reactivate(&it.accounts[0]).await;
    assert_eq!((it.numbers().await, it.update(0).await), (vec![1, 1, 1], offered()));
    assert_eq!(it.hour(0).await, Some(NEXT_OPENS.into()), "the next one takes it along");
    let all = app.all_accounts().await;
    let third = app.group("Third", &[&it.accounts[0], &it.accounts[2]]).await;
    app.share(&it.world.pack.id, &[&third]).await;
    app.unshare(&it.world.pack.id, &[&all]).await;
    app.advance_to(NEXT_OPENS).await;
    assert_eq!(it.numbers().await, [2, 1, 1], "the second account has lost its grant");
    assert_eq!(it.update(0).await, staged());
    app.share(&it.world.pack.id, &[&all]).await;
    assert_eq!(it.update(1).await, offered(), "no catching up, for the former version is the current one");
    app.advance_to(OPENS).await;
    assert_eq!(it.numbers().await, [2, 2, 2]);
}

#[tokio::test]
async fn r39_stages_that_a_server_missed_open_late_in_their_order() {
    let it = Staged::new().await;
    let app = &it.app;
    let mark = LogMark::now(app).await;
    app.advance_to("2026-12-01T03:00:00Z").await;
    let releases: Vec<_> = mark.kinds(app).await.into_iter().filter(|kind| kind.starts_with("RELEASE")).collect();
    let expected = [
        "RELEASE_STAGE_OPENED",
        "RELEASE_STAGE_OPENED",
        "RELEASE_STARTED",
        "RELEASE_STAGE_COMPLETED",
        "RELEASE_STAGE_COMPLETED",
        "RELEASE_COMPLETED",
    ];
    assert_eq!(releases, expected);
    assert_eq!((it.update(0).await, it.update(1).await), (staged(), staged()), "each by the first stage that holds it");
    assert_eq!(it.update(2).await, ("APPLIED".into(), Some("AUTOMATIC".into())));
    let stages = app.stages(&it.release).await;
    assert_eq!(stages[0].at("/window/late"), true);
    assert_eq!(stages[0].int("/window/latenessSeconds"), 6 * 86_400 + 3 * 3_600);
    assert_eq!(stages[2].int("/window/latenessSeconds"), 3 * 3_600);
}

#[tokio::test]
async fn r55_a_window_that_opens_while_a_stage_is_moved_waits_for_its_end() {
    let app = TestApp::in_batches_of(4).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    for n in 0..5 {
        app.install_as(&acme, "Orders", &format!("acme {n}")).await;
        app.install_as(&globex, "Orders", &format!("globex {n}")).await;
    }
    let pilots = app.group("Pilots", &[&acme]).await;
    let release = app.release_in_stages(&pack, "2026-12-01", &[of_groups("Pilots", "2026-11-25", &[&pilots])]).await;
    app.tick().await;
    app.open_next_stage(&release).await;
    assert_eq!(app.progress(&release).await.int("/applied"), 2, "of the first four installations");
    assert_eq!(app.stage_states(&release).await, ["OPEN", "WAITING"]);
    app.promote(&release).await;
    assert_eq!(app.stage_states(&release).await, ["OPEN", "OPEN"]);
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    let updates = "updates(first: 100) { edges { node { how installation { account { name } } } } }";
    for update in app.read_release(&release, updates).await.nodes("/updates") {
        let is_pilot = update.text("/installation/account/name") == "Acme";
        assert_eq!(update.text("/how"), if is_pilot { "STAGED" } else { "IMMEDIATE" });
    }
}

#[tokio::test]
async fn r55_an_installation_that_fails_in_a_stage_is_tried_again_and_holds_up_nobody() {
    let it = Staged::new().await;
    let app = &it.app;
    app.mover.fail(&it.world.installations[0], 2, FailureCode::Temporary);
    app.advance_to(PILOTS_OPEN).await;
    assert_eq!((it.update(0).await, app.stage_states(&it.release).await[0].as_str()), (offered(), "OPEN"));
    app.live_until("2026-11-24T23:10:00Z").await;
    assert_eq!((it.update(0).await, app.stage_states(&it.release).await[0].as_str()), (staged(), "DONE"));
    app.mover.fail(&it.world.installations[1], u32::MAX, FailureCode::Internal);
    app.advance_to(NEXT_OPENS).await;
    app.open_next_stage_refused(&it.release, "NO_STAGE_LEFT").await;
    app.live_until("2026-11-26T23:15:00Z").await;
    assert_eq!(it.update(1).await.0, "FAILED");
    assert_eq!(app.stage_states(&it.release).await, ["DONE", "DONE", "WAITING"]);
    app.mover.repair();
    app.advance_to(OPENS).await;
    assert_eq!(app.release_state(&it.release).await, "PARTIALLY_SUCCEEDED", "what failed for good needs a retry");
    app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": it.release }), "retriedCount").await;
    assert_eq!(it.numbers().await, [2, 2, 2]);
}

#[tokio::test]
async fn r55_the_next_stage_can_be_opened_now() {
    let it = Staged::new().await;
    let app = &it.app;
    let mark = LogMark::now(app).await;
    let input = json!({ "releaseId": it.release, "clientRequestId": "once" });
    for _ in 0..2 {
        let selection = "release { state stages { state openedAt } }";
        let payload = app.ok(&app.publisher, "openNextStage", input.clone(), selection).await;
        assert_eq!(payload.text("/release/stages/0/state"), "DONE");
        assert_eq!(payload.at("/release/stages/1/openedAt"), &json!(null), "a repeated call opens no other");
    }
    assert_eq!(it.numbers().await, [2, 1, 1]);
    assert_eq!(mark.actions(app).await[0], "openNextStage");
    app.open_next_stage(&it.release).await;
    assert_eq!(it.numbers().await, [2, 2, 1]);
    let can = app.read_release(&it.release, "viewerCanOpenNextStage").await;
    assert_eq!(can.at("/viewerCanOpenNextStage"), false);
    app.open_next_stage_refused(&it.release, "NO_STAGE_LEFT").await;
    app.advance_to(PILOTS_OPEN).await;
    assert_eq!(mark.kinds(app).await.iter().filter(|kind| *kind == "RELEASE_STAGE_OPENED").count(), 2);
    app.clock_only(OPENS);
    app.open_next_stage_refused(&it.release, "RELEASE_IN_PROGRESS").await;
    app.tick().await;
    app.open_next_stage_refused(&it.release, "NOT_PENDING").await;
}

#[tokio::test]
async fn r36_a_stage_in_a_zone_with_a_gap_at_midnight_opens_when_the_day_begins() {
    let setup = Setup { start: "2026-04-20T09:00:00.000000Z", time_zone: Some("Africa/Cairo"), ..Setup::default() };
    let app = TestApp::with(setup).await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    // Clocks go from 00:00 to 01:00 on 2026-04-24.
    let release = app.release_in_stages(&world.pack, "2026-05-01", &[of_percent("Most", "2026-04-24", 99.99)]).await;
    let window = app.stages(&release).await[0].at("/window").clone();
    let expected = ("2026-04-23T22:00:00.000000Z".to_owned(), "2026-04-23T23:00:00.000000Z".to_owned());
    assert_eq!((window.text("/startsAt"), window.text("/endsAt")), expected);
    app.advance_to("2026-04-23T22:00:00Z").await;
    assert_eq!(app.stage_states(&release).await, ["DONE", "WAITING"]);
}

impl TestApp {
    async fn open_next_stage_refused(&self, release: &str, code: &str) {
        let payload =
            self.mutate(&self.publisher, "openNextStage", json!({ "releaseId": release }), "release { id }").await;
        assert_eq!(refusal(&payload).code, code);
    }
}
