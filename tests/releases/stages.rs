//! Making a release in stages: who is in which, what is refused, and what the preview tells (R54).

use serde_json::{Value, json};

use crate::support::rows::{LogMark, unknown_like};
use crate::support::{
    At as _, Installed, Managed, Setup, TestApp, bucket, immediately, in_stages, lowest, of_groups, of_percent, on_date,
};

/// When the stage of 2026-11-25 opens in Berlin.
const PILOTS_OPEN: &str = "2026-11-24T23:00:00.000000Z";
/// When the stage of 2026-11-27 opens in Berlin.
const PART_OPENS: &str = "2026-11-26T23:00:00.000000Z";

/// A pack that five accounts have installed.
async fn five(app: &TestApp) -> (Vec<Managed>, Installed) {
    let accounts: Vec<Managed> = app.managed_accounts(["Acme", "Globex", "Initech", "Umbrella", "Wayne"]).await.into();
    let installed = app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await;
    (accounts, installed)
}

#[tokio::test]
async fn r54_a_release_tells_its_stages_and_the_last_one_is_everybody() {
    let app = TestApp::new().await;
    let (accounts, world) = five(&app).await;
    let pilots = app.group("Pilots", &[&accounts[0]]).await;
    let (order, percent) = lowest(&world.pack.id, 2, &world.installations, 2);
    let mark = LogMark::now(&app).await;
    let stages = [of_groups("Pilots", "2026-11-25", &[&pilots]), of_percent(" Some ", "2026-11-27", percent)];
    let release = app.release_in_stages(&world.pack, "2026-12-01", &stages).await;
    let held = 2 - usize::from(order[..2].contains(&0));
    let window = |date: &str, start: &str, end: &str| json!({ "date": date, "timeZone": "Europe/Berlin", "startsAt": start, "endsAt": end, "late": false, "latenessSeconds": null });
    let expected = json!([
        { "name": "Pilots", "state": "WAITING", "percent": null, "installationCount": 1, "openedAt": null, "completedAt": null,
          "groups": [{ "name": "Pilots" }], "window": window("2026-11-25", PILOTS_OPEN, "2026-11-25T00:00:00.000000Z") },
        { "name": "Some", "state": "WAITING", "percent": percent, "installationCount": held, "openedAt": null, "completedAt": null,
          "groups": [], "window": window("2026-11-27", PART_OPENS, "2026-11-27T00:00:00.000000Z") },
        { "name": "everybody", "state": "WAITING", "percent": 100.0, "installationCount": null, "openedAt": null, "completedAt": null,
          "groups": [], "window": window("2026-12-01", "2026-11-30T23:00:00.000000Z", "2026-12-01T00:00:00.000000Z") },
    ]);
    assert_eq!(json!(app.stages(&release).await), expected);
    let read = app.read_release(&release, "state viewerCanOpenNextStage").await;
    assert_eq!(read, json!({ "state": "SCHEDULED", "viewerCanOpenNextStage": true }));
    let entry = mark.entries(&app).await.into_iter().find(|entry| entry.action == "releaseIntegrationPack").unwrap();
    assert!(entry.changes.contains("stages.Pilots.date") && entry.changes.contains("stages.Some.date"));
}

#[tokio::test]
async fn r54_without_stages_nothing_is_told_and_nothing_changes() {
    let app = TestApp::new().await;
    let (accounts, world) = five(&app).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    let read = app.read_release(&release, "viewerCanOpenNextStage stages { name }").await;
    assert_eq!(read, json!({ "viewerCanOpenNextStage": false, "stages": [] }));
    let refusal = app.refused(&app.publisher, "openNextStage", json!({ "releaseId": release })).await;
    assert_eq!(refusal.code, "NO_STAGE_LEFT");
    let window = json!({ "startsAt": "2026-11-30T23:00:00.000000Z" });
    let seen =
        app.read_installation(&accounts[0], &world.installations[0], "pendingUpdate { appliesIn { startsAt } }").await;
    assert_eq!(seen.at("/pendingUpdate/appliesIn"), &window, "the hour of the release");
    let first = app.read_release(&world.first_release, "stages { name }").await;
    assert_eq!(first.at("/stages"), &json!([]));
}

