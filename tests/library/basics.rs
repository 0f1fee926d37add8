//! The process library: templates that a publisher shares, and the accounts that see them (R53).

use serde_json::{Value, json};

use crate::support::rows::{LogMark, code_of, unknown_like};
use crate::support::{At as _, Managed, TestApp, input_type, instant};

pub(crate) const PUBLISHED: &str = "id name version description publishedAt withdrawnAt copyCount viewerCanWithdraw
    packagedComponent { id } groups(first: 100) { totalCount edges { node { name } } }";
pub(crate) const AVAILABLE: &str = "id name version description publishedAt publisherName viewerCanCopy";

pub(crate) fn publishing(package: &str, groups: &[&str], description: &str) -> Value {
    json!({ "packagedComponentId": package, "groupIds": groups, "description": description })
}

impl TestApp {
    /// Publishes a package to the library. Returns the PublishedProcess.
    pub(crate) async fn put_into_library(&self, package: &str, groups: &[&str]) -> Value {
        let input = publishing(package, groups, "");
        let selection = format!("publishedProcess {{ {PUBLISHED} }}");
        self.ok(&self.publisher, "publishToProcessLibrary", input, &selection).await.at("/publishedProcess").clone()
    }

    /// A process whose package is in the library: (package, process).
    pub(crate) async fn template(&self, name: &str, groups: &[&str]) -> (String, String) {
        let (_, package) = self.packaged(name).await;
        let process = self.put_into_library(&package.id, groups).await.text("/id");
        (package.id, process)
    }

    pub(crate) async fn withdraw(&self, process: &str) -> Value {
        let selection = format!("publishedProcess {{ {PUBLISHED} }}");
        let payload =
            self.ok(&self.publisher, "withdrawFromProcessLibrary", json!({ "processId": process }), &selection);
        payload.await.at("/publishedProcess").clone()
    }

    /// The library in an account's view, by name.
    pub(crate) async fn library_of(&self, account: &Managed) -> Vec<Value> {
        let query = format!(
            "{{ processLibrary(first: 100) {{ edges {{ node {{ __typename ... on AvailableProcess {{ {AVAILABLE} }} }} }} }} }}"
        );
        self.gql(&account.token, &query, json!(null)).await.nodes("/processLibrary")
    }

    pub(crate) async fn names_in_library(&self, account: &Managed) -> Vec<String> {
        self.library_of(account).await.iter().map(|process| process.text("/name")).collect()
    }

    /// The ID of the process with a name, in an account's view.
    pub(crate) async fn process_at(&self, account: &Managed, name: &str) -> String {
        let seen = self.library_of(account).await;
        let found = seen.iter().find(|process| process.text("/name") == name);
        found.unwrap_or_else(|| panic!("{} doesn't see {name}: {seen:#?}", account.name)).text("/id")
    }

    /// Takes a copy. Returns the copy's ID.
    pub(crate) async fn copy(&self, account: &Managed, name: &str) -> String {
        let input = json!({ "processId": self.process_at(account, name).await });
        self.ok(&account.token, "copyFromProcessLibrary", input, "component { id }").await.text("/component/id")
    }

    pub(crate) async fn node(&self, token: &str, id: &str) -> Value {
        let query = "query($id: ID!) { node(id: $id) { __typename id } }";
        self.gql(token, query, json!({ "id": id })).await.at("/node").clone()
    }
}

/// The code of a mutation's GraphQL error; `None` when there is none.
pub(crate) async fn failure(app: &TestApp, token: &str, mutation: &str, input: Value) -> Option<String> {
    let document =
        format!("mutation($input: {}!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}", input_type(mutation));
    code_of(&app.gql_raw(Some(token), &document, json!({ "input": input })).await)
}

