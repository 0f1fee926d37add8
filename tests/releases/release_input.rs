//! Invalid input when releasing (R21–R23, section 10). A refused call changes nothing.

use serde_json::{Value, json};

use crate::support::{At as _, NOTES, TestApp, accepted, immediately, on_date};

fn with(mut input: Value, field: &str, value: Value) -> Value {
    input[field] = value;
    input
}

#[tokio::test]
async fn r21_a_schedule_is_one_of_two() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let input = |schedule: Value| json!({ "packId": pack.id, "schedule": schedule, "notes": NOTES });
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", input(json!({ "immediately": false }))).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("INVALID_SCHEDULE", "schedule.immediately"));
    let query =
        "mutation($input: ReleaseIntegrationPackInput!) { releaseIntegrationPack(input: $input) { errors { code } } }";
    let before = app.world().await;
    let bad = [
        json!({}),
        json!({ "immediately": true, "onDate": "2026-12-01" }),
        json!({ "immediately": null }),
        json!({ "onDate": "2026-13-01" }),
        json!({ "onDate": "tomorrow" }),
        json!(null),
    ];
    for schedule in bad {
        app.error_code(Some(&app.publisher), query, json!({ "input": input(schedule) })).await;
    }
    app.assert_unchanged(&before).await;
}

#[tokio::test]
async fn r21_a_stale_revision_is_refused_and_the_present_one_told() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let now = app.revision(&pack.id).await;
    let stale = with(immediately(&pack.id), "expectedRevision", json!(now - 1));
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", stale).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("STALE_REVISION", "expectedRevision"));
    assert_eq!(refusal.errors[0].int("/currentRevision"), now);
    accepted(app.try_release(with(immediately(&pack.id), "expectedRevision", json!(now))).await);
    assert!(app.revision(&pack.id).await > now, "a release is an edit");
}

#[tokio::test]
async fn r21_the_first_check_that_fails_is_told() {
    let app = TestApp::new().await;
    let pack = app.pack("Orders").await;
    let mut input =
        json!({ "packId": pack, "schedule": { "immediately": false }, "notes": "", "expectedRevision": 4711 });
    let code = async |input: &Value| app.refused(&app.publisher, "releaseIntegrationPack", input.clone()).await.code;
    assert_eq!(code(&input).await, "STALE_REVISION");
    input["expectedRevision"] = json!(null);
    assert_eq!(code(&input).await, "INVALID_SCHEDULE");
    input["schedule"] = json!({ "onDate": "1999-01-01" });
    assert_eq!(code(&input).await, "NOTES_REQUIRED");
    input["notes"] = json!(NOTES);
    assert_eq!(code(&input).await, "EMPTY_PACK");
    let (component, _) = app.packaged("Import").await;
    app.add(&pack, &[&component]).await;
    assert_eq!(code(&input).await, "RELEASE_DATE_NOT_IN_FUTURE");
}

#[tokio::test]
async fn r21_foreign_packs_can_not_be_released() {
    let app = TestApp::new().await;
    let southwind = app.another_publisher("Southwind").await;
    let made = app.ok(
        &southwind.token,
        "createIntegrationPack",
        json!({ "name": "Foreign", "installationType": "SINGLE" }),
        "integrationPack { id }",
    );
    let foreign = made.await.text("/integrationPack/id");
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let available = app.available(&acme, "Orders").await;
    for id in [foreign.as_str(), &available, &world.first_release, &world.pack.components[0], "nonsense", ""] {
        assert_eq!(app.denied(&app.publisher, "releaseIntegrationPack", immediately(id)).await, "NOT_FOUND", "{id:?}");
    }
    let release = app.update_on(&world.pack, "2026-12-01").await;
    for id in [world.pack.id.as_str(), &acme.id, "nonsense"] {
        assert_eq!(
            app.denied(&app.publisher, "cancelRelease", json!({ "releaseId": id })).await,
            "NOT_FOUND",
            "{id:?}"
        );
        assert_eq!(
            app.denied(&app.publisher, "promoteRelease", json!({ "releaseId": id })).await,
            "NOT_FOUND",
            "{id:?}"
        );
        let input = json!({ "releaseId": id, "onDate": "2026-12-24" });
        assert_eq!(app.denied(&app.publisher, "rescheduleRelease", input).await, "NOT_FOUND", "{id:?}");
    }
    let foreign_input = json!({ "releaseId": release });
    assert_eq!(app.denied(&southwind.token, "cancelRelease", foreign_input.clone()).await, "NOT_FOUND");
    assert_eq!(app.denied(&acme.token, "cancelRelease", foreign_input).await, "FORBIDDEN");
    let query = "query($id: ID!) { release(id: $id) { id } }";
    assert_eq!(app.error_code(Some(&southwind.token), query, json!({ "id": release })).await, "NOT_FOUND");
}