/// What is refused of stages: (stages, code, path).
fn unfit(group: &str) -> Vec<(Vec<Value>, &'static str, &'static str)> {
    let percent = |date, percent| of_percent("A part", date, percent);
    let named = |name: &str| of_percent(name, "2026-11-25", 10.0);
    let many = |count: u32| (0..count).map(|n| of_percent(&format!("{n}"), "2026-11-25", 1.0)).collect::<Vec<_>>();
    let long = "x".repeat(81);
    let later = |name: &str, date: &str, percent| of_percent(name, date, percent);
    vec![
        (many(10), "INVALID_STAGES", "stages"),
        (vec![of_groups("None", "2026-11-25", &[])], "INVALID_STAGES", "stages.0.holds.groupIds"),
        (vec![of_groups("Many", "2026-11-25", &[group; 21])], "INVALID_STAGES", "stages.0.holds.groupIds"),
        (vec![named("")], "STAGE_NAME", "stages.0.name"),
        (vec![named(&long)], "STAGE_NAME", "stages.0.name"),
        (vec![named("Everybody")], "STAGE_NAME", "stages.0.name"),
        (vec![named("Pilots"), later("PILOTS", "2026-11-26", 20.0)], "STAGE_NAME", "stages.1.name"),
        (vec![percent("2026-11-25", 0.0)], "STAGE_PERCENTS", "stages.0.holds.percent"),
        (vec![percent("2026-11-25", 100.0)], "STAGE_PERCENTS", "stages.0.holds.percent"),
        (vec![percent("2026-11-25", 1.005)], "STAGE_PERCENTS", "stages.0.holds.percent"),
        (vec![named("One"), later("Two", "2026-11-26", 10.0)], "STAGE_PERCENTS", "stages.1.holds.percent"),
        (vec![percent("2026-11-22", 1.0)], "RELEASE_DATE_NOT_IN_FUTURE", "stages.0.onDate"),
        (vec![percent("2028-11-22", 1.0)], "RELEASE_DATE_TOO_FAR", "stages.0.onDate"),
        (vec![percent("2026-12-01", 1.0)], "STAGE_DATES", "stages.0.onDate"),
        (vec![named("One"), later("Two", "2026-11-25", 20.0)], "STAGE_DATES", "stages.1.onDate"),
        (vec![named("One"), later("Two", "2026-11-24", 20.0)], "STAGE_DATES", "stages.1.onDate"),
    ]
}

#[tokio::test]
async fn r54_unfit_stages_are_refused_and_the_preview_says_so_too() {
    let app = TestApp::new().await;
    let (accounts, world) = five(&app).await;
    let group = app.group("Pilots", &[&accounts[0]]).await;
    app.package_newer(&world.pack).await;
    for (stages, code, field) in unfit(&group) {
        let input = in_stages(&world.pack.id, "2026-12-01", &stages);
        let refusal = app.refused(&app.publisher, "releaseIntegrationPack", input).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), (code, field), "{stages:?}");
        let previewed = preview(&app, &world.pack.id, "2026-12-01", &json!(stages), None).await;
        assert_eq!(previewed.text("/refusals/0/code"), code, "{stages:?}");
        assert_eq!(previewed.at("/stages"), &json!([]));
    }
    let control = [of_percent("a\u{202e}b", "2026-11-25", 1.0)];
    let denied =
        app.denied(&app.publisher, "releaseIntegrationPack", in_stages(&world.pack.id, "2026-12-01", &control));
    assert_eq!(denied.await, "BAD_USER_INPUT");
    let nobody = [of_groups("Nobody", "2026-11-25", &[&unknown_like(&group)])];
    let denied = app.denied(&app.publisher, "releaseIntegrationPack", in_stages(&world.pack.id, "2026-12-01", &nobody));
    assert_eq!(denied.await, "NOT_FOUND");
}

#[tokio::test]
async fn r54_a_first_and_an_immediate_release_have_no_stages() {
    let app = TestApp::new().await;
    let (_, world) = five(&app).await;
    app.package_newer(&world.pack).await;
    let stages = json!([of_percent("A part", "2026-11-25", 1.0)]);
    let mut now = immediately(&world.pack.id);
    now["stages"] = stages.clone();
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", now).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("STAGES_NOT_ALLOWED", "stages"));
    let fresh = app.pack_with("Fresh", &["New"]).await;
    let mut first = on_date(&fresh.id, "2026-12-01");
    first["stages"] = stages;
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", first).await;
    assert_eq!(refusal.code, "STAGES_NOT_ALLOWED");
}

