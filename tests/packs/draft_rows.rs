//! The rows of a draft: removing, restoring, pinning and following (R15, R16).

use serde_json::{Value, json};

use crate::support::{At as _, TestApp};

fn adding(pack: &str, components: &[&str]) -> Value {
    json!({ "packId": pack, "componentIds": components })
}

fn row(pack: &str, component: &str) -> Value {
    json!({ "packId": pack, "componentId": component })
}

fn pinning(pack: &str, component: &str, version: &str) -> Value {
    json!({ "packId": pack, "componentId": component, "versionId": version })
}

#[tokio::test]
async fn r15_a_row_that_was_never_released_just_goes() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    let gone = app.ok(
        &app.publisher,
        "removePackComponent",
        row(&pack.id, &pack.components[0]),
        "component { pinned } integrationPack { componentCount }",
    );
    assert_eq!(gone.await, json!({ "component": null, "integrationPack": { "componentCount": 1 }, "errors": [] }));
    let refusal = app.refused(&app.publisher, "removePackComponent", row(&pack.id, &pack.components[0])).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("COMPONENT_NOT_IN_PACK", "componentId"));
    app.add(&pack.id, &[&pack.components[0]]).await;
}

#[tokio::test]
async fn r15_a_released_row_is_marked_until_the_next_release() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    app.release_now(&pack.id).await;
    let selection = "component { markedForRemoval next { id } inThisContent { id } current { version } }";
    let marked = app.ok(&app.publisher, "removePackComponent", row(&pack.id, &pack.components[0]), selection).await;
    let expected =
        json!({ "markedForRemoval": true, "next": null, "inThisContent": null, "current": { "version": "1.0" } });
    assert_eq!(marked.at("/component"), &expected);
    assert_eq!(app.rows(&pack.id).await.len(), 2, "it stays, marked");
    assert_eq!(
        app.refused(&app.publisher, "removePackComponent", row(&pack.id, &pack.components[0])).await.code,
        "MARKED_FOR_REMOVAL"
    );
    app.release_on(&pack.id, "2026-12-01").await;
    let rows = app.rows(&pack.id).await;
    assert_eq!(
        (rows.len(), rows[0].text("/component/name")),
        (1, "Export".into()),
        "it goes with the call, not with the window"
    );
}

#[tokio::test]
async fn r15_a_removal_mark_can_be_removed() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let restore = row(&pack.id, &pack.components[0]);
    assert_eq!(
        app.refused(&app.publisher, "restorePackComponent", restore.clone()).await.code,
        "NOT_MARKED_FOR_REMOVAL"
    );
    app.release_now(&pack.id).await;
    app.remove(&pack.id, &pack.components[0]).await;
    let restored = app
        .ok(&app.publisher, "restorePackComponent", restore, "component { markedForRemoval next { version } }")
        .await;
    assert_eq!(restored.at("/component"), &json!({ "markedForRemoval": false, "next": { "version": "1.0" } }));
    let (stranger, _) = app.packaged("Export").await;
    assert_eq!(
        app.refused(&app.publisher, "restorePackComponent", row(&pack.id, &stranger)).await.code,
        "COMPONENT_NOT_IN_PACK"
    );
}

#[tokio::test]
async fn r15_a_component_in_pending_content_counts_as_released() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    app.release_on(&pack.id, "2026-12-01").await;
    app.remove(&pack.id, &pack.components[0]).await;
    let rows = app.rows(&pack.id).await;
    let import = rows.iter().find(|row| row.text("/component/name") == "Import").expect("it stays");
    assert_eq!(import.at("/markedForRemoval"), true);
    assert_eq!(import.at("/pending/version"), "1.0", "the pending release still brings it");
}

#[tokio::test]
async fn r16_a_row_follows_until_it_is_pinned_and_again_after() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let component = &pack.components[0];
    let next = async || {
        let row = app.rows(&pack.id).await.remove(0);
        (row.text("/next/version"), row.at("/pinned") == true)
    };
    app.package(component).await;
    assert_eq!(next().await, ("2.0".into(), false));
    app.pin(&pack.id, component, &pack.packages[0].id).await;
    assert_eq!(next().await, ("1.0".into(), true), "older ones can be chosen");
    app.package(component).await;
    assert_eq!(next().await, ("1.0".into(), true));
    app.ok(&app.publisher, "unpinPackComponent", row(&pack.id, component), "component { pinned }").await;
    assert_eq!(next().await, ("3.0".into(), false));
    assert_eq!(app.refused(&app.publisher, "unpinPackComponent", row(&pack.id, component)).await.code, "NOT_PINNED");
}

#[tokio::test]
async fn r16_only_a_shareable_version_of_the_same_component_can_be_pinned() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let component = &pack.components[0];
    let (other, foreign) = app.packaged("Export").await;
    let private = app.package_not_shareable(component).await;
    for (version, code) in [(&foreign.id, "VERSION_OF_OTHER_COMPONENT"), (&private.id, "NOT_SHAREABLE")] {
        let refusal = app.refused(&app.publisher, "pinPackComponent", pinning(&pack.id, component, version)).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), (code, "versionId"));
    }
    let stranger = app.refused(&app.publisher, "pinPackComponent", pinning(&pack.id, &other, &foreign.id)).await;
    assert_eq!((stranger.code.as_str(), stranger.field.as_str()), ("COMPONENT_NOT_IN_PACK", "componentId"));
    for id in [component, &pack.id, "nonsense"] {
        assert_eq!(app.denied(&app.publisher, "pinPackComponent", pinning(&pack.id, component, id)).await, "NOT_FOUND");
    }
}

#[tokio::test]
async fn r16_a_marked_row_can_not_be_pinned() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    app.remove(&pack.id, &pack.components[0]).await;
    let input = pinning(&pack.id, &pack.components[0], &pack.packages[0].id);
    assert_eq!(app.refused(&app.publisher, "pinPackComponent", input).await.code, "MARKED_FOR_REMOVAL");
}

#[tokio::test]
async fn r16_each_edit_of_a_draft_takes_the_revision_that_was_read() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let component = &pack.components[0];
    app.release_now(&pack.id).await;
    let (other, _) = app.packaged("Export").await;
    let edits = [
        ("addPackComponents", adding(&pack.id, &[&other])),
        ("pinPackComponent", pinning(&pack.id, component, &pack.packages[0].id)),
        ("unpinPackComponent", row(&pack.id, component)),
        ("removePackComponent", row(&pack.id, component)),
        ("restorePackComponent", row(&pack.id, component)),
    ];
    for (mutation, mut input) in edits {
        let now = app.revision(&pack.id).await;
        input["expectedRevision"] = json!(now - 1);
        let refusal = app.refused(&app.publisher, mutation, input.clone()).await;
        assert_eq!(
            (refusal.code.as_str(), refusal.errors[0].int("/currentRevision")),
            ("STALE_REVISION", now),
            "{mutation}"
        );
        input["expectedRevision"] = json!(now);
        let edited = app.ok(&app.publisher, mutation, input, "integrationPack { revision }").await;
        assert!(edited.int("/integrationPack/revision") > now, "{mutation}");
    }
}
