//! The actor in the other account's view: the account's name, never a token's name or a JWT's subject (R2, R51).

use packwright::jwt::Source;
use serde_json::{Value, json};

use crate::accounts::jwt_issuer::{SigningKey, key_set};
use crate::support::{At, Setup, TestApp};

/// The actors of the updates that a publisher sees in the log and in a single event.
async fn actors(app: &TestApp) -> Vec<Value> {
    let query = "{ events(first: 100, filter: { kinds: [INSTALLATION_UPDATED] }) { edges { node { id actor { kind name token { id } } } } } }";
    let events = app.gql(&app.publisher, query, json!(null)).await.nodes("/events");
    let mut actors = Vec::new();
    for event in &events {
        let query =
            "query($id: ID!) { node(id: $id) { ... on InstallationEvent { actor { kind name token { id } } } } }";
        let one = app.gql(&app.publisher, query, json!({ "id": event.text("/id") })).await;
        assert_eq!(one.at("/node/actor"), event.at("/actor"));
        actors.push(event.at("/actor").clone());
    }
    actors
}

#[tokio::test]
async fn r51_a_publisher_sees_the_name_of_the_account_and_not_of_its_token() {
    let key = SigningKey::ed("one");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json");
    std::fs::write(&file, key_set(&[&key]).to_string()).expect("written");
    let jwt = Some(crate::accounts::jwt::settings(Source::File(file)));
    let app = TestApp::with(Setup { jwt, ..Setup::default() }).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    app.apply(&acme, &installed.installations[0]).await;
    let claims = crate::accounts::jwt::claims(&app, &globex.token, "ADMINISTRATOR").await;
    let by_jwt = key.jwt(&claims);
    let update = app.offered(&globex, &installed.installations[1]).await.expect("an offer");
    app.ok(&by_jwt, "applyPendingUpdate", json!({ "updateId": update }), "").await;
    let by = |name: &str| json!({ "kind": "API_TOKEN", "name": name, "token": null });
    assert_eq!(actors(&app).await, [by("Acme"), by("Globex")]);
    let query = "query($name: [EventKind!]) { events(first: 9, filter: { kinds: $name }) { edges { node { actor { name } } } } }";
    let own = app.gql(&acme.token, query, json!({ "name": ["INSTALLATION_UPDATED"] })).await;
    assert_eq!(own.texts("/events", "/actor/name"), ["first"], "the account itself hears of its token");
    let after = json!({ "after": app.cursor(&app.publisher).await });
    app.cancel(&app.read_pack(&installed.pack.id, "pendingRelease { id }").await.text("/pendingRelease/id")).await;
    let document = "subscription($after: String) { installationUpdated(after: $after) { actor { name } } }";
    let mut live = app.subscribe(&app.publisher, document, after).await;
    assert_eq!(live.next().await.text("/installationUpdated/actor/name"), "scheduler");
}