#[tokio::test]
async fn r37_a_stage_on_a_day_that_does_not_exist_is_refused() {
    let setup = Setup { start: "2011-12-20T09:00:00.000000Z", time_zone: Some("Pacific/Apia"), ..Setup::default() };
    let app = TestApp::with(setup).await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.package_newer(&world.pack).await;
    let input = in_stages(&world.pack.id, "2012-01-05", &[of_percent("A part", "2011-12-30", 99.99)]);
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", input).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("DATE_DOES_NOT_EXIST", "stages.0.onDate"));
    assert_eq!(refusal.errors[0].text("/timeZone"), "Pacific/Apia");
}

async fn preview(app: &TestApp, pack: &str, date: &str, stages: &Value, cohort: Option<&str>) -> Value {
    let query = "query($packId: ID!, $date: Date!, $stages: [ReleaseStageInput!]!, $cohort: ID) {
        releasePreview(packId: $packId, schedule: { onDate: $date }, stages: $stages, cohortOf: $cohort) {
            willMoveCount refusals { code } stages { name willMoveCount window { date startsAt } } } }";
    let variables = json!({ "packId": pack, "date": date, "stages": stages, "cohort": cohort });
    app.gql(&app.publisher, query, variables).await.at("/releasePreview").clone()
}

#[tokio::test]
async fn r54_the_preview_tells_for_each_stage_what_is_moved_then() {
    let app = TestApp::new().await;
    let (accounts, world) = five(&app).await;
    let pilots = app.group("Pilots", &[&accounts[0], &accounts[1]]).await;
    app.suspend(&accounts[4]).await;
    let (order, percent) = lowest(&world.pack.id, 2, &world.installations, 3);
    let stages = [of_groups("Pilots", "2026-11-25", &[&pilots]), of_percent("A part", "2026-11-27", percent)];
    app.package_newer(&world.pack).await;
    let previewed = preview(&app, &world.pack.id, "2026-12-01", &json!(stages), None).await;
    let counted: Vec<i64> = previewed.list("/stages").iter().map(|stage| stage.int("/willMoveCount")).collect();
    let part = order[..3].iter().filter(|index| [2, 3].contains(*index)).count() as i64;
    assert_eq!(counted, [2, part, 2 - part], "the suspended account is moved by none");
    assert_eq!(previewed.int("/willMoveCount"), 4, "all of them together");
    assert_eq!(previewed.list("/stages")[2].text("/name"), "everybody");
    assert_eq!(previewed.list("/stages")[0].text("/window/startsAt"), PILOTS_OPEN);
    let release = app
        .ok(
            &app.publisher,
            "releaseIntegrationPack",
            in_stages(&world.pack.id, "2026-12-01", &stages),
            "release { id }",
        )
        .await;
    let release = release.text("/release/id");
    let mut moved = Vec::new();
    for opens in [PILOTS_OPEN, PART_OPENS, "2026-11-30T23:00:00.000000Z"] {
        app.advance_to(opens).await;
        moved.push(app.progress(&release).await.int("/applied"));
    }
    assert_eq!(moved, [2, 2 + part, 4], "as the preview said");
}

#[tokio::test]
async fn r54_a_later_release_can_use_the_buckets_of_a_former_one_again() {
    let app = TestApp::new().await;
    let (accounts, world) = five(&app).await;
    let (order, percent) = lowest(&world.pack.id, 2, &world.installations, 2);
    let stage = || of_percent("A part", "2026-11-25", percent);
    let canceled = app.release_in_stages(&world.pack, "2026-12-01", &[stage()]).await;
    app.cancel(&canceled).await;
    let cohort = preview(&app, &world.pack.id, "2026-12-01", &json!([stage()]), Some(&canceled)).await;
    assert_eq!(cohort.list("/stages")[0].int("/willMoveCount"), 2);
    let mut input = in_stages(&world.pack.id, "2026-12-01", &[stage()]);
    input["cohortOf"] = json!(canceled);
    app.ok(&app.publisher, "releaseIntegrationPack", input, "release { id }").await;
    app.advance_to(PILOTS_OPEN).await;
    for (index, account) in accounts.iter().enumerate() {
        let number = app.installed_number(account, &world.installations[index]).await;
        assert_eq!(number, if order[..2].contains(&index) { 3 } else { 1 }, "the same two as before");
    }
    let own = |number| world.installations.iter().map(|id| bucket(&world.pack.id, number, id)).collect::<Vec<_>>();
    assert_ne!(own(2), own(3), "without it each release has its own");
}

