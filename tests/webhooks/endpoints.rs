//! Making, changing and deleting endpoints, and who may (R1, R3, R61, R64).

use serde_json::{Value, json};

use crate::support::rows::code_of;
use crate::support::{At, TestApp};
use crate::webhooks::receiver::ENDPOINT;

/// An address outside, to which nothing is sent in these tests.
const URL: &str = "https://93.184.215.14/hook";

fn input(name: &str) -> Value {
    json!({ "name": name, "url": URL })
}

#[tokio::test]
async fn r61_an_endpoint_is_made_changed_read_and_deleted() {
    let app = TestApp::new().await;
    let installed = app.installed_pack("Orders", &[]).await;
    let document = "subscription { events { id kind } }";
    let filter = json!({ "kinds": ["RELEASE_STARTED", "RELEASE_COMPLETED"], "packId": installed.pack.id });
    let mut new = input("Sales");
    (new["filter"], new["document"]) = (filter, json!(document));
    let made = app.ok(&app.publisher, "createWebhookEndpoint", new, &format!("endpoint {{ {ENDPOINT} }} secret")).await;
    let (endpoint, secret) = (made.at("/endpoint").clone(), made.text("/secret"));
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    assert_eq!(endpoint.text("/name"), "Sales");
    assert_eq!(endpoint.text("/url"), URL);
    assert_eq!(endpoint.text("/document"), document);
    assert_eq!(endpoint.at("/filter/kinds"), &json!(["RELEASE_STARTED", "RELEASE_COMPLETED"]));
    assert_eq!(endpoint.text("/filter/pack/id"), installed.pack.id);
    assert_eq!(
        (endpoint.text("/state"), endpoint.text("/createdBy/name")),
        ("ACTIVE".into(), "northwind-admin".into())
    );
    assert_eq!(endpoint.at("/waitingCount"), &json!(0));
    for null in ["disabledReason", "lastDeliveredCursor", "nextAttemptAt", "formerSecretUntil"] {
        assert_eq!(endpoint.at(&format!("/{null}")), &Value::Null, "{null}");
    }
    let id = endpoint.text("/id");
    let changed = json!({ "endpointId": id, "name": "Sales 2", "url": "https://93.184.215.14:8443/", "document": null, "filter": null });
    let changed = app.ok(&app.publisher, "updateWebhookEndpoint", changed, &format!("endpoint {{ {ENDPOINT} }}")).await;
    assert_eq!(changed.text("/endpoint/name"), "Sales 2");
    assert_eq!(changed.text("/endpoint/url"), "https://93.184.215.14:8443/");
    assert_eq!((changed.at("/endpoint/document"), changed.at("/endpoint/filter/kinds")), (&Value::Null, &Value::Null));
    assert_eq!(app.read_endpoint(&app.publisher, &id).await, changed.at("/endpoint").clone());
    let list = "{ webhookEndpoints { totalCount edges { node { name } } } }";
    app.endpoint(&app.publisher, URL, json!({ "name": "Accounting" })).await;
    let listed = app.gql(&app.publisher, list, json!(null)).await;
    assert_eq!(listed.texts("/webhookEndpoints", "/name"), ["Accounting", "Sales 2"]);
    let deleted =
        app.ok(&app.publisher, "deleteWebhookEndpoint", json!({ "endpointId": id }), "deletedEndpointId").await;
    assert_eq!(deleted.text("/deletedEndpointId"), id);
    let listed = app.gql(&app.publisher, list, json!(null)).await;
    assert_eq!(listed.texts("/webhookEndpoints", "/name"), ["Accounting"]);
    let actions = "{ auditLog(first: 10) { edges { node { action subjectId } } } }";
    let actions = app.gql(&app.publisher, actions, json!(null)).await.texts("/auditLog", "/action");
    for action in ["createWebhookEndpoint", "updateWebhookEndpoint", "deleteWebhookEndpoint"] {
        assert!(actions.contains(&action.to_owned()), "{actions:?}");
    }
}

