//! One pending release for each pack, and one rollout at a time (R28, R29).

use serde_json::{Value, json};

use crate::support::{At as _, TestApp, immediately, on_date};

const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// The number of accepted payloads, and the codes of the others.
fn outcome<const N: usize>(payloads: [Value; N]) -> (usize, Vec<String>) {
    let codes: Vec<_> = payloads.iter().filter_map(|p| p.pointer("/errors/0/code")).map(|code| code.text("")).collect();
    (N - codes.len(), codes)
}

#[tokio::test]
async fn r28_second_dated_release_is_refused() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let release = app.update_on(&pack, "2026-12-01").await;
    app.package_newer(&pack).await;
    for date in ["2026-12-01", "2026-12-24"] {
        let refusal = app.refused(&app.publisher, "releaseIntegrationPack", on_date(&pack.id, date)).await;
        assert_eq!(refusal.code, "RELEASE_ALREADY_PENDING");
        assert_eq!(refusal.errors[0].at("/blockingRelease"), &json!({ "id": release, "state": "SCHEDULED" }));
    }
    assert_eq!(
        app.read_pack(&pack.id, "viewerCanScheduleRelease viewerCanRelease").await,
        json!({ "viewerCanScheduleRelease": false, "viewerCanRelease": true })
    );
}

#[tokio::test]
async fn r28_a_second_dated_first_release_is_refused_too() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_on(&pack.id, "2026-12-01").await;
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", on_date(&pack.id, "2026-12-02")).await;
    assert_eq!(
        refusal.code, "RELEASE_ALREADY_PENDING",
        "its content equal to the pending one's is no obstacle of its own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_of_two_dated_releases_at_once_one_is_refused() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let call = |date: &'static str| app.try_release(on_date(&pack.id, date));
    let (a, b, c) = tokio::join!(call("2026-12-01"), call("2026-12-02"), call("2026-12-03"));
    assert_eq!(outcome([a, b, c]), (1, vec!["RELEASE_ALREADY_PENDING".to_owned(); 2]));
    let read = app
        .read_pack(
            &pack.id,
            "releases(first: 10) { edges { node { id } } } versions(first: 10) { edges { node { number } } }",
        )
        .await;
    assert_eq!((read.nodes("/releases").len(), read.nodes("/versions").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_two_servers_agree_on_one_pending_release() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let other = app.another_server().await;
    let document = "mutation($input: ReleaseIntegrationPackInput!) { releaseIntegrationPack(input: $input) { release { id } errors { code } } }";
    let request = async_graphql::Request::new(document)
        .variables(async_graphql::Variables::from_json(json!({ "input": on_date(&pack.id, "2026-12-02") })));
    let (here, there) =
        tokio::join!(app.try_release(on_date(&pack.id, "2026-12-01")), other.execute(Some(&app.publisher), request));
    let there = serde_json::to_value(there).unwrap().at("/data/releaseIntegrationPack").clone();
    assert_eq!(outcome([here, there]), (1, vec!["RELEASE_ALREADY_PENDING".to_owned()]));
    other.services.db.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn r29_of_two_immediate_releases_at_once_one_has_nothing_to_release() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let (one, other) = tokio::join!(app.try_release(immediately(&pack.id)), app.try_release(immediately(&pack.id)));
    assert_eq!(outcome([one, other]), (1, vec!["NOTHING_TO_RELEASE".to_owned()]));
}

#[tokio::test]
async fn r28_different_packs_do_not_hinder_each_other() {
    let app = TestApp::new().await;
    for name in ["Orders", "Returns"] {
        let pack = app.pack_with(name, &[&format!("{name} process")]).await;
        app.release_on(&pack.id, "2026-12-01").await;
    }
    let query =
        "query($filter: IntegrationPackFilter) { integrationPacks(filter: $filter) { edges { node { name } } } }";
    let pending = app.gql(&app.publisher, query, json!({ "filter": { "hasPendingRelease": true } })).await;
    assert_eq!(pending.texts("/integrationPacks", "/name"), ["Orders", "Returns"]);
}

#[tokio::test]
async fn r29_an_immediate_release_supersedes_the_pending_one_and_moves_everybody() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    let pending = app.update_on(&world.pack, "2026-12-01").await;
    app.apply(&acme, &world.installations[0]).await;
    app.advance_by(3600).await;
    let release = app.update_now(&world.pack).await;
    let superseded = app.read_release(&pending, "state supersededBy { id } startedAt testingPeriod { endsAt isOpen } progress { total applied appliedEarly withdrawn offered }").await;
    let expected = json!({
        "state": "SUPERSEDED", "supersededBy": { "id": release }, "startedAt": null,
        "testingPeriod": { "endsAt": "2026-11-22T10:00:00.000000Z", "isOpen": false },
        "progress": { "total": 2, "applied": 1, "appliedEarly": 1, "withdrawn": 1, "offered": 0 },
    });
    assert_eq!(superseded, expected);
    for (account, installation) in [&acme, &globex].into_iter().zip(&world.installations) {
        assert_eq!(app.installed_number(account, installation).await, 3, "early appliers too");
    }
    let states = async |account, installation| -> Vec<(i64, String, i64)> {
        let updates = app.updates(account, installation).await;
        updates.iter().map(|u| (u.int("/toVersion/number"), u.text("/state"), u.int("/fromVersion/number"))).collect()
    };
    assert_eq!(states(&acme, &world.installations[0]).await, [(3, "APPLIED".into(), 2), (2, "APPLIED".into(), 1)]);
    assert_eq!(states(&globex, &world.installations[1]).await, [(3, "APPLIED".into(), 1), (2, "WITHDRAWN".into(), 1)]);
    assert_eq!(
        app.read_pack(&world.pack.id, "state pendingRelease { id }").await,
        json!({ "state": "CURRENT", "pendingRelease": null })
    );
}

#[tokio::test]
async fn r29_the_window_of_a_superseded_release_does_nothing() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let pending = app.update_on(&world.pack, "2026-12-01").await;
    app.update_now(&world.pack).await;
    let before = app.world().await;
    app.advance_to(OPENS).await;
    app.advance_to("2026-12-02T12:00:00Z").await;
    app.assert_unchanged(&before).await;
    assert_eq!(app.release_state(&pending).await, "SUPERSEDED");
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 3);
}

