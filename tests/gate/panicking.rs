//! A panic in a resolver fails only its field, and a mutation is executed only once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::support::{At as _, TestApp};

const PACKS: &str = "{ viewer { account { name } } integrationPacks { edges { node { name pendingRelease { id } releases { edges { node { id } } } } } } }";

/// Makes the first `times` reads of a table panic, in whichever resolver they happen.
fn trap(app: &TestApp, table: &'static str, times: usize) -> Arc<AtomicUsize> {
    let sprung = Arc::new(AtomicUsize::new(0));
    let count = sprung.clone();
    app.after_statements(move |sql| {
        let is_read = sql.starts_with("SELECT") && sql.contains(&format!(r#"FROM "{table}""#));
        if is_read && count.fetch_add(1, Ordering::SeqCst) < times {
            panic!("a resolver's, on purpose");
        }
    });
    sprung
}

#[tokio::test]
async fn a_query_is_answered_but_for_the_field_that_panics() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    trap(&app, "pack_release", usize::MAX);
    let document = "query($id: ID!) { viewer { account { name } } integrationPack(id: $id) { name releases { edges { node { id } } } } }";
    let answer = app.gql_raw(Some(&app.publisher), document, json!({ "id": pack.id })).await;
    assert_eq!(answer.text("/errors/0/extensions/code"), "INTERNAL_SERVER_ERROR", "{answer:#}");
    assert_eq!(answer.at("/errors/0/path/0"), "integrationPack", "{answer:#}");
    assert_eq!(
        answer.at("/data"),
        &json!({ "viewer": { "account": { "name": "Northwind" } }, "integrationPack": null })
    );
    assert!(!answer.to_string().contains("on purpose"), "{answer:#}");
}

#[tokio::test]
async fn a_panic_that_does_not_come_again_is_no_error() {
    let app = TestApp::new().await;
    app.pack_with("Orders", &["Import"]).await;
    let before = app.gql(&app.publisher, PACKS, json!({})).await;
    let sprung = trap(&app, "pack_release", 1);
    assert_eq!(app.gql(&app.publisher, PACKS, json!({})).await, before);
    assert!(sprung.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn a_mutation_whose_answer_panics_is_done_once() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    trap(&app, "account_group", usize::MAX);
    let rename = "mutation($id: ID!) { updateIntegrationPack(input: { packId: $id, description: \"New\" }) {
        integrationPack { revision groups { edges { node { id } } } } errors { code } } }";
    let before = app.read_pack(&pack.id, "revision").await.int("/revision");
    let answer = app.gql_raw(Some(&app.publisher), rename, json!({ "id": pack.id })).await;
    assert_eq!(answer.text("/errors/0/extensions/code"), "INTERNAL_SERVER_ERROR", "{answer:#}");
    app.after_statements(|_| {});
    assert_eq!(app.read_pack(&pack.id, "revision").await.int("/revision"), before + 1);
}
