//! The audit log: each change is one row, with who did it and whom it concerns (R51). No query shows it
//! yet, so the rows are read where they are.

use entity::audit_entry::Model;
use packwright::domain::account::AccountStatus;
use serde_json::{Value, json};

use crate::support::{At, TestApp, uuid_of};
use crate::support_more::{Mark, uuids_of};

/// The one entry since a mark that bears an action.
async fn one(app: &TestApp, mark: &Mark, action: &str) -> Model {
    let found: Vec<_> = mark.entries(app).await.into_iter().filter(|entry| entry.action == action).collect();
    assert_eq!(found.len(), 1, "entries of {action}: {:?}", mark.actions(app).await);
    found.into_iter().next().expect("one")
}

async fn publisher_id(app: &TestApp) -> uuid::Uuid {
    let viewer = app.gql(&app.publisher, "{ viewer { account { id } } }", json!(null)).await;
    uuid_of(&viewer.text("/viewer/account/id"))
}

#[tokio::test]
async fn r51_each_mutation_of_a_publisher_is_one_row_with_its_name() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let publisher = publisher_id(&app).await;
    let component = app.component("Import").await;
    let pack = app.pack("Orders").await;
    let gold = app.group("Gold", &[]).await;
    let first = app.package(&component).await;
    let now = json!({ "immediately": true });
    let steps: Vec<(&str, Value)> = vec![
        ("createComponent", json!({ "name": "Export", "type": "PROCESS" })),
        ("createPackagedComponents", json!({ "packages": [{ "componentId": component, "shareable": true }] })),
        ("deletePackagedComponent", json!({ "packagedComponentId": first.id })),
        ("restorePackagedComponent", json!({ "packagedComponentId": first.id })),
        ("publishComponent", json!({ "componentId": component, "notes": "For those who stay behind" })),
        ("publishToProcessLibrary", json!({ "packagedComponentId": first.id, "groupIds": [gold] })),
        ("createIntegrationPack", json!({ "name": "Invoices", "installationType": "MULTI" })),
        ("updateIntegrationPack", json!({ "packId": pack, "description": "All about orders" })),
        ("addPackComponents", json!({ "packId": pack, "componentIds": [component] })),
        ("pinPackComponent", json!({ "packId": pack, "componentId": component, "versionId": first.id })),
        ("unpinPackComponent", json!({ "packId": pack, "componentId": component })),
        ("releaseIntegrationPack", json!({ "packId": pack, "schedule": now, "notes": "First" })),
        ("removePackComponent", json!({ "packId": pack, "componentId": component })),
        ("restorePackComponent", json!({ "packId": pack, "componentId": component })),
        ("createAccountGroup", json!({ "name": "Silver" })),
        ("updateAccountGroup", json!({ "groupId": gold, "name": "Golden" })),
        ("addAccountsToGroup", json!({ "groupId": gold, "accountIds": [acme.id] })),
        ("sharePack", json!({ "packId": pack, "groupIds": [gold] })),
        ("unsharePack", json!({ "packId": pack, "groupIds": [gold] })),
        ("removeAccountsFromGroup", json!({ "groupId": gold, "accountIds": [acme.id] })),
        ("deleteAccountGroup", json!({ "groupId": gold })),
        ("createManagedAccount", json!({ "name": "Globex" })),
        ("updateAccount", json!({ "accountId": acme.id, "name": "Acme Inc" })),
        ("createApiToken", json!({ "name": "second", "role": "SUPPORT" })),
        ("suspendAccount", json!({ "accountId": acme.id })),
        ("reactivateAccount", json!({ "accountId": acme.id })),
        ("deleteIntegrationPack", json!({ "packId": pack, "confirmInstallations": 0 })),
    ];
    for (mutation, input) in steps {
        app.tick().await;
        let mark = Mark::now(&app).await;
        let payload = app.mutate(&app.publisher, mutation, input, "__typename").await;
        assert_eq!(payload.at("/errors"), &json!([]), "{mutation}: {payload:#}");
        let entry = one(&app, &mark, mutation).await;
        assert_eq!(entry.publisher_id, publisher, "{mutation}");
        assert_eq!(
            (entry.actor_kind.as_str(), entry.actor_name.as_str()),
            ("API_TOKEN", "northwind-admin"),
            "{mutation}"
        );
        assert!(entry.actor_token_id.is_some() && entry.actor_account_id == Some(publisher), "{mutation}");
        assert_eq!(entry.occurred_at, app.now(), "{mutation}");
        let others: Vec<_> =
            mark.actions(&app).await.into_iter().filter(|a| a != mutation && !a.starts_with("scheduler.")).collect();
        assert_eq!(others, Vec::<String>::new(), "{mutation} is one change");
        if ["updateAccount", "suspendAccount", "reactivateAccount"].contains(&mutation) {
            assert_eq!(entry.account_id, Some(uuid_of(&acme.id)), "it concerns Acme");
        }
    }
}

