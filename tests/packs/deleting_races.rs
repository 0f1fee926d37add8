//! Deleting a package while another call uses it (R8): the first call wins, and no pack ever holds a deleted package.

use serde_json::{Value, json};

use crate::support::{At as _, TestApp, immediately};

/// The error codes of two payloads; "" for an accepted one.
fn codes(one: &Value, other: &Value) -> [String; 2] {
    [one, other].map(|payload| payload.pointer("/errors/0/code").map_or_else(String::new, |code| code.text("")))
}

async fn delete(app: &TestApp, package: &str) -> Value {
    app.mutate(&app.publisher, "deletePackagedComponent", json!({ "packagedComponentId": package }), "").await
}

/// How often each race runs, because the thread scheduler decides who wins.
const ROUNDS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn r08_delete_against_pin() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    for _ in 0..ROUNDS {
        let old = app.package_newer(&pack).await;
        app.package_newer(&pack).await;
        let input = json!({ "packId": pack.id, "componentId": pack.components[0], "versionId": old.id });
        let pin = app.mutate(&app.publisher, "pinPackComponent", input, "");
        let (pinned, deleted) = tokio::join!(pin, delete(&app, &old.id));
        let won = codes(&pinned, &deleted);
        let possible = [["", "PACKAGE_IN_USE"], ["VERSION_DELETED", ""]];
        assert!(possible.iter().any(|codes| *codes == won), "{won:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_delete_against_release() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    for _ in 0..ROUNDS {
        let new = app.package_newer(&pack).await;
        let (released, deleted) = tokio::join!(app.try_release(immediately(&pack.id)), delete(&app, &new.id));
        let won = codes(&released, &deleted);
        let possible = [["", "PACKAGE_IN_USE"], ["NOTHING_TO_RELEASE", ""]];
        assert!(possible.iter().any(|codes| *codes == won), "{won:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_delete_against_add() {
    let app = TestApp::new().await;
    for n in 0..ROUNDS {
        let (component, package) = app.packaged("Import").await;
        let pack = app.pack(&format!("Orders {n}")).await;
        let input = json!({ "packId": pack, "componentIds": [component] });
        let add = app.mutate(&app.publisher, "addPackComponents", input, "");
        let (added, deleted) = tokio::join!(add, delete(&app, &package.id));
        let won = codes(&added, &deleted);
        let possible = [["", ""], ["NO_SHAREABLE_VERSION", ""]];
        assert!(possible.iter().any(|codes| *codes == won), "{won:?}");
        let read = app.read_pack(&pack, "componentCount hasUnreleasedChanges components { next { id } }").await;
        let rows = i64::from(won[0].is_empty());
        assert_eq!(read.int("/componentCount"), rows);
        assert_eq!(read.at("/hasUnreleasedChanges"), false, "its only package is deleted: {read:#}");
        assert!(read.list("/components").iter().all(|row| row.at("/next").is_null()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_delete_against_delete_and_restore() {
    let app = TestApp::new().await;
    let (component, package) = app.packaged("Import").await;
    let (one, other) = tokio::join!(delete(&app, &package.id), delete(&app, &package.id));
    let mut won = codes(&one, &other);
    won.sort();
    assert_eq!(won, ["", "ALREADY_DELETED"]);
    let input = json!({ "packages": [{ "componentId": component, "shareable": true }] });
    let make = app.mutate(&app.publisher, "createPackagedComponents", input, "");
    let restore = json!({ "packagedComponentId": package.id });
    let restore = app.mutate(&app.publisher, "restorePackagedComponent", restore, "");
    let (made, restored) = tokio::join!(make, restore);
    assert_eq!(codes(&made, &restored), ["", ""]);
    let query = "query($id: ID!) { component(id: $id) { latestShareable { version } } }";
    let data = app.gql(&app.publisher, query, json!({ "id": component })).await;
    assert_eq!(data.text("/component/latestShareable/version"), "2.0", "whoever came first");
}
