//! Keys of one's own: given, changed, taken away and looked up, for each type that has them (R67).

use futures_util::future::join_all;
use packwright::store::DatabaseKind;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::store::planned::plans;
use crate::support::rows::{all_rows, assert_same_rows, tables};
use crate::support::{At as _, Managed, TestApp};

/// A type of object with keys, and what it takes to try them.
struct Keyed {
    /// Whose keys they are.
    token: String,
    lookup: &'static str,
    create: (&'static str, Value),
    /// The path of the object in the payload of its creation.
    object: &'static str,
    update: &'static str,
    /// The field of an input that names the object.
    names: &'static str,
    /// What an update needs besides.
    update_with: Value,
    delete: Option<(&'static str, Value)>,
    index: &'static str,
}

impl Keyed {
    fn new_input(&self, name: &str, key: Value) -> Value {
        let mut input = self.create.1.clone();
        let field = if self.lookup == "installation" { "overrideName" } else { "name" };
        input[field] = json!(name);
        input["key"] = key;
        input
    }

    async fn create(&self, app: &TestApp, name: &str, key: Value) -> String {
        let input = self.new_input(name, key);
        let made = app.ok(&self.token, self.create.0, input, &format!("{} {{ id }}", self.object)).await;
        made.text(&format!("/{}/id", self.object))
    }

    fn update_input(&self, id: &str, key: Value) -> Value {
        let mut input = self.update_with.clone();
        input[self.names] = json!(id);
        input["key"] = key;
        input
    }

    async fn set(&self, app: &TestApp, id: &str, key: Value) {
        app.ok(&self.token, self.update, self.update_input(id, key), "errors { code }").await;
    }

    fn by_key(&self) -> String {
        format!("query($key: String) {{ {}(key: $key) {{ id key }} }}", self.lookup)
    }

    /// The ID of the object with the key; `None` when there is none.
    async fn find(&self, app: &TestApp, token: &str, key: &str) -> Option<String> {
        let answer = app.gql_raw(Some(token), &self.by_key(), json!({ "key": key })).await;
        let found = answer.at(&format!("/data/{}", self.lookup));
        if found.is_null() {
            assert_eq!(answer.text("/errors/0/extensions/code"), "NOT_FOUND", "{answer:#}");
            return None;
        }
        assert_eq!(found.text("/key"), key);
        Some(found.text("/id"))
    }
}

/// The codes of the refusals in these payloads.
fn codes(payloads: &[Value]) -> Vec<String> {
    payloads.iter().flat_map(|payload| payload.list("/errors")).map(|error| error.text("/code")).collect()
}

/// All types with keys, and an account with installations.
async fn every_type(app: &TestApp) -> (Vec<Keyed>, Managed) {
    let acme = app.managed("Acme").await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    app.share_with_all(&pack.id).await;
    let available = app.available(&acme, "Orders").await;
    let publisher = |lookup, create, object, update, names, index| Keyed {
        token: app.publisher.clone(),
        lookup,
        create,
        object,
        update,
        names,
        update_with: json!({}),
        delete: None,
        index,
    };
    let component = ("createComponent", json!({ "type": "PROCESS" }));
    let component = publisher("component", component, "component", "updateComponent", "componentId", "component_key");
    let pack = ("createIntegrationPack", json!({ "installationType": "SINGLE" }));
    let pack = publisher("integrationPack", pack, "integrationPack", "updateIntegrationPack", "packId", "pack_key");
    let group = ("createAccountGroup", json!({}));
    let group = publisher("accountGroup", group, "accountGroup", "updateAccountGroup", "groupId", "account_group_key");
    let account = ("createManagedAccount", json!({}));
    let account = publisher("managedAccount", account, "account", "updateAccount", "accountId", "managed_account_key");
    let installation = ("installPack", json!({ "packId": available }));
    let installation = publisher(
        "installation",
        installation,
        "installation",
        "renameInstallation",
        "installationId",
        "installation_key",
    );
    let types = vec![
        Keyed { delete: Some(("deleteComponent", json!({}))), ..component },
        Keyed { delete: Some(("deleteIntegrationPack", json!({ "confirmInstallations": 0 }))), ..pack },
        Keyed { delete: Some(("deleteAccountGroup", json!({}))), update_with: json!({ "name": "First" }), ..group },
        account,
        Keyed { delete: Some(("uninstallPack", json!({}))), token: acme.token.clone(), ..installation },
    ];
    (types, acme)
}

#[tokio::test]
async fn r67_an_object_is_found_by_its_key_until_the_key_changes_or_goes() {
    let app = TestApp::new().await;
    let southwind = app.another_publisher("Southwind").await;
    let (types, _) = every_type(&app).await;
    for keyed in types {
        let longest = "k".repeat(128);
        let id = keyed.create(&app, "First", json!("shop/Orders:1.0_a-b")).await;
        assert_eq!(keyed.find(&app, &keyed.token, "shop/Orders:1.0_a-b").await, Some(id.clone()), "{}", keyed.lookup);
        assert_eq!(keyed.find(&app, &keyed.token, "shop/orders:1.0_a-b").await, None, "case matters");
        assert_eq!(keyed.find(&app, &keyed.token, "no key\0").await, None);
        assert_eq!(keyed.find(&app, &southwind.token, "shop/Orders:1.0_a-b").await, None, "another owner's");
        keyed.set(&app, &id, json!(longest)).await;
        assert_eq!(keyed.find(&app, &keyed.token, "shop/Orders:1.0_a-b").await, None);
        assert_eq!(keyed.find(&app, &keyed.token, &longest).await, Some(id.clone()));
        // The same key again changes nothing, and neither does a key that is left out.
        let before = all_rows(&app).await;
        keyed.set(&app, &id, json!(longest)).await;
        assert_same_rows(&app, &before, keyed.update).await;
        let mut input = keyed.update_input(&id, json!(null));
        input.as_object_mut().expect("an object").remove("key");
        app.ok(&keyed.token, keyed.update, input, "errors { code }").await;
        assert_eq!(keyed.find(&app, &keyed.token, &longest).await, Some(id.clone()));
        keyed.set(&app, &id, json!(null)).await;
        assert_eq!(keyed.find(&app, &keyed.token, &longest).await, None);
        // Any number of objects have no key.
        keyed.create(&app, "Second", json!(null)).await;
        keyed.create(&app, "Third", json!(longest)).await;
    }
}

#[tokio::test]
async fn r67_a_key_is_unique_for_its_owner_and_type_and_case_matters() {
    let app = TestApp::new().await;
    let (types, _) = every_type(&app).await;
    for keyed in types {
        let first = keyed.create(&app, "First", json!("orders")).await;
        let second = keyed.create(&app, "Second", json!("ORDERS")).await;
        let before = all_rows(&app).await;
        let refusal = app.refused(&keyed.token, keyed.create.0, keyed.new_input("Third", json!("orders"))).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("KEY_TAKEN", "key"), "{}", keyed.lookup);
        let mut input = keyed.update_input(&second, json!("orders"));
        if keyed.lookup == "accountGroup" {
            input["name"] = json!("Second");
        }
        assert_eq!(app.refused(&keyed.token, keyed.update, input).await.code, "KEY_TAKEN");
        for malformed in ["", " ", "a b", " a", "ä", "a\u{200b}", "a\n", "a#", &"k".repeat(129)] {
            let input = keyed.new_input("Third", json!(malformed));
            assert_eq!(app.refused(&keyed.token, keyed.create.0, input).await.code, "KEY_INVALID", "{malformed:?}");
            let input = keyed.update_input(&first, json!(malformed));
            assert_eq!(app.refused(&keyed.token, keyed.update, input).await.code, "KEY_INVALID", "{malformed:?}");
        }
        assert_same_rows(&app, &before, "a refused key").await;
        // What is deleted gives its key free.
        let Some((delete, mut input)) = keyed.delete.clone() else { continue };
        input[keyed.names] = json!(first);
        app.ok(&keyed.token, delete, input, "errors { code }").await;
        assert_eq!(keyed.find(&app, &keyed.token, "orders").await, None);
        let again = keyed.create(&app, "Fourth", json!("orders")).await;
        assert_eq!(keyed.find(&app, &keyed.token, "orders").await, Some(again));
    }
    // Another type and another owner have keys of their own.
    let southwind = app.another_publisher("Southwind").await;
    let input = json!({ "name": "Import", "type": "PROCESS", "key": "orders" });
    app.ok(&southwind.token, "createComponent", input, "component { id }").await;
}

#[tokio::test]
async fn r67_of_calls_that_race_for_a_key_one_gets_it_and_the_others_are_refused() {
    let app = TestApp::new().await;
    let (types, _) = every_type(&app).await;
    for keyed in types {
        let calls = (0..6).map(|n| {
            let (input, name) = (keyed.new_input(&format!("Racer {n}"), json!("raced")), keyed.create.0);
            let (app, token) = (&app, &keyed.token);
            async move { app.mutate(token, name, input, "").await }
        });
        let answers = join_all(calls).await;
        assert_eq!(codes(&answers), ["KEY_TAKEN"; 5], "{}", keyed.lookup);
        let mut objects = Vec::new();
        for n in 0..4 {
            objects.push(keyed.create(&app, &format!("Object {n}"), json!(null)).await);
        }
        let calls = objects.iter().enumerate().map(|(n, id)| {
            let mut input = keyed.update_input(id, json!("changed"));
            if keyed.lookup == "accountGroup" {
                input["name"] = json!(format!("Object {n}"));
            }
            let (app, token, update) = (&app, &keyed.token, keyed.update);
            async move { app.mutate(token, update, input, "").await }
        });
        let answers = join_all(calls).await;
        assert_eq!(codes(&answers), ["KEY_TAKEN"; 3], "{}", keyed.lookup);
    }
}

#[tokio::test]
async fn r67_a_look_up_by_key_is_one_statement_by_an_index() {
    let app = TestApp::new().await;
    let (types, _) = every_type(&app).await;
    for keyed in types {
        let id = keyed.create(&app, "First", json!("orders")).await;
        // Enough others, so that an index of names is worse.
        for n in 0..12 {
            keyed.create(&app, &format!("Other {n}"), json!(null)).await;
        }
        if app.app.services.db.kind() == DatabaseKind::Postgresql {
            tables(&app).execute_unprepared("ANALYZE").await.expect("analyzed");
        }
        let by_id = format!("query($id: ID) {{ {}(id: $id) {{ id }} }}", keyed.lookup);
        let by_key = format!("query($key: String) {{ {}(key: $key) {{ id }} }}", keyed.lookup);
        app.gql(&keyed.token, &by_id, json!({ "id": id })).await;
        let (_, usual) = app.statements_of(app.gql(&keyed.token, &by_id, json!({ "id": id }))).await;
        let look_up = app.gql(&keyed.token, &by_key, json!({ "key": "orders" }));
        let (_, statements) = app.statements_with_values_of(look_up).await;
        assert_eq!(statements.len(), usual.len(), "{statements:#?}");
        let plans = plans(&app, &statements, true).await;
        let steps: Vec<_> = plans.iter().flat_map(|plan| &plan.steps).collect();
        assert!(steps.iter().any(|step| step.contains(keyed.index)), "{}: {steps:#?}", keyed.lookup);
        // An unknown key takes as many.
        let unknown = app.gql_raw(Some(&keyed.token), &by_key, json!({ "key": "unknown" }));
        let (_, statements) = app.statements_of(unknown).await;
        assert_eq!(statements.len(), usual.len(), "{statements:#?}");
    }
}

#[tokio::test]
async fn r67_a_look_up_needs_an_id_or_a_key() {
    let app = TestApp::new().await;
    let (types, _) = every_type(&app).await;
    for keyed in types {
        let id = keyed.create(&app, "First", json!("orders")).await;
        for arguments in ["(id: null)".to_owned(), format!("(id: \"{id}\", key: \"orders\")")] {
            let document = format!("{{ {}{arguments} {{ id }} }}", keyed.lookup);
            let code = app.error_code(Some(&keyed.token), &document, json!(null)).await;
            assert_eq!(code, "BAD_USER_INPUT", "{document}");
        }
    }
}

#[tokio::test]
async fn r67_neither_side_sees_the_other_one_s_key() {
    let app = TestApp::new().await;
    let (_, acme) = every_type(&app).await;
    let given = json!({ "accountId": acme.id, "key": "crm:acme" });
    app.ok(&app.publisher, "updateAccount", given, "account { id }").await;
    let renamed = json!({ "accountId": acme.id, "name": "Acme Inc", "key": "crm:acme-inc" });
    app.ok(&app.publisher, "updateAccount", renamed, "account { id }").await;
    let available = app.available(&acme, "Orders").await;
    let input = json!({ "packId": available, "overrideName": "Mine", "key": "own:mine" });
    let made = app.ok(&acme.token, "installPack", input, "installation { id key }").await;
    let installation = made.text("/installation/id");
    let changed = json!({ "installationId": installation, "key": "own:changed" });
    app.ok(&acme.token, "renameInstallation", changed, "installation { id }").await;

    let log = "{ auditLog(first: 100) { edges { node { action changes { field before after } } } } }";
    let to_publisher = app.gql(&app.publisher, log, json!(null)).await.to_string();
    let to_acme = app.gql(&acme.token, log, json!(null)).await.to_string();
    assert!(to_publisher.contains("crm:acme") && to_publisher.contains("crm:acme-inc"), "{to_publisher}");
    assert!(!to_publisher.contains("own:"), "{to_publisher}");
    assert!(to_acme.contains("own:mine") && to_acme.contains("own:changed"), "{to_acme}");
    assert!(!to_acme.contains("crm:"), "{to_acme}");
    // An entry about the key alone isn't in the account's log; one about its name is.
    assert_eq!(to_acme.matches("updateAccount").count(), 1, "{to_acme}");

    let read = "query($id: ID) { installation(id: $id) { key } }";
    let seen = app.gql(&app.publisher, read, json!({ "id": installation })).await;
    assert_eq!(seen.at("/installation/key"), &json!(null));
    let by_key = "{ installation(key: \"own:changed\") { id } }";
    assert_eq!(app.error_code(Some(&app.publisher), by_key, json!(null)).await, "NOT_FOUND");
    // An account gives itself no key, and a publisher has none.
    for token in [&acme.token, &app.publisher] {
        assert_eq!(app.denied(token, "updateAccount", json!({ "key": "mine" })).await, "BAD_USER_INPUT");
    }
}