#[tokio::test]
async fn r54_a_cohort_is_a_release_of_the_same_pack() {
    let app = TestApp::new().await;
    let (_, world) = five(&app).await;
    let other = app.installed_pack("Tools", &[]).await;
    app.package_newer(&world.pack).await;
    let mut input = in_stages(&world.pack.id, "2026-12-01", &[of_percent("A part", "2026-11-25", 5.0)]);
    for cohort in [&other.first_release, "nonsense"] {
        input["cohortOf"] = json!(cohort);
        assert_eq!(app.denied(&app.publisher, "releaseIntegrationPack", input.clone()).await, "NOT_FOUND");
    }
}

#[tokio::test]
async fn r54_a_stage_of_groups_holds_who_is_in_them_when_it_opens() {
    let app = TestApp::new().await;
    let (accounts, world) = five(&app).await;
    let pilots = app.group("Pilots", &[&accounts[0], &accounts[1]]).await;
    let member = |mutation: &'static str, account: &Managed| {
        let input = json!({ "groupId": pilots, "accountIds": [account.id] });
        let app = &app;
        async move { app.ok(&app.publisher, mutation, input, "").await }
    };
    let (_, percent) = (0, 0.01);
    let stages = [of_groups("Pilots", "2026-11-25", &[&pilots]), of_percent("Next", "2026-11-27", percent)];
    let release = app.release_in_stages(&world.pack, "2026-12-01", &stages).await;
    member("removeAccountsFromGroup", &accounts[1]).await;
    member("addAccountsToGroup", &accounts[2]).await;
    app.suspend(&accounts[0]).await;
    app.advance_to(PILOTS_OPEN).await;
    let numbers = async |at: [usize; 4]| {
        let mut numbers = Vec::new();
        for index in at {
            numbers.push(app.installed_number(&accounts[index], &world.installations[index]).await);
        }
        numbers
    };
    assert_eq!(numbers([1, 2, 3, 4]).await, [1, 2, 1, 1], "as the groups were at that instant");
    // Who joins later isn't in the stage; who has left since, is.
    member("addAccountsToGroup", &accounts[3]).await;
    member("removeAccountsFromGroup", &accounts[0]).await;
    app.reactivate(&accounts[0]).await;
    assert_eq!(
        app.installed_number(&accounts[0], &world.installations[0]).await,
        1,
        "no catching up while it is pending"
    );
    assert_eq!(app.stages(&release).await[0].int("/installationCount"), 2, "those of then");
    app.advance_to(PART_OPENS).await;
    let in_part = |index: usize| i64::from(bucket(&world.pack.id, 2, &world.installations[index]) < percent);
    assert_eq!(
        numbers([0, 2, 3, 4]).await,
        [2, 2, 1 + in_part(3), 1 + in_part(4)],
        "the next stage takes along what is left"
    );
}

#[tokio::test]
async fn r54_a_repeated_call_with_other_stages_is_another_call() {
    let app = TestApp::new().await;
    let (_, world) = five(&app).await;
    app.package_newer(&world.pack).await;
    let mut input = in_stages(&world.pack.id, "2026-12-01", &[of_percent("A part", "2026-11-25", 5.0)]);
    input["clientRequestId"] = json!("once");
    let selection = "release { id }";
    let first = app.ok(&app.publisher, "releaseIntegrationPack", input.clone(), selection).await;
    let again = app.ok(&app.publisher, "releaseIntegrationPack", input.clone(), selection).await;
    assert_eq!(first, again);
    input["stages"][0]["holds"] = json!({ "percent": 6.0 });
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", input).await;
    assert_eq!(refusal.code, "CLIENT_REQUEST_ID_REUSED");
}
