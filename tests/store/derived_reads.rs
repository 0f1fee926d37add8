//! A window has opened and the scheduler hasn't run: no read and no command depends on the scheduler (R30).

use serde_json::{Value, json};

use crate::support::{At as _, Installed, Managed, TestApp, immediately, refusal};

const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// A dated re-release whose window has opened, while the scheduler hasn't run.
async fn opened(app: &TestApp) -> (Managed, Installed, String) {
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.clock_only(OPENS);
    (acme, world, release)
}

#[tokio::test]
async fn r30_the_publisher_reads_what_is_so_now() {
    let app = TestApp::new().await;
    let (_, world, release) = opened(&app).await;
    let selection = "state currentVersion { number } pendingRelease { id } runningRelease { id state } newerShareableAvailable hasUnreleasedChanges
        viewerCanRelease viewerCanScheduleRelease components { current { version } pending { version } }";
    let expected = json!({
        "state": "RELEASING", "currentVersion": { "number": 2 }, "pendingRelease": null,
        "runningRelease": { "id": release, "state": "IN_PROGRESS" }, "newerShareableAvailable": false, "hasUnreleasedChanges": false,
        "viewerCanRelease": false, "viewerCanScheduleRelease": false,
        "components": [{ "current": { "version": "2.0" }, "pending": null }],
    });
    assert_eq!(app.read_pack(&world.pack.id, selection).await, expected);
    let read = app
        .read_release(&release, "state testingPeriod { endsAt isOpen } viewerCanCancel progress { total offered }")
        .await;
    let period = json!({ "endsAt": OPENS, "isOpen": false });
    assert_eq!(
        read,
        json!({ "state": "IN_PROGRESS", "testingPeriod": period, "viewerCanCancel": false, "progress": { "total": 1, "offered": 1 } })
    );
}

#[tokio::test]
async fn r30_a_microsecond_earlier_nothing_of_it_is_so() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.clock_only("2026-11-30T22:59:59.999999Z");
    let state = app
        .read_pack(&world.pack.id, "state currentVersion { number } pendingRelease { id } runningRelease { id }")
        .await;
    let expected = json!({ "state": "TESTING", "currentVersion": { "number": 1 }, "pendingRelease": { "id": release }, "runningRelease": null });
    assert_eq!(state, expected);
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SCHEDULED");
    app.apply(&acme, &world.installations[0]).await;
}

#[tokio::test]
async fn r30_lists_are_narrowed_by_what_is_so_now() {
    let app = TestApp::new().await;
    let (_, _, release) = opened(&app).await;
    let packs =
        "query($filter: IntegrationPackFilter) { integrationPacks(filter: $filter) { edges { node { name } } } }";
    let packs = async |filter: Value| {
        app.gql(&app.publisher, packs, json!({ "filter": filter })).await.nodes("/integrationPacks").len()
    };
    assert_eq!(packs(json!({ "states": ["RELEASING"] })).await, 1);
    assert_eq!(packs(json!({ "states": ["TESTING", "CURRENT"] })).await, 0);
    assert_eq!(packs(json!({ "hasPendingRelease": true })).await, 0);
    assert_eq!(packs(json!({ "hasPendingRelease": false })).await, 1);
    let releases = "query($filter: ReleaseFilter) { releases(filter: $filter) { edges { node { id } } } }";
    let releases = async |filter: Value| {
        app.gql(&app.publisher, releases, json!({ "filter": filter })).await.texts("/releases", "/id")
    };
    assert_eq!(releases(json!({ "states": ["IN_PROGRESS"] })).await, [release]);
    assert!(releases(json!({ "states": ["SCHEDULED"] })).await.is_empty());
}

#[tokio::test]
async fn r30_the_account_reads_what_is_so_now() {
    let app = TestApp::new().await;
    let (acme, world, _) = opened(&app).await;
    let id = app.available(&acme, "Orders").await;
    let query = "query($id: ID!) { availablePack(id: $id) { currentVersion { number } pendingRelease { id } } pendingUpdates { edges { node { id } } } }";
    let data = app.gql(&acme.token, query, json!({ "id": id })).await;
    assert_eq!(data.at("/availablePack"), &json!({ "currentVersion": { "number": 2 }, "pendingRelease": null }));
    assert!(data.nodes("/pendingUpdates").is_empty(), "nothing can be applied early now");
    let seen = app.read_installation(&acme, &world.installations[0], "version { number } viewerCanApply").await;
    assert_eq!(seen, json!({ "version": { "number": 1 }, "viewerCanApply": false }), "it is not moved yet");
    let update = app
        .read_installation(
            &acme,
            &world.installations[0],
            "updates { edges { node { state release { ... on AnnouncedRelease { state } } viewerCanApply } } }",
        )
        .await;
    assert_eq!(
        update.nodes("/updates"),
        [json!({ "state": "OFFERED", "release": { "state": "IN_PROGRESS" }, "viewerCanApply": false })]
    );
}