#[tokio::test]
async fn r51_a_changed_filter_is_written_down_with_the_objects_that_it_names() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let available = app.available(&acme, "Orders").await;
    let release = app.update_now(&installed.pack).await;
    let announced = release.replacen("rel_", "ann_", 1);
    let own = json!({ "packId": installed.pack.id, "releaseId": release, "accountId": acme.id });
    let of_acme = json!({ "packId": available, "releaseId": announced, "installationId": installed.installations[0] });
    let changes = "query { auditLog(first: 1, filter: { actions: [\"updateWebhookEndpoint\"] }) { edges { node {
        changes { field before after } } } } }";
    for (token, filter) in [(&app.publisher, own), (&acme.token, of_acme)] {
        let (id, _) = app.endpoint(token, URL, json!({})).await;
        let named: Vec<_> = filter.as_object().expect("an object").iter().collect();
        for given in [filter.clone(), Value::Null] {
            let input = json!({ "endpointId": id, "filter": given });
            app.ok(token, "updateWebhookEndpoint", input, "endpoint { id }").await;
            let entry = app.gql(token, changes, json!(null)).await.at("/auditLog/edges/0/node/changes").clone();
            let mut entry = entry.as_array().expect("a list").clone();
            entry.sort_by_key(|change| change.text("/field"));
            let expected = named.iter().map(|(field, id)| {
                let (before, after) = if given.is_null() { (*id, &Value::Null) } else { (&Value::Null, *id) };
                json!({ "field": format!("filter.{field}"), "before": before, "after": after })
            });
            let mut expected: Vec<_> = expected.collect();
            expected.sort_by_key(|change| change.text("/field"));
            assert_eq!(entry, expected);
        }
    }
    let of_both = "{ auditLog(filter: { actions: [\"updateWebhookEndpoint\"] }) { edges { node { actor { name } changes { field } } } } }";
    let seen = app.gql(&app.publisher, of_both, json!(null)).await;
    let others = seen.list("/auditLog/edges").iter().filter(|edge| edge.text("/node/actor/name") == "Acme");
    for entry in others {
        assert_eq!(entry.at("/node/changes"), &json!([]), "what an account's endpoint is sent is its own matter");
    }
}

#[tokio::test]
async fn r61_what_the_rule_does_not_allow_is_refused() {
    let app = TestApp::new().await;
    let publisher = &app.publisher;
    app.endpoint(publisher, URL, json!({ "name": "First" })).await;
    let old = app.cursor(publisher).await;
    for (change, code, field) in [
        (json!({ "name": "  " }), "NAME_REQUIRED", "name"),
        (json!({ "name": "x".repeat(256) }), "NAME_TOO_LONG", "name"),
        (json!({ "name": "FIRST" }), "NAME_TAKEN", "name"),
        (json!({ "url": "http://93.184.215.14/" }), "URL_NOT_ALLOWED", "url"),
        (json!({ "url": "https://user@93.184.215.14/" }), "URL_NOT_ALLOWED", "url"),
        (json!({ "url": "https://93.184.215.14/#part" }), "URL_NOT_ALLOWED", "url"),
        (json!({ "url": "https://10.0.0.1/" }), "URL_NOT_ALLOWED", "url"),
        (json!({ "url": "https://[::1]/" }), "URL_NOT_ALLOWED", "url"),
        (json!({ "url": "https://nobody.invalid/" }), "URL_NOT_ALLOWED", "url"),
        (json!({ "url": "nonsense" }), "URL_NOT_ALLOWED", "url"),
    ] {
        let mut new = input("Second");
        for (name, value) in change.as_object().unwrap() {
            new[name] = value.clone();
        }
        let refused = app.refused(publisher, "createWebhookEndpoint", new).await;
        assert_eq!((refused.code.as_str(), refused.field.as_str()), (code, field), "{change}");
    }
    let of_url = |url: &str| {
        let mut new = input("Second");
        new["url"] = json!(url);
        new
    };
    let inside = app.refused(publisher, "createWebhookEndpoint", of_url("https://10.0.0.1/")).await;
    let nobody = app.refused(publisher, "createWebhookEndpoint", of_url("https://nobody.invalid/")).await;
    assert_eq!(inside.errors, nobody.errors, "one answer for all");
    app.half_days_to("2027-03-01T00:00:00Z").await;
    let mut late = input("Second");
    late["after"] = json!(old);
    let expired = app.mutate(publisher, "createWebhookEndpoint", late.clone(), "").await;
    // The publisher has no pruned event, so that its old cursor still holds.
    assert!(expired.list("/errors").is_empty(), "{expired:#}");
    late["after"] = json!("nonsense");
    assert_eq!(app.denied(publisher, "createWebhookEndpoint", late).await, "BAD_USER_INPUT");
}

