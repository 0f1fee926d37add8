//! An answer shows a single snapshot of the database, and a request keeps a connection only as long as needed.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{At as _, TestApp};

const PACKS: &str = "{ integrationPacks(first: 10) { totalCount edges { node {
    name currentVersion { number release { state } contents { version } } releases { totalCount edges { node { id state } } } } } } }";

/// How long to wait before the test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The answer to a query. Another server deletes the pack after the page of packs is read and before the rest is read.
async fn while_the_pack_goes(app: &TestApp, pack: &str, query: &str) -> Value {
    let other = app.another_server().await;
    let (read, to_delete) = mpsc::channel::<()>();
    let (deleted, go_on) = mpsc::channel::<()>();
    let mut is_first = true;
    app.after_statements(move |sql| {
        if is_first && sql.contains(r#"FROM "integration_pack""#) {
            is_first = false;
            let _ = read.send(());
            let _ = go_on.recv_timeout(TIME_LIMIT);
        }
    });
    let (runtime, token, id) = (tokio::runtime::Handle::current(), app.publisher.clone(), pack.to_owned());
    let deletion = std::thread::spawn(move || {
        to_delete.recv_timeout(TIME_LIMIT).expect("the page is read");
        runtime.block_on(async {
            let delete = "mutation($id: ID!) { deleteIntegrationPack(input: { packId: $id, confirmInstallations: 0 }) { errors { code } } }";
            let delete = async_graphql::Request::new(delete)
                .variables(async_graphql::Variables::from_json(json!({ "id": id })));
            let answer = other.execute(Some(&token), delete).await;
            let answer = serde_json::to_value(answer).expect("JSON");
            assert_eq!(answer.at("/data/deleteIntegrationPack/errors"), &json!([]), "{answer:#}");
            other.services.db.clone().close().await.expect("closed");
        });
        let _ = deleted.send(());
    });
    let answer = app.gql(&app.publisher, query, json!({})).await;
    deletion.join().expect("the pack is deleted");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_goes_between_two_statements_is_shown_whole() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    app.tick().await;
    let before = app.gql(&app.publisher, PACKS, json!({})).await;
    assert_eq!(before.int("/integrationPacks/totalCount"), 1);
    let meanwhile = while_the_pack_goes(&app, &pack.id, PACKS).await;
    assert_eq!(meanwhile, before, "one state");
    let after = app.gql(&app.publisher, PACKS, json!({})).await;
    assert_eq!(after.int("/integrationPacks/totalCount"), 0);
}

/// A query whose reads are known but for one does without a transaction. It must notice when it needs more than one.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_used_to_read_once_sees_one_state_when_it_reads_more() {
    const ROWS: &str = "{ integrationPacks(first: 10) { edges { node { name components { component { name } current { version } } } } } }";
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    app.tick().await;
    for _ in 0..12 {
        app.gql(&app.publisher, ROWS, json!({})).await;
    }
    let (known, statements) = app.statements_of(app.gql(&app.publisher, ROWS, json!({}))).await;
    assert_eq!(statements.len(), 1, "{statements:#?}");
    // Now the draft must be read too, once without another server and once with one.
    app.package_newer(&pack).await;
    let anew = app.gql(&app.publisher, ROWS, json!({})).await;
    assert_eq!(anew, known, "something newer is in no column of this query");
    for _ in 0..12 {
        app.gql(&app.publisher, ROWS, json!({})).await;
    }
    app.package_newer(&pack).await;
    let meanwhile = while_the_pack_goes(&app, &pack.id, ROWS).await;
    assert_eq!(meanwhile, json!({ "integrationPacks": { "edges": [] } }), "all of it is read anew, after the deletion");
}

