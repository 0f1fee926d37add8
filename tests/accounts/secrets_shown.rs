//! A secret is shown only once, so the time limit must not cut its answer off once its object exists.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use packwright::http::EngineOptions;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, TransactionTrait as _};
use serde_json::{Value, json};

use crate::support::rows::{code_of, tables};
use crate::support::{At as _, Setup, TestApp};

/// Longer than a mutation takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(4);

/// The last statement that writes an audit entry. After it comes the last look at the caller's account, and the commit.
const AFTER_ENTRIES: &str = "INSERT INTO audit_hour";
/// The last statement that writes an event.
const EVENTS: &str = "INSERT INTO \"event\"";

/// An app whose next mutation reaches the time limit right before its commit.
async fn late(last: &'static str) -> (TestApp, Arc<AtomicBool>) {
    let engine = EngineOptions { execution: LIMIT, ..EngineOptions::default() };
    let app = TestApp::with(Setup { engine, ..Setup::default() }).await;
    let armed = Arc::new(AtomicBool::new(false));
    let fires = armed.clone();
    let mut is_next = false;
    app.after_statements(move |sql| {
        if is_next && fires.swap(false, Ordering::SeqCst) {
            std::thread::sleep(LIMIT + Duration::from_millis(200));
        }
        is_next = sql.starts_with(last);
    });
    (app, armed)
}

#[tokio::test]
async fn r01_a_secret_is_answered_though_the_time_limit_passes_during_the_commit() {
    for (document, secret, opens, last) in [
        (
            "mutation { createApiToken(input: { name: \"late\", role: SUPPORT }) { secret apiToken { id } errors { __typename } } }",
            "/data/createApiToken/secret",
            "{ viewer { role } }",
            AFTER_ENTRIES,
        ),
        (
            "mutation { createManagedAccount(input: { name: \"Late\" }) { enrolmentToken account { id } errors { __typename } } }",
            "/data/createManagedAccount/enrolmentToken",
            "{ __typename }",
            EVENTS,
        ),
    ] {
        let (app, armed) = late(last).await;
        armed.store(true, Ordering::SeqCst);
        let answer = app.gql_raw(Some(&app.publisher), document, Value::Null).await;
        assert!(!armed.load(Ordering::SeqCst), "it was late");
        assert_eq!(code_of(&answer), None, "{answer:#}");
        app.gql(&answer.text(secret), opens, Value::Null).await;
    }
}

#[tokio::test]
async fn r01_a_token_whose_call_was_cut_off_before_its_commit_is_not_there() {
    let engine = EngineOptions { execution: LIMIT, ..EngineOptions::default() };
    let app = TestApp::with(Setup { engine, ..Setup::default() }).await;
    // Creating a token waits for this lock.
    let lock_tx = tables(&app).begin().await.expect("a transaction");
    let lock = match lock_tx.get_database_backend() {
        DatabaseBackend::Postgres => "LOCK TABLE api_token IN EXCLUSIVE MODE",
        _ => "UPDATE event_log SET pruned_to = pruned_to",
    };
    lock_tx.execute_unprepared(lock).await.expect("held");
    let document = "mutation { createApiToken(input: { name: \"late\", role: SUPPORT }) { secret } }";
    let answer = app.gql_raw(Some(&app.publisher), document, Value::Null).await;
    assert_eq!(code_of(&answer).as_deref(), Some("TIMEOUT"), "{answer:#}");
    lock_tx.rollback().await.expect("let go");
    let tokens = app
        .gql(
            &app.publisher,
            "{ viewer { account { ... on PublisherAccount { apiTokens(first: 100) { edges { node { name } } } } } } }",
            Value::Null,
        )
        .await;
    assert_eq!(tokens.texts("/viewer/account/apiTokens", "/name"), ["northwind-admin"]);
}

#[tokio::test]
async fn a_mutation_without_a_secret_gets_no_extra_time() {
    let (app, armed) = late(AFTER_ENTRIES).await;
    armed.store(true, Ordering::SeqCst);
    let document = "mutation { createAccountGroup(input: { name: \"late\" }) { accountGroup { id } } }";
    let answer = app.gql_raw(Some(&app.publisher), document, json!({})).await;
    assert_eq!(code_of(&answer).as_deref(), Some("TIMEOUT"), "{answer:#}");
    assert!(answer.text("/errors/0/message").contains("look before you send it again"), "{answer:#}");
}