#[tokio::test]
async fn r61_a_document_is_one_subscription_of_events_alone() {
    let app = TestApp::new().await;
    for document in [
        "{ viewer { role } }",
        "mutation { createComponent(input: { name: \"x\" }) { component { id } } }",
        "subscription { releaseAnnounced { id } }",
        "subscription($after: String) { events(after: $after) { id } }",
        "subscription { events(filter: { kinds: [PACK_SHARED] }) { id } }",
        "subscription A { events { id } } subscription B { events { id } }",
        "subscription { events { nothing } }",
        "subscription { events { id }",
        "",
        "subscription { events @skip(if: false) { id } }",
    ] {
        let mut new = input("With a document");
        new["document"] = json!(document);
        let refused = app.refused(&app.publisher, "createWebhookEndpoint", new).await;
        assert_eq!((refused.code.as_str(), refused.field.as_str()), ("DOCUMENT_NOT_ALLOWED", "document"), "{document}");
    }
    for (number, document) in [
        "subscription { events { id } }",
        "subscription { ...F } fragment F on Subscription { events { id } }",
        "subscription Named { mine: events { __typename ...F } } fragment F on Event { id kind }",
    ]
    .into_iter()
    .enumerate()
    {
        let mut new = input(&format!("Fine {number}"));
        new["document"] = json!(document);
        app.ok(&app.publisher, "createWebhookEndpoint", new, "endpoint { id }").await;
    }
}

#[tokio::test]
async fn r61_an_account_keeps_twenty_endpoints() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    for number in 0..20 {
        app.endpoint(&app.publisher, URL, json!({ "name": format!("Endpoint {number}") })).await;
    }
    let refused = app.refused(&app.publisher, "createWebhookEndpoint", input("One more")).await;
    assert_eq!(refused.code, "TOO_MANY_ENDPOINTS");
    app.endpoint(&acme.token, URL, json!({ "name": "Endpoint 1" })).await;
}

#[tokio::test]
async fn r61_a_repeated_call_makes_no_other_endpoint_and_tells_no_secret() {
    let app = TestApp::new().await;
    let mut new = input("Sales");
    new["clientRequestId"] = json!("one");
    let first = app.ok(&app.publisher, "createWebhookEndpoint", new.clone(), "endpoint { id } secret").await;
    let again = app.ok(&app.publisher, "createWebhookEndpoint", new.clone(), "endpoint { id } secret").await;
    assert_eq!(first.at("/endpoint/id"), again.at("/endpoint/id"));
    assert_eq!(again.at("/secret"), &Value::Null);
    new["name"] = json!("Other");
    let reused = app.refused(&app.publisher, "createWebhookEndpoint", new).await;
    assert_eq!(reused.code, "CLIENT_REQUEST_ID_REUSED");
}

