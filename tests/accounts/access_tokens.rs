//! Enrolment, and the last administrator token of an account (R1).

use serde_json::{Value, json};

use crate::gate::introspection::Schema;
use crate::support::rows::{LogMark, code_of, refusal_of, unknown_like, uuids_of};
use crate::support::{At, TestApp, refusal};

fn first_token() -> Value {
    json!({ "name": "first", "role": "ADMINISTRATOR" })
}

/// Creates a token of the caller's account. Returns its ID and its secret.
async fn own_token(app: &TestApp, by: &str, name: &str, role: &str, expires_at: Option<&str>) -> (String, String) {
    let input = json!({ "name": name, "role": role, "expiresAt": expires_at });
    let made = app.ok(by, "createApiToken", input, "apiToken { id } secret").await;
    (made.text("/apiToken/id"), made.text("/secret"))
}

async fn current_token(app: &TestApp, token: &str) -> String {
    app.gql(token, "{ viewer { token { id } } }", json!(null)).await.text("/viewer/token/id")
}

#[tokio::test]
async fn r01_an_enrolment_token_can_do_nothing_but_make_the_first_token() {
    let app = TestApp::new().await;
    let (_, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    let schema = Schema::of(&app).await;
    let unknown = unknown_like(&app.all_accounts().await);
    for field in schema.mutations() {
        let name = field.text("/name");
        if name == "createApiToken" {
            continue;
        }
        let input = schema.sample(field.at("/args/0/type"), &vec![], &|_| false, &|_| json!(unknown));
        assert_eq!(app.denied(&enrolment, &name, input).await, "FORBIDDEN", "{name}");
    }
    for document in ["{ viewer { role } }", "{ serverInfo { version } }", "{ availablePacks { edges { cursor } } }"] {
        assert_eq!(app.error_code(Some(&enrolment), document, json!(null)).await, "FORBIDDEN", "{document}");
    }
    app.enrol(&enrolment).await;
}

#[tokio::test]
async fn r01_the_first_token_is_an_administrators_whatever_role_is_requested() {
    let app = TestApp::new().await;
    let (_, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    let input = json!({ "name": "first", "role": "SUPPORT" });
    let made = app.ok(&enrolment, "createApiToken", input, "secret apiToken { role expiresAt }").await;
    let viewer = app.gql(&made.text("/secret"), "{ viewer { role account { name } } }", json!(null)).await;
    assert_eq!(viewer.at("/viewer"), &json!({ "role": "ADMINISTRATOR", "account": { "name": "Acme" } }));
}

#[tokio::test]
async fn r01_an_enrolment_token_is_spent_by_its_use() {
    let app = TestApp::new().await;
    let (_, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    app.enrol(&enrolment).await;
    assert_eq!(app.denied(&enrolment, "createApiToken", first_token()).await, "UNAUTHENTICATED");
    assert_eq!(app.error_code(Some(&enrolment), "{ __typename }", json!(null)).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn r01_a_refused_attempt_does_not_spend_the_enrolment_token() {
    let app = TestApp::new().await;
    let (_, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    for (input, code) in [
        (json!({ "name": " ", "role": "ADMINISTRATOR" }), "NAME_REQUIRED"),
        (json!({ "name": "n".repeat(256), "role": "ADMINISTRATOR" }), "NAME_TOO_LONG"),
        (
            json!({ "name": "first", "role": "ADMINISTRATOR", "expiresAt": "2027-11-22T09:00:00.000000Z" }),
            "EXPIRY_NOT_ALLOWED",
        ),
    ] {
        assert_eq!(app.refused(&enrolment, "createApiToken", input).await.code, code);
    }
    app.enrol(&enrolment).await;
}

#[tokio::test]
async fn r01_two_uses_of_an_enrolment_token_at_once_make_one_token() {
    let app = TestApp::new().await;
    let (_, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    let document =
        "mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) { secret errors { code } } }";
    let attempt = || app.gql_raw(Some(&enrolment), document, json!({ "input": first_token() }));
    let answers: [Value; 3] = tokio::join!(attempt(), attempt(), attempt()).into();
    let secrets: Vec<_> = answers.iter().filter_map(|a| a.pointer("/data/createApiToken/secret")?.as_str()).collect();
    assert_eq!(secrets.len(), 1, "{answers:#?}");
    let refused = answers.iter().filter(|a| code_of(a).as_deref() == Some("UNAUTHENTICATED"));
    assert_eq!(refused.count(), 2, "{answers:#?}");
    let tokens = "{ viewer { account { ... on OwnAccount { apiTokens { edges { node { id } } } } } } }";
    assert_eq!(app.gql(secrets[0], tokens, json!(null)).await.nodes("/viewer/account/apiTokens").len(), 1);
}

#[tokio::test]
async fn r01_an_enrolment_token_ends_after_seven_days() {
    let app = TestApp::new().await;
    let input = json!({ "name": "Acme" });
    let made =
        app.ok(&app.publisher, "createManagedAccount", input, "account { id } enrolmentToken enrolmentExpiresAt").await;
    assert_eq!(made.text("/enrolmentExpiresAt"), "2026-11-29T09:00:00.000000Z");
    let (late, _) = app.not_enrolled(&app.publisher, "Late").await;
    app.clock_only("2026-11-29T08:59:59.999999Z");
    app.enrol(&made.text("/enrolmentToken")).await;
    app.clock_only("2026-11-29T09:00:00Z");
    let selection = "account { id } enrolmentToken enrolmentExpiresAt";
    let again = app.ok(&app.publisher, "reissueEnrolmentToken", json!({ "accountId": late }), selection).await;
    assert_eq!(again.text("/enrolmentExpiresAt"), "2026-12-06T09:00:00.000000Z");
    app.clock_only("2026-12-06T09:00:00Z");
    let code = app.denied(&again.text("/enrolmentToken"), "createApiToken", first_token()).await;
    assert_eq!(code, "UNAUTHENTICATED");
}

#[tokio::test]
async fn r01_reissuing_ends_the_former_enrolment_token() {
    let app = TestApp::new().await;
    let (id, former) = app.not_enrolled(&app.publisher, "Acme").await;
    let input = json!({ "accountId": id });
    let newer = app.ok(&app.publisher, "reissueEnrolmentToken", input, "account { id } enrolmentToken").await;
    assert_eq!(newer.text("/account/id"), id);
    assert_eq!(app.denied(&former, "createApiToken", first_token()).await, "UNAUTHENTICATED");
    app.enrol(&newer.text("/enrolmentToken")).await;
}

#[tokio::test]
async fn r01_an_account_that_made_a_token_gets_no_other_enrolment_token() {
    let app = TestApp::new().await;
    let (id, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    let secret = app.enrol(&enrolment).await;
    let refused = app.refused(&app.publisher, "reissueEnrolmentToken", json!({ "accountId": id })).await;
    assert_eq!((refused.code.as_str(), refused.field.as_str()), ("ALREADY_ENROLLED", "accountId"));
    // Also not later, so that the publisher can't get back in.
    app.advance_to("2027-06-01T00:00:00Z").await;
    assert_eq!(
        app.refused(&app.publisher, "reissueEnrolmentToken", json!({ "accountId": id })).await.code,
        "ALREADY_ENROLLED"
    );
    app.gql(&secret, "{ viewer { role } }", json!(null)).await;
}

#[tokio::test]
async fn r01_an_enrolment_is_in_both_audit_logs() {
    let app = TestApp::new().await;
    let (id, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    let mark = LogMark::now(&app).await;
    app.enrol(&enrolment).await;
    let entries = mark.entries(&app).await;
    let enrolled: Vec<_> = entries.iter().filter(|entry| entry.action == "enrolManagedAccount").collect();
    assert_eq!(enrolled.len(), 1, "{entries:#?}");
    assert_eq!(enrolled[0].account_id, Some(uuids_of(&id)[0]), "the account's log has it");
    assert_ne!(enrolled[0].publisher_id, uuids_of(&id)[0], "and the publisher's");
}

#[tokio::test]
async fn r01_a_token_cannot_end_in_the_past() {
    let app = TestApp::new().await;
    for end in ["2026-11-22T09:00:00.000000Z", "2020-01-01T00:00:00.000000Z"] {
        let input = json!({ "name": "over", "role": "SUPPORT", "expiresAt": end });
        let refused = app.refused(&app.publisher, "createApiToken", input).await;
        assert_eq!((refused.code.as_str(), refused.field.as_str()), ("EXPIRY_NOT_IN_FUTURE", "expiresAt"));
    }
}

#[tokio::test]
async fn r01_the_last_unexpiring_administrator_token_cannot_be_revoked() {
    let app = TestApp::new().await;
    let first = current_token(&app, &app.publisher).await;
    let (ends, _) = own_token(&app, &app.publisher, "ends", "ADMINISTRATOR", Some("2027-01-01T00:00:00.000000Z")).await;
    let (standard, _) = own_token(&app, &app.publisher, "standard", "STANDARD_USER", None).await;
    let refused = app.refused(&app.publisher, "revokeApiToken", json!({ "tokenId": first })).await;
    assert_eq!((refused.code.as_str(), refused.field.as_str()), ("LAST_ADMINISTRATOR_TOKEN", "tokenId"));
    for token in [ends, standard] {
        app.ok(&app.publisher, "revokeApiToken", json!({ "tokenId": token }), "apiToken { id revokedAt }").await;
        assert_eq!(
            app.refused(&app.publisher, "revokeApiToken", json!({ "tokenId": token })).await.code,
            "ALREADY_REVOKED"
        );
    }
    let (_, second) = own_token(&app, &app.publisher, "second", "ADMINISTRATOR", None).await;
    app.ok(&app.publisher, "revokeApiToken", json!({ "tokenId": first }), "apiToken { id }").await;
    let id = current_token(&app, &second).await;
    let document = "mutation($id: ID!) { revokeApiToken(input: { tokenId: $id }) { apiToken { id } errors { code message field } } }";
    let payload = app.gql(&second, document, json!({ "id": id })).await;
    assert_eq!(refusal(payload.at("/revokeApiToken")).code, "LAST_ADMINISTRATOR_TOKEN");
}

#[tokio::test]
async fn r01_two_revocations_at_once_leave_one_administrator_token() {
    for _ in 0..4 {
        let app = TestApp::new().await;
        let acme = app.managed("Acme").await;
        let first = current_token(&app, &acme.token).await;
        let (second, second_secret) = own_token(&app, &acme.token, "second", "ADMINISTRATOR", None).await;
        let document =
            "mutation($id: ID!) { revokeApiToken(input: { tokenId: $id }) { apiToken { id } errors { code } } }";
        let (one, other) = tokio::join!(
            app.gql_raw(Some(&acme.token), document, json!({ "id": second })),
            app.gql_raw(Some(&second_secret), document, json!({ "id": first })),
        );
        let accepted = |answer: &Value| answer.pointer("/data/revokeApiToken/apiToken/id").is_some();
        assert_eq!(usize::from(accepted(&one)) + usize::from(accepted(&other)), 1, "{one:#}\n{other:#}");
        let loser = if accepted(&one) { &other } else { &one };
        let code = code_of(loser).or_else(|| refusal_of(loser.at("/data/revokeApiToken")));
        // The second call has either hit the last token, or its own token was revoked already.
        assert!(matches!(code.as_deref(), Some("LAST_ADMINISTRATOR_TOKEN" | "UNAUTHENTICATED")), "{loser:#}");
        let left = if accepted(&one) { &acme.token } else { &second_secret };
        app.gql(left, "{ viewer { role } }", json!(null)).await;
    }
}

#[tokio::test]
async fn r01_only_administrators_read_tokens_of_their_own_account() {
    let app = TestApp::new().await;
    let query = "{ viewer { token { id createdBy { name token { id } } } account { ... on PublisherAccount { apiTokens { edges { node { id isCurrent } } } } } } }";
    let support = app.token(&app.publisher, "SUPPORT").await;
    let seen = app.gql(&support, query, json!(null)).await;
    assert!(seen.at("/viewer/account/apiTokens").is_null(), "{seen:#}");
    let admin = app.gql(&app.publisher, query, json!(null)).await;
    assert_eq!(admin.nodes("/viewer/account/apiTokens").len(), 2);
    let others = admin.nodes("/viewer/account/apiTokens");
    let other = others.iter().find(|token| token.at("/isCurrent") == false).expect("the other token").text("/id");
    let admins = others.iter().find(|token| token.at("/isCurrent") == true).expect("its own token").text("/id");
    let node = "query($id: ID!) { node(id: $id) { id } }";
    assert_eq!(app.gql(&support, node, json!({ "id": admins })).await.at("/node"), &Value::Null);
    assert_eq!(app.gql(&support, node, json!({ "id": other })).await.text("/node/id"), other, "its own it may see");
}
