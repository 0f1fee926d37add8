//! The two views of the audit log (R51). A publisher and a managed account know the same objects by different IDs, and
//! neither sees the other's tokens.

use packwright::service::accounts::create_token_for;
use serde_json::{Value, json};

use crate::log::audit::{changes, texts};
use crate::support::rows::LogMark;
use crate::support::{At, Managed, TestApp, uuid_of};

const WHAT: [&str; 3] = ["/subjectType", "/subjectId", "/subjectName"];

/// The ID of an account in its own view.
async fn own_id(app: &TestApp, account: &Managed) -> String {
    app.gql(&account.token, "{ viewer { account { id } } }", json!(null)).await.text("/viewer/account/id")
}

/// The only entry with an action in a reader's view.
async fn only(app: &TestApp, token: &str, action: &str) -> Value {
    let found = app.audit(token, json!({ "actions": [action] })).await;
    assert_eq!(found.len(), 1, "{action}: {found:#?}");
    found[0].clone()
}

fn nobody_is_named(entry: &Value, name: &str) {
    assert_eq!(entry.at("/actor"), &json!({ "kind": "API_TOKEN", "name": name, "token": null }), "{entry:#}");
    assert!(entry.at("/requestId").is_null(), "{entry:#}");
}

#[tokio::test]
async fn r51_each_reader_knows_an_account_by_its_own_id() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let own = own_id(&app, &acme).await;
    for (action, input) in [
        ("updateAccount", json!({ "accountId": acme.id, "timeZone": "Europe/Vienna" })),
        ("suspendAccount", json!({ "accountId": acme.id })),
        ("reactivateAccount", json!({ "accountId": acme.id })),
    ] {
        app.mutate(&app.publisher, action, input, "__typename").await;
    }
    for action in ["createManagedAccount", "updateAccount", "suspendAccount", "reactivateAccount"] {
        let (by_publisher, by_account) =
            (only(&app, &app.publisher, action).await, only(&app, &acme.token, action).await);
        assert_eq!(texts(&by_publisher, WHAT), ["ManagedAccount", acme.id.as_str(), "Acme"], "{action}");
        assert_eq!(texts(&by_account, WHAT), ["OwnAccount", own.as_str(), "Acme"], "{action}");
        assert_eq!(
            texts(&by_publisher, ["/subject/id", "/actor/name"]),
            [acme.id.as_str(), "northwind-admin"],
            "{action}"
        );
        assert_eq!(by_account.text("/subject/id"), own, "{action}");
        nobody_is_named(&by_account, "Northwind");
        assert_eq!(changes(&by_publisher), changes(&by_account), "{action}");
        assert_eq!(by_publisher.at("/id"), by_account.at("/id"), "one entry");
    }
}

#[tokio::test]
async fn r51_an_account_does_not_see_which_group_it_is_in() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold customers", &[&acme, &globex]).await;
    let input = json!({ "groupId": gold, "accountIds": [acme.id] });
    app.ok(&app.publisher, "removeAccountsFromGroup", input, "frozenCount").await;
    let own = own_id(&app, &acme).await;
    for action in ["addAccountsToGroup", "removeAccountsFromGroup"] {
        let by_account = only(&app, &acme.token, action).await;
        assert_eq!(texts(&by_account, WHAT), ["OwnAccount", own.as_str(), "Acme"], "{action}");
        let text = by_account.to_string();
        assert!(!text.contains("Gold") && !text.contains("Globex") && !text.contains(&gold), "{text}");
    }
    let by_publisher = app.audit(&app.publisher, json!({ "subjectId": gold })).await;
    assert_eq!(by_publisher.len(), 4, "made, one entry for each account that came, one for the one that left");
    assert!(by_publisher.iter().all(|entry| texts(entry, WHAT) == ["AccountGroup", gold.as_str(), "Gold customers"]));
}

