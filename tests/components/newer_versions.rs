//! Newer shareable versions (R19), and the query that finds them for all packs (R20).

use serde_json::{Value, json};

use crate::support::{At as _, Pack, TestApp};

/// The only row of a pack.
async fn only_row(app: &TestApp, pack: &Pack) -> Value {
    let mut rows = app.rows(&pack.id).await;
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

/// Whether the row and the pack show a newer shareable version. Both must agree.
async fn newer(app: &TestApp, pack: &Pack) -> bool {
    let row = only_row(app, pack).await.at("/newerShareableAvailable") == true;
    let read =
        app.read_pack(&pack.id, "newerShareableAvailable components(onlyWithNewerShareable: true) { pinned }").await;
    assert_eq!(read.at("/newerShareableAvailable"), row);
    assert_eq!(read.list("/components").len(), usize::from(row));
    row
}

#[tokio::test]
async fn r19_a_pack_without_anything_in_force_has_nothing_newer() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.package_newer(&pack).await;
    assert!(!newer(&app, &pack).await);
    let row = only_row(&app, &pack).await;
    assert_eq!((row.at("/current"), row.at("/pending")), (&json!(null), &json!(null)));
    assert_eq!((row.text("/next/version"), row.text("/latestShareable/version")), ("2.0".into(), "2.0".into()));
}

#[tokio::test]
async fn r19_newer_than_current() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    assert!(!newer(&app, &pack).await);
    app.package_newer(&pack).await;
    assert!(newer(&app, &pack).await);
    let row = only_row(&app, &pack).await;
    let versions = ["/current/version", "/next/version", "/latestShareable/version"].map(|at| row.text(at));
    assert_eq!(versions, ["1.0", "2.0", "2.0"]);
    app.release_now(&pack.id).await;
    assert!(!newer(&app, &pack).await, "released");
}

#[tokio::test]
async fn r19_versions_that_are_not_shareable_never_count() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    app.package_not_shareable(&pack.components[0]).await;
    assert!(!newer(&app, &pack).await);
    assert_eq!(only_row(&app, &pack).await.text("/latestShareable/version"), "1.0");
}

#[tokio::test]
async fn r19_with_a_release_pending_newer_means_newer_than_that() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let release = app.update_on(&pack, "2026-12-01").await;
    assert!(!newer(&app, &pack).await, "the pending release brings it");
    app.package_newer(&pack).await;
    assert!(newer(&app, &pack).await);
    let row = only_row(&app, &pack).await;
    let versions = ["/current/version", "/pending/version", "/next/version"].map(|at| row.text(at));
    assert_eq!(versions, ["1.0", "2.0", "3.0"]);
    app.cancel(&release).await;
    let row = only_row(&app, &pack).await;
    assert_eq!((row.text("/current/version"), row.at("/pending")), ("1.0".into(), &json!(null)));
    assert!(newer(&app, &pack).await);
}

#[tokio::test]
async fn r19_after_a_cancel_what_it_would_have_brought_is_newer_again() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let release = app.update_on(&pack, "2026-12-01").await;
    app.cancel(&release).await;
    assert!(newer(&app, &pack).await);
    assert_eq!(app.read_pack(&pack.id, "hasUnreleasedChanges").await, json!({ "hasUnreleasedChanges": true }));
}

#[tokio::test]
async fn r19_a_first_release_that_is_pending_is_in_force_for_this() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_on(&pack.id, "2026-12-01").await;
    assert!(!newer(&app, &pack).await);
    app.package_newer(&pack).await;
    assert!(newer(&app, &pack).await);
}

#[tokio::test]
async fn r19_a_pin_hides_nothing_that_is_newer() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    app.pin(&pack.id, &pack.components[0], &pack.packages[0].id).await;
    app.package_newer(&pack).await;
    assert!(newer(&app, &pack).await);
    assert_eq!(app.read_pack(&pack.id, "hasUnreleasedChanges").await, json!({ "hasUnreleasedChanges": false }));
}

