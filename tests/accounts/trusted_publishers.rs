//! Registering pipelines that act for an account (R70).

use serde_json::{Value, json};

use crate::support::{At as _, GITHUB, Setup, TestApp, pipelines};

const LIST: &str = "{ trustedPublishers(first: 50) { totalCount edges { node {
    id name issuer role createdAt lastUsedAt createdBy { name } claims { name value } } } } }";

fn input(name: &str) -> Value {
    let claims =
        json!([{ "name": "repository", "value": "acme/orders" }, { "name": "ref", "value": "refs/heads/main" }]);
    json!({ "name": name, "issuer": GITHUB, "claims": claims, "role": "STANDARD_USER" })
}

fn changed(field: &str, value: Value) -> Value {
    let mut input = input("Deploy");
    input[field] = value;
    input
}

async fn names(app: &TestApp, token: &str) -> Vec<String> {
    app.gql(token, LIST, json!(null)).await.texts("/trustedPublishers", "/name")
}

#[tokio::test]
async fn r70_an_account_lists_the_pipelines_that_it_trusts() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let made = app.ok(&acme.token, "createTrustedPublisher", input("Deploy"), "trustedPublisher { id }").await;
    app.ok(&acme.token, "createTrustedPublisher", input("Apply"), "").await;
    let listed = app.gql(&acme.token, LIST, json!(null)).await;
    assert_eq!(listed.texts("/trustedPublishers", "/name"), ["Apply", "Deploy"]);
    assert_eq!(listed.at("/trustedPublishers/totalCount"), &json!(2));
    let node = listed.at("/trustedPublishers/edges/1/node");
    assert_eq!(node.at("/id"), made.at("/trustedPublisher/id"));
    assert_eq!((node.text("/issuer"), node.text("/role")), (GITHUB.to_owned(), "STANDARD_USER".to_owned()));
    assert_eq!(node.at("/claims"), input("Deploy").at("/claims"));
    assert_eq!((node.text("/createdBy/name"), node.at("/lastUsedAt")), ("first".to_owned(), &json!(null)));
    assert!(names(&app, &app.publisher).await.is_empty(), "each account has its own");

    let deleted = json!({ "trustedPublisherId": made.at("/trustedPublisher/id") });
    let answer = app.ok(&acme.token, "deleteTrustedPublisher", deleted.clone(), "deletedTrustedPublisherId").await;
    assert_eq!(answer.at("/deletedTrustedPublisherId"), made.at("/trustedPublisher/id"));
    assert_eq!(names(&app, &acme.token).await, ["Apply"]);
    assert_eq!(app.denied(&acme.token, "deleteTrustedPublisher", deleted).await, "NOT_FOUND");
}

