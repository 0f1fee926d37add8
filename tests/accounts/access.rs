//! Authentication: which tokens are accepted, and for which kind of account (R1, R4).

use serde_json::{Value, json};

use crate::gate::introspection::{Schema, is_required};
use crate::support::rows::{code_of, unknown_like};
use crate::support::{At, TestApp};

/// The fields of Query and Subscription that are for one kind of account. All others are for both.
const FOR_PUBLISHERS: [&str; 16] = [
    "haltRuleOnHistory",
    "releasePreview",
    "rollBackPreview",
    "integrationPacks",
    "integrationPack",
    "packsWithNewerShareableVersions",
    "packagedComponents",
    "packagedComponent",
    "release",
    "releases",
    "accountGroups",
    "accountGroup",
    "managedAccounts",
    "managedAccount",
    "releaseProgress",
    "newerShareablePackaged",
];
const FOR_MANAGED: [&str; 3] = ["availablePacks", "availablePack", "pendingUpdates"];

/// The required arguments of a root field. Each ID is unknown.
fn arguments(schema: &Schema, field: &Value, unknown: &str) -> Vec<(String, Value)> {
    let required = field.list("/args").iter().filter(|arg| is_required(arg));
    required
        .map(|arg| (arg.text("/name"), schema.sample(arg.at("/type"), &vec![], &|_| false, &|_| json!(unknown))))
        .collect()
}

/// The error code of a root field for a token; `None` when it returns data. The IDs in its arguments are unknown.
async fn answer_to(app: &TestApp, schema: &Schema, token: Option<&str>, root: &str, field: &Value) -> Option<String> {
    let unknown = unknown_like(&app.all_accounts().await);
    let selection = schema.shallow(&crate::gate::introspection::named(field.at("/type")));
    let (document, variables) = schema.operation(root, field, &arguments(schema, field, &unknown), &selection);
    if root == "subscription" {
        return app.first_error(token, &document, variables).await;
    }
    code_of(&app.gql_raw(token, &document, variables).await)
}

#[tokio::test]
async fn r01_publisher_operations_are_forbidden_to_managed_accounts_and_the_reverse() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let schema = Schema::of(&app).await;
    let fields = schema.queries().iter().map(|f| ("query", f));
    for (root, field) in fields.chain(schema.subscriptions().iter().map(|f| ("subscription", f))) {
        let name = field.text("/name");
        let open_ended = root == "subscription";
        for (token, closed) in [(&app.publisher, FOR_MANAGED.as_slice()), (&acme.token, FOR_PUBLISHERS.as_slice())] {
            let forbidden = closed.contains(&name.as_str());
            if open_ended && !forbidden {
                continue;
            }
            let code = answer_to(&app, &schema, Some(token), root, field).await;
            assert_eq!(code.as_deref() == Some("FORBIDDEN"), forbidden, "{root} {name} answers {code:?}");
            assert_ne!(code.as_deref(), Some("INTERNAL_SERVER_ERROR"), "{root} {name}");
        }
    }
    for name in FOR_PUBLISHERS.iter().chain(&FOR_MANAGED) {
        assert!(schema.roots.iter().any(|root| schema.has_field(root, name)), "{name} is no field any more");
    }
}

#[tokio::test]
async fn r01_a_publisher_cannot_act_inside_a_managed_account() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    let installation = &installed.installations[0];
    let available = app.available(&acme, "Orders").await;
    for (mutation, input) in [
        ("installPack", json!({ "packId": available })),
        ("uninstallPack", json!({ "installationId": installation })),
        ("renameInstallation", json!({ "installationId": installation, "overrideName": "Mine" })),
        ("applyPendingUpdate", json!({ "updateId": update })),
    ] {
        assert_eq!(app.denied(&app.publisher, mutation, input).await, "FORBIDDEN", "{mutation}");
    }
}