#[tokio::test]
async fn r29_a_superseded_release_can_not_be_changed() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let pending = app.update_on(&pack, "2026-12-01").await;
    app.update_now(&pack).await;
    let inputs = [
        ("rescheduleRelease", json!({ "releaseId": pending, "onDate": "2026-12-24" })),
        ("promoteRelease", json!({ "releaseId": pending })),
        ("cancelRelease", json!({ "releaseId": pending })),
    ];
    for (mutation, input) in inputs {
        assert_eq!(app.refused(&app.publisher, mutation, input).await.code, "NOT_PENDING", "{mutation}");
    }
}

#[tokio::test]
async fn r21_the_content_of_a_pending_release_can_be_released_at_once() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let pending = app.update_on(&world.pack, "2026-12-01").await;
    let release = app.release_now(&world.pack.id).await;
    assert_eq!(app.release_state(&pending).await, "SUPERSEDED");
    let read = app.read_release(&release, "version { number contents { version } } previousVersion { number }").await;
    assert_eq!(
        read,
        json!({ "version": { "number": 3, "contents": [{ "version": "2.0" }] }, "previousVersion": { "number": 1 } })
    );
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 3);
}

#[tokio::test]
async fn r29_a_pending_first_release_is_superseded_too() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let pending = app.release_on(&pack.id, "2026-12-01").await;
    app.release_now(&pack.id).await;
    assert_eq!(
        (app.release_state(&pending).await.as_str(), app.current_number(&pack.id).await),
        ("SUPERSEDED", Some(2))
    );
}
