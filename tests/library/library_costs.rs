//! The process library with concurrent calls, on an upgraded database, and the cost of its queries (R53).

use serde_json::{Value, json};

use crate::library::basics::{AVAILABLE, PUBLISHED, failure, publishing};
use crate::support::rows::unknown_like;
use crate::support::{At as _, Managed, TestApp};

#[tokio::test]
async fn r03_a_hidden_process_costs_as_much_as_one_that_is_not_there() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&acme]).await;
    let (package, process) = app.template("Order import", &[&gold]).await;
    let available = app.process_at(&acme, "Order import").await;
    let southwind = app.another_publisher("Southwind").await;
    let foreign = app
        .ok(&southwind.token, "createAccountGroup", json!({ "name": "Foreign" }), "accountGroup { id }")
        .await
        .text("/accountGroup/id");
    let input = publishing(&package, &[&foreign], "");
    assert_eq!(app.denied(&app.publisher, "publishToProcessLibrary", input).await, "NOT_FOUND", "another's group");
    for (token, mutation, field, id) in [
        (&globex.token, "copyFromProcessLibrary", "processId", &available),
        (&southwind.token, "withdrawFromProcessLibrary", "processId", &process),
        (&southwind.token, "publishToProcessLibrary", "packagedComponentId", &package),
    ] {
        let mut counts = Vec::new();
        for id in [id.clone(), unknown_like(id)] {
            let node = app.statements_of(app.node(token, &id)).await;
            assert!(node.0.is_null());
            let mut input = json!({ field: id });
            if mutation == "publishToProcessLibrary" {
                input["groupIds"] = json!([]);
            }
            let called = app.statements_of(failure(&app, token, mutation, input)).await;
            assert_eq!(called.0.as_deref(), Some("NOT_FOUND"));
            counts.push((node.1.len(), called.1.len()));
        }
        assert_eq!(counts[0], counts[1], "{mutation}");
    }
    for (token, id) in [(&app.publisher, &available), (&acme.token, &process)] {
        let query = "query($id: ID!) { node(id: $id) { id } }";
        assert!(app.gql(token, query, json!({ "id": id })).await.at("/node").is_null(), "each by its own ID");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r53_publish_against_delete() {
    let app = TestApp::new().await;
    for _ in 0..6 {
        let (_, package) = app.packaged("Order import").await;
        let publish = app.mutate(&app.publisher, "publishToProcessLibrary", publishing(&package.id, &[], ""), "");
        let delete = json!({ "packagedComponentId": package.id });
        let delete = app.mutate(&app.publisher, "deletePackagedComponent", delete, "");
        let (published, deleted) = tokio::join!(publish, delete);
        let code = |payload: &Value| payload.pointer("/errors/0/code").map_or_else(String::new, |code| code.text(""));
        let won = [code(&published), code(&deleted)];
        let possible = [["", "PACKAGE_IN_USE"], ["PACKAGE_DELETED", ""]];
        assert!(possible.iter().any(|codes| *codes == won), "{won:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r53_two_publications_at_once_are_one_entry() {
    let app = TestApp::new().await;
    let (_, package) = app.packaged("Order import").await;
    let call = || app.put_into_library(&package.id, &[]);
    let (one, other) = tokio::join!(call(), call());
    assert_eq!(one.text("/id"), other.text("/id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn r53_copies_at_once_are_counted_each_and_a_withdrawal_ends_them() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let (_, process) = app.template("Order import", &[&app.all_accounts().await]).await;
    let (at_acme, at_globex) =
        (app.process_at(&acme, "Order import").await, app.process_at(&globex, "Order import").await);
    let copy = async |account: &Managed, id: &str| {
        failure(&app, &account.token, "copyFromProcessLibrary", json!({ "processId": id })).await
    };
    let answers = tokio::join!(copy(&acme, &at_acme), copy(&globex, &at_globex), copy(&acme, &at_acme));
    assert_eq!(answers, (None, None, None));
    let (withdrawn, copied) = tokio::join!(app.withdraw(&process), copy(&acme, &at_acme));
    let expected = if copied.is_none() { 4 } else { 3 };
    assert!(copied.is_none() || copied.as_deref() == Some("NOT_FOUND"));
    let query = "query($id: ID!) { node(id: $id) { ... on PublishedProcess { copyCount } } }";
    assert_eq!(app.gql(&app.publisher, query, json!({ "id": process })).await.int("/node/copyCount"), expected);
    assert!(withdrawn.int("/copyCount") <= expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn r53_a_publication_for_fewer_groups_ends_the_copies_of_the_others() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    for n in 0..8 {
        let name = format!("Order import {n}");
        let (package, _) = app.template(&name, &[&gold]).await;
        let available = app.process_at(&acme, &name).await;
        let copy = || failure(&app, &acme.token, "copyFromProcessLibrary", json!({ "processId": available }));
        let fewer = app.put_into_library(&package, &[]);
        let (published, a, b, c, d) = tokio::join!(fewer, copy(), copy(), copy(), copy());
        let copies = [a, b, c, d];
        assert!(copies.iter().flatten().all(|code| code == "NOT_FOUND"), "{copies:?}");
        let successful = copies.iter().filter(|code| code.is_none()).count();
        assert_eq!(
            published.int("/copyCount"),
            i64::try_from(successful).unwrap(),
            "none was taken afterwards: {copies:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r53_publish_against_deleting_the_group() {
    let app = TestApp::new().await;
    for n in 0..6 {
        let group = app.group(&format!("Group {n}"), &[]).await;
        let (_, package) = app.packaged("Order import").await;
        let publish = failure(&app, &app.publisher, "publishToProcessLibrary", publishing(&package.id, &[&group], ""));
        let delete = app.ok(&app.publisher, "deleteAccountGroup", json!({ "groupId": group }), "");
        let (published, _) = tokio::join!(publish, delete);
        assert!(matches!(published.as_deref(), None | Some("NOT_FOUND")), "{published:?}");
    }
    let query =
        "{ processLibrary(first: 100) { edges { node { ... on PublishedProcess { groups { totalCount } } } } } }";
    let left = app.gql(&app.publisher, query, json!(null)).await;
    assert!(left.nodes("/processLibrary").iter().all(|process| process.int("/groups/totalCount") == 0));
}

#[tokio::test]
async fn r20_the_library_costs_the_same_for_many() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let all = app.all_accounts().await;
    let published = format!(
        "{{ processLibrary(first: 50) {{ edges {{ node {{ ... on PublishedProcess {{ {PUBLISHED} packagedComponent {{ version component {{ name }} publishedProcess {{ id }} }} }} }} }} }} }}"
    );
    let available = format!(
        "{{ processLibrary(first: 50) {{ edges {{ node {{ ... on AvailableProcess {{ {AVAILABLE} }} }} }} }} components(first: 50) {{ edges {{ node {{ name copiedFrom {{ name process {{ name }} }} packs {{ totalCount }} publications {{ totalCount }} }} }} }} }}"
    );
    let mut counts = Vec::new();
    for round in 0..2 {
        for n in 0..3 {
            app.template(&format!("Process {round} {n}"), &[&all]).await;
            app.copy(&acme, &format!("Process {round} {n}")).await;
        }
        let mut count = Vec::new();
        for (token, query) in [(&app.publisher, &published), (&acme.token, &available)] {
            app.gql(token, query, json!({})).await;
            count.push(app.statements_of(app.gql(token, query, json!({}))).await.1.len());
        }
        counts.push(count);
    }
    assert_eq!(counts[0], counts[1]);
}