#[tokio::test]
async fn r51_what_a_managed_account_does_bears_both_accounts() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let publisher = publisher_id(&app).await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    let id = app.available(&acme, "Orders").await;
    let both = |entry: &Model| {
        assert_eq!((entry.publisher_id, entry.account_id), (publisher, Some(uuid_of(&acme.id))), "{entry:?}");
        assert_eq!((entry.actor_kind.as_str(), entry.actor_name.as_str()), ("API_TOKEN", "first"));
    };
    let mark = Mark::now(&app).await;
    let made = app
        .ok(&acme.token, "installPack", json!({ "packId": id }), "installation { id }")
        .await
        .text("/installation/id");
    both(&one(&app, &mark, "installPack").await);
    app.ok(
        &acme.token,
        "renameInstallation",
        json!({ "installationId": made, "overrideName": "Mine" }),
        "installation { id }",
    )
    .await;
    both(&one(&app, &mark, "renameInstallation").await);
    app.update_on(&pack, "2026-12-01").await;
    app.apply(&acme, &made).await;
    both(&one(&app, &mark, "applyPendingUpdate").await);
    app.uninstall(&acme, &made).await;
    let entry = one(&app, &mark, "uninstallPack").await;
    both(&entry);
    assert!(entry.subject_id.contains(&uuids_of(&made)[0].to_string()) && entry.subject_type == "Installation");
}

#[tokio::test]
async fn r51_the_schedulers_steps_name_the_release_and_the_installations() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    let mark = Mark::now(&app).await;
    app.advance_to("2026-11-30T23:00:00Z").await;
    let entries = mark.entries(&app).await;
    assert!(
        entries
            .iter()
            .all(|e| e.actor_kind == "SCHEDULER" && e.actor_name == "scheduler" && e.actor_token_id.is_none()),
        "{entries:#?}"
    );
    for action in ["scheduler.startRelease", "scheduler.completeRelease"] {
        let entry = one(&app, &mark, action).await;
        assert_eq!(entry.subject_type, "Release");
        assert!(entry.subject_id.contains(&uuids_of(&release)[0].to_string()), "{entry:?}");
    }
    let applied: Vec<_> = entries.iter().filter(|e| e.action == "scheduler.applyUpdate").collect();
    assert_eq!((applied.len(), entries.len()), (2, 4), "one row a change: {:?}", mark.actions(&app).await);
    for (account, installation) in [(&acme, &installed.installations[0]), (&globex, &installed.installations[1])] {
        let about = |e: &&&Model| e.subject_id.contains(&uuids_of(installation)[0].to_string());
        let entry = applied.iter().find(about).expect("an entry that names the installation");
        assert_eq!(entry.account_id, Some(uuid_of(&account.id)));
    }
}

#[tokio::test]
async fn r51_changes_tell_before_and_after() {
    let app = TestApp::new().await;
    let pack = app.pack("Orders").await;
    let mark = Mark::now(&app).await;
    app.ok(
        &app.publisher,
        "updateIntegrationPack",
        json!({ "packId": pack, "name": "Purchases" }),
        "integrationPack { id }",
    )
    .await;
    let entry = one(&app, &mark, "updateIntegrationPack").await;
    let changes: Value = serde_json::from_str(&entry.changes).expect("JSON");
    let name = changes.list("").iter().find(|change| change.text("/field") == "name").expect("the name");
    assert_eq!((name.text("/before"), name.text("/after")), ("Orders".into(), "Purchases".into()));
    assert!(
        changes.list("").iter().all(|change| change.at("/before") != change.at("/after")),
        "what changed alone: {changes:#}"
    );
}

#[tokio::test]
async fn r51_the_command_line_is_named() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let mark = Mark::now(&app).await;
    for status in [AccountStatus::Suspended, AccountStatus::Active] {
        app.app.services.set_account_status(uuid_of(&acme.id).into(), status).await.expect("changed");
    }
    let entries = mark.entries(&app).await;
    assert_eq!(entries.len(), 2, "{entries:#?}");
    for entry in entries {
        assert_eq!((entry.actor_kind.as_str(), entry.actor_name.as_str()), ("COMMAND_LINE", "command line"));
        assert_eq!(entry.account_id, Some(uuid_of(&acme.id)));
    }
}

#[tokio::test]
async fn r51_no_secret_is_ever_in_the_log() {
    let app = TestApp::new().await;
    let (id, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    let again = app
        .ok(&app.publisher, "reissueEnrolmentToken", json!({ "accountId": id }), "account { id } enrolmentToken")
        .await;
    let secret = app.enrol(&again.text("/enrolmentToken")).await;
    let other = app.token(&secret, "SUPPORT").await;
    let rows = crate::support_more::all_rows(&app).await.join("\n");
    for hidden in [enrolment, again.text("/enrolmentToken"), secret, other, app.publisher.clone()] {
        assert!(!rows.contains(&hidden), "a secret is in the database");
    }
}

#[tokio::test]
async fn r51_nothing_of_the_api_changes_the_log() {
    let app = TestApp::new().await;
    app.pack("Orders").await;
    let schema = crate::introspection::Schema::of(&app).await;
    for field in schema.mutations() {
        let name = field.text("/name").to_lowercase();
        assert!(!name.contains("audit") && !name.contains("event"), "{name}");
    }
}
