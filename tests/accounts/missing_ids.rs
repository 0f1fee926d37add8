//! A NOT_FOUND error names the ID as its caller spelled it, and reveals nothing else (section 10, R3).

use std::sync::atomic::{AtomicU64, Ordering};

use async_graphql::ID;
use packwright::graphql::ids::Gid;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{At as _, TestApp, input_type};

/// The IDs that the error of a mutation names.
async fn missing(app: &TestApp, token: &str, mutation: &str, input: Value) -> Vec<String> {
    let document = format!(
        "mutation($input: {}!) {{ {mutation}(input: $input) {{ errors {{ message }} }} }}",
        input_type(mutation)
    );
    let answer = app.gql_raw(Some(token), &document, json!({ "input": input })).await;
    names(&answer)
}

fn names(answer: &Value) -> Vec<String> {
    let errors = answer.list("/errors");
    assert_eq!(errors.len(), 1, "{answer:#}");
    assert_eq!(errors[0].text("/extensions/code"), "NOT_FOUND", "{answer:#}");
    errors[0].list("/extensions/ids").iter().map(|id| id.text("")).collect()
}

/// A new unknown ID of the same type as `like`.
fn unknown(like: &str) -> String {
    static CALLS: AtomicU64 = AtomicU64::new(1);
    let fresh = Uuid::from_u128(CALLS.fetch_add(1, Ordering::Relaxed).into());
    match Gid::decode(&ID::from(like)).unwrap() {
        Gid::Component(_) => Gid::Component(fresh.into()),
        Gid::IntegrationPack(_) => Gid::IntegrationPack(fresh.into()),
        Gid::ManagedAccount(_) => Gid::ManagedAccount(fresh.into()),
        Gid::AccountGroup(_) => Gid::AccountGroup(fresh.into()),
        Gid::PackagedComponent(_) => Gid::PackagedComponent(fresh.into()),
        other => panic!("{other:?}"),
    }
    .encode()
    .to_string()
}

#[tokio::test]
async fn r03_all_components_that_are_not_found_are_named() {
    let app = TestApp::new().await;
    let other = app.another_publisher("Southwind").await;
    let foreign = json!({ "name": "Foreign", "type": "PROCESS" });
    let hidden = app.ok(&other.token, "createComponent", foreign, "component { id }").await.text("/component/id");
    let pack = app.pack_with("Orders", &["Import"]).await;
    let (own, _) = app.packaged("Export").await;
    let (a, b) = (unknown(&own), unknown(&own));
    let at_fault = [a.as_str(), hidden.as_str(), pack.id.as_str(), "nonsense", "", b.as_str()];
    let input = json!({ "packId": pack.id, "componentIds": [a, own, hidden, pack.id, "nonsense", "", b, a] });
    assert_eq!(missing(&app, &app.publisher, "addPackComponents", input).await, at_fault, "each once, in their order");
    let entry = |id: &str| json!({ "componentId": id, "revision": 1 });
    let packages = json!([
        { "componentId": a, "manifest": [entry(&hidden), entry(&own)] },
        { "componentId": own, "manifest": [entry("nonsense")] },
        { "componentId": b },
    ]);
    let named = missing(&app, &app.publisher, "createPackagedComponents", json!({ "packages": packages })).await;
    assert_eq!(named.len(), 4);
    assert!([&a, &hidden, "nonsense", &b].iter().all(|id| named.contains(&(*id).to_string())), "{named:?}");
}