#[tokio::test]
async fn r70_what_does_not_say_which_pipeline_is_refused() {
    let app = TestApp::new().await;
    let claim = |name: &str, value: &str| json!({ "name": name, "value": value });
    let many = |n: usize| json!((0..n).map(|n| claim(&format!("claim {n}"), "x")).collect::<Vec<_>>());
    for (field, value, code) in [
        ("name", json!("  "), "NAME_REQUIRED"),
        ("name", json!("x".repeat(256)), "NAME_TOO_LONG"),
        ("issuer", json!("https://gitlab.com"), "ISSUER_NOT_ALLOWED"),
        ("issuer", json!("https://token.actions.githubusercontent.com.evil.example"), "ISSUER_NOT_ALLOWED"),
        ("issuer", json!("https://token.actions.githubusercontent.com/octo"), "ISSUER_NOT_ALLOWED"),
        ("issuer", json!("http://token.actions.githubusercontent.com"), "ISSUER_NOT_ALLOWED"),
        ("issuer", json!("no address"), "ISSUER_NOT_ALLOWED"),
        ("claims", json!([]), "CLAIMS_INVALID"),
        ("claims", many(11), "CLAIMS_INVALID"),
        ("claims", json!([claim("", "x")]), "CLAIMS_INVALID"),
        ("claims", json!([claim("repository", "")]), "CLAIMS_INVALID"),
        ("claims", json!([claim("repository", " acme/orders")]), "CLAIMS_INVALID"),
        ("claims", json!([claim("repository ", "acme/orders")]), "CLAIMS_INVALID"),
        ("claims", json!([claim("repository", "acme\u{0}orders")]), "CLAIMS_INVALID"),
        ("claims", json!([claim(&"x".repeat(256), "x")]), "CLAIMS_INVALID"),
        ("claims", json!([claim("repository", &"x".repeat(1_001))]), "CLAIMS_INVALID"),
        ("claims", json!([claim("ref", "main"), claim("ref", "main")]), "CLAIMS_INVALID"),
        ("claims", json!([claim("iss", GITHUB)]), "CLAIMS_INVALID"),
        ("claims", json!([claim("aud", "packs.example.com")]), "CLAIMS_INVALID"),
        ("claims", json!([claim("repository", "acme/orders"), claim("exp", "1")]), "CLAIMS_INVALID"),
        ("role", json!("ADMINISTRATOR"), "ROLE_NOT_ALLOWED"),
    ] {
        let refusal = app.refused(&app.publisher, "createTrustedPublisher", changed(field, value.clone())).await;
        assert_eq!(refusal.code, code, "{field} = {value}");
        assert_eq!(refusal.field, field, "{field} = {value}");
    }
    assert!(names(&app, &app.publisher).await.is_empty());
    for (field, value) in [
        ("claims", many(10)),
        ("claims", json!([claim(&"x".repeat(255), &"y".repeat(1_000))])),
        ("claims", json!([claim("sub", "repo:acme/orders:environment:production")])),
        ("issuer", json!(format!("{GITHUB}/"))),
        ("role", json!("SUPPORT")),
        ("role", json!("PRODUCTION_SUPPORT")),
    ] {
        app.ok(&app.publisher, "createTrustedPublisher", changed(field, value.clone()), "").await;
        let listed = app.gql(&app.publisher, LIST, json!(null)).await.nodes("/trustedPublishers");
        assert_eq!(listed.len(), 1, "{field} = {value}");
        assert_eq!(listed[0].text("/issuer"), GITHUB, "as its JWTs spell it");
        let deleted = json!({ "trustedPublisherId": listed[0].at("/id") });
        app.ok(&app.publisher, "deleteTrustedPublisher", deleted, "").await;
    }
}

#[tokio::test]
async fn r70_the_operator_says_which_issuers_there_are() {
    let none = TestApp::with(Setup { pipelines: None, ..Setup::default() }).await;
    let refusal = none.refused(&none.publisher, "createTrustedPublisher", input("Deploy")).await;
    assert_eq!(refusal.code, "ISSUER_NOT_ALLOWED");
    assert!(refusal.message.contains("--trusted-issuer"), "{}", refusal.message);
    let setup = Setup { pipelines: Some(pipelines(&["https://gitlab.com", "https://ci.example"])), ..Setup::default() };
    let others = TestApp::with(setup).await;
    let refusal = others.refused(&others.publisher, "createTrustedPublisher", input("Deploy")).await;
    assert!(refusal.message.contains("https://gitlab.com, https://ci.example"), "{}", refusal.message);
}

#[tokio::test]
async fn r70_names_are_unique_in_the_account_whatever_the_case() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    app.ok(&app.publisher, "createTrustedPublisher", input("Deploy"), "").await;
    let refusal = app.refused(&app.publisher, "createTrustedPublisher", input(" DEPLOY ")).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("NAME_TAKEN", "name"));
    app.ok(&acme.token, "createTrustedPublisher", input("deploy"), "").await;
}

