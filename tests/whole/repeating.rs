//! `clientRequestId` on every mutation that creates something, and the errors for names that are taken (section 10).

use serde_json::{Value, json};

use crate::support::rows::{all_rows, assert_same_rows};
use crate::support::{At as _, TestApp};

/// The mutations that create something: the mutation, its input, a different input, and a selection.
async fn creates(app: &TestApp) -> Vec<(&'static str, Value, Value, &'static str)> {
    let (_, package) = app.packaged("Import").await;
    let (account, _) = app.not_enrolled(&app.publisher, "Initech").await;
    let (other, _) = app.not_enrolled(&app.publisher, "Umbrella").await;
    let published = |text: &str| json!({ "packagedComponentId": package.id, "groupIds": [], "description": text });
    let pack = |name: &str| json!({ "name": name, "installationType": "SINGLE" });
    vec![
        (
            "createComponent",
            json!({ "name": "Export", "type": "PROCESS" }),
            json!({ "name": "Export", "type": "CERTIFICATE" }),
            "component { id name }",
        ),
        ("createIntegrationPack", pack("Orders"), pack("Invoices"), "integrationPack { id name }"),
        ("createAccountGroup", json!({ "name": "Gold" }), json!({ "name": "Silver" }), "accountGroup { id name }"),
        (
            "createManagedAccount",
            json!({ "name": "Acme" }),
            json!({ "name": "Globex" }),
            "account { id name } enrolmentExpiresAt",
        ),
        (
            "reissueEnrolmentToken",
            json!({ "accountId": account }),
            json!({ "accountId": other }),
            "account { id } enrolmentExpiresAt",
        ),
        (
            "createApiToken",
            json!({ "name": "nightly", "role": "SUPPORT" }),
            json!({ "name": "nightly", "role": "ADMINISTRATOR" }),
            "apiToken { id name role }",
        ),
        ("publishToProcessLibrary", published("a"), published("b"), "publishedProcess { id }"),
    ]
}

fn with_id(input: &Value, id: &str) -> Value {
    let mut input = input.clone();
    input.as_object_mut().unwrap().insert("clientRequestId".into(), json!(id));
    input
}

#[tokio::test]
async fn s10_a_create_is_done_once_for_a_client_request_id() {
    let app = TestApp::new().await;
    for (mutation, input, another, selection) in creates(&app).await {
        let first = app.ok(&app.publisher, mutation, with_id(&input, "once"), selection).await;
        let before = all_rows(&app).await;
        let again = app.ok(&app.publisher, mutation, with_id(&input, "once"), selection).await;
        assert_eq!(first, again, "{mutation}");
        assert_same_rows(&app, &before, mutation).await;
        let refusal = app.refused(&app.publisher, mutation, with_id(&another, "once")).await;
        assert_eq!(
            (refusal.code.as_str(), refusal.field.as_str()),
            ("CLIENT_REQUEST_ID_REUSED", "clientRequestId"),
            "{mutation}"
        );
        for bad in ["", " ", "\u{200b}", "a\nb", &"x".repeat(65)] {
            let denied = app.denied(&app.publisher, mutation, with_id(&another, bad)).await;
            assert_eq!(denied, "BAD_USER_INPUT", "{mutation} {bad:?}");
        }
    }
}

#[tokio::test]
async fn s10_a_refused_create_is_not_remembered() {
    let app = TestApp::new().await;
    let input = |name: &str| with_id(&json!({ "name": name }), "once");
    assert_eq!(app.refused(&app.publisher, "createAccountGroup", input(" ")).await.code, "NAME_REQUIRED");
    app.ok(&app.publisher, "createAccountGroup", input("Gold"), "accountGroup { id }").await;
}

#[tokio::test]
async fn s10_a_create_is_remembered_for_a_day_and_by_account_and_mutation() {
    let app = TestApp::new().await;
    let other = app.another_publisher("Southwind").await;
    let input = with_id(&json!({ "name": "Gold" }), "once");
    let group = "accountGroup { id }";
    let first = app.ok(&app.publisher, "createAccountGroup", input.clone(), group).await;
    app.ok(&other.token, "createAccountGroup", input.clone(), group).await;
    app.ok(&app.publisher, "createManagedAccount", input.clone(), "account { id }").await;
    app.advance_by(24 * 3600 - 1).await;
    assert_eq!(app.ok(&app.publisher, "createAccountGroup", input.clone(), group).await, first);
    app.advance_by(1).await;
    assert_eq!(app.refused(&app.publisher, "createAccountGroup", input).await.code, "NAME_TAKEN", "it is a new call");
}