#[tokio::test]
async fn r19_a_row_that_is_not_in_force_yet_has_nothing_newer() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let (other, _) = app.packaged("Export").await;
    app.add(&pack.id, &[&other]).await;
    app.package(&other).await;
    let rows = app.rows(&pack.id).await;
    assert!(rows.iter().all(|row| row.at("/newerShareableAvailable") == false));
    assert_eq!(app.read_pack(&pack.id, "hasUnreleasedChanges").await, json!({ "hasUnreleasedChanges": true }));
}

#[tokio::test]
async fn r19_a_version_shows_its_own_content_beside_the_packs_current_state() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    app.update_now(&pack).await;
    app.package_newer(&pack).await;
    let selection = "version(number: 1) { components { inThisContent { version } current { version } next { version } newerShareableAvailable } }";
    let read = app.read_pack(&pack.id, selection).await;
    let expected = json!([{
        "inThisContent": { "version": "1.0" }, "current": { "version": "2.0" }, "next": { "version": "3.0" }, "newerShareableAvailable": true,
    }]);
    assert_eq!(read.at("/version/components"), &expected);
}

const WHAT_IS_NEWER: &str = "query($first: Int, $after: String, $last: Int, $before: String, $filter: IntegrationPackFilter, $orderBy: IntegrationPackOrder) {
    packsWithNewerShareableVersions(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {
        edges { cursor node { name components(onlyWithNewerShareable: true) { component { name } current { version } latestShareable { version } } } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }";

/// Creates `Pack 0` to `Pack 6`, released. Packs with odd numbers have newer versions of two components. Another
/// publisher has such a pack too.
async fn seven_packs(app: &TestApp) {
    for n in 0..7 {
        let pack = app.pack_with(&format!("Pack {n}"), &[&format!("A {n}"), &format!("B {n}")]).await;
        app.release_now(&pack.id).await;
        if n % 2 == 1 {
            app.package_newer(&pack).await;
        }
    }
}

fn names(page: &Value) -> Vec<String> {
    page.texts("/packsWithNewerShareableVersions", "/name")
}

#[tokio::test]
async fn r20_one_query_lists_all_packs_with_newer_versions_and_the_versions() {
    let app = TestApp::new().await;
    seven_packs(&app).await;
    let page = app.gql(&app.publisher, WHAT_IS_NEWER, json!({})).await;
    assert_eq!(names(&page), ["Pack 1", "Pack 3", "Pack 5"]);
    assert_eq!(page.int("/packsWithNewerShareableVersions/totalCount"), 3);
    for (node, n) in page.nodes("/packsWithNewerShareableVersions").iter().zip([1, 3, 5]) {
        let row = json!([{ "component": { "name": format!("A {n}") }, "current": { "version": "1.0" }, "latestShareable": { "version": "2.0" } }]);
        assert_eq!(node.at("/components"), &row);
    }
}

#[tokio::test]
async fn r20_its_pages_hold_together_forwards_and_backwards() {
    let app = TestApp::new().await;
    seven_packs(&app).await;
    let first = app.gql(&app.publisher, WHAT_IS_NEWER, json!({ "first": 2 })).await;
    let info = first.at("/packsWithNewerShareableVersions/pageInfo");
    assert_eq!(names(&first), ["Pack 1", "Pack 3"]);
    assert_eq!((info.at("/hasNextPage"), info.at("/hasPreviousPage")), (&json!(true), &json!(false)));
    let cursors: Vec<_> =
        first.list("/packsWithNewerShareableVersions/edges").iter().map(|edge| edge.text("/cursor")).collect();
    assert_eq!((info.text("/startCursor"), info.text("/endCursor")), (cursors[0].clone(), cursors[1].clone()));
    let second = app.gql(&app.publisher, WHAT_IS_NEWER, json!({ "first": 2, "after": cursors[1] })).await;
    assert_eq!(names(&second), ["Pack 5"]);
    assert_eq!(second.at("/packsWithNewerShareableVersions/pageInfo/hasNextPage"), false);
    let end = second.text("/packsWithNewerShareableVersions/pageInfo/endCursor");
    let back = app.gql(&app.publisher, WHAT_IS_NEWER, json!({ "last": 2, "before": end })).await;
    assert_eq!(names(&back), ["Pack 1", "Pack 3"], "in the same order");
    assert_eq!(back.at("/packsWithNewerShareableVersions/pageInfo/hasPreviousPage"), false);
    let last = app.gql(&app.publisher, WHAT_IS_NEWER, json!({ "last": 1 })).await;
    assert_eq!(names(&last), ["Pack 5"]);
    assert_eq!(last.at("/packsWithNewerShareableVersions/pageInfo/hasPreviousPage"), true);
}

#[tokio::test]
async fn r20_a_page_after_the_end_is_empty() {
    let app = TestApp::new().await;
    let page = app.gql(&app.publisher, WHAT_IS_NEWER, json!({ "first": 5 })).await;
    let info = json!({ "hasNextPage": false, "hasPreviousPage": false, "startCursor": null, "endCursor": null });
    assert_eq!(page.at("/packsWithNewerShareableVersions"), &json!({ "edges": [], "pageInfo": info, "totalCount": 0 }));
}

#[tokio::test]
async fn r20_its_pages_take_0_to_100_and_one_direction() {
    let app = TestApp::new().await;
    let bad = [
        json!({ "first": 101 }),
        json!({ "first": -1 }),
        json!({ "last": 101 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "first": 1, "after": "nonsense" }),
        json!({ "last": 1, "before": "" }),
    ];
    for variables in bad {
        assert_eq!(
            app.error_code(Some(&app.publisher), WHAT_IS_NEWER, variables.clone()).await,
            "BAD_USER_INPUT",
            "{variables}"
        );
    }
}

#[tokio::test]
async fn r20_it_narrows_and_orders_like_the_list_of_packs() {
    let app = TestApp::new().await;
    seven_packs(&app).await;
    let descending = json!({ "orderBy": { "field": "NAME", "direction": "DESC" } });
    assert_eq!(names(&app.gql(&app.publisher, WHAT_IS_NEWER, descending).await), ["Pack 5", "Pack 3", "Pack 1"]);
    let by_time = json!({ "orderBy": { "field": "CREATED_AT" } });
    assert_eq!(names(&app.gql(&app.publisher, WHAT_IS_NEWER, by_time).await), ["Pack 1", "Pack 3", "Pack 5"]);
    let searched = json!({ "filter": { "search": "ACK 3" } });
    assert_eq!(names(&app.gql(&app.publisher, WHAT_IS_NEWER, searched).await), ["Pack 3"]);
    let none = json!({ "filter": { "hasNewerShareable": false } });
    assert!(names(&app.gql(&app.publisher, WHAT_IS_NEWER, none).await).is_empty());
    let query = "query($newer: Boolean) { integrationPacks(filter: { hasNewerShareable: $newer }) { edges { node { name } } } }";
    let with = app.gql(&app.publisher, query, json!({ "newer": true })).await;
    assert_eq!(with.texts("/integrationPacks", "/name"), ["Pack 1", "Pack 3", "Pack 5"]);
    let without = app.gql(&app.publisher, query, json!({ "newer": false })).await;
    assert_eq!(without.texts("/integrationPacks", "/name"), ["Pack 0", "Pack 2", "Pack 4", "Pack 6"]);
}

#[tokio::test]
async fn r20_only_the_publishers_own_packs_are_listed() {
    let app = TestApp::new().await;
    seven_packs(&app).await;
    let acme = app.managed("Acme").await;
    let southwind = app.another_publisher("Southwind").await;
    assert!(names(&app.gql(&southwind.token, WHAT_IS_NEWER, json!({})).await).is_empty());
    assert_eq!(app.error_code(Some(&acme.token), WHAT_IS_NEWER, json!({})).await, "FORBIDDEN");
    let cursor = app
        .gql(&app.publisher, WHAT_IS_NEWER, json!({ "first": 1 }))
        .await
        .text("/packsWithNewerShareableVersions/edges/0/cursor");
    let page = app.gql(&southwind.token, WHAT_IS_NEWER, json!({ "first": 1, "after": cursor })).await;
    assert!(names(&page).is_empty());
}
