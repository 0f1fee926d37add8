//! An object that the caller may not see gets the same answer as one that doesn't exist (R2, R3).

use serde_json::{Value, json};

use crate::support::rows::{all_rows, assert_same_rows, code_of, unknown_like};
use crate::support::{At, Managed, TestApp, input_type};

/// Builds the input of a mutation from an ID.
type Input = Box<dyn Fn(&str) -> Value>;

/// A world with an object of each type, each hidden from other accounts.
struct World {
    app: TestApp,
    acme: Managed,
    globex: Managed,
    /// The token of the other publisher's administrator.
    southwind: String,
    /// The hidden objects: (type, ID).
    hidden: Vec<(&'static str, String)>,
}

/// A world in which only Acme has a pack installed, with a release in its testing period.
async fn world() -> World {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let southwind = app.another_publisher("Southwind").await.token;
    let gold = app.group("Gold", &[&acme]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    let version = app.read_pack(&installed.pack.id, "currentVersion { id }").await.text("/currentVersion/id");
    let viewer = app.gql(&app.publisher, "{ viewer { token { id } account { id } } }", json!(null)).await;
    let available = app.available(&acme, "Orders").await;
    let seen = app.read_available(&acme, &available, "currentVersion { id } pendingRelease { id }").await;
    let own = app.gql(&acme.token, "{ viewer { token { id } account { id } } }", json!(null)).await;
    let hidden = vec![
        ("IntegrationPack", installed.pack.id.clone()),
        ("PackVersion", version),
        ("Release", release),
        ("Component", installed.pack.components[0].clone()),
        ("PackagedComponent", installed.pack.packages[0].id.clone()),
        ("AccountGroup", gold),
        ("ManagedAccount", acme.id.clone()),
        ("PublisherAccount", viewer.text("/viewer/account/id")),
        ("ApiToken", viewer.text("/viewer/token/id")),
        ("Installation", installed.installations[0].clone()),
        ("InstallationUpdate", update),
        ("AvailablePack", available),
        ("AvailablePackVersion", seen.text("/currentVersion/id")),
        ("AnnouncedRelease", seen.text("/pendingRelease/id")),
        ("OwnAccount", own.text("/viewer/account/id")),
    ];
    World { app, acme, globex, southwind, hidden }
}

impl World {
    fn hidden(&self, type_name: &str) -> &str {
        &self.hidden.iter().find(|(name, _)| *name == type_name).expect("a hidden object of the type").1
    }

    /// The answer to a document, and the number of its SQL statements.
    async fn ask(&self, token: &str, document: &str, variables: Value) -> (Value, usize) {
        // The first call fills the caches of tokens and of immutable rows.
        self.app.gql_raw(Some(token), document, variables.clone()).await;
        let (answer, statements) = self.app.statements_of(self.app.gql_raw(Some(token), document, variables)).await;
        (answer, statements.len())
    }

    /// Like [`Self::ask`], with the ID replaced in the answer, so that answers about different IDs can be compared.
    async fn ask_of(&self, token: &str, document: &str, variables: &dyn Fn(&str) -> Value, id: &str) -> (Value, usize) {
        let (answer, statements) = self.ask(token, document, variables(id)).await;
        let text = answer.to_string().replace(id, "the ID");
        (serde_json::from_str(&text).expect("JSON"), statements)
    }

    /// Fails unless a hidden ID and an unknown one get the same answer with the same number of statements.
    async fn alike(&self, token: &str, document: &str, variables: &dyn Fn(&str) -> Value, hidden: &str) -> Value {
        let unknown = unknown_like(hidden);
        let seen = self.ask_of(token, document, variables, hidden).await;
        let never = self.ask_of(token, document, variables, &unknown).await;
        assert_eq!(seen, never, "{document} tells {hidden} from what doesn't exist");
        seen.0
    }
}

#[tokio::test]
async fn r03_node_is_null_for_what_is_hidden_as_for_what_does_not_exist() {
    let world = world().await;
    for token in [&world.southwind, &world.globex.token] {
        for (type_name, id) in &world.hidden {
            let node = world
                .alike(token, "query($id: ID!) { node(id: $id) { __typename id } }", &|id| json!({ "id": id }), id)
                .await;
            assert_eq!(node, json!({ "data": { "node": null } }), "{type_name}");
            let nodes = "query($id: ID!) { nodes(ids: [$id]) { __typename id } }";
            let nodes = world.alike(token, nodes, &|id| json!({ "id": id }), id).await;
            assert_eq!(nodes, json!({ "data": { "nodes": [null] } }), "{type_name}");
        }
    }
}

#[tokio::test]
async fn r03_nodes_keeps_the_order_and_has_null_for_hidden_objects() {
    let world = world().await;
    let own = world.app.gql(&world.globex.token, "{ viewer { account { id } token { id } } }", json!(null)).await;
    let (account, token) = (own.text("/viewer/account/id"), own.text("/viewer/token/id"));
    let ids = [&token, world.hidden("Installation"), &account, "nonsense", &token, &unknown_like(&account)];
    let answer = world
        .app
        .gql(&world.globex.token, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": ids }))
        .await;
    let expected = json!([{ "id": token }, null, { "id": account }, null, { "id": token }, null]);
    assert_eq!(answer.at("/nodes"), &expected);
}

#[tokio::test]
async fn r03_a_root_field_answers_not_found_for_what_is_hidden_as_for_what_does_not_exist() {
    let world = world().await;
    for (field, type_name, token) in [
        ("integrationPack", "IntegrationPack", &world.southwind),
        ("component", "Component", &world.southwind),
        ("packagedComponent", "PackagedComponent", &world.southwind),
        ("release", "Release", &world.southwind),
        ("accountGroup", "AccountGroup", &world.southwind),
        ("managedAccount", "ManagedAccount", &world.southwind),
        ("installation", "Installation", &world.southwind),
        ("installation", "Installation", &world.globex.token),
        ("availablePack", "AvailablePack", &world.globex.token),
        ("component", "Component", &world.globex.token),
    ] {
        let document = format!("query($id: ID!) {{ {field}(id: $id) {{ id }} }}");
        let answer = world.alike(token, &document, &|id| json!({ "id": id }), world.hidden(type_name)).await;
        assert_eq!(code_of(&answer).as_deref(), Some("NOT_FOUND"), "{field}: {answer:#}");
    }
}

#[tokio::test]
async fn r03_a_filter_answers_not_found_for_what_is_hidden_as_for_what_does_not_exist() {
    let world = world().await;
    for (field, filter, type_name, token) in [
        ("components", "addableToPackId", "IntegrationPack", &world.southwind),
        ("packagedComponents", "componentId", "Component", &world.southwind),
        ("releases", "packId", "IntegrationPack", &world.southwind),
        ("accountGroups", "withoutPackId", "IntegrationPack", &world.southwind),
        ("managedAccounts", "groupId", "AccountGroup", &world.southwind),
        ("managedAccounts", "withoutGroupId", "AccountGroup", &world.southwind),
        ("managedAccounts", "withPackId", "IntegrationPack", &world.southwind),
        ("integrationPacks", "groupId", "AccountGroup", &world.southwind),
        ("installations", "groupId", "AccountGroup", &world.southwind),
        ("installations", "groupId", "AccountGroup", &world.globex.token),
        ("installations", "packId", "IntegrationPack", &world.southwind),
        ("installations", "accountId", "ManagedAccount", &world.southwind),
        ("installations", "packId", "AvailablePack", &world.globex.token),
    ] {
        let document = format!("query($id: ID!) {{ {field}(filter: {{ {filter}: $id }}) {{ edges {{ cursor }} }} }}");
        let answer = world.alike(token, &document, &|id| json!({ "id": id }), world.hidden(type_name)).await;
        assert_eq!(code_of(&answer).as_deref(), Some("NOT_FOUND"), "{field} by {filter}: {answer:#}");
    }
    let pending = "query($id: ID!) { pendingUpdates(packId: $id) { edges { cursor } } }";
    let answer =
        world.alike(&world.globex.token, pending, &|id| json!({ "id": id }), world.hidden("AvailablePack")).await;
    assert_eq!(code_of(&answer).as_deref(), Some("NOT_FOUND"), "{answer:#}");
}

#[tokio::test]
async fn r03_a_mutation_answers_not_found_for_what_is_hidden_as_for_what_does_not_exist() {
    let world = world().await;
    let (b, globex) = (&world.southwind, &world.globex.token);
    let date = "2026-12-05";
    let now = json!({ "immediately": true });
    let cases: Vec<(&str, &str, &str, Input)> = vec![
        ("updateIntegrationPack", "IntegrationPack", b, Box::new(|id| json!({ "packId": id, "name": "Mine" }))),
        ("updateComponent", "Component", b, Box::new(|id| json!({ "componentId": id, "name": "Mine" }))),
        ("deleteComponent", "Component", b, Box::new(|id| json!({ "componentId": id }))),
        ("addPackComponents", "IntegrationPack", b, Box::new(|id| json!({ "packId": id, "componentIds": [id] }))),
        (
            "releaseIntegrationPack",
            "IntegrationPack",
            b,
            Box::new(move |id| json!({ "packId": id, "schedule": now, "notes": "x" })),
        ),
        ("rescheduleRelease", "Release", b, Box::new(move |id| json!({ "releaseId": id, "onDate": date }))),
        ("openNextStage", "Release", b, Box::new(|id| json!({ "releaseId": id }))),
        ("promoteRelease", "Release", b, Box::new(|id| json!({ "releaseId": id }))),
        ("cancelRelease", "Release", b, Box::new(|id| json!({ "releaseId": id }))),
        ("pauseRelease", "Release", b, Box::new(|id| json!({ "releaseId": id, "reason": "No" }))),
        ("resumeRelease", "Release", b, Box::new(|id| json!({ "releaseId": id }))),
        ("rollBackRelease", "Release", b, Box::new(|id| json!({ "releaseId": id, "reason": "x", "atMost": 5 }))),
        ("setHaltRule", "Release", b, Box::new(|id| json!({ "releaseId": id }))),
        ("updateAccountGroup", "AccountGroup", b, Box::new(|id| json!({ "groupId": id, "name": "Mine" }))),
        ("deleteAccountGroup", "AccountGroup", b, Box::new(|id| json!({ "groupId": id }))),
        ("reissueEnrolmentToken", "ManagedAccount", b, Box::new(|id| json!({ "accountId": id }))),
        ("updateAccount", "ManagedAccount", b, Box::new(|id| json!({ "accountId": id, "name": "Mine" }))),
        ("revokeApiToken", "ApiToken", b, Box::new(|id| json!({ "tokenId": id }))),
        ("revokeApiToken", "ApiToken", globex, Box::new(|id| json!({ "tokenId": id }))),
        ("installPack", "AvailablePack", globex, Box::new(|id| json!({ "packId": id }))),
        (
            "renameInstallation",
            "Installation",
            globex,
            Box::new(|id| json!({ "installationId": id, "overrideName": "Mine" })),
        ),
        ("uninstallPack", "Installation", globex, Box::new(|id| json!({ "installationId": id }))),
        ("applyPendingUpdate", "InstallationUpdate", globex, Box::new(|id| json!({ "updateId": id }))),
        (
            "reportUpdateOutcome",
            "InstallationUpdate",
            globex,
            Box::new(|id| json!({ "updateId": id, "outcome": "WORKS" })),
        ),
    ];
    let rows = all_rows(&world.app).await;
    for (mutation, type_name, token, input) in cases {
        let document = format!(
            "mutation($input: {}!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}",
            input_type(mutation)
        );
        let answer = world.alike(token, &document, &|id| json!({ "input": input(id) }), world.hidden(type_name)).await;
        assert_eq!(code_of(&answer).as_deref(), Some("NOT_FOUND"), "{mutation}: {answer:#}");
    }
    assert_same_rows(&world.app, &rows, "what was not found").await;
}

#[tokio::test]
async fn r03_an_id_of_another_type_or_of_none_is_not_found() {
    let world = world().await;
    let fields = [
        "integrationPack",
        "component",
        "packagedComponent",
        "release",
        "accountGroup",
        "managedAccount",
        "installation",
    ];
    let of = [
        "IntegrationPack",
        "Component",
        "PackagedComponent",
        "Release",
        "AccountGroup",
        "ManagedAccount",
        "Installation",
    ];
    let malformed =
        ["", "nonsense", "pack_", "_", "pack_AAAA", "🦀", "pack_AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAA"];
    for (field, own) in fields.iter().zip(of) {
        let document = format!("query($id: ID!) {{ {field}(id: $id) {{ id }} }}");
        let others = world.hidden.iter().filter(|(type_name, _)| *type_name != own).map(|(_, id)| id.as_str());
        for id in others.chain(malformed) {
            let code = world.app.error_code(Some(&world.app.publisher), &document, json!({ "id": id })).await;
            assert_eq!(code, "NOT_FOUND", "{field} of {id}");
        }
        let right = world.app.gql(&world.app.publisher, &document, json!({ "id": world.hidden(own) })).await;
        assert_eq!(right.text(&format!("/{field}/id")), world.hidden(own));
    }
    for id in malformed {
        let node =
            world.app.gql(&world.acme.token, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await;
        assert_eq!(node, json!({ "node": null }), "{id}");
    }
    // An object has a single spelling of its ID. A padded or changed spelling is unknown.
    let bent = format!("{}=", world.hidden("IntegrationPack"));
    let node =
        world.app.gql(&world.app.publisher, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": bent })).await;
    assert_eq!(node, json!({ "node": null }));
}

#[tokio::test]
async fn r02_a_pack_that_was_never_released_is_not_seen() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    assert_eq!(app.available_names(&acme).await, Vec::<String>::new());
    app.release_on(&pack.id, "2026-12-01").await;
    assert_eq!(app.available_names(&acme).await, Vec::<String>::new(), "scheduled is not released");
    app.clock_only("2026-11-30T22:59:59.999999Z");
    assert_eq!(app.available_names(&acme).await, Vec::<String>::new());
    app.clock_only("2026-11-30T23:00:00Z");
    assert_eq!(app.available_names(&acme).await, ["Orders"], "whether or not the scheduler has come to it (R30)");
}

#[tokio::test]
async fn r02_a_draft_is_not_seen() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let id = app.available(&acme, "Orders").await;
    let selection = "currentVersion { number contents { key name version } } pendingRelease { id } installations { edges { node { version { number contents { name version } } pendingUpdate { id } } } }";
    let before = app.read_available(&acme, &id, selection).await;
    let (secret, _) = app.packaged("Secret plan").await;
    app.add(&installed.pack.id, &[&secret]).await;
    app.package_newer(&installed.pack).await;
    app.remove(&installed.pack.id, &installed.pack.components[0]).await;
    assert_eq!(app.read_available(&acme, &id, selection).await, before);
}

#[tokio::test]
async fn r02_a_pack_of_a_group_that_the_account_is_not_in_is_not_seen() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&acme]).await;
    app.installed_pack_in("Orders", &gold, &[&acme]).await;
    assert_eq!(app.available_names(&acme).await, ["Orders"]);
    assert_eq!(app.available_names(&globex).await, Vec::<String>::new());
}

#[tokio::test]
async fn r02_only_accounts_that_have_the_pack_see_a_pending_release() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    let pending = |seen: Value| seen.at("/pendingRelease").clone();
    let selection = "pendingRelease { version { number } } currentVersion { number }";
    let (has, hasnt) = (app.available(&acme, "Orders").await, app.available(&globex, "Orders").await);
    assert_eq!(pending(app.read_available(&acme, &has, selection).await), json!({ "version": { "number": 2 } }));
    assert_eq!(pending(app.read_available(&globex, &hasnt, selection).await), Value::Null);
    let announced =
        app.read_available(&acme, &has, "pendingRelease { id version { id } }").await.at("/pendingRelease").clone();
    for id in [announced.text("/id"), announced.text("/version/id")] {
        let node = app.gql(&globex.token, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await;
        assert_eq!(node, json!({ "node": null }), "nor by its ID");
    }
}