#[tokio::test]
async fn r53_a_process_is_published_and_browsed() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    let (component, package) = app.packaged("Order import").await;
    app.advance_by(60).await;
    let mark = LogMark::now(&app).await;
    let input = publishing(&package.id, &[&gold], "Reads **orders**.");
    let selection = format!("publishedProcess {{ {PUBLISHED} }}");
    let made = app.ok(&app.publisher, "publishToProcessLibrary", input, &selection).await;
    let process = made.at("/publishedProcess");
    assert_eq!(instant(&process.text("/publishedAt")), app.now());
    let shown = ["/name", "/version", "/description"].map(|at| process.text(at));
    assert_eq!(shown, ["Order import", "1.0", "Reads **orders**."]);
    assert_eq!((process.at("/withdrawnAt"), process.int("/copyCount")), (&json!(null), 0));
    assert_eq!(process.at("/viewerCanWithdraw"), true);
    assert_eq!(process.text("/packagedComponent/id"), package.id);
    assert_eq!(process.texts("/groups", "/name"), ["Gold"]);
    let query = "query($id: ID!) { packagedComponent(id: $id) { publishedProcess { id name } } processLibrary { totalCount edges { node { __typename id name } } } }";
    let read = app.gql(&app.publisher, query, json!({ "id": package.id })).await;
    let id = process.text("/id");
    assert_eq!(read.at("/packagedComponent/publishedProcess"), &json!({ "id": id, "name": "Order import" }));
    let expected = json!([{ "__typename": "PublishedProcess", "id": id, "name": "Order import" }]);
    assert_eq!((json!(read.nodes("/processLibrary")), read.int("/processLibrary/totalCount")), (expected, 1));
    assert_eq!(app.node(&app.publisher, &id).await.text("/__typename"), "PublishedProcess");

    let seen = app.library_of(&acme).await;
    let available = &seen[0];
    assert_eq!((seen.len(), available.text("/__typename")), (1, "AvailableProcess".into()));
    let shown = ["/name", "/version", "/description", "/publisherName"].map(|at| available.text(at));
    assert_eq!(shown, ["Order import", "1.0", "Reads **orders**.", "Northwind"]);
    assert_eq!(
        (available.text("/publishedAt"), available.at("/viewerCanCopy")),
        (process.text("/publishedAt"), &json!(true))
    );
    assert_ne!(available.text("/id"), id, "the two readers know it by different IDs");
    assert_eq!(app.node(&acme.token, &available.text("/id")).await.text("/__typename"), "AvailableProcess");
    assert!(
        app.node(&acme.token, &id).await.is_null() && app.node(&app.publisher, &available.text("/id")).await.is_null()
    );
    assert_eq!(mark.actions(&app).await, ["publishToProcessLibrary"]);
    assert!(mark.kinds(&app).await.is_empty(), "the library has no events");

    app.package(&component).await;
    assert_eq!(app.library_of(&acme).await, seen, "a later package doesn't touch it");
}

#[tokio::test]
async fn r53_an_account_sees_what_a_group_of_its_shares_and_nothing_else() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let (gold, silver) = (app.group("Gold", &[&acme]).await, app.group("Silver", &[&acme, &globex]).await);
    let all = app.all_accounts().await;
    app.template("For gold", &[&gold]).await;
    app.template("For both", &[&gold, &silver]).await;
    app.template("For all", &[&all]).await;
    app.template("For nobody", &[]).await;
    assert_eq!(app.names_in_library(&acme).await, ["For all", "For both", "For gold"], "the union, each once");
    assert_eq!(app.names_in_library(&globex).await, ["For all", "For both"]);
    let hidden = app.process_at(&acme, "For gold").await;
    assert!(app.node(&globex.token, &hidden).await.is_null());
    assert_eq!(app.denied(&globex.token, "copyFromProcessLibrary", json!({ "processId": hidden })).await, "NOT_FOUND");

    app.join(&gold, &globex).await;
    assert_eq!(app.names_in_library(&globex).await, ["For all", "For both", "For gold"]);
    app.leave(&gold, &globex).await;
    assert_eq!(app.names_in_library(&globex).await, ["For all", "For both"]);
    let umbrella = app.managed("Umbrella").await;
    assert_eq!(app.names_in_library(&umbrella).await, ["For all"], "All Accounts holds those to come");
}

#[tokio::test]
async fn r53_a_group_that_goes_takes_its_shares_with_it() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    let (_, process) = app.template("Order import", &[&gold, &app.all_accounts().await]).await;
    app.template("Only for gold", &[&gold]).await;
    app.ok(&app.publisher, "deleteAccountGroup", json!({ "groupId": gold }), "").await;
    assert_eq!(app.names_in_library(&acme).await, ["Order import"]);
    let query = "query($id: ID!) { node(id: $id) { ... on PublishedProcess { groups { edges { node { name } } } } } }";
    let read = app.gql(&app.publisher, query, json!({ "id": process })).await;
    assert_eq!(read.texts("/node/groups", "/name"), ["All Accounts"]);
}

#[tokio::test]
async fn r53_published_again_it_gets_groups_and_description_anew() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let (gold, silver) = (app.group("Gold", &[&acme]).await, app.group("Silver", &[]).await);
    let (package, process) = app.template("Order import", &[&gold]).await;
    app.advance_by(60).await;
    let selection = format!("publishedProcess {{ {PUBLISHED} }}");
    let input = publishing(&package, &[&silver, &silver], "For orders.");
    let changed = app.ok(&app.publisher, "publishToProcessLibrary", input, &selection).await;
    let changed = changed.at("/publishedProcess");
    assert_eq!((changed.text("/id"), changed.text("/description")), (process, "For orders.".into()));
    assert_eq!(changed.texts("/groups", "/name"), ["Silver"], "all of them, and each once");
    assert!(instant(&changed.text("/publishedAt")) < app.now(), "it was in the library already");
    assert!(app.names_in_library(&acme).await.is_empty());
}