#[tokio::test]
async fn r21_only_who_may_release_does() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    for role in ["PRODUCTION_SUPPORT", "SUPPORT"] {
        let token = app.token(&app.publisher, role).await;
        assert_eq!(app.denied(&token, "releaseIntegrationPack", immediately(&pack.id)).await, "FORBIDDEN", "{role}");
        let query = "query($id: ID!) { integrationPack(id: $id) { viewerCanRelease viewerCanUpdate } }";
        let may = app.gql(&token, query, json!({ "id": pack.id })).await;
        assert_eq!(may.at("/integrationPack"), &json!({ "viewerCanRelease": false, "viewerCanUpdate": false }));
    }
    assert_eq!(
        app.denied(&acme.token, "releaseIntegrationPack", immediately("nonsense")).await,
        "FORBIDDEN",
        "before any id is looked at"
    );
    let standard = app.token(&app.publisher, "STANDARD_USER").await;
    app.ok(&standard, "releaseIntegrationPack", immediately(&pack.id), "release { createdBy { name } }").await;
}

#[tokio::test]
async fn r21_the_same_request_again_gets_the_release_as_it_is_now() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let input = with(on_date(&pack.id, "2026-11-23"), "clientRequestId", json!("once"));
    let call = async || app.ok(&app.publisher, "releaseIntegrationPack", input.clone(), "release { id state }").await;
    let first = call().await;
    assert_eq!(first.text("/release/state"), "SCHEDULED");
    app.advance_to("2026-11-22T23:00:00Z").await;
    let before = app.world().await;
    let again = call().await;
    assert_eq!(
        (again.text("/release/id"), again.text("/release/state")),
        (first.text("/release/id"), "SUCCEEDED".into())
    );
    app.assert_unchanged(&before).await;
}

#[tokio::test]
async fn r21_a_request_id_is_remembered_for_24_hours() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let input = with(immediately(&pack.id), "clientRequestId", json!("once"));
    let first = accepted(app.try_release(input.clone()).await);
    app.advance_by(24 * 3600 - 1).await;
    assert_eq!(accepted(app.try_release(input.clone()).await), first);
    app.advance_by(2).await;
    assert_eq!(app.refused(&app.publisher, "releaseIntegrationPack", input).await.code, "NOTHING_TO_RELEASE");
}

#[tokio::test]
async fn r21_the_same_request_id_with_another_input_is_refused() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let other = app.pack_with("Returns", &["Export"]).await;
    let input = with(on_date(&pack.id, "2026-12-01"), "clientRequestId", json!("once"));
    let refused = app.refused(&app.publisher, "releaseIntegrationPack", with(input.clone(), "notes", json!(""))).await;
    assert_eq!(refused.code, "NOTES_REQUIRED");
    accepted(app.try_release(input.clone()).await);
    let others = [
        with(input.clone(), "notes", json!("Other notes.")),
        with(input.clone(), "schedule", json!({ "onDate": "2026-12-02" })),
        with(input.clone(), "schedule", json!({ "immediately": true })),
        with(input.clone(), "packId", json!(other.id)),
        with(input.clone(), "expectedRevision", json!(1)),
    ];
    for other in others {
        let refusal = app.refused(&app.publisher, "releaseIntegrationPack", other).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("CLIENT_REQUEST_ID_REUSED", "clientRequestId"));
    }
}

#[tokio::test]
async fn r21_a_request_id_is_one_mutation_s() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let package = json!({ "packages": [{ "componentId": component, "shareable": true }], "clientRequestId": "once" });
    app.ok(&app.publisher, "createPackagedComponents", package, "").await;
    let pack = app.pack("Orders").await;
    app.add(&pack, &[&component]).await;
    accepted(app.try_release(with(immediately(&pack), "clientRequestId", json!("once"))).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn r21_the_same_request_twice_at_once_makes_one_release() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let input = with(on_date(&pack.id, "2026-12-01"), "clientRequestId", json!("once"));
    let (one, other) = tokio::join!(app.try_release(input.clone()), app.try_release(input.clone()));
    assert_eq!(accepted(one), accepted(other));
}

#[tokio::test]
async fn r19_a_component_always_keeps_a_version_to_take() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.package_not_shareable(&pack.components[0]).await;
    app.release_now(&pack.id).await;
    let read = app.read_pack(&pack.id, "currentVersion { contents { version } }").await;
    assert_eq!(read.at("/currentVersion/contents"), &json!([{ "version": "1.0" }]));
}

#[tokio::test]
async fn r33_releases_are_listed_newest_first_and_narrowed() {
    let app = TestApp::new().await;
    let orders = app.pack_with("Orders", &["Import"]).await;
    let returns = app.pack_with("Returns", &["Export"]).await;
    let first = app.release_now(&orders.id).await;
    app.advance_by(1).await;
    let second = app.release_on(&returns.id, "2026-12-01").await;
    app.advance_by(1).await;
    let third = app.update_on(&orders, "2026-12-01").await;
    let query = "query($filter: ReleaseFilter) { releases(filter: $filter) { edges { node { id } } } }";
    let listed = async |filter: Value| {
        app.gql(&app.publisher, query, json!({ "filter": filter })).await.texts("/releases", "/id")
    };
    assert_eq!(listed(json!({})).await, [third.clone(), second.clone(), first.clone()]);
    assert_eq!(listed(json!({ "packId": orders.id })).await, [third.clone(), first.clone()]);
    assert_eq!(listed(json!({ "states": ["SCHEDULED"] })).await, [third, second]);
    assert_eq!(listed(json!({ "schedule": "IMMEDIATELY" })).await, [first]);
}
