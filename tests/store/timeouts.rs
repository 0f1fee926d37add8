//! A request that takes too long gets the error TIMEOUT, and is done completely or not at all.

use std::time::Duration;

use async_graphql::{Request, Variables};
use packwright::app::App;
use packwright::http::EngineOptions;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::{Value, json};

use crate::support::rows::tables;
use crate::support::{At as _, Setup, TestApp};

const PACKAGE: &str = "mutation($input: CreatePackagedComponentsInput!) {
    createPackagedComponents(input: $input) { packagedComponents { id } errors { __typename } } }";

fn hurried(execution: Duration) -> EngineOptions {
    EngineOptions { execution, ..EngineOptions::default() }
}

async fn ask(app: &App, token: &str, document: &str, variables: Value) -> Value {
    let request = Request::new(document).variables(Variables::from_json(variables));
    serde_json::to_value(app.execute(Some(token), request).await).expect("an answer is JSON")
}

/// A database error with a message in another language.
#[derive(Debug)]
struct Coded(&'static str);

impl std::fmt::Display for Coded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("es ging nicht")
    }
}

impl std::error::Error for Coded {}

impl sea_orm::sqlx::error::DatabaseError for Coded {
    fn message(&self) -> &str {
        "es ging nicht"
    }
    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.0.into())
    }
    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }
    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }
    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }
    fn kind(&self) -> sea_orm::sqlx::error::ErrorKind {
        sea_orm::sqlx::error::ErrorKind::Other
    }
}

#[test]
fn an_error_of_the_database_is_known_by_its_code_whatever_its_language() {
    use packwright::store::StoreError;
    let read = |code| {
        let error = std::sync::Arc::new(sea_orm::sqlx::Error::Database(Box::new(Coded(code))));
        StoreError::from(sea_orm::DbErr::Query(sea_orm::RuntimeErr::SqlxError(error)))
    };
    for slow in ["57014", "9"] {
        assert!(matches!(read(slow), StoreError::Timeout(_)), "{slow}");
    }
    for later in [
        // The server ends, can't be reached, or was replaced by another one.
        "57P01", "57P02", "57P03", "57P04", "57P05", "08000", "08003", "08006", "08P01", "25006",
        // A shortage of resources, a lock, or a transaction or statement that the server canceled.
        "53000", "53100", "53200", "53300", "55P03", "40P01", "40001", "25P03", "26000", "42P05", "58030",
        // SQLite's BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL and CANTOPEN, some of them as extended codes.
        "5", "261", "517", "773", "6", "262", "7", "8", "1032", "10", "778", "1034", "13", "14", "1038",
    ] {
        assert!(matches!(read(later), StoreError::Unavailable(_)), "{later}");
    }
    for fault in ["42601", "1", "11", "", "00005", "22012"] {
        assert!(matches!(read(fault), StoreError::Fault(_)), "{fault}");
    }
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let broken = std::sync::Arc::new(sea_orm::sqlx::Error::Io(broken));
    let broken = StoreError::from(sea_orm::DbErr::Query(sea_orm::RuntimeErr::SqlxError(broken)));
    assert!(matches!(broken, StoreError::Unavailable(_)), "{broken}");
}

#[tokio::test]
async fn the_error_of_a_slow_query_has_the_time_limit() {
    let app = TestApp::with(Setup { engine: hurried(Duration::ZERO), ..Setup::default() }).await;
    // One statement for each field: many milliseconds of work on any machine.
    let pages: String = (1..=48)
        .map(|n| format!("a{n}: integrationPacks(first: {n}) {{ edges {{ node {{ components {{ pinned }} }} }} }} "))
        .collect();
    let answer = app.gql_raw(Some(&app.publisher), &format!("{{ {pages} }}"), json!({})).await;
    assert_eq!(answer.text("/errors/0/extensions/code"), "TIMEOUT");
    assert_eq!(answer.at("/errors/0/extensions/limitSeconds"), 0.0);
    assert!(answer.text("/errors/0/message").contains("0 s"), "{answer:#}");
    assert_eq!(answer.get("data"), Some(&Value::Null), "it was begun");
    // A request that doesn't wait is answered in time.
    assert_eq!(app.gql_raw(None, "{ __typename }", json!({})).await, json!({ "data": { "__typename": "Query" } }));
}

/// Whenever the time runs out, the mutation is done completely or not at all, and repeating it returns the first
/// result.
#[tokio::test]
async fn a_mutation_that_takes_too_long_is_done_whole_or_not_at_all() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let count = async || {
        let read = "query($id: ID!) { component(id: $id) { packagedComponents { totalCount } } }";
        let read = app.gql(&app.publisher, read, json!({ "id": component })).await;
        read.at("/component/packagedComponents/totalCount").as_u64().expect("a number")
    };
    let mut outcomes = (0, 0);
    for n in 0..24_u32 {
        let server = app.another_server_with(hurried(Duration::from_micros(400) * n), None).await;
        let input =
            json!({ "input": { "packages": [{ "componentId": component }], "clientRequestId": format!("call {n}") } });
        let first = ask(&server, &app.publisher, PACKAGE, input.clone()).await;
        let timed_out = first.get("errors").is_some();
        if timed_out {
            assert_eq!(first.text("/errors/0/extensions/code"), "TIMEOUT");
            assert!(first.text("/errors/0/message").contains("clientRequestId"), "{first:#}");
            outcomes.0 += 1;
        } else {
            outcomes.1 += 1;
        }
        // A commit in progress finishes a moment later; the next writer waits for it.
        let again = ask(&app.app, &app.publisher, PACKAGE, input).await;
        let id = again.text("/data/createPackagedComponents/packagedComponents/0/id");
        if !timed_out {
            assert_eq!(first.text("/data/createPackagedComponents/packagedComponents/0/id"), id);
        }
        assert_eq!(count().await, u64::from(n) + 1, "once, after {n}");
        server.services.db.clone().close().await.expect("closed");
    }
    assert!(outcomes.0 > 0, "none timed out: {outcomes:?}");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_postgresql() {
    let app = TestApp::new().await;
    let patient = hurried(Duration::from_secs(600));
    let server = app.another_server_with(patient, Some(Duration::from_secs(3))).await;
    let tx = tables(&app).begin().await.expect("a transaction");
    if tx.execute_unprepared("LOCK TABLE component IN ACCESS EXCLUSIVE MODE").await.is_err() {
        // SQLite has neither. There a canceled statement ends at the next row that it would return.
        assert_eq!(tx.get_database_backend(), sea_orm::DatabaseBackend::Sqlite);
        return;
    }
    let components = "{ components { totalCount edges { node { id } } } }";
    let answer =
        tokio::time::timeout(Duration::from_secs(60), ask(&server, &app.publisher, components, json!({}))).await;
    let answer = answer.expect("the statement ends");
    assert_eq!(answer.text("/errors/0/extensions/code"), "TIMEOUT", "{answer:#}");
    assert!(!answer.to_string().contains("statement timeout"), "nothing of the database is told: {answer:#}");
    tx.rollback().await.expect("rolled back");
    let answer = ask(&server, &app.publisher, components, json!({})).await;
    assert!(answer.get("errors").is_none(), "{answer:#}");
}