#[tokio::test]
async fn r51_a_publisher_sees_no_entry_about_an_accounts_tokens() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let made = app
        .ok(&acme.token, "createApiToken", json!({ "name": "nightly", "role": "SUPPORT" }), "apiToken { id }")
        .await
        .text("/apiToken/id");
    app.ok(&acme.token, "revokeApiToken", json!({ "tokenId": made }), "apiToken { id }").await;
    let second = create_token_for(
        &app.app.services,
        uuid_of(&acme.id).into(),
        "by hand",
        packwright::domain::accounts::Role::Support,
        None,
    );
    second.await.expect("a token");
    for entry in app.audit(&acme.token, json!({ "subjectId": made })).await {
        assert_eq!(texts(&entry, WHAT), ["ApiToken", made.as_str(), "nightly"]);
        assert_eq!(texts(&entry, ["/actor/name", "/subject/id"]), ["first", made.as_str()]);
        assert!(!changes(&entry).is_empty() && entry.at("/actor/token").is_object(), "{entry:#}");
    }
    let by_publisher = app.audit(&app.publisher, json!({ "subjectId": acme.id })).await;
    let actions: Vec<_> = by_publisher.iter().map(|entry| entry.text("/action")).collect();
    let expected =
        ["createApiToken", "revokeApiToken", "createApiToken", "enrolManagedAccount", "createManagedAccount"];
    assert_eq!(actions, expected);
    for entry in &by_publisher[..3] {
        assert_eq!(texts(entry, WHAT), ["ManagedAccount", acme.id.as_str(), "Acme"]);
        assert_eq!(changes(entry), []);
    }
    nobody_is_named(&by_publisher[1], "Acme");
    let text = json!(by_publisher).to_string();
    for hidden in ["nightly", "by hand", "first", &made] {
        assert!(!text.contains(hidden), "{hidden} is told: {text}");
    }
    assert_eq!(app.error_code(Some(&app.publisher), BY, json!({ "filter": { "subjectId": made } })).await, "NOT_FOUND");
    assert_eq!(app.error_code(Some(&app.publisher), BY, json!({ "filter": { "tokenId": made } })).await, "NOT_FOUND");
}

const BY: &str = "query($filter: AuditLogFilter) { auditLog(filter: $filter) { edges { node { id } } } }";

#[tokio::test]
async fn r51_an_enrolment_is_in_both_logs() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let by_publisher = only(&app, &app.publisher, "enrolManagedAccount").await;
    assert_eq!(texts(&by_publisher, WHAT), ["ManagedAccount", acme.id.as_str(), "Acme"]);
    nobody_is_named(&by_publisher, "Acme");
    let by_account = only(&app, &acme.token, "enrolManagedAccount").await;
    assert_eq!(texts(&by_account, WHAT), ["OwnAccount", own_id(&app, &acme).await.as_str(), "Acme"]);
    assert_eq!(by_account.at("/actor"), &json!({ "kind": "API_TOKEN", "name": "enrolment token", "token": null }));
}

#[tokio::test]
async fn r51_entries_of_an_account_have_its_name() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    let made = app.install(&acme, "Orders").await;
    let rename = json!({ "installationId": made, "overrideName": "Mine" });
    app.ok(&acme.token, "renameInstallation", rename, "installation { id }").await;
    app.update_on(&pack, "2026-12-01").await;
    app.apply(&acme, &made).await;
    app.uninstall(&acme, &made).await;
    let renamed = json!({ "accountId": acme.id, "name": "Acme Inc" });
    app.mutate(&app.publisher, "updateAccount", renamed, "__typename").await;
    for action in ["installPack", "renameInstallation", "applyPendingUpdate", "uninstallPack"] {
        let (by_publisher, by_account) =
            (only(&app, &app.publisher, action).await, only(&app, &acme.token, action).await);
        nobody_is_named(&by_publisher, "Acme");
        assert_eq!(by_account.text("/actor/name"), "first");
        assert!(by_account.at("/actor/token").is_object(), "{by_account:#}");
        assert_eq!(texts(&by_publisher, WHAT), texts(&by_account, WHAT));
        assert_eq!(texts(&by_publisher, ["/subjectType", "/subjectId"]), ["Installation", made.as_str()]);
        assert!(
            by_publisher.at("/subject").is_null() && by_account.at("/subject").is_null(),
            "it was uninstalled since"
        );
    }
}

#[tokio::test]
async fn r51_a_copy_from_the_library_is_the_accounts_own() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    app.template("Order import", &[&app.all_accounts().await]).await;
    let copy = app.copy(&acme, "Order import").await;
    let (by_publisher, by_account) = (
        only(&app, &app.publisher, "copyFromProcessLibrary").await,
        only(&app, &acme.token, "copyFromProcessLibrary").await,
    );
    assert_eq!(texts(&by_publisher, WHAT), ["ManagedAccount", acme.id.as_str(), "Acme"]);
    assert_eq!(texts(&by_account, WHAT), ["Component", copy.as_str(), "Order import"]);
    assert_eq!(
        changes(&by_publisher),
        changes(&by_account),
        "which process and version it was is the publisher's to know"
    );
    assert!(!by_publisher.to_string().contains(&copy), "{by_publisher:#}");
}