#[tokio::test]
async fn r70_an_account_trusts_twenty_pipelines() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    for n in 0..20 {
        app.ok(&app.publisher, "createTrustedPublisher", input(&format!("Pipeline {n}")), "").await;
    }
    let refusal = app.refused(&app.publisher, "createTrustedPublisher", input("One more")).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("TOO_MANY", ""));
    app.ok(&acme.token, "createTrustedPublisher", input("One more"), "").await;
    let first = app.gql(&app.publisher, LIST, json!(null)).await.text("/trustedPublishers/edges/0/node/id");
    app.ok(&app.publisher, "deleteTrustedPublisher", json!({ "trustedPublisherId": first }), "").await;
    app.ok(&app.publisher, "createTrustedPublisher", input("One more"), "").await;
}

#[tokio::test]
async fn r70_a_repeated_call_makes_no_other() {
    let app = TestApp::new().await;
    let mut repeated = input("Deploy");
    repeated["clientRequestId"] = json!("deploy 1");
    let selection = "trustedPublisher { id }";
    let first = app.ok(&app.publisher, "createTrustedPublisher", repeated.clone(), selection).await;
    let again = app.ok(&app.publisher, "createTrustedPublisher", repeated.clone(), selection).await;
    assert_eq!(first, again);
    let mut other = repeated.clone();
    other["role"] = json!("SUPPORT");
    let refusal = app.refused(&app.publisher, "createTrustedPublisher", other).await;
    assert_eq!(refusal.code, "CLIENT_REQUEST_ID_REUSED");
    let deleted = json!({ "trustedPublisherId": first.at("/trustedPublisher/id") });
    app.ok(&app.publisher, "deleteTrustedPublisher", deleted, "").await;
    assert_eq!(app.denied(&app.publisher, "createTrustedPublisher", repeated).await, "NOT_FOUND");
}

#[tokio::test]
async fn r70_only_administrators_see_whom_the_account_trusts() {
    let app = TestApp::new().await;
    let id = app.trust(&app.publisher, "Deploy", GITHUB, &[("repository", "acme/orders")], "SUPPORT").await;
    let node = "query($id: ID!) { node(id: $id) { ... on TrustedPublisher { name } } }";
    for (role, sees) in [("ADMINISTRATOR", true), ("STANDARD_USER", false), ("SUPPORT", false)] {
        let made = json!({ "name": role, "role": role });
        let token = app.ok(&app.publisher, "createApiToken", made, "secret").await.text("/secret");
        let read = app.gql(&token, node, json!({ "id": id })).await;
        assert_eq!(read.at("/node").is_object(), sees, "{role}");
        let listed = app.gql_raw(Some(&token), LIST, json!(null)).await;
        let code = listed.pointer("/errors/0/extensions/code").and_then(Value::as_str);
        assert_eq!(code, (!sees).then_some("FORBIDDEN"), "{role}");
    }
}

#[tokio::test]
async fn r51_the_publisher_hears_that_an_account_trusts_a_pipeline_and_not_which() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let id = app.trust(&acme.token, "Deploy", GITHUB, &[("repository", "acme/orders")], "SUPPORT").await;
    app.ok(&acme.token, "deleteTrustedPublisher", json!({ "trustedPublisherId": id }), "").await;
    for action in ["createTrustedPublisher", "deleteTrustedPublisher"] {
        let own = app.audit(&acme.token, json!({ "actions": [action] })).await;
        assert_eq!(own[0].text("/subjectId"), id, "{action}");
        assert_eq!(
            (own[0].text("/subjectType"), own[0].text("/subjectName")),
            ("TrustedPublisher".into(), "Deploy".into())
        );
        let publishers = app.audit(&app.publisher, json!({ "actions": [action] })).await;
        assert_eq!(publishers[0].text("/subjectId"), acme.id, "{action}");
        assert!(!publishers[0].to_string().contains("acme/orders"), "{:#}", publishers[0]);
    }
    let made = app.audit(&acme.token, json!({ "actions": ["createTrustedPublisher"] })).await;
    let changes = made[0].at("/changes").to_string();
    for part in ["claims.repository", "acme/orders", GITHUB, "SUPPORT"] {
        assert!(changes.contains(part), "{part}: {changes}");
    }
}