#[tokio::test]
async fn r04_without_a_token_only_the_schema_is_told() {
    let app = TestApp::new().await;
    let schema = Schema::of(&app).await;
    assert_eq!(app.gql_raw(None, "{ __typename }", json!(null)).await.at("/data"), &json!({ "__typename": "Query" }));
    let answer = app.gql_raw(None, "{ __type(name: \"Release\") { name } }", json!(null)).await;
    assert_eq!(answer.text("/data/__type/name"), "Release");
    let roots =
        [("query", schema.queries()), ("mutation", schema.mutations()), ("subscription", schema.subscriptions())];
    for (root, fields) in roots {
        for field in fields {
            let code = answer_to(&app, &schema, None, root, field).await;
            assert_eq!(code.as_deref(), Some("UNAUTHENTICATED"), "{root} {}", field.text("/name"));
        }
    }
    let mixed = app.gql_raw(None, "{ __typename serverInfo { version } }", json!(null)).await;
    assert_eq!(code_of(&mixed).as_deref(), Some("UNAUTHENTICATED"), "{mixed:#}");
    let world = app.world().await;
    let made = app
        .gql_raw(None, "mutation { createAccountGroup(input: { name: \"Gold\" }) { errors { code } } }", json!(null))
        .await;
    assert_eq!(code_of(&made).as_deref(), Some("UNAUTHENTICATED"));
    app.assert_unchanged(&world).await;
}

/// Valid and invalid documents. The authentication refuses them all alike.
const DOCUMENTS: [&str; 4] = ["{ viewer { role } }", "{ __typename }", "{ nothing of the kind", "{ noSuchField }"];

async fn is_refused(app: &TestApp, token: &str, code: &str) {
    for document in DOCUMENTS {
        assert_eq!(app.error_code(Some(token), document, json!(null)).await, code, "{document}");
    }
    let subscription = "subscription { installationUpdated { id } }";
    assert_eq!(app.first_error(Some(token), subscription, json!(null)).await.as_deref(), Some(code));
}

#[tokio::test]
async fn r04_an_unknown_token_is_unauthenticated_before_the_document_is_read() {
    let app = TestApp::new().await;
    for token in ["nonsense", "", "test-northwind-admin ", "TEST-NORTHWIND-ADMIN"] {
        is_refused(&app, token, "UNAUTHENTICATED").await;
    }
}

#[tokio::test]
async fn r04_a_revoked_token_is_unauthenticated() {
    let app = TestApp::new().await;
    let made = app
        .ok(
            &app.publisher,
            "createApiToken",
            json!({ "name": "short-lived", "role": "SUPPORT" }),
            "apiToken { id } secret",
        )
        .await;
    let secret = made.text("/secret");
    app.gql(&secret, "{ viewer { role } }", json!(null)).await;
    app.ok(&app.publisher, "revokeApiToken", json!({ "tokenId": made.text("/apiToken/id") }), "apiToken { revokedAt }")
        .await;
    is_refused(&app, &secret, "UNAUTHENTICATED").await;
}

#[tokio::test]
async fn r04_an_expired_token_is_unauthenticated_from_its_end_on() {
    let app = TestApp::new().await;
    let input = json!({ "name": "for a day", "role": "SUPPORT", "expiresAt": "2026-11-23T09:00:00.000000Z" });
    let secret = app.ok(&app.publisher, "createApiToken", input, "secret").await.text("/secret");
    app.clock_only("2026-11-23T08:59:59.999999Z");
    app.gql(&secret, "{ viewer { role } }", json!(null)).await;
    app.clock_only("2026-11-23T09:00:00Z");
    is_refused(&app, &secret, "UNAUTHENTICATED").await;
}

#[tokio::test]
async fn r04_a_suspended_accounts_tokens_are_forbidden_until_it_is_active_again() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let support = app.token(&acme.token, "SUPPORT").await;
    app.suspend(&acme).await;
    is_refused(&app, &acme.token, "FORBIDDEN").await;
    is_refused(&app, &support, "FORBIDDEN").await;
    app.gql(&globex.token, "{ viewer { role } }", json!(null)).await;
    app.reactivate(&acme).await;
    app.gql(&acme.token, "{ viewer { role } }", json!(null)).await;
}

#[tokio::test]
async fn r04_a_suspended_accounts_enrolment_token_makes_nothing() {
    let app = TestApp::new().await;
    let (id, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    app.ok(&app.publisher, "suspendAccount", json!({ "accountId": id }), "account { status }").await;
    let document =
        "mutation { createApiToken(input: { name: \"first\", role: ADMINISTRATOR }) { secret errors { code } } }";
    assert_eq!(app.error_code(Some(&enrolment), document, json!(null)).await, "FORBIDDEN");
    app.ok(&app.publisher, "reactivateAccount", json!({ "accountId": id }), "account { status }").await;
    let secret = app.enrol(&enrolment).await;
    app.gql(&secret, "{ viewer { role } }", json!(null)).await;
}