#[tokio::test]
async fn r53_publishing_reports_the_first_failed_check() {
    let app = TestApp::new().await;
    let service = app.component_of("Orders API", "API_SERVICE").await;
    let service = app.package_not_shareable(&service).await;
    let process = app.component("Import").await;
    let (hidden, good) = (app.package_not_shareable(&process).await, app.package(&process).await);
    let deleted = app.package(&process).await;
    for package in [&service, &hidden, &deleted] {
        app.delete_package(&package.id).await;
    }
    let long = "x".repeat(20_001);
    let many = vec![app.all_accounts().await; 101];
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (package, description, expected) in [
        (&service, &long, ("NOT_A_PROCESS", "packagedComponentId")),
        (&hidden, &long, ("NOT_SHAREABLE", "packagedComponentId")),
        (&deleted, &long, ("PACKAGE_DELETED", "packagedComponentId")),
        (&good, &long, ("DESCRIPTION_TOO_LONG", "description")),
        (&good, &String::new(), ("TOO_MANY", "groupIds")),
    ] {
        let input = publishing(&package.id, &many, description);
        let refusal = app.refused(&app.publisher, "publishToProcessLibrary", input).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), expected);
    }
    let longest = publishing(&good.id, &many[..100], &"ü".repeat(20_000));
    app.ok(&app.publisher, "publishToProcessLibrary", longest, "").await;
    let zero = publishing(&good.id, &[], "a\u{0}b");
    assert_eq!(app.denied(&app.publisher, "publishToProcessLibrary", zero).await, "BAD_USER_INPUT");
    let publication = app.publish(&process).await.id;
    for id in [publication, unknown_like(&good.id), process.clone()] {
        let input = publishing(&id, &[], "");
        assert_eq!(app.denied(&app.publisher, "publishToProcessLibrary", input).await, "NOT_FOUND", "{id}");
    }
}

#[tokio::test]
async fn r53_withdrawn_it_is_its_publishers_to_read_and_nobody_elses() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let (package, process) = app.template("Order import", &[&app.all_accounts().await]).await;
    app.copy(&acme, "Order import").await;
    let seen = app.process_at(&acme, "Order import").await;
    app.advance_by(60).await;
    let withdrawn = app.withdraw(&process).await;
    assert_eq!((withdrawn.text("/id"), instant(&withdrawn.text("/withdrawnAt"))), (process.clone(), app.now()));
    assert_eq!((withdrawn.int("/copyCount"), withdrawn.at("/viewerCanWithdraw")), (1, &json!(false)));
    assert!(withdrawn.nodes("/groups").is_empty(), "it is shared with nobody");
    assert!(app.names_in_library(&acme).await.is_empty());
    assert!(app.node(&acme.token, &seen).await.is_null());
    assert_eq!(app.denied(&acme.token, "copyFromProcessLibrary", json!({ "processId": seen })).await, "NOT_FOUND");
    assert_eq!(app.node(&app.publisher, &process).await.text("/id"), process);
    let query = "query($id: ID!) { packagedComponent(id: $id) { publishedProcess { id } } processLibrary { edges { node { id } } } }";
    let read = app.gql(&app.publisher, query, json!({ "id": package })).await;
    assert!(read.at("/packagedComponent/publishedProcess").is_null() && read.nodes("/processLibrary").is_empty());
    let refusal = app.refused(&app.publisher, "withdrawFromProcessLibrary", json!({ "processId": process })).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("ALREADY_WITHDRAWN", "processId"));
}

#[tokio::test]
async fn r53_publishing_again_restores_the_withdrawn_entry() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let all = app.all_accounts().await;
    let (package, process) = app.template("Order import", &[&all]).await;
    let copy = app.copy(&acme, "Order import").await;
    app.withdraw(&process).await;
    app.advance_by(60).await;
    let back = app.put_into_library(&package, &[&all]).await;
    assert_eq!((back.text("/id"), back.int("/copyCount")), (process, 1));
    assert_eq!((instant(&back.text("/publishedAt")), back.at("/withdrawnAt")), (app.now(), &json!(null)));
    let query = "query($id: ID!) { component(id: $id) { copiedFrom { process { name } } } }";
    let read = app.gql(&acme.token, query, json!({ "id": copy })).await;
    assert_eq!(read.text("/component/copiedFrom/process/name"), "Order import", "the copy knows it again");
}