/// The rows and the records of the log come by two statements. A row that is committed between them, before records
/// that the second statement sees, must not be lost.
#[tokio::test(flavor = "multi_thread")]
async fn r49_an_event_committed_between_two_statements_of_a_subscription_arrives() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    app.tick().await;
    for name in ["one", "two", "three"] {
        app.install_as(&acme, "Orders", name).await;
    }
    app.package_newer(&pack).await;
    app.tick().await;
    let listen = "subscription { events { __typename kind } }";
    let mut listener = app.subscribe(&app.publisher, listen, json!({})).await;
    // Once a listener has read the rows of the log, another server releases.
    let other = app.another_server().await;
    let (read, to_release) = mpsc::channel::<()>();
    let (released, go_on) = mpsc::channel::<()>();
    // The listener also reads for reasons of its own. A read in the middle of the packaging would hold its write lock.
    let mut awaited = [r#"INSERT INTO "event""#, "COMMIT", r#"FROM "event""#].into_iter().peekable();
    app.after_statements(move |sql| {
        let comes = awaited.next_if(|part| sql.contains(*part)).is_some();
        if comes && awaited.peek().is_none() {
            let _ = read.send(());
            // Otherwise tasks that wait for this thread would stand still.
            let _ = tokio::task::block_in_place(|| go_on.recv_timeout(TIME_LIMIT));
        }
    });
    let (runtime, token, id) = (tokio::runtime::Handle::current(), app.publisher.clone(), pack.id.clone());
    let release = std::thread::spawn(move || {
        to_release.recv_timeout(TIME_LIMIT).expect("the rows are read");
        runtime.block_on(async {
            let release = "mutation($id: ID!) { releaseIntegrationPack(input: { packId: $id, schedule: { immediately: true }, notes: \"News\" }) { errors { code } } }";
            let release = async_graphql::Request::new(release)
                .variables(async_graphql::Variables::from_json(json!({ "id": id })));
            let answer = serde_json::to_value(other.execute(Some(&token), release).await).expect("JSON");
            assert_eq!(answer.at("/data/releaseIntegrationPack/errors"), &json!([]), "{answer:#}");
            other.services.db.clone().close().await.expect("closed");
        });
        let _ = released.send(());
    });
    // The listener is woken by a package, and reads the log.
    let received = async {
        let mut kinds = Vec::new();
        while kinds.last().is_none_or(|kind| kind != "RELEASE_COMPLETED") {
            kinds.push(listener.next().await.text("/events/kind"));
        }
        kinds
    };
    let (kinds, _) = tokio::join!(received, app.package_newer(&pack));
    release.join().expect("released");
    assert_eq!(kinds.iter().filter(|kind| *kind == "INSTALLATION_UPDATED").count(), 3, "{kinds:?}");
    assert!(kinds.contains(&"RELEASE_STARTED".to_owned()), "{kinds:?}");
}

#[tokio::test]
async fn callers_that_hang_up_leave_no_connection_in_use() {
    let app = TestApp::new().await;
    app.pack_with("Orders", &["Import"]).await;
    for n in 0..40 {
        let request = app.gql_raw(Some(&app.publisher), PACKS, json!({}));
        // The caller hangs up at some moment.
        let _ = tokio::time::timeout(Duration::from_micros(250) * n, request).await;
    }
    let read = tokio::time::timeout(TIME_LIMIT, app.gql(&app.publisher, PACKS, json!({}))).await;
    assert_eq!(read.expect("a connection is free").int("/integrationPacks/totalCount"), 1);
}

#[tokio::test]
async fn listeners_hold_no_connection_between_two_events() {
    let app = TestApp::new().await;
    let listen = "subscription { releaseAnnounced { packName release { id } } }";
    let mut listeners = Vec::new();
    for _ in 0..8 {
        listeners.push(app.subscribe(&app.publisher, listen, json!({})).await);
    }
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let kinds = futures_util::future::join_all(listeners.iter_mut().map(|listener| listener.next())).await;
    assert!(kinds.iter().all(|item| item.at("/releaseAnnounced/packName") == "Orders"), "{kinds:?}");
    // Each subscriber has got an event and doesn't ask for another one.
    let read = tokio::time::timeout(TIME_LIMIT, app.gql(&app.publisher, PACKS, json!({}))).await;
    assert_eq!(read.expect("a connection is free").int("/integrationPacks/totalCount"), 1);
}
