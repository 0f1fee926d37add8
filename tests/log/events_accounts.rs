//! Events about accounts, groups and components (R50).

use serde_json::{Value, json};

use crate::log::event_log::kinds;
use crate::support::rows::LogMark;
use crate::support::{At, Managed, TestApp};

const SELECTION: &str = "... on AccountEvent { kind actor { kind name } account { __typename id name } }
    ... on GroupEvent { kind actor { name } groupName group { id name } }
    ... on ComponentEvent { kind actor { name } version { __typename id version } }";

/// What happened after a mark, as a reader sees it.
async fn seen_by(app: &TestApp, token: &str, mark: &LogMark) -> Vec<Value> {
    let mut seen = Vec::new();
    for event in mark.events(app).await {
        let event = app.read_event(token, &event, SELECTION).await;
        seen.extend((!event.is_null()).then_some(event));
    }
    seen
}

async fn update(app: &TestApp, token: &str, input: Value) {
    app.ok(token, "updateAccount", input, "account { id }").await;
}

#[tokio::test]
async fn r50_a_publisher_and_its_account_hear_what_becomes_of_the_account() {
    let app = TestApp::new().await;
    let [globex] = app.managed_accounts(["Globex"]).await;
    let mark = LogMark::now(&app).await;
    let acme: Managed = app.managed("Acme").await;
    update(&app, &app.publisher, json!({ "accountId": acme.id, "name": "Acme Corporation" })).await;
    update(&app, &acme.token, json!({ "timeZone": "Europe/Rome" })).await;
    app.suspend(&acme).await;
    app.reactivate(&acme).await;
    let of_account = [
        "ACCOUNT_CREATED",
        "ACCOUNT_ENROLLED",
        "ACCOUNT_UPDATED",
        "ACCOUNT_UPDATED",
        "ACCOUNT_SUSPENDED",
        "ACCOUNT_REACTIVATED",
    ];
    let to_publisher = seen_by(&app, &app.publisher, &mark).await;
    let to_acme = seen_by(&app, &acme.token, &mark).await;
    assert_eq!((kinds(&to_publisher), kinds(&to_acme)), (of_account.map(String::from).to_vec(), kinds(&to_publisher)));
    for (events, of_type) in [(&to_publisher, "ManagedAccount"), (&to_acme, "OwnAccount")] {
        for event in events {
            assert_eq!(event.text("/account/__typename"), of_type);
            assert_eq!(event.text("/account/name"), "Acme Corporation", "the account as it is now");
        }
    }
    let by = |events: &[Value]| events.iter().map(|event| event["actor"]["name"].clone()).collect::<Vec<_>>();
    assert_eq!(by(&to_publisher)[3], "Acme Corporation", "the token of an account is its own matter");
    let strangers = [0, 2, 4, 5].map(|place| &to_acme[place]["actor"]);
    assert_eq!(strangers, [&Value::Null; 4], "the publisher's tokens are the publisher's matter");
    assert!(seen_by(&app, &globex.token, &mark).await.is_empty());
    let filter = json!({ "accountId": acme.id, "kinds": ["ACCOUNT_UPDATED"] });
    let narrowed = app.event_page(&app.publisher, json!({ "filter": filter })).await.nodes("");
    assert_eq!(kinds(&narrowed), ["ACCOUNT_UPDATED", "ACCOUNT_UPDATED"]);
}

#[tokio::test]
async fn r50_r67_an_account_hears_neither_of_its_publishers_key_nor_of_its_publishers_account() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let mark = LogMark::now(&app).await;
    update(&app, &app.publisher, json!({ "accountId": acme.id, "key": "acme" })).await;
    update(&app, &app.publisher, json!({ "timeZone": "Europe/Rome" })).await;
    let to_publisher = seen_by(&app, &app.publisher, &mark).await;
    assert_eq!(kinds(&to_publisher), ["ACCOUNT_UPDATED", "ACCOUNT_UPDATED"]);
    let types = to_publisher.iter().map(|event| event.text("/account/__typename")).collect::<Vec<_>>();
    assert_eq!(types, ["ManagedAccount", "PublisherAccount"]);
    assert!(seen_by(&app, &acme.token, &mark).await.is_empty());
    update(&app, &app.publisher, json!({ "accountId": acme.id, "key": "acme" })).await;
    assert_eq!(mark.kinds(&app).await.len(), 2, "nothing changed");
}

#[tokio::test]
async fn r50_a_publisher_hears_of_its_groups_under_the_names_that_they_had() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let mark = LogMark::now(&app).await;
    let group = app.group("Gold", &[&acme, &globex]).await;
    let call = async |mutation: &str, input: Value| {
        app.ok(&app.publisher, mutation, input, "__typename").await;
    };
    call("updateAccountGroup", json!({ "groupId": group, "name": "Platinum" })).await;
    call("updateAccountGroup", json!({ "groupId": group, "name": "Platinum" })).await;
    call("removeAccountsFromGroup", json!({ "groupId": group, "accountIds": [acme.id] })).await;
    let seen = seen_by(&app, &app.publisher, &mark).await;
    let names: Vec<_> = seen.iter().map(|event| event.text("/groupName")).collect();
    assert_eq!(names, ["Gold", "Gold", "Platinum", "Platinum"], "made, two members, a name, a member less");
    assert_eq!(seen[0].text("/group/name"), "Platinum", "the group as it is now");
    call("deleteAccountGroup", json!({ "groupId": group })).await;
    let seen = seen_by(&app, &app.publisher, &mark).await;
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|event| event.text("/kind") == "GROUP_CHANGED" && event["group"].is_null()), "it is gone");
    assert!(seen_by(&app, &acme.token, &mark).await.is_empty(), "an account doesn't see groups");
}

#[tokio::test]
async fn r50_a_publisher_hears_of_each_package_and_publication() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let mark = LogMark::now(&app).await;
    let shareable = app.package(&pack.components[0]).await.id;
    let not_shareable = app.package_not_shareable(&pack.components[0]).await.id;
    let publish = json!({ "componentId": pack.components[0] });
    let published = app.ok(&app.publisher, "publishComponent", publish, "publication { id }").await;
    let kinds_of_all = ["COMPONENT_PACKAGED", "NEWER_SHAREABLE_PACKAGED", "COMPONENT_PACKAGED", "COMPONENT_PACKAGED"];
    assert_eq!(mark.kinds(&app).await, kinds_of_all);
    let mut seen = seen_by(&app, &app.publisher, &mark).await;
    seen.retain(|event| event.get("kind").is_some());
    let versions: Vec<_> = seen.iter().map(|event| event.text("/version/id")).collect();
    assert_eq!(versions, [shareable.clone(), not_shareable, published.text("/publication/id")]);
    app.delete_package(&shareable).await;
    let seen = seen_by(&app, &app.publisher, &mark).await;
    assert_eq!(seen[0].text("/version/id"), shareable, "a deleted package can still be read");
    assert!(seen_by(&app, &acme.token, &mark).await.is_empty());
}