#[tokio::test]
async fn r08_a_package_in_the_library_can_not_be_deleted() {
    let app = TestApp::new().await;
    let (component, package) = app.packaged("Order import").await;
    let process = app.put_into_library(&package.id, &[]).await.text("/id");
    let can = async || {
        let query = "query($id: ID!) { packagedComponent(id: $id) { viewerCanDelete } }";
        app.gql(&app.publisher, query, json!({ "id": package.id })).await.at("/packagedComponent/viewerCanDelete")
            == true
    };
    let delete = json!({ "packagedComponentId": package.id });
    let refusal = app.refused(&app.publisher, "deletePackagedComponent", delete.clone()).await;
    assert_eq!((refusal.code.as_str(), refusal.errors[0].at("/packs")), ("PACKAGE_IN_USE", &json!([])));
    assert!(refusal.message.contains("library") && !can().await, "{}", refusal.message);
    let pack = app.pack("Orders").await;
    app.add(&pack, &[&component]).await;
    app.release_now(&pack).await;
    let refusal = app.refused(&app.publisher, "deletePackagedComponent", delete.clone()).await;
    assert_eq!(refusal.errors[0].text("/packs/0/name"), "Orders");
    app.withdraw(&process).await;
    let refusal = app.refused(&app.publisher, "deletePackagedComponent", delete).await;
    assert!(!refusal.message.contains("library") && !can().await, "the pack still holds it: {}", refusal.message);
    app.package(&component).await;
    app.release_now(&pack).await;
    assert!(can().await);
    app.delete_package(&package.id).await;
    let refusal = app.refused(&app.publisher, "publishToProcessLibrary", publishing(&package.id, &[], "")).await;
    assert_eq!(refusal.code, "PACKAGE_DELETED", "it doesn't come back deleted");
}

#[tokio::test]
async fn r53_the_library_is_in_pages_by_name() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let all = app.all_accounts().await;
    for name in ["zinc", "Ärger", "apple", "Zebra", "Mango", "apple"] {
        app.template(name, &[&all]).await;
    }
    let query = "query($search: String, $first: Int, $after: String, $last: Int) { processLibrary(search: $search, first: $first, after: $after, last: $last) {
        totalCount edges { node { name } } pageInfo { hasNextPage endCursor } } }";
    let sorted = ["apple", "apple", "Mango", "Zebra", "zinc", "Ärger"];
    for token in [&app.publisher, &acme.token] {
        let names = async |variables: Value| app.gql(token, query, variables).await;
        let everything = names(json!({})).await;
        assert_eq!(
            (everything.texts("/processLibrary", "/name"), everything.int("/processLibrary/totalCount")),
            (sorted.map(String::from).to_vec(), 6)
        );
        let page = names(json!({ "first": 4 })).await;
        assert_eq!(page.texts("/processLibrary", "/name"), sorted[..4]);
        let after = page.text("/processLibrary/pageInfo/endCursor");
        assert_eq!(names(json!({ "first": 4, "after": after })).await.texts("/processLibrary", "/name"), sorted[4..]);
        assert_eq!(names(json!({ "last": 1 })).await.texts("/processLibrary", "/name"), sorted[5..]);
        assert_eq!(names(json!({ "search": "Z" })).await.texts("/processLibrary", "/name"), ["Zebra", "zinc"]);
        assert!(names(json!({ "search": "%" })).await.nodes("/processLibrary").is_empty());
        for bad in
            [json!({ "first": -1 }), json!({ "first": 101 }), json!({ "search": "a\u{0}" }), json!({ "after": "x" })]
        {
            assert_eq!(app.error_code(Some(token), query, bad).await, "BAD_USER_INPUT");
        }
    }
}

#[tokio::test]
async fn r51_the_audit_log_has_before_and_after() {
    let app = TestApp::new().await;
    let (gold, silver) = (app.group("Gold", &[]).await, app.group("Silver", &[]).await);
    let (_, package) = app.packaged("Order import").await;
    let mark = LogMark::now(&app).await;
    for input in [publishing(&package.id, &[&gold, &silver], "Old"), publishing(&package.id, &[&gold], "New")] {
        app.ok(&app.publisher, "publishToProcessLibrary", input, "").await;
    }
    let process = app.put_into_library(&package.id, &[&gold]).await.text("/id");
    app.withdraw(&process).await;
    let changes: Vec<Value> =
        mark.entries(&app).await.iter().map(|entry| serde_json::from_str(&entry.changes).unwrap()).collect();
    let change = |field: &str, before: Value, after: Value| json!({ "field": field, "before": before, "after": after });
    let none = || json!(null);
    let expected = [
        json!([
            change("version", none(), json!("1.0")),
            change("description", none(), json!("Old")),
            change("groups", none(), json!("Gold, Silver"))
        ]),
        json!([
            change("description", json!("Old"), json!("New")),
            change("groups", json!("Gold, Silver"), json!("Gold"))
        ]),
        json!([change("description", json!("New"), none())]),
        json!([change("version", json!("1.0"), none()), change("groups", json!("Gold"), none())]),
    ];
    assert_eq!(changes, expected);
}