#[tokio::test]
async fn s10_the_object_of_a_repeated_create_may_be_gone() {
    let app = TestApp::new().await;
    let group = with_id(&json!({ "name": "Gold" }), "group");
    let id = app.ok(&app.publisher, "createAccountGroup", group.clone(), "accountGroup { id }").await;
    app.ok(&app.publisher, "deleteAccountGroup", json!({ "groupId": id.text("/accountGroup/id") }), "").await;
    assert_eq!(app.denied(&app.publisher, "createAccountGroup", group).await, "NOT_FOUND");
    let pack = with_id(&pack_input("Orders"), "pack");
    let id = app.ok(&app.publisher, "createIntegrationPack", pack.clone(), "integrationPack { id }").await;
    let deleted = json!({ "packId": id.text("/integrationPack/id"), "confirmInstallations": 0 });
    app.ok(&app.publisher, "deleteIntegrationPack", deleted, "").await;
    assert_eq!(app.denied(&app.publisher, "createIntegrationPack", pack).await, "NOT_FOUND");
}

fn pack_input(name: &str) -> Value {
    json!({ "name": name, "installationType": "SINGLE" })
}

#[tokio::test]
async fn r01_a_secret_is_shown_once_and_a_repeat_names_the_token_it_created() {
    let app = TestApp::new().await;
    let input = with_id(&json!({ "name": "nightly", "role": "SUPPORT" }), "once");
    let first = app.ok(&app.publisher, "createApiToken", input.clone(), "apiToken { id } secret").await;
    let again = app.ok(&app.publisher, "createApiToken", input, "apiToken { id } secret").await;
    assert_eq!(again.at("/apiToken"), first.at("/apiToken"));
    assert!(first.at("/secret").is_string() && again.at("/secret").is_null(), "{again}");
    let selection = "account { id } enrolmentToken enrolmentExpiresAt";
    let input = with_id(&json!({ "name": "Acme" }), "once");
    let first = app.ok(&app.publisher, "createManagedAccount", input.clone(), selection).await;
    let again = app.ok(&app.publisher, "createManagedAccount", input, selection).await;
    assert!(first.at("/enrolmentToken").is_string() && again.at("/enrolmentToken").is_null(), "{again}");
    assert_eq!(again.at("/enrolmentExpiresAt"), first.at("/enrolmentExpiresAt"));
    // The secret got lost on the way, so another one is issued, once.
    let account = first.text("/account/id");
    let reissue = with_id(&json!({ "accountId": account }), "once");
    let issued = app.ok(&app.publisher, "reissueEnrolmentToken", reissue.clone(), selection).await;
    let again = app.ok(&app.publisher, "reissueEnrolmentToken", reissue, selection).await;
    assert!(again.at("/enrolmentToken").is_null());
    app.enrol(&issued.text("/enrolmentToken")).await;
}

#[tokio::test]
async fn s10_two_creates_at_once_with_one_client_request_id_make_one() {
    let app = TestApp::new().await;
    let input = with_id(&json!({ "name": "nightly", "role": "SUPPORT" }), "once");
    let make = || app.ok(&app.publisher, "createApiToken", input.clone(), "apiToken { id } secret");
    let (a, b) = tokio::join!(make(), make());
    assert_eq!(a.at("/apiToken"), b.at("/apiToken"));
    assert_eq!([&a, &b].iter().filter(|made| made.at("/secret").is_string()).count(), 1);
}

