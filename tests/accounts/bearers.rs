//! One statement authenticates all requests that arrive at the same time. It begins after they arrived, so that a
//! revoked token is never accepted (R4).

use futures_util::future::join_all;
use packwright::service::accounts::{authenticate, check_token_valid};
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::support::rows::tables;
use crate::support::{At as _, TestApp};

const INFO: &str = "{ serverInfo { version } }";

#[tokio::test]
async fn concurrent_requests_are_authenticated_by_one_statement() {
    let app = TestApp::new().await;
    let other = app.another_publisher("Southwind").await;
    let requests =
        |n: usize| app.gql_raw(Some(if n.is_multiple_of(2) { &app.publisher } else { &other.token }), INFO, json!({}));
    let (answers, statements) = app.logins_of(join_all((0..40).map(requests))).await;
    for answer in &answers {
        assert_eq!(answer.at("/data/serverInfo/version"), env!("CARGO_PKG_VERSION"), "{answer:#}");
    }
    assert!((1..10).contains(&statements), "{statements} statements");
}

#[tokio::test]
async fn each_request_gets_the_result_of_its_own_token() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let tokens = [app.publisher.as_str(), "nobody", acme.token.as_str(), "", "nobody else"];
    let requests = tokens
        .iter()
        .cycle()
        .take(25)
        .map(|token| app.gql_raw(Some(token), "{ viewer { account { name } } }", json!({})));
    for (n, answer) in join_all(requests).await.into_iter().enumerate() {
        match n % 5 {
            0 => assert_eq!(answer.at("/data/viewer/account/name"), "Northwind"),
            2 => assert_eq!(answer.at("/data/viewer/account/name"), "Acme"),
            _ => assert_eq!(answer.text("/errors/0/extensions/code"), "UNAUTHENTICATED"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r04_a_revoked_token_is_refused_however_many_requests_have_it() {
    let app = TestApp::new().await;
    let input = |name: &str| json!({ "name": name, "role": "SUPPORT" });
    for round in 0..10 {
        let made = app.ok(&app.publisher, "createApiToken", input(&format!("{round}")), "apiToken { id } secret").await;
        let (id, secret) = (made.text("/apiToken/id"), made.text("/secret"));
        let asks = async || {
            // Requests arrive before, during and after the revocation.
            join_all((0..20).map(|_| app.gql_raw(Some(&secret), INFO, json!({})))).await
        };
        let revoke = app.ok(&app.publisher, "revokeApiToken", json!({ "tokenId": id }), "apiToken { id }");
        tokio::join!(asks(), revoke);
        for answer in asks().await {
            assert_eq!(answer.text("/errors/0/extensions/code"), "UNAUTHENTICATED", "round {round}: {answer:#}");
        }
    }
}

/// A listener asks every few seconds whether its token still works. A thousand listeners with one token asked a
/// thousand times.
#[tokio::test]
async fn r04_subscriptions_with_one_token_share_its_check_and_end_when_it_is_revoked() {
    let app = TestApp::new().await;
    let services = &app.app.services;
    let input = json!({ "name": "listeners", "role": "SUPPORT" });
    let made = app.ok(&app.publisher, "createApiToken", input, "apiToken { id } secret").await;
    let caller = authenticate(services, Some(&made.text("/secret")), None).await.expect("let in");
    let viewer = caller.viewer().expect("a viewer").clone();
    let asks = async || {
        for _ in 0..300 {
            check_token_valid(services, &viewer).await.expect("welcome");
        }
    };
    let ((), statements) = app.logins_of(asks()).await;
    assert!((1..60).contains(&statements), "{statements} statements");
    app.ok(&app.publisher, "revokeApiToken", json!({ "tokenId": made.text("/apiToken/id") }), "apiToken { id }").await;
    assert!(check_token_valid(services, &viewer).await.is_err(), "revoked");
}

/// Requests whose clients disconnect don't affect the others.
#[tokio::test]
async fn callers_that_go_leave_the_others_their_answers() {
    let app = TestApp::new().await;
    for _ in 0..10 {
        let dropped = join_all((0..5).map(|_| app.gql_raw(Some(&app.publisher), INFO, json!({}))));
        let _ = tokio::time::timeout(std::time::Duration::ZERO, dropped).await;
        let answers = join_all((0..5).map(|_| app.gql_raw(Some(&app.publisher), INFO, json!({})))).await;
        assert!(answers.iter().all(|answer| answer.get("errors").is_none()), "{answers:#?}");
    }
}

/// A server of a later version has created a token with a role that this one doesn't know.
#[tokio::test]
async fn a_token_that_cannot_be_read_fails_its_own_requests_alone() {
    let app = TestApp::new().await;
    let strange =
        app.ok(&app.publisher, "createApiToken", json!({ "name": "strange", "role": "SUPPORT" }), "secret").await;
    let strange = strange.text("/secret");
    let unknown_role = "UPDATE api_token SET role = 'LATER' WHERE name = 'strange'";
    tables(&app).execute_unprepared(unknown_role).await.expect("a role of later");
    let tokens = [app.publisher.as_str(), strange.as_str()];
    let requests = (0..20).map(|n| app.gql_raw(Some(tokens[n % 2]), INFO, json!({})));
    for (n, answer) in join_all(requests).await.into_iter().enumerate() {
        match n % 2 {
            0 => assert_eq!(answer.at("/data/serverInfo/version"), env!("CARGO_PKG_VERSION"), "{answer:#}"),
            _ => assert_eq!(answer.text("/errors/0/extensions/code"), "UNAVAILABLE", "{answer:#}"),
        }
    }
}

/// A client that gets ALREADY_REVOKED, because the first answer was lost, may rely on it as on the first answer: all
/// servers follow it.
#[tokio::test]
async fn r04_a_repeated_revocation_is_answered_once_every_server_applies_it() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let made =
        app.ok(&app.publisher, "createApiToken", json!({ "name": "more", "role": "SUPPORT" }), "apiToken { id }").await;
    let token = json!({ "tokenId": made.text("/apiToken/id") });
    app.ok(&app.publisher, "revokeApiToken", token.clone(), "apiToken { id }").await;
    app.suspend(&acme).await;
    let account = json!({ "accountId": acme.id });
    for (mutation, input, code) in
        [("revokeApiToken", token, "ALREADY_REVOKED"), ("suspendAccount", account, "ALREADY_SUSPENDED")]
    {
        let begun = std::time::Instant::now();
        let payload = app.mutate(&app.publisher, mutation, input, "__typename").await;
        assert_eq!(payload.text("/errors/0/code"), code);
        assert!(begun.elapsed() >= std::time::Duration::from_millis(100), "{mutation}: {:?}", begun.elapsed());
    }
}