#[tokio::test]
async fn r03_accounts_groups_and_packs_that_are_not_found_are_named_together() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[]).await;
    let pack = app.pack("Orders").await;
    let other = app.another_publisher("Southwind").await;
    let (hidden, _) = app.not_enrolled(&other.token, "Initech").await;
    let (account, group, unknown_pack) = (unknown(&acme.id), unknown(&gold), unknown(&pack));
    for mutation in ["addAccountsToGroup", "removeAccountsFromGroup"] {
        let input = json!({ "groupId": gold, "accountIds": [acme.id, hidden, account] });
        assert_eq!(missing(&app, &app.publisher, mutation, input).await, [hidden.as_str(), &account], "{mutation}");
        let input = json!({ "groupId": group, "accountIds": [account, acme.id] });
        let mut named = missing(&app, &app.publisher, mutation, input).await;
        named.sort();
        let mut expected = [group.clone(), account.clone()];
        expected.sort();
        assert_eq!(named, expected, "{mutation}");
    }
    for mutation in ["sharePack", "unsharePack"] {
        let input = json!({ "packId": pack, "groupIds": [group, gold, pack] });
        assert_eq!(missing(&app, &app.publisher, mutation, input).await, [group.as_str(), &pack], "{mutation}");
        let input = json!({ "packId": unknown_pack, "groupIds": [group, gold] });
        assert_eq!(missing(&app, &app.publisher, mutation, input).await.len(), 2, "{mutation}");
    }
    let (component, package) = app.packaged("Import").await;
    let input = json!({ "packagedComponentId": package.id, "groupIds": [gold, group] });
    assert_eq!(missing(&app, &app.publisher, "publishToProcessLibrary", input).await, [group.as_str()]);
    let lost = unknown(&package.id);
    let input = json!({ "packId": pack, "componentId": unknown(&component), "versionId": lost });
    assert_eq!(missing(&app, &app.publisher, "pinPackComponent", input).await.len(), 2);
    let input = json!({ "packId": unknown_pack, "componentId": component, "versionId": package.id });
    assert_eq!(missing(&app, &app.publisher, "pinPackComponent", input).await, [unknown_pack.as_str()]);
    let wrong = json!({ "packId": pack, "componentId": gold });
    assert_eq!(missing(&app, &app.publisher, "removePackComponent", wrong).await, [gold.as_str()]);
}

#[tokio::test]
async fn r03_the_only_id_of_a_call_is_named() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_now(&pack.id).await;
    for (token, mutation, field) in [
        (&app.publisher, "updateIntegrationPack", "packId"),
        (&app.publisher, "deleteIntegrationPack", "packId"),
        (&app.publisher, "updateAccountGroup", "groupId"),
        (&app.publisher, "deleteAccountGroup", "groupId"),
        (&app.publisher, "suspendAccount", "accountId"),
        (&app.publisher, "reissueEnrolmentToken", "accountId"),
        (&app.publisher, "revokeApiToken", "tokenId"),
        (&app.publisher, "promoteRelease", "releaseId"),
        (&app.publisher, "deletePackagedComponent", "packagedComponentId"),
        (&app.publisher, "publishComponent", "componentId"),
        (&acme.token, "installPack", "packId"),
        (&acme.token, "uninstallPack", "installationId"),
        (&acme.token, "applyPendingUpdate", "updateId"),
        (&acme.token, "copyFromProcessLibrary", "processId"),
    ] {
        // An ID of another type, an invalid one, and an unknown one of the right type.
        let right = match field {
            "packId" if token == &app.publisher => unknown(&pack.id),
            "packagedComponentId" => unknown(&pack.packages[0].id),
            "componentId" => unknown(&pack.components[0]),
            "accountId" => unknown(&acme.id),
            _ => "nonsense".into(),
        };
        let wrong = if field == "releaseId" { pack.id.clone() } else { release.clone() };
        for id in [wrong.as_str(), "nonsense", right.as_str()] {
            let mut input = json!({ field: id, "clientRequestId": "again" });
            if mutation != "installPack" && mutation != "publishComponent" && mutation != "copyFromProcessLibrary" {
                input.as_object_mut().unwrap().remove("clientRequestId");
            }
            if mutation == "updateAccountGroup" {
                input.as_object_mut().unwrap().insert("name".into(), json!("Gold"));
            }
            assert_eq!(missing(&app, token, mutation, input).await, [id], "{mutation}");
        }
    }
}

#[tokio::test]
async fn r03_an_id_in_the_document_or_a_query_is_named_as_well() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack("Orders").await;
    let unknown_pack = unknown(&pack);
    let document =
        format!("mutation {{ deleteIntegrationPack(input: {{ packId: \"{unknown_pack}\" }}) {{ uninstalledCount }} }}");
    assert_eq!(names(&app.gql_raw(Some(&app.publisher), &document, json!({})).await), [unknown_pack.as_str()]);
    for query in [
        "query($id: ID!) { releasePreview(packId: $id) { revision } }",
        "query($id: ID!) { releases(filter: { packId: $id }) { totalCount } }",
        "query($id: ID!) { components(filter: { addableToPackId: $id }) { totalCount } }",
        "query($id: ID!) { events(filter: { packId: $id }) { edges { cursor } } }",
    ] {
        for id in [unknown_pack.as_str(), acme.id.as_str(), "nonsense"] {
            assert_eq!(names(&app.gql_raw(Some(&app.publisher), query, json!({ "id": id })).await), [id], "{query}");
        }
    }
}
