//! A caller that loses its right while its call waits changes nothing (R4).

use packwright::domain::accounts::{AccountKind, Role};
use packwright::service::Settings;
use packwright::service::accounts::{all_accounts, create_token_for, tokens_of};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::{Value, json};

use crate::program::kill::until;
use crate::support::rows::{LogMark, database_url, tables};
use crate::support::{At as _, TestApp, several_writers};

/// Runs a statement on a separate connection, from a callback of the app's connection.
fn at_once(url: &str, sql: &str) {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let ran = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut options = sea_orm::ConnectOptions::new(url);
            options.max_connections(1).sqlx_logging(false);
            let other = sea_orm::Database::connect(options).await.expect("connected");
            assert_eq!(other.execute_unprepared(&sql).await.expect("it runs").rows_affected(), 1, "{sql}");
            other.close().await.expect("closed");
        });
    });
    ran.join().expect("done");
}

/// Runs a statement once the next caller is authenticated and before it holds any lock.
async fn after_the_door(app: &TestApp, sql: &'static str) {
    after_a_statement(app, "\"t_secret_hash\"", sql).await;
}

/// Runs a statement once the app has sent the first one with this part.
pub(crate) async fn after_a_statement(app: &TestApp, part: &'static str, sql: &'static str) {
    let (url, mut done) = (database_url(app).await, false);
    app.after_statements(move |statement| {
        if !done && statement.contains(part) {
            done = true;
            at_once(&url, sql);
        }
    });
}

/// Creates an administrator token for the only account of a kind.
async fn doomed(app: &TestApp, kind: AccountKind) -> String {
    let services = &app.app.services;
    let account = all_accounts(services).await.expect("accounts").into_iter().find(|account| account.kind == kind);
    let account = account.expect("an account").id;
    create_token_for(services, account, "doomed", Role::Administrator, None).await.expect("a token").secret
}

async fn code(app: &TestApp, token: &str, mutation: &str, input: Value) -> String {
    let document = format!(
        "mutation($input: {}!) {{ {mutation}(input: $input) {{ __typename }} }}",
        crate::support::input_type(mutation)
    );
    let answer = app.gql_raw(Some(token), &document, json!({ "input": input })).await;
    answer
        .pointer("/errors/0/extensions/code")
        .map_or_else(|| format!("{answer}"), |code| code.as_str().expect("a code").to_owned())
}

const REVOKED: &str = "UPDATE api_token SET revoked_at = created_at WHERE name = 'doomed' AND revoked_at IS NULL";

#[tokio::test(flavor = "multi_thread")]
async fn r04_a_token_that_is_revoked_while_its_call_waits_makes_nothing() {
    for (mutation, input) in [
        ("createApiToken", json!({ "name": "more", "role": "ADMINISTRATOR" })),
        ("createManagedAccount", json!({ "name": "Globex" })),
        ("createAccountGroup", json!({ "name": "Group" })),
        ("createComponent", json!({ "name": "Import", "type": "PROCESS" })),
        ("createIntegrationPack", json!({ "name": "Orders", "installationType": "SINGLE" })),
    ] {
        let app = TestApp::new().await;
        let token = doomed(&app, AccountKind::Publisher).await;
        let mark = LogMark::now(&app).await;
        after_the_door(&app, REVOKED).await;
        assert_eq!(code(&app, &token, mutation, input.clone()).await, "UNAUTHENTICATED", "{mutation}");
        let accounts = all_accounts(&app.app.services).await.expect("accounts");
        assert_eq!(accounts.len(), 1, "{mutation}");
        assert_eq!(tokens_of(&app.app.services, accounts[0].id).await.expect("tokens").len(), 2, "{mutation}");
        assert!(mark.entries(&app).await.is_empty() && mark.events(&app).await.is_empty(), "{mutation}");
        // A token that wasn't revoked can make the same call.
        app.ok(&app.publisher, mutation, input, "__typename").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r04_a_managed_account_that_is_suspended_while_its_call_waits_changes_nothing() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    app.installed_pack("Orders", &[&acme]).await;
    let token = doomed(&app, AccountKind::Managed).await;
    let input = json!({ "name": "more", "role": "ADMINISTRATOR" });
    after_the_door(&app, "UPDATE account SET status = 'SUSPENDED' WHERE name = 'Acme'").await;
    assert_eq!(code(&app, &token, "createApiToken", input).await, "FORBIDDEN");
}

/// A call and the suspension of its account wait for the logs. By the logs, the suspension comes first.
#[tokio::test]
async fn r46_an_account_that_is_suspended_while_its_call_waits_for_the_logs_moves_nothing() {
    let app = TestApp::new().await;
    if app.has_one_writer() {
        return;
    }
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&world.pack, "2026-12-01").await;
    let update = app.offered(&acme, &world.installations[0]).await.expect("an offer");
    let server = app.server_beside(Settings::default(), several_writers(), "").await;
    let mark = LogMark::now(&app).await;
    let held = tables(&app).begin().await.expect("a transaction");
    held.execute_unprepared("SELECT pg_advisory_xact_lock(31632277023518567)").await.expect("the logs are held");
    let applies = async {
        until("the suspension waits", async || app.waiting().await == 1).await;
        let input = json!({ "updateId": update });
        let document =
            "mutation($input: ApplyPendingUpdateInput!) { applyPendingUpdate(input: $input) { __typename } }";
        let request = async_graphql::Request::new(document)
            .variables(async_graphql::Variables::from_json(json!({ "input": input })));
        serde_json::to_value(server.execute(Some(&acme.token), request).await).expect("JSON")
    };
    let lets_go = async {
        until("both wait", async || app.waiting().await == 2).await;
        held.rollback().await.expect("it lets go");
    };
    let ((), answer, ()) = tokio::join!(app.suspend(&acme), applies, lets_go);
    assert_eq!(answer.text("/errors/0/extensions/code"), "FORBIDDEN", "{answer}");
    let kinds = mark.kinds(&app).await;
    assert!(kinds.contains(&"ACCOUNT_SUSPENDED".to_owned()), "{kinds:?}");
    assert!(!kinds.contains(&"INSTALLATION_UPDATED".to_owned()), "{kinds:?}");
}

#[tokio::test]
async fn r04_a_token_revokes_itself_as_its_last_act() {
    let app = TestApp::new().await;
    let token = doomed(&app, AccountKind::Publisher).await;
    let own = app.gql(&token, "{ viewer { token { id } } }", json!(null)).await.text("/viewer/token/id");
    // The second mutation of the operation comes after the revocation.
    let document = "mutation($input: RevokeApiTokenInput!, $more: CreateAccountGroupInput!) {
        revokeApiToken(input: $input) { __typename } createAccountGroup(input: $more) { __typename } }";
    let variables = json!({ "input": { "tokenId": own }, "more": { "name": "Late" } });
    let answer = app.gql_raw(Some(&token), document, variables).await;
    assert_eq!(answer.pointer("/errors/0/extensions/code"), Some(&json!("UNAUTHENTICATED")), "{answer}");
    let answer = app.gql_raw(Some(&token), "{ __typename }", json!(null)).await;
    assert_eq!(answer.pointer("/errors/0/extensions/code"), Some(&json!("UNAUTHENTICATED")), "it is revoked");
}