#[tokio::test]
async fn r30_applying_early_is_over() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&world.pack, "2026-12-01").await;
    let update = app.offered(&acme, &world.installations[0]).await.unwrap();
    app.clock_only(OPENS);
    let payload = app.try_apply(&acme, &update).await;
    let early = payload.pointer("/update/how").is_some_and(|how| how == "EARLY");
    assert!(!early, "the window has opened: {payload:#}");
    if !payload.list("/errors").is_empty() {
        assert_eq!(refusal(&payload).code, "RELEASE_IN_PROGRESS");
    }
    app.tick().await;
    assert_eq!(app.updates(&acme, &world.installations[0]).await[0].text("/how"), "AUTOMATIC");
}

#[tokio::test]
async fn r30_an_installation_made_now_gets_the_new_version() {
    let app = TestApp::new().await;
    let (_, _, release) = opened(&app).await;
    let globex = app.managed("Globex").await;
    let installation = app.install(&globex, "Orders").await;
    assert_eq!(app.installed_number(&globex, &installation).await, 2);
    app.tick().await;
    assert_eq!((app.release_state(&release).await.as_str(), app.mover.attempts(&installation)), ("SUCCEEDED", 0));
}

#[tokio::test]
async fn r30_a_first_release_is_there_when_its_window_opens() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_on(&pack.id, "2026-12-01").await;
    app.clock_only(OPENS);
    assert_eq!(app.current_number(&pack.id).await, Some(1));
    // No account has the pack, so no installation moves. The release has succeeded before and after the scheduler runs.
    let seen = "state runningRelease { id } releases(first: 1) { edges { node { state } } }";
    let succeeded = json!({
        "state": "CURRENT", "runningRelease": null, "releases": { "edges": [{ "node": { "state": "SUCCEEDED" } }] }
    });
    assert_eq!(app.read_pack(&pack.id, seen).await, succeeded);
    let filtered =
        "query($filter: IntegrationPackFilter) { integrationPacks(filter: $filter) { edges { node { id } } } }";
    let current = app.gql(&app.publisher, filtered, json!({ "filter": { "states": ["CURRENT"] } })).await;
    assert_eq!(current["integrationPacks"]["edges"][0]["node"]["id"], json!(pack.id));
    let releasing = app.gql(&app.publisher, filtered, json!({ "filter": { "states": ["RELEASING"] } })).await;
    assert_eq!(releasing["integrationPacks"]["edges"], json!([]));
    let installation = app.install(&acme, "Orders").await;
    assert_eq!(app.installed_number(&acme, &installation).await, 1);
    app.tick().await;
    assert_eq!(app.read_pack(&pack.id, seen).await, succeeded);
}

#[tokio::test]
async fn r30_a_command_carries_out_what_is_due_before_it_decides() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let due = app.update_on(&pack, "2026-12-01").await;
    app.clock_only(OPENS);
    app.package_newer(&pack).await;
    let payload = app.try_release(immediately(&pack.id)).await;
    assert_eq!(refusal(&payload).code, "RELEASE_IN_PROGRESS", "its window has opened");
    app.tick().await;
    assert_eq!(app.release_state(&due).await, "SUCCEEDED");
}

#[tokio::test]
async fn r30_the_draft_can_be_edited_while_it_is_so() {
    let app = TestApp::new().await;
    let (_, world, release) = opened(&app).await;
    app.remove(&world.pack.id, &world.pack.components[0]).await;
    let row = app.rows(&world.pack.id).await.remove(0);
    assert_eq!((row.at("/markedForRemoval"), row.text("/current/version")), (&json!(true), "2.0".into()));
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn r30_the_scheduler_does_the_same_transition_and_no_other() {
    let (asleep, awake) = (TestApp::new().await, TestApp::new().await);
    let mut ends = Vec::new();
    for app in [&asleep, &awake] {
        let acme = app.managed("Acme").await;
        let world = app.installed_pack("Orders", &[&acme]).await;
        let release = app.update_on(&world.pack, "2026-12-01").await;
        app.clock_only(OPENS);
        if std::ptr::eq(app, &awake) {
            app.tick().await;
        } else {
            let touch = json!({ "packId": world.pack.id, "description": "A command comes first." });
            app.ok(&app.publisher, "updateIntegrationPack", touch, "integrationPack { id }").await;
            app.tick().await;
        }
        let selection = "state startedAt endedAt window { late } progress { total applied appliedEarly } updates { edges { node { state how settledAt } } }";
        ends.push(app.read_release(&release, selection).await);
    }
    assert_eq!(ends[0], ends[1]);
}
