//! Account groups: All Accounts, and the groups that a publisher creates.

use serde_json::{Value, json};

use crate::support::{At, TestApp, code_and_field};

/// The publisher's groups and their accounts, in the order of the API.
async fn groups(app: &TestApp) -> Vec<(String, Vec<String>)> {
    let query =
        "{ accountGroups(first: 100) { edges { node { name accounts(first: 100) { edges { node { name } } } } } } }";
    let groups = app.gql(&app.publisher, query, json!(null)).await.nodes("/accountGroups");
    groups.iter().map(|group| (group.text("/name"), group.texts("/accounts", "/name"))).collect()
}

fn row(name: &str, accounts: &[&str]) -> (String, Vec<String>) {
    (name.into(), accounts.iter().map(|a| (*a).into()).collect())
}

async fn refused(app: &TestApp, mutation: &str, input: Value) -> (String, String) {
    let refusal = app.refused(&app.publisher, mutation, input).await;
    (refusal.code, refusal.field)
}

#[tokio::test]
async fn r48_all_accounts_holds_every_managed_account_by_itself() {
    let app = TestApp::new().await;
    assert_eq!(groups(&app).await, [row("All Accounts", &[])]);
    app.managed("Globex").await;
    app.not_enrolled(&app.publisher, "acme").await;
    assert_eq!(groups(&app).await, [row("All Accounts", &["acme", "Globex"])], "by name, whatever the case");
}

#[tokio::test]
async fn r48_a_new_account_gets_what_all_accounts_has() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await.id;
    app.share_with_all(&pack).await;
    app.release_now(&pack).await;
    let late = app.managed("Late").await;
    assert_eq!(app.available_names(&late).await, ["Orders"]);
}

#[tokio::test]
async fn r48_all_accounts_cannot_be_renamed_deleted_or_edited() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let all = app.all_accounts().await;
    for (mutation, input) in [
        ("updateAccountGroup", json!({ "groupId": all, "name": "Everybody" })),
        ("deleteAccountGroup", json!({ "groupId": all })),
        ("addAccountsToGroup", json!({ "groupId": all, "accountIds": [acme.id] })),
        ("removeAccountsFromGroup", json!({ "groupId": all, "accountIds": [acme.id] })),
    ] {
        assert_eq!(
            refused(&app, mutation, input).await,
            code_and_field("ALL_ACCOUNTS_IS_FIXED", "groupId"),
            "{mutation}"
        );
    }
    let query =
        "query($id: ID!) { accountGroup(id: $id) { isAllAccounts viewerCanUpdate viewerCanDelete viewerCanShare } }";
    let seen = app.gql(&app.publisher, query, json!({ "id": all })).await;
    let expected =
        json!({ "isAllAccounts": true, "viewerCanUpdate": false, "viewerCanDelete": false, "viewerCanShare": true });
    assert_eq!(seen.at("/accountGroup"), &expected);
}

#[tokio::test]
async fn r48_all_accounts_comes_first_and_then_groups_by_name() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    for name in ["silver", "Gold", "aaa"] {
        app.group(name, &[&acme]).await;
    }
    let names: Vec<_> = groups(&app).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["All Accounts", "aaa", "Gold", "silver"]);
    let query = "query($id: ID!) { managedAccount(id: $id) { groups(first: 100) { edges { node { name } } } } }";
    let of_acme = app.gql(&app.publisher, query, json!({ "id": acme.id })).await;
    assert_eq!(of_acme.texts("/managedAccount/groups", "/name"), names);
}