#[tokio::test]
async fn r10_name_taken_names_the_object_that_has_the_name() {
    let app = TestApp::new().await;
    let existing_name = async |mutation: &str, input: Value| {
        let document = format!(
            "mutation($input: {}!) {{ {mutation}(input: $input) {{ errors {{ code takenBy {{ id name }} }} }} }}",
            crate::support::input_type(mutation)
        );
        let answer = app.gql(&app.publisher, &document, json!({ "input": input })).await;
        let error = answer.at(&format!("/{mutation}/errors/0")).clone();
        assert_eq!(error.text("/code"), "NAME_TAKEN");
        error.at("/takenBy").clone()
    };
    let (orders, invoices) = (app.pack("Orders").await, app.pack("Invoices").await);
    let expected = json!({ "id": orders, "name": "Orders" });
    assert_eq!(existing_name("createIntegrationPack", pack_input("ORDERS\u{200b}")).await, expected);
    assert_eq!(existing_name("updateIntegrationPack", json!({ "packId": invoices, "name": "orders" })).await, expected);
    let (gold, silver) = (app.group("Gold", &[]).await, app.group("Silver", &[]).await);
    let expected = json!({ "id": gold, "name": "Gold" });
    assert_eq!(existing_name("createAccountGroup", json!({ "name": "gold" })).await, expected);
    assert_eq!(existing_name("updateAccountGroup", json!({ "groupId": silver, "name": "GOLD" })).await, expected);
    let (acme, globex) = (app.managed("Acme").await, app.managed("Globex").await);
    let expected = json!({ "id": acme.id, "name": "Acme" });
    assert_eq!(existing_name("createManagedAccount", json!({ "name": "acme" })).await, expected);
    assert_eq!(existing_name("updateAccount", json!({ "accountId": globex.id, "name": "ACME" })).await, expected);
    // The name of another publisher isn't revealed.
    app.another_publisher("Southwind").await;
    assert_eq!(existing_name("updateAccount", json!({ "name": "southwind" })).await, Value::Null);
}

/// The error code that an enrolment token or an administrator gets.
async fn code(app: &TestApp, token: &str, document: &str) -> String {
    let answer = app.gql_raw(Some(token), document, json!({})).await;
    assert!(answer.get("data").is_none_or(Value::is_null), "{answer:#}");
    answer.text("/errors/0/extensions/code")
}

const TOKEN: &str = "createApiToken(input: { name: \"first\", role: ADMINISTRATOR }) { secret errors { code } }";
const COMPONENT: &str = "createComponent(input: { name: \"x\", type: PROCESS }) { component { id } errors { code } }";

#[tokio::test]
async fn r01_an_enrolment_token_is_good_for_one_mutation_an_operation() {
    let app = TestApp::new().await;
    let (_, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    for (document, refused) in [
        (format!("mutation {{ a: {TOKEN} b: {TOKEN} }}"), "GRAPHQL_VALIDATION_FAILED"),
        (format!("mutation {{ a: {TOKEN} b: {COMPONENT} }}"), "GRAPHQL_VALIDATION_FAILED"),
        (format!("mutation {{ b: {COMPONENT} a: {TOKEN} }}"), "BAD_USER_INPUT"),
        (
            format!("mutation {{ ...on Mutation {{ a: {TOKEN} }} ...B }} fragment B on Mutation {{ b: {TOKEN} }}"),
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ] {
        assert_eq!(code(&app, &enrolment, &document).await, refused, "{document}");
    }
    // None of these calls has spent the token.
    let answer = app.gql(&enrolment, &format!("mutation {{ __typename a: {TOKEN} }}"), json!({})).await;
    assert!(answer.at("/a/secret").is_string(), "{answer}");
}

#[tokio::test]
async fn r01_no_later_error_swallows_a_secret() {
    let app = TestApp::new().await;
    let (account, _) = app.not_enrolled(&app.publisher, "Acme").await;
    let account_made = "createManagedAccount(input: { name: \"Globex\" }) { enrolmentToken }";
    let issued = format!("reissueEnrolmentToken(input: {{ accountId: \"{account}\" }}) {{ enrolmentToken }}");
    let fails = "deleteAccountGroup(input: { groupId: \"nonsense\" }) { errors { code } }";
    let before = all_rows(&app).await;
    for telling in [TOKEN, account_made, &issued] {
        for after in [fails, COMPONENT, TOKEN] {
            let document = format!("mutation {{ a: {telling} b: {after} }}");
            assert_eq!(code(&app, &app.publisher, &document).await, "GRAPHQL_VALIDATION_FAILED", "{document}");
        }
    }
    assert_same_rows(&app, &before, "refused before anything was done").await;
    let answer =
        app.gql(&app.publisher, &format!("mutation {{ b: {COMPONENT} a: {TOKEN} __typename }}"), json!({})).await;
    assert!(answer.at("/a/secret").is_string(), "the last one loses nothing");
}
