//! Calls of one account leave a connection for writing to the other accounts, whatever they wait for.

use std::time::Duration;

use async_graphql::{Request, Variables};
use packwright::app::App;
use packwright::service::Settings;
use packwright::store::DbOptions;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, TransactionTrait as _};
use serde_json::{Value, json};

use crate::support::rows::{LogMark, tables};
use crate::support::{At as _, TestApp};

/// How long a call may take that has nothing to wait for. A lock is waited for twice as long.
const PROMPT: Duration = Duration::from_millis(2_500);

const RENAME: &str = "mutation($id: ID!, $name: String!) {
    updateIntegrationPack(input: { packId: $id, name: $name }) { integrationPack { name } errors { __typename } } }";
const COMPONENT: &str = "mutation($name: String!) {
    createComponent(input: { name: $name, type: PROCESS }) { component { name } errors { __typename } } }";

/// A server with the limits of the program.
async fn server(app: &TestApp, connections: u32) -> App {
    app.server_beside(Settings::default(), DbOptions::of_server(connections, Duration::from_secs(10)), "").await
}

async fn ask(server: &App, token: &str, document: &str, variables: Value) -> Value {
    let request = Request::new(document).variables(Variables::from_json(variables));
    serde_json::to_value(server.execute(Some(token), request).await).expect("an answer is JSON")
}

#[tokio::test]
async fn calls_of_an_account_that_wait_for_one_lock_keep_no_other_account_waiting() {
    let app = TestApp::new().await;
    if app.has_one_writer() {
        let db = &server(&app, 10).await.services.db;
        assert_eq!((db.writers(), db.writers_of_account()), (1, 1));
        return;
    }
    for (connections, of_account) in [(10, 4), (4, 1)] {
        let pack = app.pack(&format!("Orders with {connections}")).await;
        let neighbour = app.another_publisher(&format!("Southwind {connections}")).await;
        let server = server(&app, connections).await;
        assert_eq!(server.services.db.writers_of_account(), of_account);
        let held = app.hold("integration_pack", &pack).await;
        let renames = (0..20).map(|n| {
            let variables = json!({ "id": pack, "name": format!("Orders {n} with {connections}") });
            ask(&server, &app.publisher, RENAME, variables)
        });
        let renames = futures_util::future::join_all(renames);
        let other = async {
            // All transactions that the account may have wait: others have no less room while nothing waits.
            let all = async {
                while app.waiting().await < i64::try_from(of_account).expect("a small number") {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(PROMPT, all).await.expect("the account's calls wait");
            for name in ["Export", "Import"] {
                let call = ask(&server, &neighbour.token, COMPONENT, json!({ "name": name }));
                let answer = tokio::time::timeout(PROMPT, call).await.expect("another account's call is answered");
                assert_eq!(answer.text("/data/createComponent/component/name"), name);
            }
            assert_eq!(app.waiting().await, i64::try_from(of_account).expect("a small number"));
            held.rollback().await.expect("it lets go");
        };
        let (renamed, ()) = tokio::join!(renames, other);
        for answer in renamed {
            assert_eq!(answer.at("/data/updateIntegrationPack/errors"), &json!([]), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_call_of_another_account_waits_for_few_of_those_that_came_before() {
    let app = TestApp::new().await;
    let neighbour = app.another_publisher("Southwind").await;
    // The lock is held until all stand in line, which may take a while beside other tests.
    let patience = Duration::from_secs(30);
    let db = DbOptions { lock_timeout: Some(patience), ..DbOptions::of_server(4, patience) };
    let server = app.server_beside(Settings::default(), db, "").await;
    let mark = LogMark::now(&app).await;
    let held = tables(&app).begin().await.expect("a transaction");
    let lock = match tables(&app).get_database_backend() {
        DatabaseBackend::Postgres => "LOCK TABLE component IN EXCLUSIVE MODE",
        _ => "UPDATE event_log SET pruned_to = pruned_to",
    };
    held.execute_unprepared(lock).await.expect("what all calls wait for is held");
    let first = (0..12).map(|n| ask(&server, &app.publisher, COMPONENT, json!({ "name": format!("Step {n}") })));
    let first = futures_util::future::join_all(first);
    let other = async {
        // Long enough for the others to stand in line.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let call = ask(&server, &neighbour.token, COMPONENT, json!({ "name": "Export" }));
        let let_go = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            held.rollback().await.expect("it lets go");
        };
        tokio::join!(call, let_go).0
    };
    let (first, other) = tokio::join!(first, other);
    for answer in first.iter().chain([&other]) {
        assert_eq!(answer.at("/data/createComponent/errors"), &json!([]), "{answer}");
    }
    let entries = mark.entries(&app).await;
    assert_eq!(entries.len(), 13);
    let northwind = entries[0].publisher_id;
    let place = entries.iter().position(|entry| entry.publisher_id != northwind).expect("the neighbour's entry");
    assert!(place <= 2, "{place} calls of the other account came first");
}