#[tokio::test]
async fn r64_an_overlap_is_at_most_seven_days_and_secrets_are_not_stored_in_the_clear() {
    let app = TestApp::new().await;
    let (id, secret) = app.endpoint(&app.publisher, URL, json!({})).await;
    for seconds in [-1, 604_801, i32::MAX] {
        let input = json!({ "endpointId": id, "overlapSeconds": seconds });
        let refused = app.refused(&app.publisher, "rotateWebhookSecret", input).await;
        assert_eq!((refused.code.as_str(), refused.field.as_str()), ("OVERLAP_OUT_OF_BOUNDS", "overlapSeconds"));
    }
    let now = json!({ "endpointId": id, "overlapSeconds": 0 });
    let rotated = app.ok(&app.publisher, "rotateWebhookSecret", now, "endpoint { formerSecretUntil } secret").await;
    assert_eq!(rotated.at("/endpoint/formerSecretUntil"), &Value::Null);
    let usual = app
        .ok(&app.publisher, "rotateWebhookSecret", json!({ "endpointId": id }), "endpoint { formerSecretUntil }")
        .await;
    assert_eq!(usual.text("/endpoint/formerSecretUntil"), "2026-11-23T09:00:00.000000Z");
    use sea_orm::EntityTrait as _;
    let tables = crate::support::rows::tables(&app);
    let row = &entity::webhook_endpoint::Entity::find().all(tables).await.unwrap()[0];
    for stored in [&row.secret, row.former_secret.as_ref().unwrap()] {
        assert!(!stored.windows(6).any(|part| part == b"whsec_"), "a secret is stored in the clear");
    }
    let audited = app
        .gql(&app.publisher, "{ auditLog(first: 10) { edges { node { changes { before after } } } } }", json!(null))
        .await;
    for secret in [secret, rotated.text("/secret")] {
        assert!(!audited.to_string().contains(&secret[6..]), "{audited:#}");
    }
}

#[tokio::test]
async fn r01_r03_others_see_and_change_no_endpoint() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let southwind = app.another_publisher("Southwind").await.token;
    let support = app.token(&app.publisher, "STANDARD_USER").await;
    let (id, _) = app.endpoint(&app.publisher, URL, json!({})).await;
    let node = "query($id: ID!) { node(id: $id) { id } }";
    for token in [&acme.token, &southwind, &support] {
        assert_eq!(app.gql(token, node, json!({ "id": id })).await, json!({ "node": null }));
    }
    let list = "{ webhookEndpoints { edges { node { id } } } }";
    for token in [&acme.token, &southwind] {
        assert_eq!(app.gql(token, list, json!(null)).await.nodes("/webhookEndpoints").len(), 0);
        for mutation in [
            "deleteWebhookEndpoint",
            "pauseWebhookEndpoint",
            "resumeWebhookEndpoint",
            "rotateWebhookSecret",
            "sendTestEvent",
            "updateWebhookEndpoint",
        ] {
            assert_eq!(app.denied(token, mutation, json!({ "endpointId": id })).await, "NOT_FOUND", "{mutation}");
        }
    }
    let refused = app.gql_raw(Some(&support), list, json!(null)).await;
    assert_eq!(code_of(&refused).as_deref(), Some("FORBIDDEN"));
    assert_eq!(app.denied(&support, "createWebhookEndpoint", input("Mine")).await, "FORBIDDEN");
}

#[tokio::test]
async fn r51_where_an_accounts_events_go_is_told_to_the_account_alone() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let (id, _) = app.endpoint(&acme.token, URL, json!({})).await;
    let input = json!({ "endpointId": id, "document": "subscription { events { id } }" });
    app.ok(&acme.token, "updateWebhookEndpoint", input, "endpoint { id }").await;
    let log = "{ auditLog(first: 10, filter: { actions: [\"updateWebhookEndpoint\"] }) { edges { node { changes { field } } } } }";
    for (token, fields) in [(&acme.token, json!([{ "field": "document" }])), (&app.publisher, json!([]))] {
        let read = app.gql(token, log, json!({})).await;
        assert_eq!(read.at("/auditLog/edges/0/node/changes"), &fields, "{read:#}");
    }
}