#[tokio::test]
async fn r51_each_account_sees_its_own_entries_alone() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let southwind = app.another_publisher("Southwind").await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.update_now(&installed.pack).await;
    app.tick().await;
    let (of_acme, of_globex) = (app.audit(&acme.token, json!({})).await, app.audit(&globex.token, json!({})).await);
    let ids = |entries: &[Value]| entries.iter().map(|e| e.text("/id")).collect::<std::collections::BTreeSet<_>>();
    assert!(of_acme.len() > 3 && of_globex.len() > 3, "{of_acme:#?}");
    assert!(ids(&of_acme).is_disjoint(&ids(&of_globex)));
    let all = ids(&app.audit(&app.publisher, json!({})).await);
    assert!(ids(&of_acme).is_subset(&all) && ids(&of_globex).is_subset(&all), "the publisher's log has them all");
    let of_southwind = ids(&app.audit(&southwind.token, json!({})).await);
    assert!(!of_southwind.is_empty() && of_southwind.is_disjoint(&all));
    for entry in &of_acme {
        let action = entry.text("/action");
        assert!(!["releaseIntegrationPack", "scheduler.startRelease", "sharePack"].contains(&action.as_str()));
    }
}

#[tokio::test]
async fn r51_an_account_sees_no_entry_of_hidden_updates() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.unshare(&installed.pack.id, &[&app.all_accounts().await]).await;
    app.tick().await;
    let (by_publisher, by_account) = (app.audit_mark(&app.publisher).await, app.audit_mark(&acme.token).await);
    app.update_now(&installed.pack).await;
    app.tick().await;
    let skipped = by_publisher.one(&app, &app.publisher, "scheduler.applyUpdate").await;
    assert!(changes(&skipped).iter().any(|(_, _, after)| after.as_deref() == Some("NOT_ENTITLED")), "{skipped:#}");
    assert_eq!(texts(&skipped, ["/subjectId"]), [installed.installations[0].as_str()]);
    assert_eq!(by_account.since(&app, &acme.token).await, Vec::<Value>::new());
}

#[tokio::test]
async fn r51_entries_are_nodes_of_their_readers() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let support = app.token(&acme.token, "SUPPORT").await;
    let id = only(&app, &acme.token, "createManagedAccount").await.text("/id");
    assert!(id.starts_with("aud_"), "{id}");
    let node = "query($id: ID!) { node(id: $id) { id ... on AuditEntry { action subjectId } } }";
    for (token, sees) in [(&app.publisher, true), (&acme.token, true), (&globex.token, false), (&support, false)] {
        let (data, statements) = app.statements_of(app.gql(token, node, json!({ "id": id }))).await;
        assert_eq!(data.at("/node").is_object(), sees, "{data:#}");
        let unknown = json!({ "id": crate::support::rows::unknown_like(&id) });
        let (_, of_unknown) = app.statements_of(app.gql(token, node, unknown)).await;
        assert_eq!(statements.len(), of_unknown.len(), "R3");
    }
}

#[tokio::test]
async fn r51_the_subject_of_an_entry_is_read_in_one_go() {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech", "Umbrella"]).await;
    let query = "{ auditLog(first: 100) { edges { node { subject { __typename id } actor { token { id } } } } } }";
    let mut counts = Vec::new();
    for round in 0..2 {
        app.gql(&app.publisher, query, json!(null)).await;
        let (data, statements) = app.statements_of(app.gql(&app.publisher, query, json!(null))).await;
        counts.push((data.nodes("/auditLog").len(), statements.len()));
        for account in &accounts {
            let input = json!({ "accountId": account.id, "name": format!("{} {round}", account.name) });
            app.mutate(&app.publisher, "updateAccount", input, "__typename").await;
        }
    }
    assert!(counts[0].0 < counts[1].0, "{counts:?}");
    assert_eq!(counts[0].1, counts[1].1, "{counts:?}");
}

#[tokio::test]
async fn r51_both_ids_are_in_the_row() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let mark = LogMark::now(&app).await;
    app.suspend(&acme).await;
    let entry = &mark.entries(&app).await[0];
    let viewer = app.gql(&app.publisher, "{ viewer { account { id } } }", json!(null)).await;
    assert_eq!(entry.publisher_id, uuid_of(&viewer.text("/viewer/account/id")));
    assert_eq!(entry.account_id, Some(uuid_of(&acme.id)));
}