#[tokio::test]
async fn r48_a_groups_name_is_trimmed_and_unique_whatever_the_case() {
    let app = TestApp::new().await;
    let gold = app.group("  Gold  ", &[]).await;
    let other = app.group("Other", &[]).await;
    for used in ["gold", "GOLD ", "all accounts", "ALL ACCOUNTS"] {
        assert_eq!(
            refused(&app, "createAccountGroup", json!({ "name": used })).await,
            code_and_field("NAME_TAKEN", "name"),
            "{used}"
        );
        let input = json!({ "groupId": other, "name": used });
        assert_eq!(refused(&app, "updateAccountGroup", input).await, code_and_field("NAME_TAKEN", "name"), "{used}");
    }
    for (name, code) in
        [(String::new(), "NAME_REQUIRED"), ("\u{2003} ".into(), "NAME_REQUIRED"), ("n".repeat(256), "NAME_TOO_LONG")]
    {
        assert_eq!(refused(&app, "createAccountGroup", json!({ "name": name })).await, code_and_field(code, "name"));
        assert_eq!(
            refused(&app, "updateAccountGroup", json!({ "groupId": gold, "name": name })).await,
            code_and_field(code, "name")
        );
    }
    let renamed = json!({ "groupId": gold, "name": "GOLD" });
    let payload = app.ok(&app.publisher, "updateAccountGroup", renamed, "accountGroup { name }").await;
    assert_eq!(payload.text("/accountGroup/name"), "GOLD", "its own name in another case is free");
    let longest = "ö".repeat(255);
    app.ok(&app.publisher, "updateAccountGroup", json!({ "groupId": gold, "name": longest }), "accountGroup { name }")
        .await;
    assert_eq!(app.denied(&app.publisher, "createAccountGroup", json!({ "name": "a\u{7}b" })).await, "BAD_USER_INPUT");
}

#[tokio::test]
async fn r48_another_publisher_may_use_the_same_name() {
    let app = TestApp::new().await;
    app.group("Gold", &[]).await;
    let b = app.another_publisher("Southwind").await.token;
    app.ok(&b, "createAccountGroup", json!({ "name": "gold" }), "accountGroup { id }").await;
}

#[tokio::test]
async fn r48_two_groups_of_one_name_at_once_are_one() {
    let app = TestApp::new().await;
    let make = |name: &'static str| {
        app.mutate(&app.publisher, "createAccountGroup", json!({ "name": name }), "accountGroup { id }")
    };
    let (one, other) = tokio::join!(make("Gold"), make("gold"));
    let codes: Vec<_> = [one, other].iter().filter_map(crate::support::rows::refusal_of).collect();
    assert_eq!(codes, ["NAME_TAKEN"]);
}

#[tokio::test]
async fn r48_accounts_come_and_go_all_or_none() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&acme]).await;
    let both = json!({ "groupId": gold, "accountIds": [globex.id, acme.id] });
    let refusal = app.refused(&app.publisher, "addAccountsToGroup", both.clone()).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("ALREADY_IN_GROUP", "accountIds"));
    assert_eq!(refusal.errors[0].at("/accounts"), &json!([{ "id": acme.id }]));
    let refusal = app.refused(&app.publisher, "removeAccountsFromGroup", both).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("NOT_IN_GROUP", "accountIds"));
    assert_eq!(refusal.errors[0].at("/accounts"), &json!([{ "id": globex.id }]));
    app.join(&gold, &globex).await;
    assert_eq!(groups(&app).await[1], row("Gold", &["Acme", "Globex"]));
    let input = json!({ "groupId": gold, "accountIds": [acme.id, globex.id] });
    let payload = app.ok(&app.publisher, "removeAccountsFromGroup", input, "accountGroup { id } frozenCount").await;
    assert_eq!(payload.int("/frozenCount"), 0);
    assert_eq!(groups(&app).await, [row("All Accounts", &["Acme", "Globex"]), row("Gold", &[])]);
}

#[tokio::test]
async fn r48_a_deleted_group_is_gone_and_its_name_is_free() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    let pack = app.pack_with("Orders", &["Import"]).await.id;
    app.share(&pack, &[&gold]).await;
    let payload =
        app.ok(&app.publisher, "deleteAccountGroup", json!({ "groupId": gold }), "deletedGroupId frozenCount").await;
    assert_eq!((payload.text("/deletedGroupId"), payload.int("/frozenCount")), (gold.clone(), 0));
    assert_eq!(groups(&app).await, [row("All Accounts", &["Acme"])]);
    assert_eq!(app.read_pack(&pack, "groups { edges { node { id } } }").await, json!({ "groups": { "edges": [] } }));
    assert_eq!(app.denied(&app.publisher, "deleteAccountGroup", json!({ "groupId": gold })).await, "NOT_FOUND");
    app.group("Gold", &[]).await;
}
